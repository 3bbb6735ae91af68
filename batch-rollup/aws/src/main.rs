//! The Lambda function. Whatever the event holds, an invocation archives, rolls up, and looks after the tables when that is due; a schedule is meant to send it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use cloudping_backend_aws::{KinesisLog, s3_objects};
use cloudping_batch_rollup::Tables;
use cloudping_batch_rollup_lambda::handler::{Handler, Upkeep};
use cloudping_batch_rollup_lambda::metrics;
use cloudping_batch_rollup_lambda::origin::origin;
use cloudping_batch_rollup_lambda::settings::Settings;
use cloudping_environment::{now, time_left};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_telemetry::{Emitter, Function, Request, logging};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

/// Kept of an invocation's time to answer in: Lambda ends an environment that is late, and takes the invocation for failed.
const TO_ANSWER: Duration = Duration::from_secs(3);
/// Taken where the Runtime API names no real deadline: cargo-lambda's lies in 1970.
const UNKNOWN: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let started = Instant::now();
    let variable = |name: &str| std::env::var(name).ok();
    logging(variable);
    let settings = Settings::read(variable)?;
    let own = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let mut kinesis = aws_sdk_kinesis::config::Builder::from(&own);
    if let Some(region) = &settings.stream_region {
        kinesis = kinesis.region(Region::new(region.clone()));
    }
    let log = KinesisLog::new(aws_sdk_kinesis::Client::from_conf(kinesis.build()), &settings.stream);
    let bucket = s3_objects(&own, &settings.bucket).await?;
    let origin = origin(bucket.as_ref(), &settings.prefix).await?;
    let tables = Tables::in_storage(&settings.tables_url(), bucket);
    let upkeep = Upkeep { enabled: settings.upkeep, keep: settings.keep, catalogue: Catalogue::built_in()? };
    let handler = Arc::new(Handler::new(Arc::new(log), origin, &tables, upkeep));
    let function = Arc::new(Function::new(Emitter::new("batch-rollup", &[], variable)?, started.elapsed()));
    let invoke = |event: LambdaEvent<Value>| {
        let (handler, function) = (Arc::clone(&handler), Arc::clone(&function));
        async move {
            let context = event.context;
            let request = Request { id: &context.request_id, trace: context.xray_trace_id.as_deref() };
            let work = async {
                let done = handler.invoke(now(), time_left(context.deadline(), TO_ANSWER).unwrap_or(UNKNOWN)).await;
                // What was archived is counted also when something else failed: its absence is an alarm.
                let did = done.as_ref().unwrap_or_else(|failed| &failed.report);
                (metrics::line(did), done)
            };
            function.run(request, work).await.map_err(|failed| failed.reasons)
        }
    };
    lambda_runtime::run(service_fn(invoke)).await
}
