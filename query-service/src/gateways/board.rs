//! What was last seen of the gateways, so that many viewers are one question.

use std::sync::Arc;

use cloudping_model::UtcMicros;
use cloudping_schemas::api::GatewaySeen;
use futures::future::join_all;
use tokio::sync::Mutex;
use tokio::task::JoinError;

use super::GatewaySource;

/// How old an answer may be, in µs: a fail-over takes about a second, and is to be seen.
const KEPT_US: i64 = 500_000;

/// All gateways at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When they were asked.
    pub(crate) at: UtcMicros,
    pub(crate) gateways: Vec<GatewaySeen>,
}

/// The gateways, and what was last seen of them.
#[derive(Debug)]
pub(crate) struct Board(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sources: Vec<Arc<dyn GatewaySource>>,
    last: Mutex<Option<Seen>>,
}

impl Board {
    pub(crate) fn new(sources: Vec<Arc<dyn GatewaySource>>) -> Self {
        Self(Arc::new(Inner { sources, last: Mutex::default() }))
    }

    /// What is known of them, not older than half a second before the question's turn.
    ///
    /// # Errors
    /// When a source panicked.
    pub(crate) async fn seen(&self, clock: fn() -> UtcMicros) -> Result<Seen, JoinError> {
        let inner = Arc::clone(&self.0);
        // A task of its own: who asks and leaves must not make the next one ask anew.
        tokio::spawn(async move { inner.seen(clock).await }).await
    }
}

impl Inner {
    async fn seen(&self, clock: fn() -> UtcMicros) -> Seen {
        let mut last = self.last.lock().await;
        let now = clock();
        match &*last {
            Some(seen) if (0..KEPT_US).contains(&(now.0 - seen.at.0)) => seen.clone(),
            _ => {
                let gateways = join_all(self.sources.iter().map(|source| source.look())).await;
                let before = last.take().map(|seen| seen.gateways).unwrap_or_default();
                last.insert(Seen { at: now, gateways: with_last_states(gateways, before) }).clone()
            }
        }
    }
}

/// Those that say nothing keep what they said last.
fn with_last_states(mut gateways: Vec<GatewaySeen>, before: Vec<GatewaySeen>) -> Vec<GatewaySeen> {
    for (gateway, before) in gateways.iter_mut().zip(before) {
        if gateway.error.is_some() && gateway.state.is_none() {
            gateway.state = before.state;
        }
    }
    gateways
}
