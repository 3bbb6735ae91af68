//! The query service on AWS: the live store on DynamoDB, the archive on S3, its doors on one port. A container runs it; SIGTERM or Ctrl-C ends
//! it in order.

mod access;
mod settings;
mod sql_doors;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use cloudping_backend_aws::{DynamoStore, SnsTopics, presigned_get, s3_client, s3_objects};
use cloudping_environment::now;
use cloudping_ports::{Key, LiveStore};
use cloudping_query_service::gateways::controls;
use cloudping_query_service::{Alerts, Exports, Service, SignLinks, serve};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::stored::{NetworkMark, PLANET, keys};
use cloudping_telemetry::logging_beside;
use cloudping_traces::Traces;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::settings::Settings;

/// So many rounds may be late, or lost, before the service calls itself degraded.
const ROUNDS_MISSED: u32 = 3;

#[tokio::main]
async fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok();
    let traces = match Traces::start("cloudping-query-service", variable) {
        Ok(traces) => traces,
        Err(error) => return failed(&error),
    };
    logging_beside(variable, traces.as_ref().map(Traces::layer));
    let ended = run().await;
    if let Some(traces) = traces {
        // It blocks, for seconds at most.
        let _ = tokio::task::spawn_blocking(move || traces.finish()).await;
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("cloudping-query-service: {error}");
    ExitCode::from(2)
}

async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let alerts = alerts(&settings).await?;
    let service = service(&settings).await?;
    let listener = TcpListener::bind(settings.listen).await?;
    tracing::info!(address = %listener.local_addr()?, table = settings.table, bucket = settings.bucket, "listening");
    let refreshing = tokio::spawn(refresh(service.clone(), settings.refresh));
    let stop = watch::Sender::new(false);
    let watching = tokio::spawn(watch_alerts(service.clone(), alerts, stop.subscribe()));
    let doors = sql_doors::open(&settings, &service, &stop.subscribe()).await?;
    let stopped = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        stop.send_replace(true);
    };
    let served = serve(listener, service, stopped).await;
    for door in doors {
        door.await?;
    }
    refreshing.abort();
    watching.await?;
    Ok(served?)
}

/// The service, which has read nothing yet but whose numbers the table holds: it must not start without knowing that.
async fn service(settings: &Settings) -> Result<Service, Box<dyn Error + Send + Sync>> {
    let own = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let mut catalogue = Catalogue::built_in()?;
    catalogue.retain(|region| region.endpoint.is_some());
    let url = format!("s3://{}/{}", settings.bucket, settings.prefix);
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&own), &settings.table);
    let simulated = simulated(&store).await?;
    let mut of_service = cloudping_query_service::Settings::new(simulated, catalogue, settings.vantages.clone(), url);
    let storage = s3_objects(&own, &settings.bucket).await?;
    of_service.exports = settings.exports.as_ref().map(|folder| {
        let links = Links { client: s3_client(&own), bucket: settings.bucket.clone(), folder: folder.clone() };
        Exports::in_storage(Arc::clone(&storage), folder, Some(Arc::new(links)))
    });
    of_service.tables_storage = Some(storage);
    of_service.live.stale_after = of_service.live.stale_after.max(settings.interval * ROUNDS_MISSED);
    of_service.access = settings.access.clone();
    of_service.gateways = controls(&settings.gateways, settings.gateway_token.clone())?;
    Ok(Service::new(of_service, Arc::new(store), now)?)
}

/// The rules that are watched over, if there is a file of them.
async fn alerts(settings: &Settings) -> Result<Option<Alerts>, Box<dyn Error + Send + Sync>> {
    let Some(file) = &settings.alerts else { return Ok(None) };
    let own = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let topics = Arc::new(SnsTopics::new(aws_sdk_sns::Client::new(&own)));
    let alerts = Alerts::open(file, |name| std::env::var(name).ok(), vec![topics]);
    Ok(Some(alerts.map_err(|error| format!("CLOUDPING_ALERTS: {error}"))?))
}

async fn watch_alerts(service: Service, alerts: Option<Alerts>, shutdown: watch::Receiver<bool>) {
    if let Some(alerts) = alerts {
        service.watch_alerts(alerts, shutdown).await;
    }
}

/// Links to the files of an export in the bucket.
#[derive(Debug)]
struct Links {
    client: aws_sdk_s3::Client,
    bucket: String,
    folder: String,
}

impl SignLinks for Links {
    fn link(&self, path: String, lasts: Duration) -> BoxFuture<'_, Result<String, Box<dyn Error + Send + Sync>>> {
        let key = if self.folder.is_empty() { path } else { format!("{}/{path}", self.folder) };
        Box::pin(async move { Ok(presigned_get(&self.client, &self.bucket, &key, lasts).await?) })
    }
}

/// Whether the table holds the numbers of a simulated network, by its mark. One without a mark is of functions, which measure the world.
async fn simulated(store: &DynamoStore) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let Some(item) = store.get(&Key::new(keys::NETWORK, keys::NETWORK)).await? else { return Ok(false) };
    let mark: NetworkMark =
        serde_json::from_slice(&item.value).map_err(|error| format!("the table's mark: {error}"))?;
    Ok(mark.network == PLANET)
}

/// Reads the live store for ever. A reading that fails is logged, and said at `/healthz`, by the service.
async fn refresh(service: Service, every: Duration) {
    loop {
        let _ = service.refresh(now()).await;
        tokio::time::sleep(every).await;
    }
}
