//! What the real program writes about its invocations under a real Lambda Runtime API.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use cloudping_ports::{Record, SequenceNumber, ShardId};
use cloudping_testkit::event_source::{self, Outcome, kinesis_event};
use cloudping_testkit::servers::Server;
use serde_json::{Value, json};

/// The function, and the lines that it writes.
struct Function {
    child: Child,
    lines: Receiver<Value>,
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Function {
    fn start(runtime: &Server) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cloudping-stream-processor-lambda"))
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            // Nobody listens there.
            .env("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", runtime.address()))
            .env("AWS_LAMBDA_FUNCTION_NAME", "cloudping-stream-processor-prod")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("CLOUDPING_STREAM", "events")
            .env("CLOUDPING_TABLE", "live")
            .env("CLOUDPING_METRICS", "all")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Every line is JSON, or the test ends here.
                let parsed = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                if sender.send(parsed).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The lines up to the end of the next invocation's span: its metrics, and what else it wrote.
    fn invocation(&self) -> (Value, Vec<Value>) {
        let (mut metrics, mut logs) = (None, Vec::new());
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).expect("a line of the invocation");
            let ends = line["message"] == "close" && line["span"]["name"] == "Lambda runtime invoke";
            match line.get("_aws") {
                Some(_) => assert_eq!(metrics.replace(line), None, "one line of metrics an invocation"),
                None => logs.push(line),
            }
            if ends {
                return (metrics.expect("a line of metrics"), logs);
            }
        }
    }
}

#[tokio::test]
async fn each_invocation_tells_its_metrics_and_its_trace_in_one_line() {
    let Some(runtime) = Server::lambda_runtime() else { return };
    let function = Function::start(&runtime);
    let nothing_failed = Outcome::Answered(json!({ "batchItemFailures": [] }));
    assert_eq!(event_source::invoke(&runtime.address(), json!({ "Records": [] })).await, nothing_failed);
    let (first, logs) = function.invocation();
    assert_eq!((&first["function"], &first["records"]), (&"cloudping-stream-processor-prod".into(), &0.into()));
    assert_eq!((&first["ColdStart"], &first["Failed"]), (&1.into(), &0.into()));
    assert!(first["InitDuration"].as_f64().is_some_and(|ms| ms > 0.0), "{first}");
    let request = first["requestId"].as_str().expect("the request's id");
    assert_eq!(logs.last().map(|close| &close["span"]["requestId"]), Some(&Value::from(request)), "{logs:?}");

    // The table is away: the batch is asked for again, which Lambda's own metrics do not call an error.
    let sequence = SequenceNumber::from(7);
    let records = [Record { sequence, data: b"\xffpoison".as_slice().into() }];
    let event = kinesis_event("events", &ShardId("shardId-000000000000".to_owned()), &records);
    let again = Outcome::Answered(json!({ "batchItemFailures": [{ "itemIdentifier": "7" }] }));
    assert_eq!(event_source::invoke(&runtime.address(), event).await, again);
    let (second, logs) = function.invocation();
    assert_eq!((&second["ColdStart"], &second["Failed"], &second["records"]), (&0.into(), &1.into(), &1.into()));
    assert_eq!((&second["shard"], second.get("RoundsCounted")), (&"shardId-000000000000".into(), None));
    let error = logs.iter().find(|line| line["level"] == "ERROR").expect("why it failed");
    assert_eq!(error["spans"][0]["requestId"], second["requestId"]);
    assert_eq!(error["spans"][1]["shard"], "shardId-000000000000");
    assert!(error["spans"][0]["xrayTraceId"].as_str().is_some_and(|trace| trace.contains("Root=")), "{error}");
    let trace = second["traceId"].as_str().expect("the trace's id");
    assert!(error["spans"][0]["xrayTraceId"].as_str().is_some_and(|header| header.contains(trace)), "{error}");
}
