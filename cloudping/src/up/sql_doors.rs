//! The doors for programs that speak SQL themselves: PostgreSQL's protocol, and Arrow Flight SQL.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use cloudping_agent::failure::Failure;
use cloudping_query_service::Service;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Which of them are open.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "SQL for other programs")]
pub struct SqlDoorArgs {
    /// Also take PostgreSQL clients here (psql, Grafana, DBeaver, Metabase …): reading only, bounded as SQL over HTTP
    #[arg(long, env = "CLOUDPING_POSTGRES", value_name = "ADDR:PORT")]
    pub postgres: Option<SocketAddr>,
    /// Also take Arrow Flight SQL clients here (ADBC, JDBC): reading only, bounded as SQL over HTTP
    #[arg(long, env = "CLOUDPING_FLIGHT", value_name = "ADDR:PORT")]
    pub flight: Option<SocketAddr>,
    /// The chain of certificates that both offer TLS with, PEM
    #[arg(long, env = "CLOUDPING_SQL_TLS_CERT", requires = "sql_tls_key", value_name = "FILE")]
    pub sql_tls_cert: Option<PathBuf>,
    /// The private key of the first one, PEM
    #[arg(long, env = "CLOUDPING_SQL_TLS_KEY", requires = "sql_tls_cert", value_name = "FILE")]
    pub sql_tls_key: Option<PathBuf>,
}

impl SqlDoorArgs {
    #[cfg(any(feature = "postgres", feature = "flight"))]
    fn tls(&self) -> Option<(PathBuf, PathBuf)> {
        self.sql_tls_cert.clone().zip(self.sql_tls_key.clone())
    }
}

/// Opens the doors that are asked for; they close at `shutdown`, when the statements under way are answered.
///
/// # Errors
/// When one cannot listen, or TLS has no certificate.
pub async fn open(
    args: &SqlDoorArgs,
    service: &Service,
    shutdown: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, Failure> {
    let mut doors = Vec::new();
    if let Some(address) = args.postgres {
        doors.push(postgres(args, address, service, shutdown.clone()).await?);
    }
    if let Some(address) = args.flight {
        doors.push(flight(args, address, service, shutdown.clone()).await?);
    }
    Ok(doors)
}

#[cfg(any(feature = "postgres", feature = "flight"))]
async fn listen(address: SocketAddr, option: &str) -> Result<(tokio::net::TcpListener, SocketAddr), Failure> {
    let cannot =
        |error| Failure::setting(format!("cannot listen on {address}: {error}; choose another address with {option}"));
    let listener = tokio::net::TcpListener::bind(address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(Failure::runtime)?;
    Ok((listener, address))
}

#[cfg(any(feature = "postgres", feature = "flight"))]
async fn closed(mut shutdown: watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

#[cfg(feature = "postgres")]
async fn postgres(
    args: &SqlDoorArgs,
    address: SocketAddr,
    service: &Service,
    shutdown: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Failure> {
    use cloudping_postgres_door::{Door, Settings, Tls, serve};
    let tls = args.tls().map(|(certificates, key)| Tls::read(&certificates, &key)).transpose();
    let settings = Settings { tls: tls.map_err(Failure::setting)?, ..Settings::default() };
    let keeper = std::sync::Arc::new(service.gate());
    let door = Door::new(service.clone(), keeper, settings).map_err(Failure::runtime)?;
    let (listener, address) = listen(address, "--postgres").await?;
    cloudping_agent::output::print(format_args!("taking PostgreSQL clients at {address}"))?;
    Ok(tokio::spawn(serve(listener, door, closed(shutdown))))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(
    _: &SqlDoorArgs,
    _: SocketAddr,
    _: &Service,
    _: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Failure> {
    Err(Failure::setting("--postgres: this cloudping was built without its feature postgres"))
}

#[cfg(feature = "flight")]
async fn flight(
    args: &SqlDoorArgs,
    address: SocketAddr,
    service: &Service,
    shutdown: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Failure> {
    use cloudping_flight_door::{Settings, serve};
    let settings = Settings { tls: args.tls(), ..Settings::default() };
    let keeper = std::sync::Arc::new(service.gate());
    let (listener, address) = listen(address, "--flight").await?;
    cloudping_agent::output::print(format_args!("taking Arrow Flight SQL clients at {address}"))?;
    let service = service.clone();
    Ok(tokio::spawn(async move {
        if let Err(error) = serve(listener, service, keeper, settings, closed(shutdown)).await {
            tracing::error!(%error, "the Flight SQL door failed");
        }
    }))
}

#[cfg(not(feature = "flight"))]
async fn flight(
    _: &SqlDoorArgs,
    _: SocketAddr,
    _: &Service,
    _: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, Failure> {
    Err(Failure::setting("--flight: this cloudping was built without its feature flight"))
}
