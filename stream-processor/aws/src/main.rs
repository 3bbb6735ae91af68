//! The Lambda function: hands Kinesis' events to the handler.

use std::sync::Arc;
use std::time::Instant;

use aws_config::{BehaviorVersion, Region};
use cloudping_backend_aws::{DynamoStore, KinesisLog};
use cloudping_environment::now;
use cloudping_schemas::stored::keys;
use cloudping_stream_processor_lambda::event::KinesisEvent;
use cloudping_stream_processor_lambda::handler::Handler;
use cloudping_stream_processor_lambda::metrics;
use cloudping_stream_processor_lambda::settings::Settings;
use cloudping_telemetry::{Emitter, Function, Request, logging};
use lambda_runtime::{Error, LambdaEvent, service_fn};

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
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&own), &settings.table).with_expiry(keys::expires_at);
    let handler = Arc::new(Handler::new(Arc::new(log), Arc::new(store), now, settings.allowed_lateness_us));
    let function = Arc::new(Function::new(Emitter::new("stream-processor", &[], variable)?, started.elapsed()));
    let invoke = |event: LambdaEvent<KinesisEvent>| {
        let (handler, function) = (Arc::clone(&handler), Arc::clone(&function));
        async move {
            let LambdaEvent { payload, context } = event;
            let request = Request { id: &context.request_id, trace: context.xray_trace_id.as_deref() };
            let work = async {
                let done = handler.invoke(payload).await;
                (done.as_ref().map(metrics::line).unwrap_or_default(), done)
            };
            let done = function.run(request, work).await;
            done.map(|done| done.response).map_err(|error| error.to_string())
        }
    };
    lambda_runtime::run(service_fn(invoke)).await
}
