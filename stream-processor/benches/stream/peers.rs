//! The peers: programs that compute only the percentiles of each pair and minute, from the same events. `peers.py` holds their
//! commands; each runs in a process of its own, whose CPU time counts with that of its children, less what went by before it
//! began (imports).

use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cloudping_testkit::bench_report::{Bar, BenchReport};
use serde_json::Value;

use crate::case;
use crate::generator::{LARGE, SMALL, Shape};
use crate::settings::Settings;
use crate::usage::wait_for;

/// What is read from Parquet.
const PEERS: [&str; 6] =
    ["duckdb-disc", "duckdb-cont", "clickhouse-exact", "clickhouse-tdigest", "polars", "datafusion"];
/// Takes minutes for 160,000 series; it gets a part of the events there.
const SLOW: &str = "datafusion";
/// The part of the events that the slow ones get.
const SLOW_SHARE: u64 = 10;
/// Another run of a peer is worth while if the first took at most so many times the best peer's time.
const WORTH_ANOTHER_RUN: f64 = 3.0;

/// One run of a peer.
#[derive(Debug, Clone, Copy)]
struct Run {
    cpu_seconds: f64,
    memory: f64,
}

/// Runs the peers at one size, beside our own samples in a CPU second, if they are known.
///
/// # Errors
/// If the events cannot be prepared. A peer that cannot run is a note.
pub fn judge(
    report: &mut BenchReport,
    shape: Shape,
    own: Option<f64>,
    settings: &Settings,
) -> Result<(), Box<dyn Error>> {
    let python = match python() {
        Ok(python) => python,
        Err(error) => {
            report.note(format!("no peers: {error}"));
            return Ok(());
        }
    };
    let name = shape.name();
    let all = Events::prepare(&python, shape, settings.samples)?;
    let part = match shape == LARGE {
        true => Some(Events::prepare(&python, shape, settings.samples / SLOW_SHARE)?),
        false => None,
    };
    let mut best: f64 = 0.0;
    for peer in PEERS {
        let slow = part.as_ref().filter(|_| peer == SLOW);
        let events = slow.unwrap_or(&all);
        let Some(per_second) = measure(report, &name, peer, events, best, settings.runs)? else { continue };
        if slow.is_some() {
            report.note(format!("{name}: {peer} had a part of the events, {:.0}", events.count));
        }
        best = best.max(per_second);
    }
    if let Some(own) = own.filter(|_| best > 0.0) {
        report.judged(format!("{name}: full path over the best peer"), own / best, "", Bar::AtLeast(1.5));
    }
    if shape == SMALL {
        flink(report, &name, &all, own)?;
    }
    Ok(())
}

/// Events as Parquet, in a folder that goes with this.
struct Events {
    folder: tempfile::TempDir,
    python: PathBuf,
    count: f64,
}

impl Events {
    fn prepare(python: &Path, shape: Shape, samples: u64) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().to_str().ok_or("a temporary folder whose name is no text")?;
        let answer = case::run(&["columns", &shape.name(), &samples.to_string(), path])?;
        let count = case::number(&answer, "samples")?;
        let events = Self { folder, python: python.to_owned(), count };
        events.run("prepare")?;
        Ok(events)
    }

    /// Runs one command of `peers.py`; checks what a peer wrote and removes it.
    fn run(&self, what: &str) -> Result<Run, Box<dyn Error>> {
        let is_peer = PEERS.contains(&what) || what.starts_with("flink");
        let output = self.folder.path().join(format!("{what}.out"));
        let mut command = self.command(what);
        command.args(is_peer.then_some(&output)).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut said = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut said)?;
        }
        let (status, usage) = wait_for(child)?;
        if !status.success() {
            return Err(format!("{what}: {status} {}", said.lines().last().unwrap_or_default()).into());
        }
        let before = said.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()?["before"].as_f64());
        if is_peer && what != "flink-alone" {
            let checked = self.command("check").arg(&output).output()?;
            if !checked.status.success() {
                return Err(format!("{what}: {}", String::from_utf8_lossy(&checked.stderr).trim()).into());
            }
        }
        if output.is_dir() {
            fs::remove_dir_all(&output)?;
        } else if output.exists() {
            fs::remove_file(&output)?;
        }
        Ok(Run { cpu_seconds: usage.cpu_seconds - before.unwrap_or(0.0), memory: usage.peak_memory })
    }

    fn command(&self, what: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/stream/peers.py");
        let mut command = Command::new(&self.python);
        command.arg(script).arg(what).arg(self.folder.path()).stdin(Stdio::null());
        command
    }
}

/// Reports one peer; its events in a CPU second, of several runs the most. `best`: what the best peer so far did.
fn measure(
    report: &mut BenchReport,
    name: &str,
    peer: &str,
    events: &Events,
    best: f64,
    runs: u32,
) -> Result<Option<f64>, Box<dyn Error>> {
    let (mut per_second, mut memory) = (0.0_f64, 0.0_f64);
    for _ in 0..runs {
        match events.run(peer) {
            Ok(run) => {
                per_second = per_second.max(events.count / run.cpu_seconds);
                memory = memory.max(run.memory);
            }
            Err(error) => {
                report.note(format!("{name}: no figure of {peer}: {error}"));
                return Ok(None);
            }
        }
        if per_second * WORTH_ANOTHER_RUN < best {
            break;
        }
    }
    report.plain(format!("{name}: {peer}"), per_second / 1e6, "M/s");
    report.plain(format!("{name}: {peer}, peak memory"), memory / 1e9, "GB");
    Ok(Some(per_second))
}

/// Flink's streaming figure; what it takes for a single event, its start, is taken off.
fn flink(report: &mut BenchReport, name: &str, events: &Events, own: Option<f64>) -> Result<(), Box<dyn Error>> {
    if let Err(error) = java() {
        report.note(format!("{name}: no figure of flink: {error}"));
        return Ok(());
    }
    events.run("ndjson")?;
    let (alone, all) = match events.run("flink-alone").and_then(|alone| Ok((alone, events.run("flink")?))) {
        Ok(runs) => runs,
        Err(error) => {
            report.note(format!("{name}: no figure of flink: {error}"));
            return Ok(());
        }
    };
    let per_second = events.count / (all.cpu_seconds - alone.cpu_seconds);
    report.plain(format!("{name}: flink, streaming NDJSON"), per_second / 1e6, "M/s");
    report.plain(format!("{name}: flink, peak memory"), all.memory / 1e9, "GB");
    if let Some(own) = own {
        report.judged(format!("{name}: full path over flink"), own / per_second, "", Bar::AtLeast(50.0));
    }
    Ok(())
}

/// Makes sure that there is a Java.
fn java() -> Result<(), Box<dyn Error>> {
    if succeeds(Command::new("java").arg("-version")) {
        return Ok(());
    }
    let installed = succeeds(Command::new("apt-get").args(["install", "--yes", "default-jre-headless"]));
    if installed { Ok(()) } else { Err("no Java, and apt-get could not install default-jre-headless".into()) }
}

/// The interpreter of an environment that holds exactly what `requirements.txt` asks for, below `$CLOUDPING_CACHE` or
/// `~/.cache/cloudping`.
fn python() -> Result<PathBuf, Box<dyn Error>> {
    let cache = match (std::env::var_os("CLOUDPING_CACHE"), std::env::var_os("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache/cloudping"),
        (None, None) => return Err("neither CLOUDPING_CACHE nor HOME is set".into()),
    };
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/stream/requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let folder = cache.join("bench-python");
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    let usable = succeeds(Command::new(&python).args(["-c", "pass"]));
    if usable && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!("installing the peers into {}", folder.display());
    if !succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)) {
        return Err("python3 -m venv failed, expected Python 3.11 or newer with venv".into());
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    if !succeeds(Command::new(&python).args(pip).arg(&requirements)) {
        return Err("pip could not install benches/stream/requirements.txt".into());
    }
    fs::write(&stamp, wanted)?;
    Ok(python)
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}
