//! What the programs weigh, and how long they take to start: to say their version, to be an agent that measures, to be a server that
//! answers.
//!
//! The first is the agent's static program of `cargo xtask package --static`; `cargo xtask bench start` makes it, unless
//! CLOUDPING_BENCH_BINARY names another. The whole cloudping is measured too where CLOUDPING_BENCH_WHOLE names it, such as the one of
//! `cargo xtask package --static --whole`.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cloudping_testkit::bench_report::{Bar, BenchReport};

/// Starts that only say something.
const SHORT: usize = 40;
/// Starts that stay.
const LONG: usize = 10;
const MOST_MB: f64 = 60.0;
const MOST_START_MS: f64 = 50.0;
/// How long a start may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is measured: a port that refuses.
const NOTHING: [&str; 3] = ["--no-catalogue", "--target", "nothing=127.0.0.1:9"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let binary = std::env::var_os("CLOUDPING_BENCH_BINARY").map(PathBuf::from);
    let binary = binary.ok_or("CLOUDPING_BENCH_BINARY is missing, expected the binary to measure")?;
    let folder = std::env::temp_dir().join(format!("cloudping-bench-start-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let whole = std::env::var_os("CLOUDPING_BENCH_WHOLE").map(PathBuf::from);
    let outcome = measure(&binary, whole.as_deref(), &folder);
    fs::remove_dir_all(&folder)?;
    let report = outcome?;
    let holds = report.holds();
    report.publish(env!("CARGO_MANIFEST_DIR"))?;
    if holds { Ok(()) } else { Err("a bar does not hold".into()) }
}

fn measure(binary: &Path, whole: Option<&Path>, folder: &Path) -> Result<BenchReport> {
    let mut report = BenchReport::new("start");
    weigh(&mut report, "agent's program", binary)?;
    let key = folder.join("ingest.key");
    run(binary, &["ingest-key", "new", "--vantage", "bench", "--out", &key.to_string_lossy()])?;
    let agents = (0..LONG).map(|at| agent_measures(binary, &key, &folder.join(format!("agent-{at}"))));
    let (times, memory): (Vec<f64>, Vec<f64>) = agents.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    report.plain("agent until it measures: median", quantile(&times, 0.5), "ms");
    report.plain("agent's peak memory then: median", quantile(&memory, 0.5), "MB");
    if let Some(whole) = whole {
        weigh(&mut report, "whole cloudping", whole)?;
        let servers = (0..LONG).map(|at| server_answers(whole, &folder.join(format!("up-{at}"))));
        let times = servers.collect::<Result<Vec<_>>>()?;
        report.plain("up until /healthz answers: median", quantile(&times, 0.5), "ms");
    }
    report.note(format!("{SHORT} starts that only say something, {LONG} of each that stay"));
    Ok(report)
}

/// Size, loader, and the time of a start that only says something.
fn weigh(report: &mut BenchReport, who: &str, binary: &Path) -> Result<()> {
    report.judged(who, fs::metadata(binary)?.len() as f64 / 1e6, "MB", Bar::AtMost(MOST_MB));
    let interpreter = if asks_for_an_interpreter(&fs::read(binary)?) { 1.0 } else { 0.0 };
    report.judged(format!("{who}: dynamic loaders that it asks for"), interpreter, "", Bar::AtMost(0.0));
    for arguments in [&["--version"][..], &["agent", "--help"]] {
        let times = (0..SHORT).map(|_| whole_run(binary, arguments)).collect::<Result<Vec<_>>>()?;
        let what = format!("{who}: {}", arguments.join(" "));
        report.judged(format!("{what}: median"), quantile(&times, 0.5), "ms", Bar::AtMost(MOST_START_MS));
        report.plain(format!("{what}: p95"), quantile(&times, 0.95), "ms");
    }
    Ok(())
}

fn quantile(values: &[f64], q: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = (values.len().saturating_sub(1) as f64 * q).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// By its ELF header: a segment of the type PT_INTERP.
fn asks_for_an_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let u16_at =
        |at: usize| elf.get(at..at + 2).map_or(0, |bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])));
    let start = elf.get(32..40).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes) as usize;
    let (size, count) = (u16_at(54), u16_at(56));
    (0..count).any(|segment| {
        let at = start + segment * size;
        elf.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes) == Some(PT_INTERP)
    })
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn run(binary: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new(binary).args(arguments).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", arguments.join(" ")).into()) }
}

/// From the start of the process to its end.
fn whole_run(binary: &Path, arguments: &[&str]) -> Result<f64> {
    let started = Instant::now();
    run(binary, arguments)?;
    Ok(ms(started))
}

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Until it tells its service manager that it measures, and what it has taken of memory by then, MB. Its door is nowhere.
fn agent_measures(binary: &Path, key: &Path, folder: &Path) -> Result<(f64, f64)> {
    fs::create_dir_all(folder)?;
    let manager = UnixDatagram::bind(folder.join("notify"))?;
    manager.set_read_timeout(Some(PATIENCE))?;
    let mut command = Command::new(binary);
    command.args(["agent", "--join", "http://127.0.0.1:9", "--key-file"]).arg(key).arg("--spool").arg(folder);
    command.args(NOTHING).env("NOTIFY_SOCKET", folder.join("notify")).stderr(Stdio::null());
    let started = Instant::now();
    let agent = Running(command.spawn()?);
    manager.recv(&mut [0; 1024])?;
    let took = ms(started);
    let status = fs::read_to_string(format!("/proc/{}/status", agent.0.id()))?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok((took, peak.ok_or("/proc has no VmHWM of the agent")? * 1024.0 / 1e6))
}

/// Until the first answer of a server with an empty data directory.
fn server_answers(binary: &Path, data: &Path) -> Result<f64> {
    let mut command = Command::new(binary);
    command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(NOTHING);
    let started = Instant::now();
    let mut server = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let lines = BufReader::new(server.0.stdout.take().ok_or("no standard output")?).lines();
    let address =
        lines.map_while(std::io::Result::ok).find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
    let address = address.ok_or("the server ended without listening")?;
    while started.elapsed() < PATIENCE {
        if ureq::get(format!("{address}/healthz")).call().is_ok() {
            return Ok(ms(started));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err("the server does not answer".into())
}
