//! How many datagrams one core takes, counts and answers, beside a bare loop that echoes them.
//!
//! The gateway is pinned to one core and what sends to another. Rounds of both alternate and the best of each counts: whatever
//! else runs on the machine takes away and adds nothing. `GATEWAY_BENCH_SECONDS` sets how long a round is (1).

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use cloudping_schemas::catalogue::Catalogue;
use cloudping_testkit::bench_report::{Bar, BenchReport};
use cloudping_udp_gateway::sys::{self, Inbox};
use cloudping_udp_gateway::targets::{Connectors, InProcess};
use cloudping_udp_gateway::{Config, Gateway};

/// What a datagram carries, as the packet counter's own test tool sends it, at the size that is asked about.
const PAYLOAD: [u8; 64] = [b'x'; 64];
const ROUNDS: usize = 5;
const ASKED: f64 = 300_000.0;
const CONFIG: &str = r#"
region = "eu-west-1"
[[listener]]
port = 0
bind = "127.0.0.1"
domain = "bench"
destinations = ["counter"]
[[destination]]
name = "counter"
batching = { count = 100, timeout_seconds = 0.05 }
target = "in-process:packet-counter"
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds: f64 = std::env::var("GATEWAY_BENCH_SECONDS").map_or(Ok(1.0), |text| text.parse())?;
    let round = Duration::from_secs_f64(seconds);
    let mut report = BenchReport::new("gateway");
    pin(0)?;
    let (mut gateway, mut echo) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        echo.push(echo_round(round)?);
        gateway.push(gateway_round(round, None)?);
    }
    let best = |rates: &[f64]| rates.iter().copied().fold(0.0, f64::max);
    let answered: Vec<f64> = gateway.iter().map(|round| round.rate).collect();
    report.judged("received, counted and answered", best(&answered), "/s", Bar::AtLeast(ASKED));
    let by_cpu: Vec<f64> = gateway.iter().map(|round| round.by_cpu).collect();
    report.plain("answered in a second of the gateway's CPU time", best(&by_cpu), "/s");
    report.plain("bare recvmmsg and sendmmsg echo", best(&echo), "/s");
    report.judged("the gateway's part of the bare loop's rate", best(&answered) / best(&echo), "", Bar::AtLeast(0.5));

    let paced = gateway_round(round * 5, Some(ASKED / 2.0))?;
    report.plain("sent at half the rate asked for", paced.sent as f64, "");
    report.plain("of them a second", paced.sent as f64 / paced.seconds, "/s");
    report.judged("lost of them", (paced.sent - paced.answered) as f64, "", Bar::AtMost(0.0));
    let holds = report.holds();
    let path = report.publish(env!("CARGO_MANIFEST_DIR"))?;
    println!("  written to {}", path.display());
    if holds { Ok(()) } else { Err("a bar does not hold".into()) }
}

struct Round {
    sent: u64,
    /// Datagrams that the replies count.
    answered: u64,
    seconds: f64,
    /// Datagrams a second that the gateway took and answered.
    rate: f64,
    /// The same in a second in which it had its core to itself.
    by_cpu: f64,
}

/// Sends to a gateway for a while, as fast as it goes or so many a second, and reads the replies.
fn gateway_round(time: Duration, pace: Option<f64>) -> Result<Round, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let catalogue = Catalogue::built_in()?;
    let config = Config::parse(CONFIG, &catalogue)?;
    let connectors = Connectors::default().with(InProcess::new());
    let gateway = runtime.block_on(async { Gateway::start(config, catalogue, connectors, "bench") })?;
    let listener = &gateway.listeners()[0];
    let before = Instant::now();
    let cpu_before = cpu(libc::CLOCK_PROCESS_CPUTIME_ID);
    let (sent, answered, senders_cpu) = load(listener.address, time, pace)?;
    let own_cpu = cpu(libc::CLOCK_PROCESS_CPUTIME_ID) - cpu_before - senders_cpu;
    let received = listener.tally.received.get();
    let seconds = before.elapsed().as_secs_f64();
    // The replies to the last batch have come when `load` returns, unless some were lost.
    let counted = gateway.destinations()[0].tally.delivered.get();
    runtime.block_on(gateway.stop())?;
    assert!(received >= counted, "what is counted was received");
    let sending = seconds.min(time.as_secs_f64());
    Ok(Round { sent, answered, seconds: sending, rate: answered as f64 / sending, by_cpu: answered as f64 / own_cpu })
}

/// The bare loop: every datagram goes back at once.
fn echo_round(time: Duration) -> Result<f64, Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    sys::set_receive_buffer(&socket, 32_000_000);
    let (address, stop, echoed) = (socket.local_addr()?, AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut inbox = Inbox::default();
            while !stop.load(SeqCst) {
                match inbox.receive(&socket) {
                    Ok(0) => thread::yield_now(),
                    Ok(_) => {
                        echoed.fetch_add(sys::send(&socket, false, inbox.iter()).sent, SeqCst);
                    }
                    Err(error) => panic!("the echo's socket failed: {error}"),
                }
            }
        });
        let loaded = load(address, time, None);
        stop.store(true, SeqCst);
        loaded.map(|_| echoed.load(SeqCst) as f64 / time.as_secs_f64())
    })
}

/// Sends and reads on another core; says how many were sent, of how many the replies speak, and how many seconds of CPU time it took.
fn load(to: SocketAddr, time: Duration, pace: Option<f64>) -> Result<(u64, u64, f64), Box<dyn Error>> {
    let client = UdpSocket::bind("127.0.0.1:0")?;
    client.set_nonblocking(true)?;
    sys::set_receive_buffer(&client, 32_000_000);
    let work = || -> std::io::Result<(u64, u64, f64)> {
        pin(1)?;
        let (mut inbox, start) = (Inbox::default(), Instant::now());
        let (mut sent, mut answered) = (0_u64, 0_u64);
        while start.elapsed() < time {
            let due = pace.map_or(u64::MAX, |pace| (pace * start.elapsed().as_secs_f64()) as u64);
            let count = (due - due.min(sent)).min(64) as usize;
            sent += sys::send(&client, false, std::iter::repeat_n((to, &PAYLOAD[..]), count)).sent;
            answered += read(&mut inbox, &client)?;
        }
        // What is still in the sockets' buffers: a paced round must lose none of it.
        let end = Instant::now();
        while answered < sent && end.elapsed() < Duration::from_secs(if pace.is_some() { 2 } else { 0 }) {
            answered += read(&mut inbox, &client)?;
        }
        Ok((sent, answered, cpu(libc::CLOCK_THREAD_CPUTIME_ID)))
    };
    let loaded = thread::scope(|scope| scope.spawn(work).join());
    Ok(loaded.map_err(|_| "the sender panicked")??)
}

/// Of how many datagrams the replies speak that are there: the packet counter's `n region`, or 1 for an echo.
fn read(inbox: &mut Inbox, client: &UdpSocket) -> std::io::Result<u64> {
    inbox.receive(client)?;
    let count = |data: &[u8]| {
        let digits = data.split(|byte| *byte == b' ').next().and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(1_u64)
    };
    Ok(inbox.iter().map(|(_, data)| count(data)).sum())
}

/// What a clock of CPU time says, in seconds.
fn cpu(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes to the time, which lives until the call has returned.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Keeps this thread, and those that it starts, on one core.
fn pin(core: usize) -> std::io::Result<()> {
    // SAFETY: the set is a plain structure of bits, zero is the empty one, and the core is within it.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &raw const set)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
