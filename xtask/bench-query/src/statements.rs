//! A large answer in SQL beside the same statement in DataFusion itself, and heavy statements to disturb others.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arrow::ipc::reader::StreamReader;
use cloudping_schemas::tables;
use cloudping_testkit::bench_report::{Bar, BenchReport};
use datafusion::prelude::{SessionConfig, SessionContext};
use deltalake_core::DeltaTable;
use futures::StreamExt;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::Result;
use crate::server::Server;
use crate::settings::Settings;
use crate::tables::address;
use crate::world::REGIONS;

/// Every row as it is kept, which costs the engine next to nothing: what an answer costs by itself.
const LARGE: &str = "SELECT ts, source, target, protocol, outcome, rtt_us FROM samples";
/// Every row, after work such as a client asks for.
const RANKED: &str =
    "SELECT ts, source, target, rtt_us, rank() OVER (PARTITION BY ts ORDER BY rtt_us) AS place FROM samples";
/// Much work and a small answer.
const HEAVY: &str = "SELECT a.source, a.target, count(*), avg(a.rtt_us - b.rtt_us), stddev(a.rtt_us * 1.0) FROM samples a \
     JOIN samples b ON a.ts = b.ts AND a.target = b.target AND a.source <> b.source WHERE a.rtt_us > 5100 \
     GROUP BY a.source, a.target ORDER BY 3 DESC LIMIT 10";
/// The least time of so many runs counts, after a first one.
const RUNS: usize = 5;

/// Runs the part.
///
/// # Errors
/// When it cannot be run, or an answer is not what it should be.
pub fn judge(report: &mut BenchReport, settings: &Settings, folder: &Path, runtime: &Runtime) -> Result<()> {
    for (name, statement) in [("all rows", LARGE), ("all rows, ranked", RANKED)] {
        let engine = least(|| runtime.block_on(in_process(folder, statement, settings.rows)))?;
        let server = Server::start(folder, REGIONS)?;
        let service = least(|| over_http(server.address, statement, settings.rows))?;
        report.plain(format!("{name}: DataFusion"), engine.as_secs_f64() * 1e3, "ms");
        report.plain(format!("{name}: SQL over HTTP"), service.as_secs_f64() * 1e3, "ms");
        let ratio = service.as_secs_f64() / engine.as_secs_f64();
        settings.judged(report, &format!("{name}: SQL over HTTP / DataFusion"), ratio, "x", Bar::AtMost(1.1));
    }
    Ok(())
}

fn least(run: impl Fn() -> Result<()>) -> Result<Duration> {
    run()?;
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        let before = Instant::now();
        run()?;
        least = least.min(before.elapsed());
    }
    Ok(least)
}

/// The statement in this process, its rows counted as they come. Two partitions, as the service has two threads.
async fn in_process(folder: &Path, statement: &str, rows: usize) -> Result<()> {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    let table = deltalake_core::open_table(address(folder)?.join(tables::SAMPLES)?).await?;
    let state = Arc::new(session.state());
    session.register_table(tables::SAMPLES, provider(&table, state).await?)?;
    let mut batches = session.sql(statement).await?.execute_stream().await?;
    let mut found = 0;
    while let Some(batch) = batches.next().await {
        found += batch?.num_rows();
    }
    counted(found, rows)
}

async fn provider(
    table: &DeltaTable,
    state: Arc<datafusion::execution::SessionState>,
) -> Result<Arc<dyn datafusion::catalog::TableProvider>> {
    Ok(table.table_provider().with_session(state).await?)
}

/// The statement at the service's door, its rows counted as they come.
fn over_http(address: SocketAddr, statement: &str, rows: usize) -> Result<()> {
    let body = json!({ "query": statement }).to_string();
    let request =
        ureq::post(format!("http://{address}/api/v1/sql?format=arrow")).header("content-type", "application/json");
    let response = request.send(body).map_err(|error| format!("SQL over HTTP: {error}"))?;
    let mut found = 0;
    for batch in
        StreamReader::try_new(std::io::BufReader::with_capacity(1 << 20, response.into_body().into_reader()), None)?
    {
        found += batch?.num_rows();
    }
    counted(found, rows)
}

fn counted(found: usize, rows: usize) -> Result<()> {
    if found == rows { Ok(()) } else { Err(format!("{found} rows, expected {rows}").into()) }
}

/// Heavy statements, one after the other, several at the same time.
pub struct Heavy {
    stopped: Arc<AtomicBool>,
    asking: Vec<JoinHandle<Result<u64>>>,
}

impl Heavy {
    /// Begins to ask.
    #[must_use]
    pub fn start(address: SocketAddr, at_once: usize) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let asking = (0..at_once).map(|_| {
            let stopped = Arc::clone(&stopped);
            thread::spawn(move || ask(address, &stopped))
        });
        Self { asking: asking.collect(), stopped }
    }

    /// Ends; returns how many statements have run. Those that run are not waited for: their connections close with the process' end.
    ///
    /// # Errors
    /// When a statement was refused for anything but its time or memory.
    pub fn stop(self) -> Result<u64> {
        self.stopped.store(true, Ordering::Relaxed);
        let mut ran = 0;
        for one in self.asking {
            ran += one.join().map_err(|_| "a heavy statement's thread has ended in a panic")??;
        }
        Ok(ran)
    }
}

fn ask(address: SocketAddr, stopped: &AtomicBool) -> Result<u64> {
    let mut ran = 0;
    while !stopped.load(Ordering::Relaxed) {
        let body = json!({ "query": HEAVY }).to_string();
        let request = ureq::post(format!("http://{address}/api/v1/sql")).header("content-type", "application/json");
        match request.send(body) {
            // What breaks a bound was heavy too.
            Ok(_) | Err(ureq::Error::StatusCode(422)) => ran += 1,
            Err(error) => return Err(format!("a heavy statement: {error}").into()),
        }
    }
    Ok(ran)
}
