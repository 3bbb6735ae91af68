//! What both programs make of their settings: the event log on Kinesis and the vantage point.

use std::error::Error;

use aws_config::{BehaviorVersion, Region};
use cloudping_backend_aws::KinesisLog;
use cloudping_model::TargetId;
use cloudping_producers::producer::Vantage;
use cloudping_producers::targets::{Endpoint, Target};
use cloudping_schemas::catalogue::{self, Catalogue};

use crate::settings::Settings;

/// The settings of this process.
///
/// # Errors
/// Every fault in one line.
pub fn settings() -> Result<Settings, String> {
    Settings::read(|name| std::env::var(name).ok()).map_err(|faults| faults.join("; "))
}

/// The event log, by the standard AWS settings (profile, region, `AWS_ENDPOINT_URL_KINESIS`).
pub async fn log(settings: &Settings) -> KinesisLog {
    let own = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let mut kinesis = aws_sdk_kinesis::config::Builder::from(&own);
    if let Some(region) = &settings.stream_region {
        kinesis = kinesis.region(Region::new(region.clone()));
    }
    KinesisLog::new(aws_sdk_kinesis::Client::from_conf(kinesis.build()), &settings.stream)
}

/// The vantage point: every AWS region of the catalogue with an endpoint, but its own.
///
/// # Errors
/// Never in a tested build: when the catalogue is faulty.
pub fn vantage(settings: &Settings) -> Result<Vantage, Box<dyn Error + Send + Sync>> {
    let catalogue = Catalogue::built_in()?;
    let own = settings.vantage.as_str();
    let others = catalogue.regions().iter().filter(|region| region.provider == "aws" && region.id != own);
    let probed = others.filter_map(|region| Some((region, region.endpoint.as_ref()?)));
    let target = |(region, endpoint): (&catalogue::Region, &String)| {
        Ok::<_, Box<dyn Error + Send + Sync>>(Target::new(TargetId::new(&region.id)?, Endpoint::parse(endpoint)?))
    };
    Ok(Vantage {
        id: settings.vantage.clone(),
        source: None,
        targets: probed.map(target).collect::<Result<_, _>>()?,
        interval: settings.interval,
        timeout: settings.timeout,
    })
}
