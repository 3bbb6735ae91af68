//! `cloudping probe`: round-trip times from here, live.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;

use cloudping_model::{Outcome, TargetId};
use cloudping_producers::targets::{self, Endpoint, Target};
use cloudping_producers::tcp::{self, Reading};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::cli::{Format, ProbeArgs};
use crate::failure::Failure;
use crate::output;

/// What is known of one target.
#[derive(Debug, Serialize)]
struct Tally {
    target: String,
    address: Option<SocketAddr>,
    sent: u64,
    lost: u64,
    last: Option<&'static str>,
    #[serde(skip)]
    rtts_us: Vec<u32>,
    min_ms: Option<f64>,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
}

/// Probes until the count is reached or Ctrl-C, then prints the final table.
pub fn run(args: ProbeArgs) -> Result<(), Failure> {
    if args.interval.is_zero() || args.timeout.is_zero() {
        return Err(Failure::setting("--interval and --timeout: expected more than 0, such as 200ms"));
    }
    let endpoints = args.targets.iter().map(|text| Endpoint::parse(text).map_err(Failure::setting));
    let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::runtime)?;
    runtime.block_on(probe_all(args, endpoints))
}

async fn probe_all(args: ProbeArgs, endpoints: Vec<Endpoint>) -> Result<(), Failure> {
    let resolved = resolve(&endpoints).await;
    let mut tallies: Vec<Tally> =
        (args.targets.iter().zip(&resolved)).map(|(text, target)| Tally::new(text, target.address())).collect();
    if let Some(unresolved) = tallies.iter().find(|tally| tally.address.is_none()) {
        return Err(Failure::runtime(format!("{}: the name has no address", unresolved.target)));
    }
    let (readings, mut arriving) = mpsc::channel(1_024);
    for (at, tally) in tallies.iter().enumerate() {
        let Some(address) = tally.address else {
            continue;
        };
        let (readings, (count, interval, timeout)) = (readings.clone(), (args.count, args.interval, args.timeout));
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval_at(Instant::now(), interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 1_u64.. {
                ticks.tick().await;
                let readings = readings.clone();
                tokio::spawn(async move {
                    let reading = tcp::connect(address, None, timeout).await;
                    // A closed channel means that the command is ending.
                    let _ = readings.send((at, reading)).await;
                });
                if number == count {
                    break;
                }
            }
        });
    }
    drop(readings);
    let format = output::chosen(args.output);
    let mut screen = Screen::new(format);
    loop {
        tokio::select! {
            arrived = arriving.recv() => match arrived {
                Some((at, reading)) => tallies[at].add(reading),
                None => break,
            },
            _ = tokio::signal::ctrl_c() => break,
        }
        screen.redraw(&tallies)?;
    }
    screen.clear()?;
    match format {
        Format::Json => output::json(&tallies),
        Format::Table => output::print(table(&tallies)),
    }
}

async fn resolve(endpoints: &[Endpoint]) -> Vec<Target> {
    let target = |(at, endpoint): (usize, &Endpoint)| {
        let id = TargetId::new(&at.to_string()).expect("digits are an id");
        Target::new(id, endpoint.clone())
    };
    let targets: Vec<Target> = endpoints.iter().enumerate().map(target).collect();
    targets::resolve_all(&targets).await;
    targets
}

impl Tally {
    fn new(target: &str, address: Option<SocketAddr>) -> Self {
        Self {
            target: target.to_owned(),
            address,
            sent: 0,
            lost: 0,
            last: None,
            rtts_us: Vec::new(),
            min_ms: None,
            p50_ms: None,
            p90_ms: None,
            p99_ms: None,
            max_ms: None,
        }
    }

    fn add(&mut self, reading: Reading) {
        self.last = Some(reading.outcome.name());
        if reading.outcome == Outcome::NotSent {
            return;
        }
        self.sent += 1;
        self.lost += u64::from(reading.outcome.is_loss());
        if let Some(rtt) = reading.rtt_us {
            let at = self.rtts_us.partition_point(|other| *other < rtt);
            self.rtts_us.insert(at, rtt);
        }
        self.min_ms = self.quantile_ms(0.0);
        self.p50_ms = self.quantile_ms(0.5);
        self.p90_ms = self.quantile_ms(0.9);
        self.p99_ms = self.quantile_ms(0.99);
        self.max_ms = self.quantile_ms(1.0);
    }

    /// By linear interpolation of the sorted values.
    fn quantile_ms(&self, q: f64) -> Option<f64> {
        let rank = q * (self.rtts_us.len().checked_sub(1)? as f64);
        let low = f64::from(self.rtts_us[rank.floor() as usize]);
        let high = f64::from(self.rtts_us[rank.ceil() as usize]);
        Some((low + (high - low) * rank.fract()) / 1_000.0)
    }
}

fn table(tallies: &[Tally]) -> comfy_table::Table {
    let row = |tally: &Tally| {
        let loss = tally.lost as f64 / tally.sent.max(1) as f64;
        vec![
            tally.target.clone(),
            tally.address.map_or_else(String::new, |address| address.ip().to_string()),
            tally.last.unwrap_or("-").to_owned(),
            tally.sent.to_string(),
            output::percent(loss),
            output::ms(tally.min_ms),
            output::ms(tally.p50_ms),
            output::ms(tally.p90_ms),
            output::ms(tally.p99_ms),
            output::ms(tally.max_ms),
        ]
    };
    let header = ["target", "address", "last", "sent", "loss", "min ms", "p50", "p90", "p99", "max"];
    output::table(&header, tallies.iter().map(row).collect(), 3)
}

/// The table on a terminal, drawn over its last state.
struct Screen {
    live: bool,
    lines: usize,
}

impl Screen {
    fn new(format: Format) -> Self {
        let live = format == Format::Table && io::stdout().is_terminal();
        Self { live, lines: 0 }
    }

    fn redraw(&mut self, tallies: &[Tally]) -> Result<(), Failure> {
        if !self.live {
            return Ok(());
        }
        self.clear()?;
        let text = table(tallies).to_string();
        self.lines = text.lines().count();
        output::print(text)
    }

    fn clear(&mut self) -> Result<(), Failure> {
        if self.lines > 0 {
            // Up by the lines that were drawn, then erase to the end of the screen.
            let erase = write!(io::stdout().lock(), "\x1b[{}A\x1b[J", self.lines);
            erase.map_err(|error| Failure::runtime(format!("cannot write to the terminal: {error}")))?;
        }
        self.lines = 0;
        Ok(())
    }
}
