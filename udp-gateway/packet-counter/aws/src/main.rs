//! The Lambda function: hands the gateway's batches to the handler.

use std::sync::Arc;
use std::time::Instant;

use cloudping_environment::now;
use cloudping_packet_counter_lambda::handler::handle;
use cloudping_packet_counter_lambda::metrics;
use cloudping_packet_counter_lambda::settings::Settings;
use cloudping_telemetry::{Emitter, Function, Request, logging};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let started = Instant::now();
    let variable = |name: &str| std::env::var(name).ok();
    logging(variable);
    let settings = Arc::new(Settings::read(variable)?);
    let function = Arc::new(Function::new(Emitter::new("packet-counter", &[], variable)?, started.elapsed()));
    let invoke = |event: LambdaEvent<Value>| {
        let (settings, function) = (Arc::clone(&settings), Arc::clone(&function));
        async move {
            let LambdaEvent { payload, context } = event;
            let request = Request { id: &context.request_id, trace: context.xray_trace_id.as_deref() };
            let work = async {
                let counted = handle(payload, settings.region.as_deref(), now());
                (counted.as_ref().map(metrics::line).unwrap_or_default(), counted)
            };
            let counted = function.run(request, work).await;
            counted.map(|counted| counted.answer).map_err(|error| error.to_string())
        }
    };
    lambda_runtime::run(service_fn(invoke)).await
}
