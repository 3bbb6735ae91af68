//! A door on a free port of this machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::sql::client::FlightSqlServiceClient;
use cloudping_flight_door::{ServeError, Settings, serve};
use cloudping_model::UtcMicros;
use cloudping_query_service::{Admission, Doorkeeper, Everyone, Service, SqlLimits};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_testkit::MemoryStore;
use futures::future::BoxFuture;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

/// 2026-01-02T12:30:20Z.
pub fn now() -> UtcMicros {
    UtcMicros(1_767_357_020_000_000)
}

pub struct Place {
    pub address: SocketAddr,
    pub service: Service,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), ServeError>>,
    _folder: TempDir,
}

impl Place {
    pub async fn new() -> Self {
        Self::with(|_, _| {}, Everyone).await
    }

    pub async fn with(adjust: impl FnOnce(&mut Settings, &mut SqlLimits), keeper: impl Doorkeeper) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::built_in().unwrap();
        catalogue.retain(|region| region.provider == "aws" && region.endpoint.is_some());
        let url = format!("file://{}/tables/", folder.path().display());
        let mut of_service = cloudping_query_service::Settings::new(true, catalogue, Vec::new(), url);
        let mut settings = Settings::default();
        adjust(&mut settings, &mut of_service.sql);
        let service = Service::new(of_service, Arc::new(MemoryStore::default()), now).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, service.clone(), Arc::new(keeper), settings, async move {
            let _ = stopped.await;
        }));
        Self { address, service, stop: Some(stop), served, _folder: folder }
    }

    pub async fn client(&self) -> FlightSqlServiceClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        FlightSqlServiceClient::new(endpoint.connect().await.unwrap())
    }

    /// Ends the door; how it does so is awaited.
    pub async fn close(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), &mut self.served).await.expect("in time").unwrap().unwrap();
    }
}

/// Lets in whoever shows this key, and nobody without.
pub struct OneKey(pub &'static str);

impl Doorkeeper for OneKey {
    fn admit<'a>(&'a self, presented: Option<&'a str>, _: IpAddr) -> BoxFuture<'a, Result<Admission, String>> {
        let known = presented == Some(self.0);
        Box::pin(async move { if known { Ok(Admission::default()) } else { Err("a key is needed".to_owned()) } })
    }
}
