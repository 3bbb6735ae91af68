//! What is asked, and what is known of the answer before it is run.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use cloudping_model::UtcMicros;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{DescribeTable, Expr, LogicalPlan};
use datafusion::prelude::SessionContext;

use super::parse::{parse, reading};
use super::{SqlError, Tongue, plain, width};
use crate::SqlLimits;
use crate::text::utc;

/// One statement and the values of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text; `$1`, `$2` … stand for parameters.
    pub text: String,
    /// The value of each parameter, that of `$1` first.
    pub params: Vec<ScalarValue>,
    /// Rows of the answer, where fewer shall be the most than [`SqlLimits::stream_rows`] allows.
    pub rows: Option<usize>,
}

impl From<&str> for Statement {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), params: Vec::new(), rows: None }
    }
}

impl Statement {
    /// The same text with these values for `$1`, `$2` …
    #[must_use]
    pub fn with_params(self, params: Vec<ScalarValue>) -> Self {
        Self { params, ..self }
    }
}

/// What a statement takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The columns of its answer.
    pub schema: SchemaRef,
    /// The type of each parameter, that of `$1` first; `None` where any would do.
    pub parameters: Vec<Option<DataType>>,
}

/// The statement's plan with its parameters filled in.
pub(super) async fn planned(
    session: &SessionContext,
    tongue: Option<&dyn Tongue>,
    statement: Statement,
    limits: &SqlLimits,
    now: UtcMicros,
) -> Result<DataFrame, SqlError> {
    let (state, plan) = unbound(session, tongue, &statement.text, limits, now).await?;
    let (wanted, given) = (parameters(&plan)?.len(), statement.params.len());
    if wanted != given {
        return Err(SqlError::Invalid(format!("the statement has {wanted} parameters, and {given} values were given")));
    }
    let plan = if given == 0 { plan } else { plan.with_param_values(statement.params)? };
    width::check(&plan)?;
    Ok(DataFrame::new(state, plan))
}

/// What the statement takes and gives.
pub(super) async fn described(
    session: &SessionContext,
    tongue: Option<&dyn Tongue>,
    text: &str,
    limits: &SqlLimits,
    now: UtcMicros,
) -> Result<Description, SqlError> {
    let (_, plan) = unbound(session, tongue, text, limits, now).await?;
    let parameters = parameters(&plan)?;
    Ok(Description { schema: plain::schema(plan.schema().as_arrow()), parameters })
}

async fn unbound(
    session: &SessionContext,
    tongue: Option<&dyn Tongue>,
    text: &str,
    limits: &SqlLimits,
    now: UtcMicros,
) -> Result<(datafusion::execution::SessionState, LogicalPlan), SqlError> {
    let parsed = parse(text, limits)?;
    let parsed = match tongue {
        Some(tongue) => reading(tongue.read(session, text, parsed)?)?,
        None => parsed,
    };
    let mut state = session.state();
    // `now()` is the service's present, as everywhere else.
    state.execution_props_mut().query_execution_start_time = Some(utc(now));
    let plan = with_shown_types(state.statement_to_plan(parsed).await?);
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(&plan)?;
    Ok((state, plan))
}

/// The types of `$1`, `$2` … in this order.
fn parameters(plan: &LogicalPlan) -> Result<Vec<Option<DataType>>, SqlError> {
    let mut found = Vec::new();
    let cast = cast_to(plan)?;
    for (name, data_type) in plan.get_parameter_types()? {
        let data_type = data_type.or_else(|| cast.get(&name).cloned());
        let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        let number = number.filter(|number| *number > 0);
        let expected = || SqlError::Invalid(format!("parameter {name}: expected $1, $2 and so on"));
        found.push((number.ok_or_else(expected)?, data_type));
    }
    found.sort_by_key(|(number, _)| *number);
    for (at, (number, _)) in found.iter().enumerate() {
        if *number != at + 1 {
            return Err(SqlError::Invalid(format!("parameter ${} is missing, but there is ${number}", at + 1)));
        }
    }
    Ok(found.into_iter().map(|(_, data_type)| data_type).collect())
}

/// What the parameters are cast to that say nothing else of themselves, as in `$1::date`.
fn cast_to(plan: &LogicalPlan) -> Result<HashMap<String, DataType>, SqlError> {
    let mut found = HashMap::new();
    plan.apply_with_subqueries(|node| {
        for expression in node.expressions() {
            expression.apply(|part| {
                if let Expr::Cast(cast) = part
                    && let Expr::Placeholder(placeholder) = cast.expr.as_ref()
                {
                    found.insert(placeholder.id.clone(), cast.field.data_type().clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// A description of a table with the types that the answers show.
fn with_shown_types(plan: LogicalPlan) -> LogicalPlan {
    let LogicalPlan::DescribeTable(DescribeTable { schema, output_schema }) = plan else {
        return plan;
    };
    let schema: Arc<Schema> = plain::schema(&schema);
    LogicalPlan::DescribeTable(DescribeTable { schema, output_schema })
}
