//! `digests(start, end)`: any range as digests that can be merged, from the rollups and, at its edges, from the samples.
//!
//! A percentile over a range that is asked of `samples` is exact and reads every row of it; asked of this table it reads a few rows a pair. It is
//! for the author of a statement to choose: nothing is rewritten behind their back.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use cloudping_model::UtcMicros;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{AggregateUDF, Expr, TableProviderFilterPushDown, TableType, col};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;

use super::digest::DigestOf;
use crate::history::digests;
use crate::text::parse_rfc3339;

const EXPECTED: &str =
    "two times by RFC 3339, the first one earlier, as in digests('2026-01-01T00:13:00Z', '2026-02-01T10:47:00Z')";

/// The function.
#[derive(Debug)]
pub(super) struct Digests;

impl TableFunctionImpl for Digests {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let time = |argument: &Expr| match argument {
            Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => parse_rfc3339(text),
            _ => None,
        };
        match args.exprs() {
            [start, end] => match (time(start), time(end)) {
                (Some(start), Some(end)) if start < end => Ok(Arc::new(Range { start, end })),
                _ => plan_err!("digests: expected {EXPECTED}"),
            },
            other => plan_err!("digests: {} arguments, expected {EXPECTED}", other.len()),
        }
    }
}

/// The table of one range.
#[derive(Debug)]
struct Range {
    start: UtcMicros,
    end: UtcMicros,
}

#[async_trait]
impl TableProvider for Range {
    fn schema(&self) -> SchemaRef {
        digests::schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // So that a statement about one pair reads the rows of that pair.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(state) = state.as_any().downcast_ref::<SessionState>() else {
            return Err(exec_datafusion_err!("digests: the session is of another kind"));
        };
        let session = SessionContext::new_with_state(state.clone());
        let digest_of = AggregateUDF::from(DigestOf::new());
        let rows = digests::digests(&session, (self.start, self.end), &digest_of).await;
        let mut rows = rows.map_err(|error| exec_datafusion_err!("{error}"))?;
        for filter in filters {
            rows = rows.filter(unqualified(filter)?)?;
        }
        if let Some(projection) = projection {
            let schema = digests::schema();
            rows = rows.select(projection.iter().map(|at| col(schema.field(*at).name())).collect::<Vec<_>>())?;
        }
        rows.create_physical_plan().await
    }
}

/// The condition on the table's own columns, by whatever name the statement calls the table.
fn unqualified(filter: &Expr) -> Result<Expr> {
    let changed = filter.clone().transform(|part| {
        Ok(match part {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::new_unqualified(column.name))),
            other => Transformed::no(other),
        })
    });
    changed.map(|changed| changed.data)
}
