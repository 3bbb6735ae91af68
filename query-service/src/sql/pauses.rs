//! Pauses in joins. The engine makes its leaves pause now and then, so that a statement can be stopped there; but a join makes so much
//! out of one batch of its leaves that it hardly ever comes to them, and would hold its thread long after everyone has left.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// Lets every step pause that makes many rows out of one.
#[derive(Debug)]
pub(super) struct PausingJoins;

impl PhysicalOptimizerRule for PausingJoins {
    fn name(&self) -> &str {
        "pausing_joins"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let pausing = |plan: Arc<dyn ExecutionPlan>| -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
            match plan.children().len() > 1 || plan.name() == "UnnestExec" {
                true => Ok(Transformed::yes(Arc::new(CooperativeExec::new(plan)))),
                false => Ok(Transformed::no(plan)),
            }
        };
        Ok(plan.transform_up(pausing)?.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}
