//! What a collector gets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use cloudping_traces::Traces;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tracing_subscriber::layer::SubscriberExt;

/// A collector that takes one request; its address, and what it was sent.
fn collector() -> (String, JoinHandle<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let taken = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let (mut line, mut length, mut first) = (String::new(), 0, None);
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            first.get_or_insert_with(|| line.clone());
            line.clear();
        }
        assert_eq!(first.unwrap(), "POST /v1/traces HTTP/1.1\r\n");
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = ExportTraceServiceResponse::default().encode_to_vec();
        let length = answer.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: {length}\r\n\r\n");
        (&stream).write_all(&[head.as_bytes(), &answer].concat()).unwrap();
        ExportTraceServiceRequest::decode(&*body).unwrap()
    });
    (address, taken)
}

fn variable(address: &str) -> impl Fn(&str) -> Option<String> + use<> {
    let address = address.to_owned();
    move |name| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| format!("{address}/"))
}

fn attribute(pairs: &[opentelemetry_proto::tonic::common::v1::KeyValue], key: &str) -> Option<Value> {
    pairs.iter().find(|pair| pair.key == key)?.value.clone()?.value
}

#[test]
fn spans_of_ours_reach_the_collector_with_their_parents_and_attributes() {
    let (address, taken) = collector();
    let traces = Traces::start("cloudping-test", variable(&address)).unwrap().unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        let request = tracing::debug_span!(
            target: "cloudping_query_service::http",
            "request",
            otel.name = "GET /api/v1/matrix",
            otel.kind = "server",
            http.response.status_code = 200_i64
        );
        let _request = request.entered();
        let _sql = tracing::debug_span!(target: "cloudping_query_service::sql", "sql").entered();
        let _foreign = tracing::info_span!(target: "datafusion", "plan").entered();
        let _fine = tracing::trace_span!(target: "cloudping_query_service", "fine").entered();
    });
    traces.finish();

    let sent = taken.join().unwrap();
    let resource = &sent.resource_spans[0];
    let name = attribute(&resource.resource.as_ref().unwrap().attributes, "service.name");
    assert_eq!(name, Some(Value::StringValue("cloudping-test".to_owned())));
    let spans: Vec<&Span> = resource.scope_spans.iter().flat_map(|scope| &scope.spans).collect();
    let mut names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["GET /api/v1/matrix", "sql"]);
    let named = |name: &str| *spans.iter().find(|span| span.name == name).unwrap();
    let (request, sql) = (named("GET /api/v1/matrix"), named("sql"));
    assert_eq!((&sql.parent_span_id, &sql.trace_id), (&request.span_id, &request.trace_id));
    assert!(request.parent_span_id.is_empty() && request.kind == 2);
    assert_eq!(attribute(&request.attributes, "http.response.status_code"), Some(Value::IntValue(200)));
}

#[test]
fn a_collector_that_is_away_delays_the_end_by_seconds_at_most() {
    let address = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let traces = Traces::start("cloudping-test", variable(&address)).unwrap().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
        let _span = tracing::info_span!(target: "cloudping", "lost").entered();
    });
    let before = std::time::Instant::now();
    traces.finish();
    assert!(before.elapsed() < std::time::Duration::from_secs(10));
}
