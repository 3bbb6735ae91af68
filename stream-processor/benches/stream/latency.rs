//! How old news is in the live view: `cloudping up --planet` in one process, twelve regions, a round a second, and a client of
//! its stream of server-sent events.
//!
//! A round is one event, made when its last answer is in, and its probes are spread over the interval. So two times are
//! reported. *Judged* is from the moment at which the last answer of a round was in until the client had read the update that
//! shows the round: that moment is the greatest `last` plus round-trip time over the cells of one vantage point that came
//! with one update, where the round-trip time is the cell's median, since links of the planet have no jitter. *For
//! information* is from each probe's leaving until the client had read its cell, most of which is waiting for the round's
//! other probes. Both clocks are this machine's; `last` has milliseconds. Of rounds that came together with a later one of
//! their vantage point only the later one is seen.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use cloudping_testkit::bench_report::{Bar, BenchReport};
use serde_json::Value;

const REGIONS: &str = "us-east-1,us-west-2,eu-west-1,eu-central-1,ap-south-1,ap-northeast-1,ap-southeast-2,sa-east-1,\
    af-south-1,me-south-1,ca-central-1,il-central-1";
/// Not measured: the process starts, and medians of the first rounds are of few probes.
const WARM_UP: Duration = Duration::from_secs(8);
const MEASURED: Duration = Duration::from_secs(40);
/// Fewer rounds than these cannot carry a 99th percentile.
const LEAST_ROUNDS: usize = 200;

/// Reports the delays.
///
/// # Errors
/// If the binary cannot be built or run, or its stream ends.
pub fn judge(report: &mut BenchReport) -> Result<(), Box<dyn Error>> {
    let server = Server::start(&build()?)?;
    let mut delays = follow(&server.address)?;
    drop(server);
    if delays.rounds.len() < LEAST_ROUNDS {
        return Err(format!("{} rounds came, expected at least {LEAST_ROUNDS}", delays.rounds.len()).into());
    }
    let p99 = quantile(&mut delays.rounds, 0.99);
    report.judged("last answer to live view (SSE), p99", p99, "ms", Bar::AtMost(250.0));
    report.plain("last answer to live view (SSE), p50", quantile(&mut delays.rounds, 0.5), "ms");
    report.plain("probe's leaving to live view, p50", quantile(&mut delays.probes, 0.5), "ms");
    report.plain("probe's leaving to live view, p99", quantile(&mut delays.probes, 0.99), "ms");
    report.note(format!(
        "live view: {} rounds of a second each; a round is one event, its probes are spread over 0.9 s of it",
        delays.rounds.len()
    ));
    Ok(())
}

/// The development build, made as `cargo xtask up` makes it.
fn build() -> Result<PathBuf, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--package", "cloudping"]).stdin(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("cargo build --package cloudping: {status}").into());
    }
    // TARGET/release/deps/stream-HASH
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).ok_or("the bench is in no target directory")?;
    Ok(target.join("debug/cloudping"))
}

/// A running `cloudping up`, killed when dropped.
struct Server {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Server {
    fn start(binary: &Path) -> Result<Self, Box<dyn Error>> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(binary);
        command.args(["up", "--planet", "--listen", "127.0.0.1:0", "--interval", "1s", "--regions", REGIONS, "--data"]);
        let mut child = command.arg(data.path()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("a child without the pipe that was asked for")?;
        let mut server = Self { child, address: String::new(), _data: data };
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
        server.address = address.ok_or("cloudping up ended without listening")?;
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In ms.
#[derive(Debug, Default)]
struct Delays {
    rounds: Vec<f64>,
    probes: Vec<f64>,
}

/// Follows the stream for as long as is measured.
fn follow(address: &str) -> Result<Delays, Box<dyn Error>> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(20)))?;
    // HTTP/1.0: the answer is not cut into chunks.
    write!(connection, "GET /api/v1/stream?percentile=p50 HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let started = Instant::now();
    let mut last: HashMap<(String, String), String> = HashMap::new();
    let mut delays = Delays::default();
    for line in BufReader::new(connection).lines() {
        let line = line.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => "the stream was silent for 20 s".into(),
            _ => Box::<dyn Error>::from(error),
        })?;
        let arrived = SystemTime::now();
        let Some(data) = line.strip_prefix("data:") else { continue };
        let measured = started.elapsed() >= WARM_UP;
        take_update(&serde_json::from_str(data)?, arrived, &mut last, measured.then_some(&mut delays))?;
        if started.elapsed() >= WARM_UP + MEASURED {
            return Ok(delays);
        }
    }
    Err("the stream ended".into())
}

/// Adds the delays of the cells that have a newer probe than the last time.
fn take_update(
    update: &Value,
    arrived: SystemTime,
    last: &mut HashMap<(String, String), String>,
    delays: Option<&mut Delays>,
) -> Result<(), Box<dyn Error>> {
    let since = |moment: SystemTime| match arrived.duration_since(moment) {
        Ok(delay) => delay.as_secs_f64() * 1e3,
        // `last` is rounded to milliseconds.
        Err(early) => -early.duration().as_secs_f64() * 1e3,
    };
    let mut answered: HashMap<&str, SystemTime> = HashMap::new();
    let mut probes = Vec::new();
    for cell in update["cells"].as_array().ok_or("an update without cells")? {
        let (Some(source), Some(target)) = (cell["source"].as_str(), cell["target"].as_str()) else {
            return Err(format!("a cell without its ends: {cell}").into());
        };
        let (Some(left), Some(rtt_ms)) = (cell["last"].as_str(), cell["rtt_ms"].as_f64()) else { continue };
        let before = last.insert((source.to_owned(), target.to_owned()), left.to_owned());
        if before.as_deref() == Some(left) {
            continue;
        }
        let left = humantime::parse_rfc3339(left)?;
        probes.push(since(left));
        let answer = left + Duration::from_secs_f64(rtt_ms / 1e3);
        let newest = answered.entry(source).or_insert(answer);
        *newest = (*newest).max(answer);
    }
    if let Some(delays) = delays {
        delays.probes.extend(probes);
        delays.rounds.extend(answered.into_values().map(since));
    }
    Ok(())
}

/// Nearest rank, of at least one value.
fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (q * values.len() as f64).ceil() as usize;
    values[rank.max(1) - 1]
}
