//! The doors for programs that speak SQL themselves, where the settings ask for them.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use cloudping_query_service::Service;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::settings::Settings;

type Opened = Result<Vec<JoinHandle<()>>, Box<dyn Error + Send + Sync>>;

/// Opens them; they close at `shutdown`, when the statements under way are answered.
pub async fn open(settings: &Settings, service: &Service, shutdown: &watch::Receiver<bool>) -> Opened {
    let mut doors = Vec::new();
    if let Some(address) = settings.postgres {
        doors.push(postgres(settings, address, service, shutdown.clone()).await?);
    }
    if let Some(address) = settings.flight {
        doors.push(flight(settings, address, service, shutdown.clone()).await?);
    }
    Ok(doors)
}

async fn postgres(
    settings: &Settings,
    address: SocketAddr,
    service: &Service,
    shutdown: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Box<dyn Error + Send + Sync>> {
    use cloudping_postgres_door::{Door, Settings, Tls, serve};
    let tls = settings.sql_tls.as_ref().map(|(certificates, key)| Tls::read(certificates, key)).transpose()?;
    let of_door = Settings { tls, ..Settings::default() };
    let door = Door::new(service.clone(), Arc::new(service.gate()), of_door)?;
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "taking PostgreSQL clients");
    Ok(tokio::spawn(serve(listener, door, closed(shutdown))))
}

async fn flight(
    settings: &Settings,
    address: SocketAddr,
    service: &Service,
    shutdown: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Box<dyn Error + Send + Sync>> {
    use cloudping_flight_door::{Settings, serve};
    let of_door = Settings { tls: settings.sql_tls.clone(), ..Settings::default() };
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "taking Arrow Flight SQL clients");
    let served = serve(listener, service.clone(), Arc::new(service.gate()), of_door, closed(shutdown));
    Ok(tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "the Flight SQL door failed");
        }
    }))
}

async fn closed(mut shutdown: watch::Receiver<bool>) {
    // Its end is one too: nobody is left to ask for it.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
