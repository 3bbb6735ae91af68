//! The agent: measures until SIGTERM or Ctrl-C. Rounds wait in a spool on disk while the event log cannot be reached, and across
//! restarts.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use cloudping_producers::probers::Tcp;
use cloudping_producers::producer::{self, Surroundings};
use cloudping_producers::spool::Spool;
use cloudping_producers::{gaps, sockets, targets};
use cloudping_producers_aws::deployment;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[tokio::main]
async fn main() -> ExitCode {
    cloudping_telemetry::logging(|name| std::env::var(name).ok());
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cloudping-producer-agent: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let settings = deployment::settings()?;
    let vantage = deployment::vantage(&settings)?;
    let spool = Spool::open(&settings.spool, &vantage.id, settings.spool_bytes, vantage.interval)?;
    let (stop, shutdown) = watch::channel(false);
    let surroundings = Surroundings {
        log: deployment::log(&settings).await?,
        clocks: gaps::now,
        probers: Arc::new([Arc::new(Tcp)]),
        sockets: sockets::permits()?,
        shutdown: shutdown.clone(),
    };
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.send_replace(true);
    });
    tracing::info!(vantage = %vantage.id, targets = vantage.targets.len(), to = %settings.destination, "measuring");
    let resolving = tokio::spawn(targets::keep_resolved(vantage.targets.clone(), shutdown));
    producer::run(vantage, surroundings, Some(spool)).await;
    resolving.abort();
    Ok(())
}
