//! A Lambda function: one line of metrics an invocation.

use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use crate::emf::{Emitter, Line, Metric, Unit};

/// How long the invocation took.
pub const DURATION: Metric = Metric::new("Duration", Unit::Milliseconds);
/// 1 when the invocation did not do what it was asked, else 0. Lambda's own `Errors` does not know of a batch that is asked
/// for again.
pub const FAILED: Metric = Metric::alarming("Failed", Unit::Count);
/// 1 in the first invocation of an environment, else 0.
pub const COLD_START: Metric = Metric::new("ColdStart", Unit::Count);
/// From the beginning of `main` until the function could take an invocation; of cold starts only.
pub const INIT_DURATION: Metric = Metric::new("InitDuration", Unit::Milliseconds);
/// What every function tells.
pub const METRICS: [Metric; 4] = [DURATION, FAILED, COLD_START, INIT_DURATION];

/// Which invocation it is, by Lambda's own ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The request's id.
    pub id: &'a str,
    /// X-Ray's header (`Root=...;Parent=...;Sampled=...`), where there is one.
    pub trace: Option<&'a str>,
}

/// The metrics of one execution environment.
#[derive(Debug)]
pub struct Function {
    emitter: Emitter,
    /// How long the environment's start took, until the first invocation has told it.
    init: Mutex<Option<Duration>>,
}

impl Function {
    /// An environment that was made in `init`: to be called when all is ready for the first invocation.
    #[must_use]
    pub fn new(emitter: Emitter, init: Duration) -> Self {
        Self { emitter, init: Mutex::new(Some(init)) }
    }

    /// Does the work of one invocation and writes its line. The work hands back what it has to tell beside its result, so that
    /// an invocation that fails is told as fully as one that does not.
    ///
    /// # Errors
    /// The work's own.
    pub async fn run<T, E>(
        &self,
        request: Request<'_>,
        work: impl Future<Output = (Line, Result<T, E>)>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let (line, result) = work.await;
        let line = self.complete(line, request, begun.elapsed(), result.is_err());
        self.emitter.emit(&line, unix_ms(SystemTime::now()));
        result
    }

    /// The work's line and what every invocation tells. A work that has said of itself whether it [`FAILED`] is believed.
    fn complete(&self, line: Line, request: Request<'_>, took: Duration, failed: bool) -> Line {
        let init = self.init.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let mut line = line.property("requestId", request.id).value(DURATION, millis(took));
        if !line.tells(FAILED) {
            line = line.count(FAILED, failed.into());
        }
        line = line.count(COLD_START, init.is_some().into());
        if let Some(init) = init {
            line = line.value(INIT_DURATION, millis(init));
        }
        match request.trace.and_then(root) {
            Some(root) => line.property("traceId", root),
            None => line,
        }
    }
}

/// The id by which X-Ray finds a trace, from its header.
fn root(header: &str) -> Option<&str> {
    header.split(';').find_map(|part| part.trim().strip_prefix("Root="))
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

/// A clock before 1970 counts as 1970.
fn unix_ms(now: SystemTime) -> i64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const REQUEST: Request<'_> =
        Request { id: "8476a536", trace: Some("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=1;Sampled=0") };

    fn function() -> Function {
        let emitter = Emitter::new("stream-processor", &[], |_| None).unwrap();
        Function::new(emitter, Duration::from_micros(81_500))
    }

    fn told(function: &Function, line: Line, failed: bool) -> Value {
        let line = function.complete(line, REQUEST, Duration::from_millis(12), failed);
        serde_json::from_str(&function.emitter.line(&line, 0).unwrap()).unwrap()
    }

    #[test]
    fn only_the_first_invocation_is_cold() {
        let function = function();
        let first = told(&function, Line::new(), false);
        assert_eq!(
            (&first["ColdStart"], &first["InitDuration"], &first["Duration"]),
            (&1.into(), &81.5.into(), &12.into())
        );
        assert_eq!((&first["requestId"], &first["Failed"]), (&"8476a536".into(), &0.into()));
        assert_eq!(first["traceId"], "1-5759e988-bd862e3fe1be46a994272793");
        let second = told(&function, Line::new(), true);
        assert_eq!((&second["ColdStart"], second.get("InitDuration"), &second["Failed"]), (&0.into(), None, &1.into()));
    }

    #[test]
    fn a_batch_that_is_asked_for_again_has_failed_though_the_answer_is_none() {
        assert_eq!(told(&function(), Line::new().count(FAILED, 1), false)["Failed"], 1);
    }

    #[tokio::test]
    async fn the_works_result_is_handed_on() {
        let function = function();
        let done: Result<u8, &str> = function.run(REQUEST, async { (Line::new(), Ok(7)) }).await;
        assert_eq!(done, Ok(7));
        let failed: Result<u8, &str> = function.run(REQUEST, async { (Line::new(), Err("away")) }).await;
        assert_eq!(failed, Err("away"));
    }

    #[test]
    fn a_trace_without_a_root_has_no_id() {
        assert_eq!(root("Parent=1;Sampled=1"), None);
        assert_eq!(root(" Root=1-5; Sampled=1"), Some("1-5"));
    }
}
