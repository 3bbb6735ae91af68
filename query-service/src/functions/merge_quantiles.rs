//! Makes one `quantiles` of the percentiles of the same values: they are kept and sorted once, whatever is asked of them.

use std::any::Any;
use std::sync::{Arc, LazyLock};

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::functions_nested::extract::array_element;
use datafusion::logical_expr::expr::{AggregateFunction, Alias};
use datafusion::logical_expr::{Aggregate, AggregateUDF, Expr, LogicalPlan, Projection, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::quantiles::{Kind, Quantiles, in_range, many};

static QUANTILES: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| Arc::new(AggregateUDF::from(many())));

/// The rule.
#[derive(Debug)]
pub(crate) struct MergeQuantiles;

impl OptimizerRule for MergeQuantiles {
    fn name(&self) -> &str {
        "merge_quantiles"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Aggregate(aggregate) => merged(aggregate),
            plan => Ok(Transformed::no(plan)),
        }
    }
}

/// One percentile of some values.
struct Single<'a> {
    call: &'a AggregateFunction,
    q: f64,
}

impl<'a> Single<'a> {
    /// `None` where the expression is something else, or not written out.
    fn of(expr: &'a Expr) -> Option<Self> {
        let Expr::AggregateFunction(call) = unaliased(expr) else {
            return None;
        };
        let function: &dyn Any = call.func.inner().as_ref();
        let kind = function.downcast_ref::<Quantiles>()?.kind();
        let descending = call.params.order_by.first().is_some_and(|order| !order.asc);
        let q = match kind {
            Kind::Many => return None,
            Kind::Median => 0.5,
            Kind::One => {
                let Expr::Literal(value, _) = call.params.args.get(1)? else {
                    return None;
                };
                let q = in_range(call.func.name(), Some(value)).ok()?;
                if descending { 1.0 - q } else { q }
            }
        };
        Some(Self { call, q })
    }

    fn is_of_the_same_values(&self, other: &Self) -> bool {
        let (one, two) = (&self.call.params, &other.call.params);
        (one.args[0] == two.args[0]) && one.filter == two.filter && one.distinct == two.distinct
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(Alias { expr, .. }) => unaliased(expr),
        expr => expr,
    }
}

/// Where a column of the old aggregate is in the new one.
enum Place {
    /// At an index of the new aggregates.
    Whole(usize),
    /// An element of the list at that index, counted from 1.
    Element(usize, i64),
}

fn merged(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let singles: Vec<Option<Single<'_>>> = aggregate.aggr_expr.iter().map(Single::of).collect();
    if singles.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let mut calls: Vec<(&Single<'_>, Vec<f64>)> = Vec::new();
    for single in singles.iter().flatten() {
        match calls.iter_mut().find(|(first, _)| first.is_of_the_same_values(single)) {
            Some((_, qs)) if qs.contains(&single.q) => {}
            Some((_, qs)) => qs.push(single.q),
            None => calls.push((single, vec![single.q])),
        }
    }
    let mut expressions: Vec<Expr> = calls.iter().map(|(single, qs)| call(single, qs)).collect();
    let mut places = Vec::new();
    for (expr, single) in aggregate.aggr_expr.iter().zip(&singles) {
        let found = single.as_ref().and_then(|single| {
            let index = calls.iter().position(|(first, _)| first.is_of_the_same_values(single))?;
            let element = calls[index].1.iter().position(|q| *q == single.q)?;
            Some(Place::Element(index, element as i64 + 1))
        });
        places.push(found.unwrap_or_else(|| {
            // Someone may have asked for `quantiles` of just these.
            let same = expressions.iter().position(|made| made == expr);
            Place::Whole(same.unwrap_or_else(|| {
                expressions.push(expr.clone());
                expressions.len() - 1
            }))
        }));
    }
    let input = Arc::clone(&aggregate.input);
    let new = Aggregate::try_new(input, aggregate.group_expr.clone(), expressions)?;
    let columns = as_before(&aggregate, &new, &places);
    let projection = Projection::try_new(columns, Arc::new(LogicalPlan::Aggregate(new)))?;
    Ok(Transformed::yes(LogicalPlan::Projection(projection)))
}

/// All quantiles of the same values.
fn call(single: &Single<'_>, qs: &[f64]) -> Expr {
    let params = &single.call.params;
    let mut args = vec![params.args[0].clone()];
    args.extend(qs.iter().map(|&q| lit(ScalarValue::Float64(Some(q)))));
    let (distinct, filter) = (params.distinct, params.filter.clone());
    let function = Arc::clone(&QUANTILES);
    Expr::AggregateFunction(AggregateFunction::new_udf(function, args, distinct, filter, Vec::new(), None))
}

/// The columns of the old aggregate, under their names.
fn as_before(old: &Aggregate, new: &Aggregate, places: &[Place]) -> Vec<Expr> {
    let column = |at: usize| Expr::Column(Column::from(new.schema.qualified_field(at)));
    let groups = old.schema.fields().len() - old.aggr_expr.len();
    let aggregates = places.iter().enumerate().map(|(at, place)| {
        let (qualifier, field) = old.schema.qualified_field(groups + at);
        match *place {
            Place::Whole(index) => column(groups + index),
            Place::Element(index, element) => {
                array_element(column(groups + index), lit(element)).alias_qualified(qualifier.cloned(), field.name())
            }
        }
    });
    (0..groups).map(column).chain(aggregates).collect()
}
