//! The Lambda function: hands the requests of a function URL to the door.

use std::sync::Arc;
use std::time::Instant;

use aws_config::{BehaviorVersion, Region};
use cloudping_backend_aws::{DynamoStore, KinesisLog};
use cloudping_environment::now;
use cloudping_ingest_door::{Door, router};
use cloudping_ingest_door_lambda::metrics;
use cloudping_ingest_door_lambda::settings::Settings;
use cloudping_schemas::stored::keys;
use cloudping_telemetry::{Emitter, Function, Request, logging};
use lambda_http::{Error, RequestExt, service_fn};
use tower::ServiceExt;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let started = Instant::now();
    let variable = |name: &str| std::env::var(name).ok();
    logging(variable);
    let settings = Settings::read(variable)?;
    let door = door(settings).await;
    let function = Arc::new(Function::new(Emitter::new("ingest-door", &[], variable)?, started.elapsed()));
    let answer = |request: lambda_http::Request| {
        let (door, function) = (door.clone(), Arc::clone(&function));
        async move {
            let context = request.lambda_context();
            let invocation = Request { id: &context.request_id, trace: context.xray_trace_id.as_deref() };
            let work = async {
                let before = door.counters();
                let answer = router(door.clone()).oneshot(request).await;
                (metrics::line(&before, &door.counters()), answer)
            };
            function.run(invocation, work).await
        }
    };
    lambda_http::run(service_fn(answer)).await
}

async fn door(settings: Settings) -> Door {
    let own = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let mut kinesis = aws_sdk_kinesis::config::Builder::from(&own);
    if let Some(region) = settings.stream_region {
        kinesis = kinesis.region(Region::new(region));
    }
    let log = KinesisLog::new(aws_sdk_kinesis::Client::from_conf(kinesis.build()), settings.stream);
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&own), settings.table).with_expiry(keys::expires_at);
    Door::new(Arc::new(log), Arc::new(store), now, settings.limits)
}
