//! Watches over the live view by the rules of a file.

use std::path::Path;

use cloudping_agent::failure::Failure;
use cloudping_query_service::{Alerts, Service};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use super::parts::Parts;
use super::stores::Stores;
use crate::alerts::variable;

/// The rules, if there is a file of them.
pub fn open(file: Option<&Path>, stores: &Stores) -> Result<Option<Alerts>, Failure> {
    let open = |file| Alerts::open(file, variable, stores.notifiers.clone());
    file.map(open).transpose().map_err(|error| Failure::setting(format!("--alerts {error}")))
}

/// Keeps watch until `shutdown` turns true, if there are rules.
pub fn start(
    alerts: Option<Alerts>,
    service: &Service,
    parts: &Parts,
    shutdown: watch::Receiver<bool>,
) -> Option<Task<()>> {
    let service = service.clone();
    alerts.map(|alerts| parts.spawn("the alerts", async move { service.watch_alerts(alerts, shutdown).await }))
}
