//! The real program under a real Lambda Runtime API.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use cloudping_schemas::gateway::{Answer, Reply};
use cloudping_testkit::event_source::{self, Outcome};
use cloudping_testkit::servers::Server;
use serde_json::{Value, json};

const GOLDEN: &str = include_str!("../../../../schemas/golden/gateway-batch-v1.json");

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
    fn start(runtime: &Server, reply: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cloudping-packet-counter-lambda"))
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", runtime.address()))
            .env("AWS_LAMBDA_FUNCTION_NAME", "cloudping-packet-counter")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("CLOUDPING_METRICS", "all")
            .env("CLOUDPING_REPLY", reply)
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

    fn metrics(&self) -> Value {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).expect("a line of metrics");
            if line.get("_aws").is_some() {
                return line;
            }
        }
    }
}

async fn invoke(runtime: &Server, event: Value) -> Result<Answer<'static>, String> {
    match event_source::invoke(&runtime.address(), event).await {
        Outcome::Answered(answer) => Ok(Answer::parse(answer.to_string().as_bytes()).unwrap()),
        Outcome::Failed(error) => Err(error),
    }
}

fn told(answer: &Answer<'_>) -> Vec<(String, String)> {
    let tell = |reply: &Reply| (reply.tag.to_string(), reply.data.to_string());
    answer.replies.iter().map(tell).collect()
}

fn text(tag: &str, data: &str) -> (String, String) {
    (tag.to_owned(), data.to_owned())
}

#[tokio::test]
async fn a_batch_is_answered_and_what_is_none_fails_and_says_why() {
    let Some(runtime) = Server::lambda_runtime() else { return };
    let function = Function::start(&runtime, "");
    let answer = invoke(&runtime, serde_json::from_str(GOLDEN).unwrap()).await.unwrap();
    // The first message is in base64, the second in hex, the fourth in utf8; the third is of the first one's address.
    let expected = [text("0", "MiBldS13ZXN0LTEK"), text("1", "312065752d776573742d310a"), text("3", "1 eu-west-1\n")];
    assert_eq!(told(&answer), expected);
    assert!(answer.replies.iter().all(|reply| reply.generated_at.is_some()));
    let line = function.metrics();
    assert_eq!((&line["function"], &line["Failed"]), (&"cloudping-packet-counter".into(), &0.into()));
    assert_eq!((&line["PacketsCounted"], &line["SendersCounted"]), (&4.into(), &3.into()));

    assert_eq!(invoke(&runtime, json!({ "Messages": [] })).await, Ok(Answer::default()));
    assert_eq!(function.metrics()["Failed"], 0);

    let error = invoke(&runtime, json!({ "Records": [] })).await.unwrap_err();
    assert!(error.contains("missing field `Messages`, expected"), "{error}");
    let line = function.metrics();
    assert_eq!((&line["Failed"], line.get("PacketsCounted")), (&1.into(), None));
}

#[tokio::test]
async fn a_single_counter_leaves_its_region_out() {
    let Some(runtime) = Server::lambda_runtime() else { return };
    let _function = Function::start(&runtime, "count");
    let answer = invoke(&runtime, serde_json::from_str(GOLDEN).unwrap()).await.unwrap();
    assert_eq!(told(&answer), [text("0", "Mgo="), text("1", "310a"), text("3", "1\n")]);
}
