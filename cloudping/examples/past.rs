//! Gives a planet a past: writes simulated rounds of the last hours into the event log of a data directory, for pages and tests that need
//! more history than a start has.
//!
//!     cargo run --example past -- data/planet 48 weather.toml
//!     cloudping up --planet --data data/planet --scenario weather.toml
//!
//! Each AWS region measures each other one once a minute, over the links of the planet with the jitter and loss of the scenario. In the last
//! [`RECENT_MINUTES`] the round-trip times are those of the scenario too; before that, of plain geography: so a lasting step of the scenario
//! is found soon after the start.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use cloudping_backend_local::{DEFAULT_SHARDS, LocalLog};
use cloudping_environment::now;
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_planet::{Link, Place, Scenario, World};
use cloudping_ports::EventLog;
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::{event, stored};
use futures::future::try_join_all;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MINUTE: i64 = 60_000_000;
/// Minutes of the scenario's own levels: as many as make a step certain once the last of them is settled.
const RECENT_MINUTES: i64 = 4;
/// The load of a place's day: its jitter is up to so many times as large in its evening.
const EVENING: f64 = 3.0;
/// From one probe of a round to the next.
const PROBE_GAP_US: u32 = 20_000;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [data, hours, scenario @ ..] = &arguments[..] else {
        return Err("expected: past DATA_DIR HOURS [SCENARIO.toml]".into());
    };
    let data = Path::new(data);
    fs::create_dir_all(data)?;
    // As `up --planet` marks it: these numbers are simulated too.
    fs::write(data.join("network"), stored::PLANET)?;
    let scenario = scenario.first().map_or_else(|| Ok(Scenario::default()), Scenario::load)?;
    let log = LocalLog::open_or_create(data, DEFAULT_SHARDS, now)?;
    let rounds = write(&log, hours.parse()?, &scenario, now()).await?;
    println!("{rounds} simulated rounds in {}", data.display());
    Ok(())
}

/// Writes the rounds of all regions, minute by minute as they would have come.
async fn write(log: &LocalLog, hours: u32, scenario: &Scenario, end: UtcMicros) -> Result<u64> {
    let mut catalogue = Catalogue::built_in()?;
    catalogue.retain(|region| region.provider == "aws" && region.endpoint.is_some());
    let place = |region: &cloudping_schemas::catalogue::Region| Place {
        id: region.id.clone(),
        latitude: region.latitude,
        longitude: region.longitude,
    };
    let places: Vec<Place> = catalogue.regions().iter().map(place).collect();
    let plain = World::from_places(&places);
    let weather = plain.with(scenario)?;
    let minutes = i64::from(hours) * 60;
    let start = end - minutes * MINUTE;
    let mut random = fastrand::Rng::with_seed(11);
    let mut written = 0;
    for minute in 0..minutes {
        let recent = minute >= minutes - RECENT_MINUTES;
        let at = start + minute * MINUTE;
        let link = |source: &str, target: &str| {
            let weather = weather.link(source, target)?;
            let rtt = if recent { weather.rtt } else { plain.link(source, target)?.rtt };
            Some(Link { rtt, ..weather })
        };
        let mut appends = Vec::new();
        for source in &places {
            let id = RoundId {
                vantage: VantageId::new(&source.id)?,
                epoch: start.0.unsigned_abs(),
                number: minute.unsigned_abs(),
            };
            let load = load(at, source.longitude);
            let targets = places.iter().filter(|target| target.id != source.id);
            let links = targets.filter_map(|target| Some((target, link(&source.id, &target.id)?)));
            let samples =
                links.enumerate().map(|(index, (target, link))| sample(index, target, &link, load, &mut random));
            let round = Round { id, started_at: at, gap: None, samples: samples.collect::<Result<_>>()? };
            let bytes = event::encode(&round);
            appends.push(async move { log.append(&source.id, bytes.into()).await });
            written += 1;
        }
        try_join_all(appends).await?;
    }
    Ok(written)
}

/// How much jitter a place has at a time: most in its evening, least in its morning, by the sun.
fn load(at: UtcMicros, longitude: f64) -> f64 {
    let hour = (at.0 / (60 * MINUTE)) as f64 + longitude / 15.0;
    let evening = ((hour - 20.0) / 24.0 * std::f64::consts::TAU).cos();
    1.0 + (EVENING - 1.0) * (1.0 + evening) / 2.0
}

fn sample(index: usize, target: &Place, link: &Link, load: f64, random: &mut fastrand::Rng) -> Result<Sample> {
    let lost = link.down || random.f64() < link.loss;
    let jitter = link.jitter.as_secs_f64() * load * -(1.0 - random.f64()).ln();
    let rtt_us = ((link.rtt.as_secs_f64() + jitter) * 1e6) as u32;
    Ok(Sample {
        target: TargetId::new(&target.id)?,
        offset_us: u32::try_from(index)? * PROBE_GAP_US,
        protocol: Protocol::TcpConnect,
        outcome: if lost { Outcome::Timeout } else { Outcome::Answered },
        rtt_us: (!lost).then_some(rtt_us),
        connect_us: (!lost).then_some(rtt_us + 40),
        retransmits: 0,
        family: Family::V4,
        address: None,
    })
}
