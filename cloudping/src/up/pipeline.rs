//! Starts the components, and stops them in the order of the data's way: what was measured is logged, counted and archived
//! before the process ends.

use std::net::TcpListener as StdListener;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use cloudping_batch_rollup::Tables;
use cloudping_producers::producer;
use cloudping_producers::{gaps, measure, sockets, targets};
use cloudping_query_service::{Service, Settings};
use cloudping_stream_processor::Surroundings;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use super::Stores;
use super::archiving::Archiving;
use super::auditing;
use super::network::Network;
use super::plan::Plan;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::{clock, output};

/// The live view is read at most this often, and at least once a second.
const REFRESH_PAUSE: Duration = Duration::from_millis(100);
/// How long an orderly end may take beyond the round that is under way.
const STOP_LIMIT: Duration = Duration::from_secs(20);

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

/// Runs everything until Ctrl-C or SIGTERM.
pub async fn run(plan: Plan, stores: Stores, network: Network, listener: StdListener) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let root = tables_url(&plan.data)?;
    let tables = Tables::at(&root);
    let service = service(&plan, &stores, &network, &root)?;
    let (producing, processing, archiving, serving) = (Stop::new(), Stop::new(), Stop::new(), Stop::new());

    let listener = TcpListener::from_std(listener).map_err(Failure::runtime)?;
    let address = listener.local_addr().map_err(Failure::runtime)?;
    let refreshing = tokio::spawn(refresh(service.clone(), stores.store.committed(), serving.0.subscribe()));
    let mut shutdown = serving.0.subscribe();
    let server = tokio::spawn(cloudping_query_service::serve(listener, service, async move {
        let _ = shutdown.wait_for(|stop| *stop).await;
    }));
    let processor = tokio::spawn(cloudping_stream_processor::run(stream(&plan, &stores), processing.0.subscribe()));
    let auditing = tokio::spawn(auditing::run(stores.log.clone(), stores.store.clone(), processing.0.subscribe()));
    let archiver = archive_thread(Archiving::new(&stores, tables), plan.archive_every, &archiving)?;
    let producers = start_producers(&network, &stores, &producing)?;
    announce(&plan, address)?;

    signals.next().await;
    let limit = plan.interval + plan.timeout + STOP_LIMIT;
    eprintln!("stopping; Ctrl-C again ends at once");
    let orderly = async {
        producing.now();
        for producer in producers {
            report("a producer", producer.await);
        }
        processing.now();
        report("the stream processor", processor.await);
        report("the audit", auditing.await);
        archiving.now();
        let joined = tokio::task::spawn_blocking(move || archiver.join());
        report("waiting for the archive", joined.await);
        serving.now();
        report("the live view", refreshing.await);
        report("the server", server.await);
    };
    tokio::select! {
        () = orderly => {}
        () = tokio::time::sleep(limit) => tracing::warn!("not all was finished in {limit:?}; what is logged is taken up at the next start"),
        () = signals.next() => tracing::warn!("ended at once: the rounds under way are lost; what is logged is taken up at the next start"),
    }
    network.runtime.shutdown_background();
    Ok(())
}

fn stream(plan: &Plan, stores: &Stores) -> Surroundings {
    Surroundings {
        log: stores.log.clone(),
        store: stores.store.clone(),
        clock: clock::now,
        allowed_lateness_us: i64::try_from(plan.allowed_lateness.as_micros()).unwrap_or(i64::MAX),
        news: Some(stores.log.appended()),
    }
}

fn service(plan: &Plan, stores: &Stores, network: &Network, tables_url: &str) -> Result<Service, Failure> {
    let vantages = network.vantages.iter().map(|vantage| vantage.id.clone()).collect();
    let simulated = plan.planet.is_some();
    let mut settings = Settings::new(simulated, plan.catalogue.clone(), vantages, tables_url);
    settings.live.stale_after = settings.live.stale_after.max(plan.interval * 3 + plan.timeout);
    Service::new(settings, stores.store.clone(), clock::now).map_err(Failure::runtime)
}

fn tables_url(data: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(data.join("tables")).map_err(Failure::setting)?;
    let url = url::Url::from_file_path(&path);
    let url = url.map_err(|()| Failure::setting(format!("--data {}: not a path", data.display())))?;
    Ok(url.to_string())
}

/// Archive runs are heavy: they have a thread of their own.
fn archive_thread(archiving: Archiving, every: Duration, stop: &Stop) -> Result<JoinHandle<()>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::runtime)?;
    let shutdown = stop.0.subscribe();
    std::thread::Builder::new()
        .name("archive".to_owned())
        .spawn(move || runtime.block_on(archiving.run(every, shutdown)))
        .map_err(Failure::runtime)
}

fn start_producers(network: &Network, stores: &Stores, stop: &Stop) -> Result<Vec<Task<()>>, Failure> {
    let surroundings = producer::Surroundings {
        log: stores.log.clone(),
        clocks: gaps::now,
        probers: measure::every_kind(),
        sockets: sockets::permits().map_err(Failure::runtime)?,
        shutdown: stop.0.subscribe(),
    };
    let start = |vantage: &producer::Vantage| {
        let (vantage, surroundings) = (vantage.clone(), surroundings.clone());
        let names = vantage.targets.clone();
        let resolving = targets::keep_resolved(names.clone(), surroundings.shutdown.clone());
        network.runtime.spawn(async move {
            targets::resolve_all(&names).await;
            let resolving = tokio::spawn(resolving);
            producer::run(vantage, surroundings, None).await;
            resolving.abort();
        })
    };
    Ok(network.vantages.iter().map(start).collect())
}

/// Reads the live store after every commit, but not more often than makes sense.
async fn refresh(service: Service, mut commits: watch::Receiver<u64>, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        if let Err(error) = service.refresh(clock::now()).await {
            tracing::warn!(%error, "the live view was not refreshed");
        }
        tokio::time::sleep(REFRESH_PAUSE).await;
        tokio::select! {
            _ = commits.changed() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = shutdown.changed() => {}
        }
    }
}

fn announce(plan: &Plan, address: std::net::SocketAddr) -> Result<(), Failure> {
    let (regions, own) = (plan.catalogue.regions().len(), plan.own.targets.len());
    let what = match plan.planet {
        Some(_) => format!("SIMULATED network of {regions} regions on this machine"),
        None => format!("{regions} regions and {own} targets of your own, measured from this machine"),
    };
    output::print(format_args!("cloudping {}: {what}", env!("CARGO_PKG_VERSION")))?;
    output::print(format_args!("data in {}, a round every {:?}", plan.data.display(), plan.interval))?;
    output::print(format_args!("listening on http://{address}"))
}

fn report<T, E: std::fmt::Display>(what: &str, ended: Result<T, E>) {
    if let Err(error) = ended {
        tracing::error!(%error, "{what} failed");
    }
}
