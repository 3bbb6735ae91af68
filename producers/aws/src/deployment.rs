//! What both programs make of their settings: the event log, on Kinesis or behind an ingest door, and the vantage point.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use cloudping_backend_aws::KinesisLog;
use cloudping_environment::Faults;
use cloudping_ingest_client::{DoorLog, Key};
use cloudping_model::{TargetId, VantageId};
use cloudping_ports::EventLog;
use cloudping_producers::gaps;
use cloudping_producers::producer::Vantage;
use cloudping_producers::targets::{Endpoint, Target, TargetPlan};
use cloudping_schemas::catalogue::Catalogue;

use crate::settings::{Destination, Settings};

/// The settings of this process.
///
/// # Errors
/// Every fault in one line.
pub fn settings() -> Result<Settings, Faults> {
    Settings::read(|name| std::env::var(name).ok())
}

/// The event log: a stream by the standard AWS settings (profile, region, `AWS_ENDPOINT_URL_KINESIS`), or what is behind an ingest door.
///
/// # Errors
/// When the key of the ingest door cannot be read, or is another vantage point's; when the door's address is none.
pub async fn log(settings: &Settings) -> Result<Arc<dyn EventLog>, Box<dyn Error + Send + Sync>> {
    match &settings.destination {
        Destination::Stream { name, region } => Ok(Arc::new(stream(name, region.as_deref()).await)),
        Destination::Door { url, key } => Ok(Arc::new(door(url, key, &settings.vantage)?)),
    }
}

async fn stream(name: &str, region: Option<&str>) -> KinesisLog {
    let own = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let mut kinesis = aws_sdk_kinesis::config::Builder::from(&own);
    if let Some(region) = region {
        kinesis = kinesis.region(Region::new(region.to_owned()));
    }
    KinesisLog::new(aws_sdk_kinesis::Client::from_conf(kinesis.build()), name)
}

fn door(url: &str, file: &Path, vantage: &VantageId) -> Result<DoorLog, Box<dyn Error + Send + Sync>> {
    let key = Key::read(file)?;
    if key.vantage() != vantage {
        let file = file.display();
        return Err(
            format!("{file} is the key of {}, expected one of CLOUDPING_VANTAGE, {vantage}", key.vantage()).into()
        );
    }
    Ok(DoorLog::new(url, key, || gaps::now().wall)?)
}

/// The vantage point: every AWS region of the catalogue with an endpoint, and those named beside it, but its own.
///
/// # Errors
/// Never in a tested build: when the catalogue is faulty.
pub fn vantage(settings: &Settings) -> Result<Vantage, Box<dyn Error + Send + Sync>> {
    let catalogue = Catalogue::built_in()?;
    let own = settings.vantage.as_str();
    let others = catalogue.regions().iter().filter(|region| region.provider == "aws" && region.id != own);
    let known = others.filter_map(|region| Some((region.id.clone(), region.endpoint.clone()?)));
    let new = settings.also.iter().filter(|id| *id != own && catalogue.get(id).is_none());
    // The catalogue's own pattern (schemas/regions/aws.toml).
    let new = new.map(|id| (id.clone(), format!("dynamodb.{id}.amazonaws.com:443")));
    let target = |(id, endpoint): (String, String)| {
        let plan = TargetPlan { burst: settings.probes, ..TargetPlan::default() };
        let target = Target::new(TargetId::new(&id)?, Endpoint::parse(&endpoint)?).planned(plan);
        Ok::<_, Box<dyn Error + Send + Sync>>(target)
    };
    Ok(Vantage {
        id: settings.vantage.clone(),
        source: None,
        targets: known.chain(new).map(target).collect::<Result<_, _>>()?,
        interval: settings.interval,
        spread: settings.spread,
        timeout: settings.timeout,
    })
}

#[cfg(test)]
mod tests {
    use cloudping_environment::list;

    use super::*;

    #[test]
    fn new_regions_are_measured_by_the_pattern_of_the_others() {
        let targets = |region: &str, also: &str| {
            let given = [("CLOUDPING_STREAM", "events"), ("AWS_REGION", region), ("CLOUDPING_ALSO", also)];
            vantage(&Settings::read(list(&given)).unwrap()).unwrap().targets
        };
        let known = targets("eu-west-1", "").len();
        let more = targets("eu-west-1", "xx-new-1,us-east-1");
        assert_eq!(more.len(), known + 1, "us-east-1 is in the catalogue");
        let new = more.last().unwrap();
        assert_eq!((new.id().as_str(), &*new.host()), ("xx-new-1", "dynamodb.xx-new-1.amazonaws.com"));
        assert_eq!(targets("xx-new-1", "xx-new-1").len(), known + 1, "every known one, and not itself");
    }
}
