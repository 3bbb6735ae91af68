//! Recounts each hour from the log once it is folded.

use std::sync::Arc;
use std::time::Duration;

use cloudping_agent::clock;
use cloudping_ports::{EventLog, LiveStore};
use cloudping_stream_processor::Auditor;
use tokio::sync::watch;

/// How often to look for an hour that is due.
const EVERY: Duration = Duration::from_secs(300);

/// Audits until `shutdown` turns true.
pub async fn run(log: Arc<dyn EventLog>, store: Arc<dyn LiveStore>, mut shutdown: watch::Receiver<bool>) {
    let mut auditor = Auditor::new(log, store);
    while !*shutdown.borrow() {
        tokio::select! {
            audited = auditor.run_once(clock::now()) => match audited {
                Ok(Some(item)) if item.mismatches > 0 => {
                    tracing::error!(hour = ?item.hour, mismatches = item.mismatches, "digests that do not agree with the log");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "audit failed, the next one takes the hour up again"),
            },
            _ = shutdown.changed() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = shutdown.changed() => {}
        }
    }
}
