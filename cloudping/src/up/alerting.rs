//! Watches over the live view by the rules of a file.

use std::path::Path;

use cloudping_query_service::{Alerts, Service};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use super::parts::Parts;
use super::stores::Stores;
use crate::alerts::variable;
use crate::failure::Failure;

/// Reads the rules, if there is a file of them, and keeps watch until `shutdown` turns true.
pub fn start(
    file: Option<&Path>,
    stores: &Stores,
    service: &Service,
    parts: &Parts,
    shutdown: watch::Receiver<bool>,
) -> Result<Option<Task<()>>, Failure> {
    let open = |file| Alerts::open(file, variable, stores.notifiers.clone());
    let alerts = file.map(open).transpose().map_err(|error| Failure::setting(format!("--alerts {error}")))?;
    let service = service.clone();
    Ok(alerts.map(|alerts| parts.spawn("the alerts", async move { service.watch_alerts(alerts, shutdown).await })))
}
