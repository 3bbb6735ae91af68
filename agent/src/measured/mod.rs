//! What a vantage point measures, and how often: regions of the catalogue ([`selection`]) and targets of the user's own ([`own`]).

pub mod own;
pub mod selection;

use std::time::Duration;

use cloudping_model::TargetId;
use cloudping_producers::target_file::TargetFile;
use cloudping_producers::targets::{Endpoint, Target};
use cloudping_schemas::catalogue::Catalogue;
use tokio::runtime::Builder;

use crate::failure::Failure;

/// The longest interval: an event spans ten minutes at most, the last probe's wait included.
const LONGEST_INTERVAL: Duration = Duration::from_secs(540);

/// What the producers' threads are called.
pub const PRODUCERS: &str = "producers";

/// What the world is measured by: the regions that have a host, and the user's own targets.
///
/// # Errors
/// When the host of a region is none.
pub fn targets(catalogue: &Catalogue, own: &TargetFile) -> Result<Vec<Target>, Failure> {
    let hosts = catalogue.regions().iter().filter_map(|region| Some((&region.id, region.endpoint.as_ref()?)));
    let targets = hosts.map(|(id, host)| target(id, Endpoint::parse(host).map_err(Failure::setting)?));
    let mut targets = targets.collect::<Result<Vec<_>, Failure>>()?;
    targets.extend(own.targets.iter().cloned());
    Ok(targets)
}

/// A target of this name.
///
/// # Errors
/// When it is no name of one.
pub fn target(id: &str, endpoint: Endpoint) -> Result<Target, Failure> {
    let id = TargetId::new(id).map_err(Failure::setting)?;
    Ok(Target::new(id, endpoint))
}

/// Producers have threads of their own, so that no query or archive run delays a probe.
pub fn producer_threads() -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_name(PRODUCERS).enable_all();
    builder
}

/// Checks the time of a round and the patience of a probe.
///
/// # Errors
/// When one of them is too short or too long.
pub fn pace(interval: Duration, timeout: Duration) -> Result<(), Failure> {
    within("--interval", interval, Duration::from_millis(100), LONGEST_INTERVAL)?;
    within("--timeout", timeout, Duration::from_millis(10), Duration::from_secs(60))
}

/// Checks that the value of an option lies between these two.
///
/// # Errors
/// When it does not: says so by the name of the option.
pub fn within(name: &str, value: Duration, least: Duration, most: Duration) -> Result<(), Failure> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Failure::setting(format!("{name} {value:?}: expected {least:?} to {most:?}")))
}
