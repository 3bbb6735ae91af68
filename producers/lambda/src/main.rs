//! The Lambda function: reads its settings, makes the clients, hands invocations to the handler.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use cloudping_backend_aws::KinesisLog;
use cloudping_model::TargetId;
use cloudping_producer_lambda::handler::Handler;
use cloudping_producer_lambda::settings::Settings;
use cloudping_producers::producer::Vantage;
use cloudping_producers::targets::{Endpoint, Target};
use cloudping_producers::{gaps, sockets};
use cloudping_schemas::catalogue::Catalogue;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_ansi(false).without_time().init();
    let settings = Settings::read(|name| std::env::var(name).ok()).map_err(|faults| faults.join("; "))?;
    let handler = Arc::new(handler(&settings).await?);
    let invoke = |_event: LambdaEvent<Value>| {
        let handler = Arc::clone(&handler);
        async move { handler.invoke().await.map_err(|error| error.to_string()) }
    };
    lambda_runtime::run(service_fn(invoke)).await
}

async fn handler(settings: &Settings) -> Result<Handler, Error> {
    let own = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let mut kinesis = aws_sdk_kinesis::config::Builder::from(&own);
    if let Some(region) = &settings.stream_region {
        kinesis = kinesis.region(Region::new(region.clone()));
    }
    let client = aws_sdk_kinesis::Client::from_conf(kinesis.build());
    let log = Arc::new(KinesisLog::new(client, &settings.stream));
    let vantage = Vantage {
        id: settings.vantage.clone(),
        source: None,
        targets: targets(settings)?,
        interval: settings.interval,
        timeout: settings.timeout,
    };
    Ok(Handler::new(vantage, settings.rounds, log, gaps::now, sockets::permits()?))
}

/// Every AWS region of the catalogue but the vantage point's own.
fn targets(settings: &Settings) -> Result<Vec<Target>, Error> {
    let catalogue = Catalogue::built_in()?;
    let others =
        catalogue.regions().iter().filter(|region| region.provider == "aws" && region.id != settings.vantage.as_str());
    let probed = others.filter_map(|region| Some((region, region.endpoint.as_ref()?)));
    let target = |(region, endpoint): (&cloudping_schemas::catalogue::Region, &String)| {
        Ok(Target::new(TargetId::new(&region.id)?, Endpoint::parse(endpoint)?))
    };
    probed.map(target).collect()
}
