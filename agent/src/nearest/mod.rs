//! `cloudping nearest`: the catalogue's regions, ranked by their round-trip time from here.

mod advice;
mod ranking;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cloudping_model::{Outcome, Protocol};
use cloudping_producers::probers::Reading;
use cloudping_producers::targets::Endpoint;
use cloudping_producers::tcp;
use cloudping_schemas::catalogue::{EndpointSetting, Region};
use tokio::sync::{Semaphore, mpsc};

use crate::failure::Failure;
use crate::probe::{FamilyArgs, Tally};
use crate::targets::{RowFormat, Selection};
use crate::{output, resolve};
use ranking::Ranked;

/// Probes that are open at once: enough to be quick, too few to fill anybody's queue.
const AT_ONCE: usize = 50;
/// Between two departures, so that the probes of one pass do not queue behind each other on this machine's line.
const GAP: Duration = Duration::from_millis(5);

/// Arguments of `nearest`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping nearest
  cloudping nearest --continent EU --top 3
  cloudping nearest frankfurt --count 20
  cloudping nearest -o json | jq -r '.[0].id'

Ranked by the median of the answered probes; what was not reached stands last.
Exit code 1 when nothing could be reached.")]
pub struct NearestArgs {
    /// Which
    #[command(flatten)]
    pub selection: Selection,
    /// Probes to each region
    #[arg(short = 'n', long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub count: u64,
    /// How long a probe waits for its answer
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2s", value_name = "TIME")]
    pub timeout: Duration,
    /// Your own host in a region, instead of the catalogue's; Azure's regions need one. May be given many times
    #[arg(long = "endpoint", value_name = "REGION=HOST:PORT")]
    pub endpoints: Vec<EndpointSetting>,
    /// Print only so many, the nearest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub top: Option<u64>,
    /// IPv4 only or IPv6 only
    #[command(flatten)]
    pub family: FamilyArgs,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    pub output: Option<RowFormat>,
}

/// Probes, ranks, prints.
pub fn run(args: NearestArgs) -> Result<(), Failure> {
    if args.timeout < Duration::from_millis(1) {
        return Err(Failure::setting("--timeout: expected 1ms or more, such as 500ms"));
    }
    let places = places(args.selection.regions()?, &args.endpoints)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::runtime)?;
    let tallies = runtime.block_on(measure(&args, &places));
    // What is still under way is left, above all a look-up that blocks.
    runtime.shutdown_background();
    let ranked = ranking::rank(&places, &tallies);
    print(&args, &ranked)?;
    match advice::when_nothing_was_reached(&ranked) {
        Some(advice) => Err(Failure::runtime(advice)),
        None => Ok(()),
    }
}

/// A region and the host that is probed there.
struct Place {
    region: Region,
    endpoint: Endpoint,
}

/// The regions that have a host, the operator's before the provider's; says on standard error how many have none.
fn places(mut regions: Vec<Region>, settings: &[EndpointSetting]) -> Result<Vec<Place>, Failure> {
    for setting in settings {
        let region = regions.iter_mut().find(|region| region.id == setting.region);
        let region = region.ok_or_else(|| {
            Failure::setting(format!("--endpoint {}: no such region among those chosen", setting.region))
        })?;
        region.endpoint = Some(setting.endpoint.clone());
    }
    let all = regions.len();
    let mut places = Vec::new();
    for region in regions {
        if let Some(endpoint) = region.endpoint.as_deref() {
            let endpoint = Endpoint::parse(endpoint).map_err(Failure::setting)?;
            places.push(Place { region, endpoint });
        }
    }
    let without = all - places.len();
    if places.is_empty() {
        return Err(Failure::setting("no host is known in these regions; give yours with --endpoint REGION=HOST:PORT"));
    }
    if without > 0 {
        eprintln!(
            "cloudping: {without} of {all} regions are left out: no host is known there (`cloudping targets` shows \
             which; give yours with --endpoint REGION=HOST:PORT)"
        );
    }
    Ok(places)
}

fn print(args: &NearestArgs, ranked: &[Ranked]) -> Result<(), Failure> {
    let most = args.top.and_then(|top| usize::try_from(top).ok()).unwrap_or(ranked.len());
    let shown = &ranked[..most.min(ranked.len())];
    match output::fitting(args.output, RowFormat::Table, RowFormat::Json) {
        RowFormat::Json => output::json(&shown),
        RowFormat::Csv => output::print(ranking::csv(shown)),
        // A table of dashes says less than the advice that follows.
        RowFormat::Table if ranked.iter().all(|it| it.p50_ms.is_none()) => Ok(()),
        RowFormat::Table => output::print(ranking::table(shown)),
    }
}

/// Resolves every name, then probes all regions, pass by pass. Ctrl-C ends early with what is known.
async fn measure(args: &NearestArgs, places: &[Place]) -> Vec<Tally> {
    let mut progress = Progress::new(places.len() as u64 * args.count);
    progress.say(&format!("looking up {} names", places.len()));
    let endpoints: Vec<Endpoint> = places.iter().map(|place| place.endpoint.clone()).collect();
    let addresses = resolve::resolve_all(&endpoints, args.family.family()).await;
    let mut tallies: Vec<Tally> = Vec::new();
    for (place, address) in places.iter().zip(&addresses) {
        let mut tally = Tally::new(&place.region.id, Protocol::TcpConnect, address.as_ref().ok().copied());
        if address.is_err() {
            tally.add(1, Reading::failed(Outcome::DnsFailure));
            progress.advance(args.count);
        }
        tallies.push(tally);
    }
    let (readings, mut arriving) = mpsc::channel(AT_ONCE);
    let targets = tallies.iter().enumerate().filter_map(|(at, tally)| Some((at, tally.address?))).collect();
    tokio::spawn(send(targets, args.count, args.timeout, readings));
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    loop {
        progress.show();
        tokio::select! {
            arrived = arriving.recv() => match arrived {
                Some((at, number, reading)) => tallies[at].add(number, reading),
                None => break,
            },
            _ = &mut interrupt => {
                progress.clear();
                eprintln!("cloudping: interrupted, ranked by what was measured until then");
                break;
            }
        }
        progress.advance(1);
    }
    progress.clear();
    tallies
}

/// All targets once, then all again, so that the probes of one are spread over the whole time.
async fn send(
    targets: Vec<(usize, SocketAddr)>,
    count: u64,
    timeout: Duration,
    readings: mpsc::Sender<(usize, u64, Reading)>,
) {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    for number in 1..=count {
        for (at, address) in targets.iter().copied() {
            let (permit, readings) = (Arc::clone(&permits).acquire_owned().await, readings.clone());
            tokio::spawn(async move {
                let reading = tcp::connect(address, None, timeout).await;
                drop(permit);
                // A closed channel means that the command is ending.
                let _ = readings.send((at, number, reading)).await;
            });
            tokio::time::sleep(GAP).await;
        }
    }
}

/// How far it is, on standard error, if that is a terminal.
struct Progress {
    shown: bool,
    done: u64,
    all: u64,
}

impl Progress {
    fn new(all: u64) -> Self {
        Self { shown: io::stderr().is_terminal(), done: 0, all }
    }

    fn advance(&mut self, by: u64) {
        self.done += by;
    }

    fn show(&self) {
        self.say(&format!("{} of {} probes", self.done, self.all));
    }

    fn clear(&self) {
        self.say("");
    }

    fn say(&self, text: &str) {
        if self.shown {
            // Progress that cannot be written is no reason to stop.
            let _ = write!(io::stderr().lock(), "\r{text}\x1b[K");
        }
    }
}
