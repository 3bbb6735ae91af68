//! How long the values of a statement can grow. The engine counts what sorts, joins and groups keep, but not what an expression makes
//! of the batch in hand: a text that is joined to itself twenty times is a million times as long, in one step that nothing stops.
//! So the greatest length of each value is estimated before the statement runs, from above.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::SqlError;

/// The most bytes of one row of any step. A batch has thousands of rows.
const ROW_BYTES: usize = 64 << 10;
/// What a value of a table, or one that is computed, is taken for.
const VALUE_BYTES: usize = 64;
/// What a list or text of many rows' values is taken for.
const GATHERED_BYTES: usize = 1 << 10;
/// Functions that put a part in the place of each of many others.
const REPLACING: [&str; 2] = ["replace", "regexp_replace"];

/// Refuses a statement whose rows may grow beyond bounds.
pub(super) fn check(plan: &LogicalPlan) -> Result<(), SqlError> {
    columns(plan).map(drop)
}

/// The greatest lengths of a step's columns.
fn columns(plan: &LogicalPlan) -> Result<Vec<usize>, SqlError> {
    let mut inputs = Vec::new();
    for input in plan.inputs() {
        inputs.push((input.schema(), columns(input)?));
    }
    let known = Known { inputs: &inputs };
    let made = plan.expressions().iter().map(|expression| known.length(expression)).collect::<Result<Vec<_>, _>>()?;
    let row = made.iter().fold(0, |sum: usize, length| sum.saturating_add(*length));
    if row > ROW_BYTES {
        return Err(SqlError::TooWide { limit: ROW_BYTES });
    }
    let width = plan.schema().fields().len();
    let given = || inputs.iter().flat_map(|(_, lengths)| lengths.iter().copied());
    Ok(match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) if made.len() == width => made,
        LogicalPlan::Union(_) => {
            let longest = |at: usize| inputs.iter().filter_map(|(_, lengths)| lengths.get(at)).copied().max();
            (0..width).map(|at| longest(at).unwrap_or(VALUE_BYTES)).collect()
        }
        _ if inputs.is_empty() => vec![made.into_iter().max().unwrap_or(0).max(VALUE_BYTES); width],
        LogicalPlan::Window(_) => given().chain(made).collect(),
        _ if given().count() == width => given().collect(),
        // Whatever a step does: its columns are among what it got or made.
        _ => vec![given().chain(made).max().unwrap_or(VALUE_BYTES); width],
    })
}

/// A step before: its columns and their greatest lengths.
type Input<'a> = (&'a DFSchemaRef, Vec<usize>);

/// What is known of the steps before.
struct Known<'a> {
    inputs: &'a [Input<'a>],
}

impl Known<'_> {
    fn length(&self, expression: &Expr) -> Result<usize, SqlError> {
        Ok(match expression {
            Expr::Alias(alias) => self.length(&alias.expr)?,
            Expr::Column(column) => {
                let of = |(schema, lengths): &Input<'_>| lengths.get(schema.maybe_index_of_column(column)?).copied();
                self.inputs.iter().find_map(of).unwrap_or(VALUE_BYTES)
            }
            Expr::Literal(value, _) => literal(value),
            Expr::ScalarSubquery(query) => columns(&query.subquery)?.into_iter().max().unwrap_or(VALUE_BYTES),
            Expr::Exists(exists) => columns(&exists.subquery.subquery).map(|_| VALUE_BYTES)?,
            Expr::InSubquery(within) => columns(&within.subquery.subquery).map(|_| VALUE_BYTES)?,
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
                self.parts(expression)?.1.saturating_add(GATHERED_BYTES)
            }
            Expr::ScalarFunction(call) if REPLACING.contains(&call.name()) => {
                let (longest, sum) = self.parts(expression)?;
                longest.saturating_mul(sum)
            }
            other => self.parts(other)?.1.max(VALUE_BYTES / 8),
        })
    }

    /// Of the parts of an expression the greatest length, and all together.
    fn parts(&self, expression: &Expr) -> Result<(usize, usize), SqlError> {
        let (mut longest, mut sum, mut failed) = (0_usize, 0_usize, None);
        expression.apply_children(|part| {
            match self.length(part) {
                Ok(length) => (longest, sum) = (longest.max(length), sum.saturating_add(length)),
                Err(error) => failed = Some(error),
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        failed.map_or(Ok((longest, sum)), Err)
    }
}

fn literal(value: &ScalarValue) -> usize {
    match value.try_as_str() {
        Some(text) => text.map_or(0, str::len),
        None => value.size().min(GATHERED_BYTES),
    }
}
