//! The tools: how each is run against all targets, and how what it prints is read.

use std::collections::HashMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::lab::{Lab, roads};

/// From one probe of a target to the next.
pub const PERIOD: Duration = Duration::from_millis(20);

/// The same for nping, whose every probe is a process.
const NPING_PERIOD: Duration = Duration::from_millis(160);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The product's prober.
    Ours,
    /// ICMP echo.
    Fping,
    /// Raw SYNs.
    Hping,
    /// Connect, timed in user space.
    Nping,
    /// Raw SYNs, answers from a packet capture; also the measuring part of the script tcpping.
    Tcptraceroute,
    /// tokio's connect with an `Instant` before and after.
    TokioTimer,
}

/// How a line of a tool's output is found again on the wire, among the probes of its target.
#[derive(Debug, Clone, Copy)]
pub enum Key {
    /// The n-th, from 0, from this address.
    Source(IpAddr, usize),
    /// The one from this port.
    Port(u16),
    /// The n-th of all, from 0.
    Nth(usize),
}

/// What a tool said of one probe.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    pub target: usize,
    pub key: Key,
    /// The round-trip time as printed; `None` if the tool said that there is none.
    pub rtt_ms: Option<f64>,
}

impl Tool {
    /// All, ours first.
    pub const ALL: [Self; 6] =
        [Self::Ours, Self::Fping, Self::Hping, Self::Nping, Self::Tcptraceroute, Self::TokioTimer];

    /// What it is called in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "cloudping",
            Self::Fping => "fping (ICMP)",
            Self::Hping => "hping3 -S",
            Self::Nping => "nping --tcp-connect",
            Self::Tcptraceroute => "tcptraceroute",
            Self::TokioTimer => "tokio connect timer",
        }
    }

    /// The program and Debian's package of it; `None` for what is built in.
    pub fn program(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Ours | Self::TokioTimer => None,
            Self::Fping => Some(("fping", "fping")),
            Self::Hping => Some(("hping3", "hping3")),
            Self::Nping => Some(("nping", "nmap")),
            Self::Tcptraceroute => Some(("tcptraceroute", "tcptraceroute")),
        }
    }

    /// Whether it times a TCP connect in user space.
    pub fn is_connect_timer(self) -> bool {
        matches!(self, Self::Nping | Self::TokioTimer)
    }

    /// Probes all targets for about `seconds`, and gives all that it said. To be called inside the lab.
    pub fn run(self, lab: &Lab, seconds: u64) -> Result<Vec<Said>, Box<dyn Error + Send + Sync>> {
        let count = (seconds * 1_000) as usize / PERIOD.as_millis() as usize;
        match self {
            Self::Ours => own(lab, "kernel-probes", count),
            Self::TokioTimer => own(lab, "timer-probes", count),
            Self::Fping => fping(lab, count),
            Self::Hping => {
                let first = fresh_ports(count)?;
                for_each_target(lab, |at, target| hping(lab, at, target, first, count))
            }
            Self::Nping => {
                let count = (seconds * 1_000 / NPING_PERIOD.as_millis() as u64) as usize;
                let first = fresh_ports(count)?;
                for_each_target(lab, |at, target| nping(at, target, first, count))
            }
            Self::Tcptraceroute => for_each_target(lab, |at, target| tcptraceroute(lab, at, target, count)),
        }
    }
}

/// The first of `count` source ports that no tool has had: a SYN from a port whose last connection the target still remembers
/// would not be answered like any other.
fn fresh_ports(count: usize) -> Result<u16, &'static str> {
    static NEXT: AtomicUsize = AtomicUsize::new(1_024);
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    // Above, the kernel chooses ports for others.
    if first + count > 32_768 { Err("not so many ports: measure for a shorter time") } else { Ok(first as u16) }
}

type Answer = Result<Vec<Said>, Box<dyn Error + Send + Sync>>;

fn for_each_target(lab: &Lab, run: impl Fn(usize, SocketAddr) -> Answer + Sync) -> Answer {
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            lab.targets.iter().enumerate().map(|(at, &target)| scope.spawn(move || run(at, target))).collect();
        let mut said = Vec::new();
        for thread in threads {
            said.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(said)
    })
}

/// Runs a command to its end; what it printed on both streams.
fn output(command: &mut Command) -> Result<String, Box<dyn Error + Send + Sync>> {
    let output = command.output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// This program again, as one of its own probers: see [`crate::own`].
fn own(lab: &Lab, which: &str, count: usize) -> Answer {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([which, &count.to_string()]);
    command.args(lab.targets.iter().map(ToString::to_string)).arg("--");
    command.args(lab.sources.iter().map(ToString::to_string));
    let text = output(&mut command)?;
    let read = |line: &str| -> Option<Said> {
        let mut words = line.split(' ');
        let (target, probe): (usize, usize) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let micros: Option<f64> = words.next()?.parse().ok();
        let sources = lab.sources.len();
        let key = Key::Source(lab.sources[probe % sources], probe / sources);
        Some(Said { target, key, rtt_ms: micros.map(|micros| micros / 1e3) })
    };
    text.lines().map(|line| read(line).ok_or_else(|| format!("{which} said {line:?}").into())).collect()
}

/// `ADDRESS : 10.1 - 10.2 …`, one column a probe.
fn fping(lab: &Lab, count: usize) -> Answer {
    let period = PERIOD.as_millis().to_string();
    let mut command = Command::new("fping");
    command.args(["-q", "-i", "1", "-p", &period, "-t", "1000", "-C", &count.to_string()]);
    command.args(["-S", &lab.home.to_string()]).args(lab.targets.iter().map(|target| target.ip().to_string()));
    let mut said = Vec::new();
    for line in output(&mut command)?.lines() {
        let Some((address, times)) = line.split_once(" : ") else { continue };
        let Some(target) = address.trim().parse().ok().and_then(|address| lab.target_of(address)) else { continue };
        let times = times.split_whitespace().enumerate();
        said.extend(times.map(|(at, time)| Said { target, key: Key::Nth(at), rtt_ms: time.parse().ok() }));
    }
    Ok(said)
}

/// `… seq=3 … rtt=10.3 ms`, only what was answered. The source port is the base plus the sequence number.
fn hping(lab: &Lab, at: usize, target: SocketAddr, first: u16, count: usize) -> Answer {
    let mut command = Command::new("hping3");
    let period = format!("u{}", PERIOD.as_micros());
    command.args(["-n", "-S", "-I", "planet", "-a", &lab.home.to_string(), "-s", &first.to_string()]);
    command.args(["-p", &target.port().to_string(), "-i", &period, "-c", &count.to_string()]);
    let text = output(command.arg(target.ip().to_string()))?;
    let read = |line: &str| -> Option<Said> {
        let sequence: u16 = between(line, "seq=", " ")?.parse().ok()?;
        let rtt_ms = between(line, "rtt=", " ")?.parse().ok()?;
        Some(Said { target: at, key: Key::Port(first.wrapping_add(sequence)), rtt_ms: Some(rtt_ms) })
    };
    Ok(text.lines().filter_map(read).collect())
}

/// One process a probe, from a port of its own: only its closing line (`Max rtt: 10.087ms`) has microseconds.
fn nping(at: usize, target: SocketAddr, first: u16, count: usize) -> Answer {
    let started = Instant::now();
    let mut said = Vec::new();
    for (probe, port) in (first..).take(count).enumerate() {
        let due = NPING_PERIOD * probe as u32 + NPING_PERIOD / 8 * at as u32;
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        let mut command = Command::new("nping");
        command.args(["--tcp-connect", "-c", "1", "-g", &port.to_string(), "-p", &target.port().to_string()]);
        let text = output(command.arg(target.ip().to_string()))?;
        let rtt_ms = between(&text, "Max rtt: ", "ms").and_then(|rtt| rtt.parse().ok());
        said.push(Said { target: at, key: Key::Port(port), rtt_ms });
    }
    Ok(said)
}

/// With `-d`, before each time or star: `debug: Sent probe 1 of 250 for hop 64, IP ID 21530, source port 43967, SYN`.
fn tcptraceroute(lab: &Lab, at: usize, target: SocketAddr, count: usize) -> Answer {
    let in_time = count * PERIOD.as_millis() as usize / roads()[at].rtt_ms as usize;
    let queries = count.min(in_time).to_string();
    // Through a shell: both streams in the order in which they were written.
    let mut command = Command::new("sh");
    command.args(["-c", "exec tcptraceroute \"$@\" 2>&1", "sh", "-d", "-n", "--track-port", "-i", "planet"]);
    command.args(["-s", &lab.home.to_string(), "-f", "64", "-m", "64", "-w", "1", "-q", &queries]);
    let text = output(command.args([target.ip().to_string(), target.port().to_string()]))?;
    let mut said: Vec<Said> = Vec::new();
    let mut ports = HashMap::new();
    let mut last = None;
    for line in text.lines() {
        if let Some(port) = between(line, "source port ", ",").and_then(|port| port.parse::<u16>().ok()) {
            last = Some(port);
            *ports.entry(port).or_insert(0) += 1;
        } else if let (Some(port), Some(time)) = (last, line.trim_end().strip_suffix(" ms")) {
            let rtt_ms = time.split_whitespace().last().and_then(|time| time.parse().ok());
            said.push(Said { target: at, key: Key::Port(port), rtt_ms });
        }
    }
    // A port that it took twice, with the same sequence number, is one handshake on the wire.
    said.retain(|said| matches!(said.key, Key::Port(port) if ports.get(&port) == Some(&1)));
    Ok(said)
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = text.split_once(start)?.1;
    Some(rest.split_once(end)?.0)
}
