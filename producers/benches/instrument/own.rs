//! The two probers that are built in, each in a process of its own so that its CPU time is counted as a peer's is.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use cloudping_producers::tcp;
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep_until, timeout};

use crate::tools::PERIOD;

/// Long enough for an answer after one or two SYN retransmits, which come after 1 s and 3 s.
const LIMIT: Duration = Duration::from_secs(4);

/// The child's part: `COUNT TARGET… -- SOURCE…`. Prints `TARGET PROBE MICROSECONDS`, with `-` where there is none.
pub fn child(which: &str, arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let (count, addresses) = arguments.split_first().ok_or("expected COUNT TARGET… -- SOURCE…")?;
    let count: usize = count.parse()?;
    let split = addresses.iter().position(|word| word == "--").ok_or("expected -- before the sources")?;
    let targets: Vec<SocketAddr> = addresses[..split].iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let sources: Vec<IpAddr> = addresses[split + 1..].iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let is_ours = which == "kernel-probes";
    // As the product's own runtime for probes: one thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let found = runtime.block_on(probe_all(is_ours, targets, sources, count));
    for (target, probe, micros) in found {
        println!("{target} {probe} {}", micros.map_or("-".to_owned(), |micros| micros.to_string()));
    }
    Ok(())
}

async fn probe_all(
    is_ours: bool,
    targets: Vec<SocketAddr>,
    sources: Vec<IpAddr>,
    count: usize,
) -> Vec<(usize, usize, Option<f64>)> {
    let (start, step) = (Instant::now() + Duration::from_millis(50), PERIOD / targets.len() as u32);
    let mut probes = tokio::task::JoinSet::new();
    for probe in 0..count {
        for (at, &target) in targets.iter().enumerate() {
            let (due, source) = (start + PERIOD * probe as u32 + step * at as u32, sources[probe % sources.len()]);
            probes.spawn(async move {
                sleep_until(due).await;
                let micros =
                    if is_ours { by_the_kernel(target, source).await } else { by_a_timer(target, source).await };
                (at, probe, micros)
            });
        }
    }
    probes.join_all().await
}

async fn by_the_kernel(target: SocketAddr, source: IpAddr) -> Option<f64> {
    tcp::connect(target, Some(source), LIMIT).await.rtt_us.map(f64::from)
}

/// What a prober does that has never heard of `TCP_INFO`.
async fn by_a_timer(target: SocketAddr, source: IpAddr) -> Option<f64> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::new(source, 0)).ok()?;
    let started = Instant::now();
    let stream = timeout(LIMIT, socket.connect(target)).await.ok()?.ok()?;
    let elapsed = started.elapsed();
    stream.set_zero_linger().ok()?;
    Some(elapsed.as_secs_f64() * 1e6)
}
