//! What a program in the cloud says about itself: logs as lines of JSON, and metrics in CloudWatch's embedded format.
//!
//! Both go to standard output, which Lambda and every container runtime carry to their logs. So nothing is called, nothing can
//! be throttled and no agent is needed: a metric is a log line that CloudWatch reads. docs/metrics.md has the names.

mod emf;
mod function;
mod logging;

pub use emf::{EmfError, Emitter, Line, Metric, Unit};
pub use function::{COLD_START, DURATION, FAILED, Function, INIT_DURATION, METRICS as FUNCTION_METRICS, Request};
pub use logging::{logging, logging_beside};
