//! How much memory a round of 10,000 targets takes: the product's producer in a process of its own, over loopback. Half of the
//! targets answer, half are silent, so that thousands of probes wait at once.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloudping_model::{Outcome, Round, TargetId, VantageId};
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};
use cloudping_producers::probers::Tcp;
use cloudping_producers::producer::{self, Surroundings, Vantage};
use cloudping_producers::targets::{Endpoint, Target};
use cloudping_producers::{gaps, sockets};
use cloudping_schemas::event;
use cloudping_testkit::bench_report::{Bar, BenchReport};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::sync::{mpsc, watch};

const TARGETS: u32 = 10_000;
const ROUNDS: usize = 3;
/// How long a probe of a silent target keeps its socket.
const TIMEOUT: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(2);

/// Runs the producer in a child and judges what it says of itself.
pub fn judge(report: &mut BenchReport) -> Result<(), Box<dyn Error>> {
    let answering = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    SockRef::from(&answering).listen(65_535)?;
    let silent = silent()?;
    let ports = [answering.local_addr()?.port(), silent.0.local_addr()?.as_socket().ok_or("no address")?.port()];
    // Ends with the process. An accepted connection is dropped at once.
    std::thread::spawn(move || answering.incoming().for_each(drop));
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("rounds").args(ports.map(|port| port.to_string())).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [peak_mb, probes, answered, silent, other, cpu] = numbers[..] else {
        return Err(format!("the producer said {text:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    };
    report.judged("10,000 targets a round: peak resident memory", peak_mb, "MB", Bar::AtMost(64.0));
    report.judged("10,000 targets a round: probes in a round", probes, "", Bar::AtLeast(f64::from(TARGETS)));
    report.plain("10,000 targets a round: answered", answered, "");
    report.plain("10,000 targets a round: timed out (half are silent)", silent, "");
    report.plain("10,000 targets a round: anything else", other, "");
    report.plain("10,000 targets a round: CPU for 1,000 probes", cpu * 1_000.0 / (probes * ROUNDS as f64), "s");
    Ok(())
}

/// A listener whose queue is full: it drops every SYN. The connections that fill it must be kept.
fn silent() -> Result<(Socket, Vec<Socket>), Box<dyn Error>> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    listener.listen(0)?;
    let port = listener.local_addr()?.as_socket().ok_or("no address")?.port();
    let fill = || -> std::io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        match socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(socket),
        }
    };
    let filling = (0..3).map(|_| fill()).collect::<Result<_, _>>()?;
    Ok((listener, filling))
}

/// Takes rounds and keeps none.
struct Outlet(mpsc::Sender<Round>);

#[async_trait]
impl EventLog for Outlet {
    async fn append(&self, _partition_key: &str, data: Bytes) -> Result<(), LogError> {
        let backend = |error: Box<dyn Error + Send + Sync>| LogError::Backend(error);
        let round = event::decode(&data).map_err(|error| backend(error.into()))?;
        self.0.send(round).await.map_err(|error| backend(error.into()))
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        Ok(Vec::new())
    }

    async fn read(&self, shard: &ShardId, _: Option<&SequenceNumber>, _: usize) -> Result<Vec<Record>, LogError> {
        Err(LogError::NoShard(shard.clone()))
    }
}

/// The child's part: `ANSWERING-PORT SILENT-PORT`. Prints the peak of its memory in MB; probes, answers, timeouts and other
/// outcomes of the last round; and its CPU seconds.
pub fn child(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [answering, silent] = arguments else { return Err("expected ANSWERING-PORT SILENT-PORT".into()) };
    let ports: [u16; 2] = [answering.parse()?, silent.parse()?];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let round = runtime.block_on(last_round(ports))?.ok_or("no round")?;
    let count = |wanted: &dyn Fn(Outcome) -> bool| round.samples.iter().filter(|it| wanted(it.outcome)).count();
    let (answered, timed_out) = (count(&|it| it == Outcome::Answered), count(&|it| it == Outcome::Timeout));
    let all = round.samples.len();
    println!("{} {all} {answered} {timed_out} {} {}", peak_mb()?, all - answered - timed_out, cpu_seconds()?);
    Ok(())
}

async fn last_round(ports: [u16; 2]) -> Result<Option<Round>, Box<dyn Error>> {
    let target = |number: u32| -> Result<Target, Box<dyn Error>> {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + number);
        let endpoint = Endpoint::fixed((address, ports[number as usize % 2]).into());
        Ok(Target::new(TargetId::new(&format!("target-{number}"))?, endpoint))
    };
    let targets = (0..TARGETS).map(target).collect::<Result<_, _>>()?;
    let vantage = Vantage {
        id: VantageId::new("bench")?,
        source: None,
        targets,
        interval: INTERVAL,
        spread: None,
        timeout: TIMEOUT,
    };
    let (stop, shutdown) = watch::channel(false);
    let (outlet, mut rounds) = mpsc::channel(1);
    let surroundings = Surroundings {
        log: Arc::new(Outlet(outlet)),
        clocks: gaps::now,
        probers: Arc::new([Arc::new(Tcp)]),
        sockets: sockets::permits()?,
        shutdown,
    };
    let running = tokio::spawn(producer::run(vantage, surroundings, None));
    let mut last = None;
    for _ in 0..ROUNDS {
        last = rounds.recv().await;
    }
    stop.send(true)?;
    // The rounds under way are finished too, and taken so that the producer can end.
    while rounds.recv().await.is_some() {}
    running.await?;
    Ok(last)
}

/// The most memory that this process had resident, as the kernel counts it (`VmHWM`, `proc(5)`).
fn peak_mb() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
}

/// User and system time of this process so far (`proc(5)`, `stat`: fields 14 and 15, in hundredths of a second).
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(") ").ok_or("no name")?.1;
    let ticks = |at: usize| after_name.split(' ').nth(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}
