//! The Lambda function: hands invocations to the handler. Whatever the event holds, an invocation measures; a schedule is
//! meant to send it.

use std::sync::Arc;
use std::time::Instant;

use cloudping_producers::{gaps, sockets};
use cloudping_producers_aws::handler::Handler;
use cloudping_producers_aws::{deployment, metrics};
use cloudping_telemetry::{Emitter, Function, Request, logging};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let started = Instant::now();
    let variable = |name: &str| std::env::var(name).ok();
    logging(variable);
    let settings = deployment::settings()?;
    let (vantage, log) = (deployment::vantage(&settings)?, deployment::log(&settings).await?);
    let emitter = Emitter::new("producer", &[("vantage", vantage.id.as_str())], variable)?;
    let handler = Arc::new(Handler::new(vantage, settings.rounds, log, gaps::now, sockets::permits()?));
    let function = Arc::new(Function::new(emitter, started.elapsed()));
    let invoke = |event: LambdaEvent<Value>| {
        let (handler, function) = (Arc::clone(&handler), Arc::clone(&function));
        async move {
            let context = event.context;
            let request = Request { id: &context.request_id, trace: context.xray_trace_id.as_deref() };
            let work = async {
                let (report, appended) = handler.invoke().await;
                (metrics::line(&report, appended.is_err()), appended.map(|()| report))
            };
            function.run(request, work).await.map_err(|error| error.to_string())
        }
    };
    lambda_runtime::run(service_fn(invoke)).await
}
