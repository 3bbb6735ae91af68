//! How truthful the planet is: the RTT that the wire saw against the RTT that was asked for, over all ordered pairs of the
//! region catalogue, one round a second. `PLANET_BENCH_SECONDS` sets how long (20).

use std::collections::HashMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use cloudping_planet::{AskedRtt, Capture, Flow, Handshake, Options, Place, Planet, Scenario, World, acquire_rights};
use cloudping_testkit::bench_report::{Bar, BenchReport};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};

const SCENARIO: &str = "[defaults]\njitter_ms = 0.2\n";
/// Longer than any handshake of the catalogue's regions takes.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    acquire_rights()?;
    let seconds = match std::env::var("PLANET_BENCH_SECONDS") {
        Ok(text) => text.parse()?,
        Err(_) => 20,
    };
    let mut report = BenchReport::new("planet");
    let places = catalogue()?;
    let pairs = places.len() * (places.len() - 1);
    let world = World::from_places(&places).with(&Scenario::parse(SCENARIO)?)?;
    let planet = Planet::start(world, Options { ledger: pairs * (seconds as usize + 1), ..Options::default() })?;
    let capture = Capture::start(&planet)?;
    let failed = run_rounds(&planet, &places, seconds)?;
    let seen = capture.stop()?;
    let asked = planet.take_asked();
    judge(&mut report, &seen, &asked, pairs as u64 * seconds);
    by_the_router(&mut report, &planet, &asked);
    report.plain("probes that did not connect", failed as f64, "");
    report.note(format!("{} regions, {pairs} pairs, 1 round/s for {seconds} s, jitter 0.2 ms", places.len()));
    let holds = report.holds();
    let path = report.publish(env!("CARGO_MANIFEST_DIR"))?;
    println!("  written to {}", path.display());
    if holds { Ok(()) } else { Err("a bar does not hold".into()) }
}

/// The AWS regions of the catalogue that are open to anybody: those with an endpoint.
fn catalogue() -> Result<Vec<Place>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/regions/aws.toml");
    let catalogue: toml::Table = std::fs::read_to_string(path)?.parse()?;
    let regions = catalogue.get("region").and_then(|regions| regions.as_array()).ok_or("no [[region]]")?;
    let place = |region: &toml::Value| {
        let number = |key| region.get(key).and_then(|value| value.as_float()).ok_or("a region without coordinates");
        let id = region.get("id").and_then(|id| id.as_str()).ok_or("a region without an id")?;
        Ok(Place { id: id.into(), latitude: number("latitude")?, longitude: number("longitude")? })
    };
    regions.iter().filter(|region| region.get("endpoint").is_some()).map(place).collect()
}

/// Probes all ordered pairs once a second, evenly spread. Returns how many probes failed.
fn run_rounds(planet: &Planet, places: &[Place], seconds: u64) -> Result<u64, Box<dyn Error>> {
    let mut pairs = Vec::new();
    for target in places {
        for source in places.iter().filter(|source| source.id != target.id) {
            let from = planet.vantage_address(&source.id).ok_or("unknown region")?;
            let to = planet.target_address(&target.id).ok_or("unknown region")?;
            pairs.push((from, to));
        }
    }
    let entrance = planet.entrance();
    let prober = std::thread::spawn(move || {
        entrance.enter()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok::<u64, std::io::Error>(runtime.block_on(probe_all(pairs, seconds)))
    });
    Ok(prober.join().map_err(|_| "the prober panicked")??)
}

async fn probe_all(pairs: Vec<(IpAddr, SocketAddr)>, seconds: u64) -> u64 {
    let start = Instant::now() + Duration::from_millis(100);
    let step = Duration::from_secs(1) / pairs.len() as u32;
    let mut probes = Vec::new();
    for round in 0..seconds {
        for (place, &(from, to)) in pairs.iter().enumerate() {
            sleep_until(start + Duration::from_secs(round) + step * place as u32).await;
            probes.push(tokio::spawn(probe(from, to)));
        }
    }
    let mut failed = 0;
    for probe in probes {
        failed += u64::from(!matches!(probe.await, Ok(true)));
    }
    failed
}

/// One handshake, ended by a reset. Whether it succeeded.
async fn probe(from: IpAddr, to: SocketAddr) -> bool {
    let connect = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        let stream: TcpStream = socket.connect(to).await?;
        stream.set_zero_linger()
    };
    matches!(timeout(PATIENCE, connect).await, Ok(Ok(())))
}

/// Compares each handshake on the wire with what was asked for it.
fn judge(report: &mut BenchReport, seen: &[Handshake], asked: &[AskedRtt], probes: u64) {
    let mut by_flow: HashMap<Flow, Vec<&AskedRtt>> = HashMap::new();
    for asked in asked {
        by_flow.entry(asked.flow).or_default().push(asked);
    }
    let mut errors_ms = Vec::new();
    for handshake in seen.iter().filter(|handshake| handshake.syn_count == 1) {
        let Some(arrived) = handshake.synack_at_ns else {
            continue;
        };
        let same_flow = by_flow.get(&handshake.flow).into_iter().flatten();
        let nearest = same_flow.min_by_key(|asked| asked.syn_at_ns.abs_diff(handshake.syn_at_ns));
        if let Some(asked) = nearest.filter(|asked| asked.syn_at_ns.abs_diff(handshake.syn_at_ns) < 1_000_000) {
            let delivered = arrived.saturating_sub(handshake.syn_at_ns) as f64;
            errors_ms.push((delivered - asked.asked.as_nanos() as f64).abs() / 1e6);
        }
    }
    errors_ms.sort_by(f64::total_cmp);
    report.judged("wire: |delivered - asked|, median", quantile(&errors_ms, 0.5), "ms", Bar::AtMost(0.05));
    report.judged("wire: |delivered - asked|, p99", quantile(&errors_ms, 0.99), "ms", Bar::AtMost(0.25));
    report.plain("wire: |delivered - asked|, p99.9", quantile(&errors_ms, 0.999), "ms");
    report.plain("wire: |delivered - asked|, largest", quantile(&errors_ms, 1.0), "ms");
    report.judged("handshakes measured", errors_ms.len() as f64, "", Bar::AtLeast((0.99 * probes as f64).floor()));
    let repeated = seen.iter().filter(|handshake| handshake.syn_count > 1).count();
    report.plain("handshakes that repeated a SYN", repeated as f64, "");
}

fn by_the_router(report: &mut BenchReport, planet: &Planet, asked: &[AskedRtt]) {
    let late_ms = |asked: &AskedRtt| asked.delivered.abs_diff(asked.asked).as_secs_f64() * 1e3;
    let mut errors_ms: Vec<f64> = asked.iter().map(late_ms).collect();
    errors_ms.sort_by(f64::total_cmp);
    report.plain("router's clock: |delivered - asked|, median", quantile(&errors_ms, 0.5), "ms");
    report.plain("router's clock: |delivered - asked|, p99", quantile(&errors_ms, 0.99), "ms");
    let accuracy = planet.accuracy();
    let share = accuracy.cpu.as_secs_f64() / accuracy.running.as_secs_f64();
    report.judged("router's share of a core", share, "", Bar::AtMost(0.25));
    report.plain("SYNs without a kernel timestamp", accuracy.unstamped as f64, "");
}

/// Nearest rank in sorted values; not a number if there are none.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}
