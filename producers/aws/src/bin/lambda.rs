//! The Lambda function: hands invocations to the handler. Whatever the event holds, an invocation measures; a schedule is
//! meant to send it.

use std::sync::Arc;

use cloudping_producers::{gaps, sockets};
use cloudping_producers_aws::deployment;
use cloudping_producers_aws::handler::Handler;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_ansi(false).without_time().init();
    let settings = deployment::settings()?;
    let (vantage, log) = (deployment::vantage(&settings)?, Arc::new(deployment::log(&settings).await));
    let handler = Arc::new(Handler::new(vantage, settings.rounds, log, gaps::now, sockets::permits()?));
    let invoke = |_event: LambdaEvent<Value>| {
        let handler = Arc::clone(&handler);
        async move { handler.invoke().await.map_err(|error| error.to_string()) }
    };
    lambda_runtime::run(service_fn(invoke)).await
}
