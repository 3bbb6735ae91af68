//! Starts the components, and stops them in the order of the data's way: what was measured is logged, counted and archived
//! before the process ends.

use std::future::Future;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use cloudping_agent::failure::Failure;
use cloudping_agent::signals::Signals;
use cloudping_agent::{clock, output};
use cloudping_producers::producer;
use cloudping_producers::spool::{DEFAULT_BYTES, Spool};
use cloudping_producers::{gaps, measure, sockets, targets};
use cloudping_query_service::gateways::GatewaySource;
use cloudping_query_service::{Alerts, Exports, Service, Settings};
use cloudping_stream_processor::{Surroundings, WorkerSettings, consume};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use super::alerting;
use super::archiving::Archiving;
use super::auditing;
use super::catching_up;
use super::gateways::Gateways;
use super::ingest;
use super::network::Network;
use super::parts::{self, Parts};
use super::plan::Plan;
use super::sql_doors;
use super::stores::{Refresh, Stores};
use super::upkeep::Upkeep;

/// How long an orderly end may take beyond the round that is under way.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long it waits for the tables' upkeep once all else has ended.
const UPKEEP_LIMIT: Duration = Duration::from_secs(3);

/// What the stream processor is called in a message.
const PROCESSOR: &str = "the stream processor";

/// One component's end of a stop signal.
struct Stop(watch::Sender<bool>);

impl Stop {
    fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    fn now(&self) {
        self.0.send_replace(true);
    }
}

/// What it has to do with the outside, made before it starts: what fails here must not drop what has threads of its own.
pub struct Outward {
    /// Where the doors are.
    pub listener: StdListener,
    /// The rules by which somebody is told.
    pub alerts: Option<Alerts>,
    /// The planet's gateways.
    pub gateways: Gateways,
}

/// Runs everything until Ctrl-C or SIGTERM.
///
/// # Errors
/// What could not be started; or that a part broke off, and then all else is brought to its end: a supervisor starts it anew, whole.
pub async fn run(plan: Plan, stores: Stores, network: Network, outward: Outward) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let spools = spools(&plan, &stores, &network)?;
    let Outward { listener, alerts, gateways } = outward;
    let service = service(&plan, &stores, &network, gateways.sources())?;
    let (producing, processing, archiving, serving) = (Stop::new(), Stop::new(), Stop::new(), Stop::new());
    let (keeping, mut parts) = (Stop::new(), Parts::new());
    let door = ingest::open(plan.ingest, &stores, producing.0.subscribe()).await?;

    let listener = TcpListener::from_std(listener).map_err(Failure::runtime)?;
    let address = listener.local_addr().map_err(Failure::runtime)?;
    let live = refresh(service.clone(), stores.committed.clone(), stores.refresh, serving.0.subscribe());
    let refreshing = parts.spawn("the live view", live);
    let alerting = alerting::start(alerts, &service, &parts, serving.0.subscribe());
    let sql_doors = sql_doors::open(&plan.sql_doors, &service, &serving.0.subscribe()).await?;
    let mut shutdown = serving.0.subscribe();
    let serve = cloudping_query_service::serve(listener, service, async move {
        let _ = shutdown.wait_for(|stop| *stop).await;
    });
    let server = parts.spawn("the server", serve);
    let processor = start_processor(&plan, &stores, &parts, &processing);
    let audit = auditing::run(stores.log.clone(), stores.store.clone(), processing.0.subscribe());
    let auditing = parts.spawn("the audit", audit);
    let (archive, stop) = (Archiving::new(&stores, plan.origin()), archiving.0.subscribe());
    // Each kind of work on the archive has a thread of its own, so that a long compaction does not keep samples from the tables.
    let archiver = parts.thread("archive", move || archive.run(plan.archive_every, stop))?;
    let (upkeep, stop) = (Upkeep::new(&stores.archive.tables, plan.catalogue.clone()), keeping.0.subscribe());
    let upkeeper = parts.thread("upkeep", move || upkeep.run(stop))?;
    let mut producers = start_producers(&network, &stores, spools, &parts, &producing)?;
    producers.extend(door);
    announce(&plan, &stores, address, &gateways)?;
    let gateways = parts.spawn("a UDP gateway", gateways.run(keeping.0.subscribe()));

    let broken = end_begins(&mut signals, &mut parts).await;
    let orderly = async {
        keeping.now();
        producing.now();
        report("a UDP gateway", gateways.await);
        for producer in producers {
            report("a producer", producer.await);
        }
        if stores.worker.is_some() {
            catching_up::wait(&stores).await;
        }
        processing.now();
        report(PROCESSOR, processor.await);
        report("the audit", auditing.await);
        archiving.now();
        report("the archive", joined(archiver).await);
        wait_for(upkeeper).await;
        serving.now();
        ended("the alerts", alerting).await;
        report("the live view", refreshing.await);
        ended("an SQL door", sql_doors).await;
        report("the server", server.await);
    };
    within(plan.interval + plan.timeout + STOP_LIMIT, orderly, &mut signals).await;
    broken.map_or(Ok(()), |part| Err(parts::broken(part)))
}

/// Waits until it is asked to end, or until a part has broken off: then it says which.
async fn end_begins(signals: &mut Signals, parts: &mut Parts) -> Option<&'static str> {
    tokio::select! {
        () = signals.next() => {
            eprintln!("stopping; Ctrl-C again ends at once");
            None
        }
        part = parts.first_end() => {
            tracing::error!("{part} broke off, all else is brought to its end");
            Some(part)
        }
    }
}

/// Waits for what there may be none or several of.
async fn ended(what: &str, tasks: impl IntoIterator<Item = Task<()>>) {
    for task in tasks {
        report(what, task.await);
    }
}

/// Waits for an orderly end, but not longer than it may take.
async fn within(limit: Duration, orderly: impl Future<Output = ()>, signals: &mut Signals) {
    tokio::select! {
        () = orderly => {}
        () = tokio::time::sleep(limit) => tracing::warn!("not all was finished in {limit:?}; what is logged is taken up at the next start"),
        () = signals.next() => tracing::warn!("ended at once: the rounds under way are lost; what is logged is taken up at the next start"),
    }
}

/// Where other processes may work on the same log its shards are shared, else they are all this one's.
fn start_processor(plan: &Plan, stores: &Stores, parts: &Parts, stop: &Stop) -> Task<()> {
    let (surroundings, shutdown) = (stream(plan, stores), stop.0.subscribe());
    match &stores.worker {
        Some(worker) => {
            // A store that is shared deletes by itself what has expired.
            let settings = WorkerSettings { deletes_expired: false, ..WorkerSettings::new(worker.clone()) };
            parts.spawn(PROCESSOR, consume(surroundings, settings, shutdown))
        }
        None => parts.spawn(PROCESSOR, cloudping_stream_processor::run(surroundings, shutdown)),
    }
}

fn stream(plan: &Plan, stores: &Stores) -> Surroundings {
    Surroundings {
        log: stores.log.clone(),
        store: stores.store.clone(),
        clock: clock::now,
        allowed_lateness_us: i64::try_from(plan.allowed_lateness.as_micros()).unwrap_or(i64::MAX),
        news: stores.appended.clone(),
    }
}

fn service(
    plan: &Plan,
    stores: &Stores,
    network: &Network,
    gateways: Vec<Arc<dyn GatewaySource>>,
) -> Result<Service, Failure> {
    let vantages = network.vantages.iter().map(|vantage| vantage.id.clone()).collect();
    let simulated = plan.planet.is_some();
    let mut settings = Settings::new(simulated, plan.catalogue.clone(), vantages, &stores.archive.url);
    settings.tables_storage = stores.archive.storage.clone();
    let exports = std::path::absolute(&plan.exports).map_err(Failure::runtime)?;
    settings.exports = Some(Exports::in_directory(&exports).map_err(Failure::setting)?);
    settings.live.stale_after = settings.live.stale_after.max(plan.interval * 3 + plan.timeout);
    settings.access = plan.access.clone();
    settings.gateways = gateways.into_iter().chain(plan.gateways.iter().cloned()).collect();
    Service::new(settings, stores.store.clone(), clock::now).map_err(Failure::runtime)
}

/// Waits for the upkeep a little: unlike the last run of the archive, it loses nothing when it is left alone.
async fn wait_for(upkeeper: JoinHandle<()>) {
    match tokio::time::timeout(UPKEEP_LIMIT, joined(upkeeper)).await {
        Ok(joined) => report("the upkeep of the archive", joined),
        Err(_) => tracing::info!("the upkeep of the archive is left where it is; the next start goes on with it"),
    }
}

/// Waits for a thread's end. Its panic has said what it was.
async fn joined(thread: JoinHandle<()>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    tokio::task::spawn_blocking(move || thread.join()).await?.map_err(|_| "its thread panicked".into())
}

/// A spool for each vantage point, where the log may be away. Together they hold as much as one does by default.
fn spools(plan: &Plan, stores: &Stores, network: &Network) -> Result<Vec<Option<Spool>>, Failure> {
    let bytes = DEFAULT_BYTES / u64::try_from(network.vantages.len()).unwrap_or(u64::MAX).max(1);
    let open = |vantage: &producer::Vantage| match &stores.spool {
        Some(folder) => Spool::open(folder, &vantage.id, bytes, plan.interval).map(Some).map_err(Failure::setting),
        None => Ok(None),
    };
    network.vantages.iter().map(open).collect()
}

fn start_producers(
    network: &Network,
    stores: &Stores,
    spools: Vec<Option<Spool>>,
    parts: &Parts,
    stop: &Stop,
) -> Result<Vec<Task<()>>, Failure> {
    let surroundings = producer::Surroundings {
        log: stores.log.clone(),
        clocks: gaps::now,
        probers: measure::every_kind(),
        sockets: sockets::permits().map_err(Failure::runtime)?,
        shutdown: stop.0.subscribe(),
    };
    let start = |(vantage, spool): (&producer::Vantage, Option<Spool>)| {
        let (vantage, surroundings) = (vantage.clone(), surroundings.clone());
        let names = vantage.targets.clone();
        let resolving = targets::keep_resolved(names.clone(), surroundings.shutdown.clone());
        let presence = parts.presence("a producer");
        network.threads.spawn(async move {
            let _presence = presence;
            targets::resolve_all(&names).await;
            let resolving = tokio::spawn(resolving);
            producer::run(vantage, surroundings, spool).await;
            resolving.abort();
        })
    };
    Ok(network.vantages.iter().zip(spools).map(start).collect())
}

/// Reads the live store after every commit, but not more often than makes sense.
async fn refresh(
    service: Service,
    mut commits: Option<watch::Receiver<u64>>,
    pace: Refresh,
    mut shutdown: watch::Receiver<bool>,
) {
    loop {
        if let Err(error) = service.refresh(clock::now()).await {
            tracing::warn!(%error, "the live view was not refreshed");
        }
        let rest = async {
            tokio::time::sleep(pace.pause).await;
            tokio::select! {
                () = told(commits.as_mut()) => {}
                () = tokio::time::sleep(pace.longest) => {}
            }
        };
        tokio::select! {
            () = rest => {}
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
    }
}

/// Waits for a commit; for ever, where the store cannot tell.
async fn told(commits: Option<&mut watch::Receiver<u64>>) {
    let still_there = match commits {
        Some(commits) => commits.changed().await.is_ok(),
        None => false,
    };
    if !still_there {
        std::future::pending::<()>().await;
    }
}

fn announce(plan: &Plan, stores: &Stores, address: std::net::SocketAddr, gateways: &Gateways) -> Result<(), Failure> {
    let (regions, own) = (plan.catalogue.regions().len(), plan.own.targets.len());
    let what = match plan.planet {
        Some(_) => format!("SIMULATED network of {regions} regions on this machine"),
        None => format!("{regions} regions and {own} targets of your own, measured from this machine"),
    };
    output::print(format_args!("cloudping {}: {what}", env!("CARGO_PKG_VERSION")))?;
    output::print(format_args!("data in {}, a round every {:?}", stores.place, plan.interval))?;
    output::print(format_args!("listening on http://{address}"))?;
    gateways.announce()
}

fn report<T, E: std::fmt::Display>(what: &str, ended: Result<T, E>) {
    if let Err(error) = ended {
        tracing::error!(%error, "{what} failed");
    }
}
