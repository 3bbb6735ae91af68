//! Logs as lines of JSON.

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

const DEFAULT: &str = "info";
/// The Delta kernel logs each of its steps, and as errors what its callers handle. Only `RUST_LOG` can ask for that.
const QUIET: &str = "buoyant_kernel=off";
/// Lambda's own setting.
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// From here on this process logs to standard output: one JSON object a line, with `timestamp`, `level`, `message` and the
/// event's fields at the top (where Lambda's own filter looks for them), under `span` what it belongs to, and under `spans` also
/// what that belongs to, the outermost first. In a Lambda function that one holds `requestId` and `xrayTraceId`.
///
/// A `span` that ends is a line too, with the time it was busy and idle: without a collector of traces these lines are the trace.
///
/// `RUST_LOG` says what is logged, else `AWS_LAMBDA_LOG_LEVEL`, else it is what is `info` and above. A filter that cannot be read is
/// said and left out: a function must not stand still for its log.
///
/// A second call changes nothing.
pub fn logging(variable: impl Fn(&str) -> Option<String>) {
    let (filter, fault) = filter(variable);
    if tracing::subscriber::set_global_default(subscriber(filter, std::io::stdout)).is_ok()
        && let Some(fault) = fault
    {
        tracing::warn!("{fault}, logging what is {DEFAULT} and above");
    }
}

/// As [`logging`], with another layer beside the log that sees every span, whatever is logged.
pub fn logging_beside<L>(variable: impl Fn(&str) -> Option<String>, beside: L)
where
    L: Layer<Registry> + Send + Sync,
{
    let (filter, fault) = filter(variable);
    let log = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_events(FmtSpan::CLOSE);
    let log = log.with_writer(std::io::stdout).with_filter(filter);
    let both = tracing_subscriber::registry().with(beside).with(log);
    if tracing::subscriber::set_global_default(both).is_ok()
        && let Some(fault) = fault
    {
        tracing::warn!("{fault}, logging what is {DEFAULT} and above");
    }
}

fn subscriber<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_events(FmtSpan::CLOSE)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

/// The filter that the environment asks for; what is wrong with it, if it is not the one.
fn filter(variable: impl Fn(&str) -> Option<String>) -> (EnvFilter, Option<String>) {
    let given = ["RUST_LOG", LEVEL];
    let given = given.into_iter().find_map(|name| Some((name, variable(name).filter(|text| !text.is_empty())?)));
    let Some((name, text)) = given else {
        return (quiet(DEFAULT), None);
    };
    // Lambda has a level above the highest here.
    let directives = if text.eq_ignore_ascii_case("fatal") { "error" } else { &text };
    match EnvFilter::try_new(directives) {
        Ok(_) if name == LEVEL => (quiet(directives), None),
        Ok(filter) => (filter, None),
        Err(error) => (quiet(DEFAULT), Some(format!("{name} is {text:?}, expected a filter of levels: {error}"))),
    }
}

fn quiet(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},{QUIET}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn lines(&self) -> Vec<Value> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    fn logged(filter: EnvFilter, act: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        tracing::subscriber::with_default(subscriber(filter, move || writer.clone()), act);
        written.lines()
    }

    #[test]
    fn a_line_has_its_request_and_its_trace_and_a_span_its_duration() {
        let lines = logged(EnvFilter::new("info"), || {
            let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
            let _invocation = tracing::info_span!("invoke", requestId = "8476a536", xrayTraceId = trace).entered();
            let _batch = tracing::info_span!("batch", shard = "0").entered();
            tracing::warn!(dead = 2, "records \"odd\"\nwere left");
            tracing::debug!("not asked for");
        });
        let [event, batch, invocation] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((&event["level"], &event["dead"]), (&"WARN".into(), &2.into()));
        assert_eq!(event["message"], "records \"odd\"\nwere left");
        assert!(event["timestamp"].as_str().is_some_and(|text| text.ends_with('Z')), "{event}");
        assert_eq!(event["spans"][0]["requestId"], "8476a536");
        assert_eq!(event["spans"][0]["xrayTraceId"], "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
        assert_eq!(event["spans"][1]["shard"], "0");
        for (closed, name) in [(batch, "batch"), (invocation, "invoke")] {
            assert_eq!((&closed["message"], &closed["span"]["name"]), (&"close".into(), &name.into()));
            assert!(closed["time.busy"].is_string() && closed["time.idle"].is_string(), "{closed}");
        }
        assert_eq!(batch["spans"][0]["requestId"], invocation["span"]["requestId"]);
    }

    #[test]
    fn the_environment_says_what_is_logged() {
        let asked = |variables: &'static [(&str, &str)]| {
            let find =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
            let (filter, fault) = filter(find);
            let levels = logged(filter, || {
                tracing::error!("");
                tracing::info!("");
                tracing::debug!("");
            });
            (levels.len(), fault)
        };
        assert_eq!(asked(&[]), (2, None));
        assert_eq!(asked(&[("RUST_LOG", "")]), (2, None));
        assert_eq!(asked(&[("AWS_LAMBDA_LOG_LEVEL", "DEBUG")]), (3, None));
        assert_eq!(asked(&[("AWS_LAMBDA_LOG_LEVEL", "FATAL")]), (1, None));
        assert_eq!(asked(&[("RUST_LOG", "error"), ("AWS_LAMBDA_LOG_LEVEL", "DEBUG")]), (1, None));
        let (lines, fault) = asked(&[("RUST_LOG", "cloudping=loud")]);
        assert_eq!(lines, 2);
        assert!(fault.is_some_and(|fault| fault.starts_with("RUST_LOG is \"cloudping=loud\"")));
    }
}
