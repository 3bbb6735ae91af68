//! `cloudping probe`: round-trip times from here, live.

mod args;
mod chart;
mod distribution;
mod layout;
mod record;
mod screen;
mod tally;
mod verdict;
mod view;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

pub use args::{FamilyArgs, ProbeArgs, ProbeFormat};
use cloudping_model::Outcome;
use cloudping_producers::probers::{self, Prober, Reading, Request};
use cloudping_producers::sockets;
use cloudping_producers::targets::Endpoint;
pub use tally::{Summary, Tally};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, MissedTickBehavior};

use crate::failure::Failure;
use crate::{clock, output, resolve};
use record::Record;
use screen::Screen;
use tally::Shot;
use verdict::Thresholds;

/// Time between two states on the terminal.
const REDRAW: Duration = Duration::from_millis(100);
/// How far apart the targets' first probes are at most.
const STAGGER: Duration = Duration::from_millis(20);
/// Shorter intervals are floods.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// Probes until the count is reached or Ctrl-C, then prints the summary and judges it.
pub fn run(args: ProbeArgs) -> Result<(), Failure> {
    if args.interval < SHORTEST_INTERVAL || args.timeout < SHORTEST_INTERVAL {
        return Err(Failure::setting("--interval and --timeout: expected 1ms or more, such as 200ms"));
    }
    let mut endpoints = Vec::new();
    for text in &args.targets {
        let endpoint = Endpoint::parse(text).map_err(Failure::setting)?;
        resolve::check_family(&endpoint, args.family.family())?;
        endpoints.push(endpoint);
    }
    let format = output::fitting(args.output, ProbeFormat::Table, ProbeFormat::Json);
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::runtime)?;
    let tallies = runtime.block_on(measure(&args, &endpoints, format));
    // What is still under way is left, above all a look-up that blocks.
    runtime.shutdown_background();
    let tallies = tallies?;
    let summaries: Vec<Summary> = tallies.iter().map(Tally::summary).collect();
    match format {
        ProbeFormat::Table => print_summary(&tallies)?,
        ProbeFormat::Json => output::json(&summaries)?,
        ProbeFormat::Csv | ProbeFormat::Ndjson => {}
    }
    verdict::judge(&summaries, Thresholds { above: args.fail_above, loss: args.fail_loss })
}

async fn measure(args: &ProbeArgs, endpoints: &[Endpoint], format: ProbeFormat) -> Result<Vec<Tally>, Failure> {
    // The limit of open files is raised as far as it goes: a probe that finds none free is shown as not sent.
    sockets::permits().map_err(Failure::runtime)?;
    let mut tallies = Vec::new();
    let (shots, arriving) = mpsc::channel(1_024);
    let addresses = resolve::resolve_all(endpoints, args.family.family()).await;
    for (at, (text, address)) in args.targets.iter().zip(addresses).enumerate() {
        tallies.push(Tally::new(text, args.kind, address.as_ref().ok().copied()));
        if let Err(reason) = address {
            eprintln!("cloudping: {text}: {reason}");
            let reading = Reading::failed(Outcome::DnsFailure);
            send(&shots, Shot { target: at, number: 1, sent_at: clock::now(), reading }).await;
        }
    }
    let stagger = (args.interval / u32::try_from(tallies.len()).unwrap_or(u32::MAX)).min(STAGGER);
    let prober = probers::of(args.kind);
    let start = Instant::now();
    for (at, tally) in tallies.iter().enumerate() {
        if let Some(address) = tally.address {
            let first = start + stagger.saturating_mul(u32::try_from(at).unwrap_or(u32::MAX));
            let host = Arc::from(endpoints[at].host.as_str());
            let request = Request { address, host, source: None, timeout: args.timeout };
            let pace = Pace { first, interval: args.interval, count: args.count };
            tokio::spawn(pace.follow(at, request, Arc::clone(&prober), shots.clone()));
        }
    }
    drop(shots);
    collect(&mut tallies, arriving, format).await?;
    Ok(tallies)
}

/// When probes to one target leave.
struct Pace {
    first: Instant,
    interval: Duration,
    /// 0: for ever.
    count: u64,
}

impl Pace {
    /// Open loop: a probe leaves on time, whatever became of the last. Times that this machine slept through are left out.
    async fn follow(self, target: usize, request: Request, prober: Arc<dyn Prober>, shots: Sender<Shot>) {
        let mut ticks = tokio::time::interval_at(self.first, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 1_u64.. {
            ticks.tick().await;
            let (request, prober, shots) = (request.clone(), Arc::clone(&prober), shots.clone());
            tokio::spawn(async move {
                let sent_at = clock::now();
                let reading = prober.probe(&request).await;
                send(&shots, Shot { target, number, sent_at, reading }).await;
            });
            if number == self.count {
                break;
            }
        }
    }
}

async fn send(shots: &Sender<Shot>, shot: Shot) {
    // A closed channel means that the command is ending.
    let _ = shots.send(shot).await;
}

/// Takes what arrives in, and shows it, until nothing is under way, Ctrl-C, or nobody reads any more.
async fn collect(tallies: &mut [Tally], mut arriving: Receiver<Shot>, format: ProbeFormat) -> Result<(), Failure> {
    let live = format == ProbeFormat::Table && io::stdout().is_terminal();
    let mut screen = Screen::default();
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    if format == ProbeFormat::Csv && !output::line(record::CSV_HEADER)? {
        return Ok(());
    }
    loop {
        tokio::select! {
            arrived = arriving.recv() => {
                let Some(shot) = arrived else { break };
                let tally = &mut tallies[shot.target];
                tally.add(shot.number, shot.reading);
                if !show(&Record::new(&shot, tally), format)? {
                    break;
                }
            }
            _ = redraw.tick(), if live => screen.draw(tallies, screen::size())?,
            _ = &mut interrupt => break,
        }
    }
    if live { screen.clear(screen::size()) } else { Ok(()) }
}

/// Prints the probe where probes are printed one by one; whether anybody reads.
fn show(record: &Record, format: ProbeFormat) -> Result<bool, Failure> {
    match format {
        ProbeFormat::Csv => output::line(record.csv()),
        ProbeFormat::Ndjson => {
            let text = serde_json::to_string(record);
            output::line(text.map_err(|error| Failure::runtime(format!("cannot write JSON: {error}")))?)
        }
        ProbeFormat::Table | ProbeFormat::Json => Ok(true),
    }
}

/// The histograms, then the table, so that the table is what stays in view.
fn print_summary(tallies: &[Tally]) -> Result<(), Failure> {
    let (columns, _) = screen::size();
    for tally in tallies.iter().filter(|tally| tally.rtts.count() > 1) {
        output::print(format_args!("{}, ms\n{}\n", tally.target, chart::histogram(tally, columns).join("\n")))?;
    }
    output::print(layout::cut(view::legend(tallies), columns))?;
    output::print(view::table(tallies, columns).join("\n"))
}
