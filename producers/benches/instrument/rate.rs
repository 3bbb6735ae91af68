//! How many probes a second: the prober over loopback beside a bare connect/close loop, against the same acceptor.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloudping_model::Outcome;
use cloudping_producers::tcp;
use cloudping_testkit::bench_report::{Bar, BenchReport};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::task::JoinSet;

use crate::accuracy::children_cpu;

/// Threads of either loop: the bars are for two cores.
const THREADS: usize = 2;
/// Probes under way at once on each thread of the prober's loop.
const AT_ONCE: usize = 16;
const LIMIT: Duration = Duration::from_secs(3);

/// What a loop did.
#[derive(Debug, Clone, Copy, Default)]
struct Loop {
    per_second: f64,
    /// User and system time of its process, the kernel's work for the handshakes included.
    cpu_per_thousand: f64,
    /// Probes without a kernel RTT, or connects that failed: where the acceptor does not keep up, its queue drops SYNs.
    failed: u64,
}

/// Runs both loops in turn, several times so that neither has the better moment, and judges them.
pub fn judge(report: &mut BenchReport, seconds: f64) -> Result<(), Box<dyn Error>> {
    const TURNS: usize = 8;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    SockRef::from(&listener).listen(65_535)?;
    let target = listener.local_addr()?;
    // Ends with the process. An accepted connection is dropped at once.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let each = seconds / (2 * TURNS) as f64;
    let (mut bare, mut ours) = (Loop::default(), Loop::default());
    for _ in 0..TURNS {
        for (which, sum) in [("bare-loop", &mut bare), ("probe-loop", &mut ours)] {
            let turn = in_a_child(which, target, each)?;
            sum.per_second += turn.per_second / TURNS as f64;
            sum.cpu_per_thousand += turn.cpu_per_thousand / TURNS as f64;
            sum.failed += turn.failed;
        }
    }
    report.judged("loopback: probes a second, each with its kernel RTT", ours.per_second, "/s", Bar::AtLeast(20_000.0));
    report.plain("loopback: other probes, which are not counted", ours.failed as f64, "");
    report.plain("loopback: bare connect/close loop", bare.per_second, "/s");
    report.plain("loopback: bare connects that failed", bare.failed as f64, "");
    report.plain("loopback: CPU for 1,000 probes", ours.cpu_per_thousand, "s");
    report.plain("loopback: CPU for 1,000 bare connects", bare.cpu_per_thousand, "s");
    report.judged("loopback: prober / bare loop", ours.per_second / bare.per_second, "", Bar::AtLeast(0.7));
    Ok(())
}

fn in_a_child(which: &str, target: SocketAddr, seconds: f64) -> Result<Loop, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    let before = children_cpu();
    let output = command.args([which, &target.to_string(), &seconds.to_string()]).output()?;
    let cpu = children_cpu() - before;
    let text = String::from_utf8(output.stdout)?;
    let (per_second, failed) = text.trim().split_once(' ').ok_or_else(|| format!("{which} said {text:?}"))?;
    let per_second: f64 = per_second.parse()?;
    Ok(Loop { per_second, cpu_per_thousand: cpu * 1_000.0 / (per_second * seconds), failed: failed.parse()? })
}

/// The child's part: runs the loop that `which` names and prints connects a second, and how many failed.
pub fn child(which: &str, arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [target, seconds] = arguments else { return Err("expected TARGET SECONDS".into()) };
    let (target, seconds) = (target.parse()?, Duration::from_secs_f64(seconds.parse()?));
    let started = Instant::now();
    let (made, failed) = match which {
        "bare-loop" => bare_loop(target, started + seconds),
        _ => probe_loop(target, started + seconds)?,
    };
    println!("{} {failed}", made as f64 / started.elapsed().as_secs_f64());
    Ok(())
}

/// Blocking connects, one after the other on each thread, closed by reset as the prober's are: an orderly close would
/// leave a TIME_WAIT each, and run out of ports within seconds.
fn bare_loop(target: SocketAddr, until: Instant) -> (u64, u64) {
    let (made, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let one = || -> std::io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_linger(Some(Duration::ZERO))?;
        socket.connect(&target.into())
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while Instant::now() < until {
                    let count = if one().is_ok() { &made } else { &failed };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    (made.into_inner(), failed.into_inner())
}

/// The product's probes, [`AT_ONCE`] at a time on each thread. Each thread has a runtime of its own, as the product's one
/// thread for probes has: no work moves between threads.
fn probe_loop(target: SocketAddr, until: Instant) -> std::io::Result<(u64, u64)> {
    let counts: Arc<(AtomicU64, AtomicU64)> = Arc::default();
    let runtimes = (0..THREADS).map(|_| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let runtimes = runtimes.collect::<std::io::Result<Vec<_>>>()?;
    std::thread::scope(|scope| {
        for runtime in runtimes {
            let counts = &counts;
            scope.spawn(move || {
                runtime.block_on(async {
                    let mut tasks = JoinSet::new();
                    (0..AT_ONCE).for_each(|_| drop(tasks.spawn(probe_on(target, until, Arc::clone(counts)))));
                    tasks.join_all().await
                })
            });
        }
    });
    Ok((counts.0.load(Ordering::Relaxed), counts.1.load(Ordering::Relaxed)))
}

/// One probe after the other.
async fn probe_on(target: SocketAddr, until: Instant, counts: Arc<(AtomicU64, AtomicU64)>) {
    while Instant::now() < until {
        let reading = tcp::connect(target, None, LIMIT).await;
        let good = reading.outcome == Outcome::Answered && reading.rtt_us.is_some();
        let count = if good { &counts.0 } else { &counts.1 };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
