//! Every tool against the wire, idle and saturated.

use std::error::Error;
use std::mem::MaybeUninit;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cloudping_testkit::bench_report::{Bar, BenchReport};

use crate::lab::{Lab, Road, roads};
use crate::tools::Tool;
use crate::verdict::{Verdict, mean, quantile};
use crate::wire::Tap;

/// Base round-trip times of the roads, ms.
const CLASSES: [u32; 2] = [10, 100];

/// Runs all and judges.
pub fn judge(report: &mut BenchReport, seconds: u64) -> Result<(), Box<dyn Error>> {
    if !install("stress-ng", "stress-ng") || !install("ip", "iproute2") {
        return Err("this bench needs stress-ng and ip".into());
    }
    let mut tools = Vec::new();
    for tool in Tool::ALL {
        match tool.program() {
            Some((program, package)) if !install(program, package) => {
                report.note(format!("{} is left out: not installed, and apt-get could not", tool.name()));
            }
            _ => tools.push(tool),
        }
    }
    let lab = Lab::start()?;
    let idle = all(&lab, &tools, seconds)?;
    let stress = Stress::start()?;
    let saturated = all(&lab, &tools, seconds)?;
    drop(stress);
    for (condition, verdicts, bar) in [("idle", &idle, 0.2), ("saturated", &saturated, 0.3)] {
        for (tool, verdict) in tools.iter().zip(verdicts) {
            describe(report, condition, *tool, verdict, bar);
        }
        by_road(report, condition, &verdicts[0]);
        beside_the_best(report, condition, &tools, verdicts);
    }
    beside_timers(report, &tools, &saturated);
    report.note(format!(
        "roads of 10 and 100 ms, jitter 0 and 5 ms (mean, exponential), loss 0 and 1 %; {seconds} s a tool; \
         tools print different digits: fping 3 in all, hping3 0.1 ms, the others 1 us"
    ));
    Ok(())
}

/// Whether a program is there, if need be after installing it.
fn install(program: &str, package: &str) -> bool {
    let is_there = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    };
    if !is_there() {
        let mut command = Command::new("apt-get");
        command.args(["install", "-y", "-qq", package]).env("DEBIAN_FRONTEND", "noninteractive");
        // What became of it is seen below.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    is_there()
}

/// One tool after the other, and all again, so that a moment of the machine's other work does not fall on one tool alone.
fn all(lab: &Lab, tools: &[Tool], seconds: u64) -> Result<Vec<Verdict>, Box<dyn Error>> {
    const TURNS: u64 = 2;
    let mut verdicts = vec![Verdict::default(); tools.len()];
    for _ in 0..TURNS {
        for (tool, verdict) in tools.iter().zip(&mut verdicts) {
            verdict.add(one(lab, *tool, seconds.div_ceil(TURNS))?);
        }
    }
    Ok(verdicts)
}

fn one(lab: &Lab, tool: Tool, seconds: u64) -> Result<Verdict, Box<dyn Error>> {
    let tap = Tap::start(lab)?;
    let before = children_cpu();
    let said = lab.inside(|| tool.run(lab, seconds))?.map_err(|error| format!("{}: {error}", tool.name()))?;
    let cpu = children_cpu() - before;
    // The last answers.
    std::thread::sleep(Duration::from_millis(200));
    Ok(Verdict::new(&said, &tap.stop(lab)?, &roads(), cpu))
}

/// CPU seconds of all child processes that have ended.
pub fn children_cpu() -> f64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the buffer is a rusage, for which all-zero is valid; the call cannot fail with these arguments.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// All cores busy, until dropped.
struct Stress(Child);

impl Stress {
    fn start() -> Result<Self, Box<dyn Error>> {
        let cores = std::thread::available_parallelism()?.to_string();
        let mut command = Command::new("stress-ng");
        let child = command.args(["--quiet", "--cpu", &cores]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        std::thread::sleep(Duration::from_millis(500));
        Ok(Self(child))
    }
}

impl Drop for Stress {
    fn drop(&mut self) {
        // Killed, it could not end its workers.
        // SAFETY: takes no pointers; the child has not been waited for, so that the id is still its own.
        unsafe { libc::kill(self.0.id() as libc::pid_t, libc::SIGTERM) };
        let _ = self.0.wait();
    }
}

fn describe(report: &mut BenchReport, condition: &str, tool: Tool, verdict: &Verdict, bar: f64) {
    let (name, errors) = (tool.name(), verdict.errors(|_| true));
    let figure = |what: &str| format!("{condition}, {name}: {what}");
    report.plain(figure("error, mean"), mean(&errors), "ms");
    if tool == Tool::Ours {
        report.judged(figure("error, p99"), quantile(&errors, 0.99), "ms", Bar::AtMost(bar));
        report.judged(figure("false latencies"), verdict.false_latencies as f64, "", Bar::AtMost(0.0));
        report.judged(figure("answers not found on the wire"), verdict.unpaired as f64, "", Bar::AtMost(0.0));
    } else {
        report.plain(figure("error, p99"), quantile(&errors, 0.99), "ms");
        report.plain(figure("false latencies"), verdict.false_latencies as f64, "");
        report.plain(figure("answers not found on the wire"), verdict.unpaired as f64, "");
    }
    report.plain(figure("repeated SYNs on the wire"), verdict.repeated as f64, "");
    report.plain(figure("probes compared"), verdict.compared() as f64, "");
    report.plain(figure("CPU for 1,000 probes"), verdict.cpu_per_thousand(), "s");
}

fn by_road(report: &mut BenchReport, condition: &str, ours: &Verdict) {
    for (at, Road { rtt_ms, jitter_ms, loss_percent }) in roads().into_iter().enumerate() {
        let road = format!("{rtt_ms} ms, jitter {jitter_ms} ms, loss {loss_percent} %");
        report.plain(
            format!("{condition}, cloudping, {road}: error, p99"),
            quantile(&ours.errors(|road| road == at), 0.99),
            "ms",
        );
    }
}

fn p99_of_class(verdict: &Verdict, class: u32) -> f64 {
    let roads = roads();
    quantile(&verdict.errors(|road| roads[road].rtt_ms == class), 0.99)
}

/// Class by class, since some tools print fewer digits of longer times.
fn beside_the_best(report: &mut BenchReport, condition: &str, tools: &[Tool], verdicts: &[Verdict]) {
    for class in CLASSES {
        let ours = p99_of_class(&verdicts[0], class);
        let peers =
            tools.iter().zip(verdicts).skip(1).map(|(tool, verdict)| (tool.name(), p99_of_class(verdict, class)));
        let peers = peers.filter(|(_, p99)| p99.is_finite());
        if let Some((name, best)) = peers.min_by(|(_, a), (_, b)| a.total_cmp(b)) {
            report.plain(format!("{condition}, {class} ms: p99 error of the best peer, {name}"), best, "ms");
            report.judged(
                format!("{condition}, {class} ms: ours / the best peer's"),
                ours / best,
                "",
                Bar::AtMost(1.1),
            );
        }
    }
}

fn beside_timers(report: &mut BenchReport, tools: &[Tool], saturated: &[Verdict]) {
    let p99 = |verdict: &Verdict| quantile(&verdict.errors(|_| true), 0.99);
    for (tool, verdict) in tools.iter().zip(saturated).filter(|(tool, _)| tool.is_connect_timer()) {
        let ratio = p99(verdict) / p99(&saturated[0]);
        report.judged(format!("saturated: p99 error of {} / ours", tool.name()), ratio, "", Bar::AtLeast(20.0));
    }
}
