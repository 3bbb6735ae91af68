//! The memory of windows. A window whose frame needs all rows keeps its whole input, and the engine does not count it: what goes in is
//! counted here, so that a statement that keeps too much is refused as one that sorts too much is.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;

/// Besides the batches, a window makes one of them all, with a column of results, after its input has ended and what that counted is
/// given back. So each batch counts for both from the start, which bounds one window, if not many that end at the same moment.
const COPIES: usize = 2;

/// Counts the rows that windows keep.
#[derive(Debug)]
pub(super) struct CountedWindows;

impl PhysicalOptimizerRule for CountedWindows {
    fn name(&self) -> &str {
        "counted_windows"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let counted = |plan: Arc<dyn ExecutionPlan>| match plan.downcast_ref::<WindowAggExec>() {
            Some(window) => {
                let input = Arc::new(KeptExec { input: Arc::clone(window.input()) });
                Ok(Transformed::yes(plan.replace_children(vec![input], recomputed())?))
            }
            None => Ok(Transformed::no(plan)),
        };
        Ok(plan.transform_up(counted)?.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn recomputed() -> ReplaceChildrenOptions {
    ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute)
}

/// Passes its input on, and counts it as kept for as long as its reader holds the stream.
#[derive(Debug)]
struct KeptExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for KeptExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptExec")
    }
}

impl ExecutionPlan for KeptExec {
    fn name(&self) -> &str {
        "KeptExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { input: children.swap_remove(0) }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, recomputed())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let kept = MemoryConsumer::new(format!("rows of a window[{partition}]")).register(context.memory_pool());
        let input = self.input.execute(partition, context)?;
        let counted = input.map(move |batch| {
            let batch = batch?;
            kept.try_grow(batch.get_array_memory_size() * COPIES)?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.input.schema(), counted)))
    }
}
