//! Alerts: rules from a file, held against the live view; whoever is meant is told by webhooks and topics.
//!
//! - `file` reads the rules, `rule` is one of them.
//! - `reading` takes from the live view what a rule is about; `state` decides what that means. Both are pure.
//! - `keeper` keeps the states in the live store, and puts what is to be told beside them; `notice` is its wording.
//! - `outbox` delivers that; `webhook` is one way.

mod file;
#[cfg(test)]
mod file_tests;
mod keeper;
mod notice;
mod outbox;
mod reading;
mod rule;
mod state;
#[cfg(test)]
mod state_tests;
mod topic;
mod webhook;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use cloudping_model::{Protocol, UtcMicros};
use cloudping_ports::{Notifier, Secret, StoreError};
use cloudping_schemas::api;
use cloudping_schemas::catalogue::Catalogue;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

pub use file::AlertFileError;
pub use webhook::Webhooks;

use crate::live_view::LiveView;
use crate::service::Shared;
use crate::text::rfc3339;
use file::Offered;
use keeper::{Keeper, Read};
use outbox::Outbox;
use reading::{OfRule, Pair};
use rule::Rule;

/// How often the rules are held against the live view, and the file is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is looked up which pairs there are.
const ROSTER_EVERY: Duration = Duration::from_secs(60);

/// What tells one version of a file from another without reading it. `None`: there is no such file.
type Version = Option<(SystemTime, u64)>;

/// A file of rules, and the ways to tell.
pub struct Alerts {
    path: PathBuf,
    seen: Version,
    rules: Arc<Vec<Rule>>,
    variable: fn(&str) -> Option<String>,
    notifiers: Vec<Arc<dyn Notifier>>,
}

impl Alerts {
    /// Reads a file of rules. `variable` looks up the environment variables that hold secrets; webhooks can always be told, others by `more`.
    ///
    /// # Errors
    /// [`AlertFileError`].
    pub fn open(
        path: &Path,
        variable: fn(&str) -> Option<String>,
        more: Vec<Arc<dyn Notifier>>,
    ) -> Result<Self, AlertFileError> {
        let mut notifiers: Vec<Arc<dyn Notifier>> = vec![Arc::new(Webhooks::default())];
        notifiers.extend(more);
        let mut alerts =
            Self { path: path.to_owned(), seen: version(path), rules: Arc::default(), variable, notifiers };
        alerts.rules = Arc::new(alerts.read()?);
        Ok(alerts)
    }

    /// Reads a file as [`Alerts::open`] does, for a look at it: topics are taken for granted, and told of nothing.
    ///
    /// # Errors
    /// [`AlertFileError`].
    pub fn check(path: &Path, variable: fn(&str) -> Option<String>) -> Result<Self, AlertFileError> {
        Self::open(path, variable, vec![Arc::new(topic::AnyTopic)])
    }

    /// The rules, as the API shows them.
    #[must_use]
    pub fn rules(&self) -> Vec<api::AlertRule> {
        self.rules.iter().map(Rule::shown).collect()
    }

    /// Whether a rule is of a pair.
    #[must_use]
    pub fn has(&self, rule: &str, source: &str, target: &str, catalogue: &Catalogue) -> bool {
        self.rules.iter().any(|known| known.name == rule && known.has(source, target, catalogue))
    }

    fn read(&self) -> Result<Vec<Rule>, AlertFileError> {
        let file = self.path.display().to_string();
        let unreadable = |reason: String| AlertFileError::Unreadable { file: file.clone(), reason };
        let size = std::fs::metadata(&self.path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > file::MAX_BYTES {
            return Err(unreadable(format!("it has {size} bytes, expected at most {}", file::MAX_BYTES)));
        }
        let text = std::fs::read_to_string(&self.path).map_err(|error| unreadable(error.to_string()))?;
        let takes = |to: &str| self.notifiers.iter().any(|notifier| notifier.takes(to));
        file::parse(&file, &text, &Offered { variable: &self.variable, takes: &takes })
    }

    /// Follows the file: new rules, or what is wrong with them; `None` while it stays as it is.
    fn follow(&mut self) -> Option<Result<(), AlertFileError>> {
        let version = version(&self.path);
        if version == self.seen {
            return None;
        }
        self.seen = version;
        Some(self.read().map(|rules| self.rules = Arc::new(rules)))
    }

    fn secrets(&self) -> HashMap<String, Secret> {
        let destinations = self.rules.iter().flat_map(|rule| &rule.notify);
        destinations.filter_map(|destination| destination.secret.clone()).collect()
    }
}

fn version(path: &Path) -> Version {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Which pairs there are, and when that was looked up.
type Roster = (UtcMicros, Arc<BTreeSet<(Pair, Protocol)>>);

/// What the live view says of each rule's pairs.
async fn read(
    shared: &Arc<Shared>,
    rules: &Arc<Vec<Rule>>,
    view: Arc<LiveView>,
    roster: &mut Roster,
    now: UtcMicros,
) -> Result<Vec<OfRule>, StoreError> {
    let (shared, rules, (at, known)) = (Arc::clone(shared), Arc::clone(rules), roster.clone());
    let reading = move || {
        let roster = if now.since(at) >= ROSTER_EVERY { (now, Arc::new(reading::roster(&view))) } else { (at, known) };
        let catalogue = &shared.settings.catalogue;
        let read = rules.iter().map(|rule| reading::read(rule, &view, &roster.1, catalogue)).collect();
        (read, roster)
    };
    let read = tokio::task::spawn_blocking(reading).await.map_err(|error| StoreError(Box::new(error)))?;
    *roster = read.1;
    Ok(read.0)
}

/// What the API shows of the alerts.
#[derive(Debug, Default)]
pub(crate) struct Board {
    shown: Mutex<Arc<api::Alerts>>,
    undelivered: Arc<AtomicU64>,
}

impl Board {
    /// As they stand.
    pub(crate) fn shown(&self) -> api::Alerts {
        let shown = Arc::clone(&self.shown.lock().unwrap_or_else(PoisonError::into_inner));
        api::Alerts { undelivered: self.undelivered.load(Ordering::Relaxed), ..(*shown).clone() }
    }

    fn show(&self, alerts: api::Alerts) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(alerts);
    }
}

/// Keeps the alerts until `shutdown` turns true.
pub(crate) async fn run(shared: Arc<Shared>, mut alerts: Alerts, mut shutdown: watch::Receiver<bool>) {
    let settings = &shared.settings;
    let mut keeper = Keeper::new(Arc::clone(&shared.store), settings.catalogue.clone(), settings.simulated);
    let undelivered = Arc::clone(&shared.alerts.undelivered);
    let mut outbox = Outbox::new(Arc::clone(&shared.store), alerts.notifiers.clone(), shared.clock, undelivered);
    outbox.set_secrets(alerts.secrets());
    let mut roster = Roster::default();
    let mut file_error = None;
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pace.tick() => {}
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
        match alerts.follow() {
            None => {}
            Some(Ok(())) => {
                tracing::info!(path = %alerts.path.display(), "the alerts follow a changed file");
                outbox.set_secrets(alerts.secrets());
                file_error = None;
            }
            Some(Err(error)) => {
                tracing::error!(%error, "the alerts go on by the rules that they had");
                file_error = Some(error.to_string());
            }
        }
        let now = (shared.clock)();
        if let Err(error) =
            turn(&shared, &alerts.rules, &mut keeper, &mut outbox, &mut roster, (now, &file_error)).await
        {
            tracing::warn!(%error, "the alerts were not moved on");
        }
    }
}

/// One evaluation, and what is to be delivered then.
async fn turn(
    shared: &Arc<Shared>,
    rules: &Arc<Vec<Rule>>,
    keeper: &mut Keeper,
    outbox: &mut Outbox,
    roster: &mut Roster,
    (now, file_error): (UtcMicros, &Option<String>),
) -> Result<(), StoreError> {
    let view = shared.view();
    // Before the first reading of the store nothing is known, not even that nothing is measured.
    if view.now > UtcMicros(0) {
        let read = read(shared, rules, view, roster, now).await?;
        let mut read: Vec<Read<'_>> = rules.iter().zip(read).collect();
        if keeper.evaluate(&mut read, now).await? {
            outbox.wake();
        }
        shared.alerts.show(api::Alerts {
            simulated: shared.settings.simulated,
            evaluated_at: Some(rfc3339(now)),
            file_error: file_error.clone(),
            undelivered: 0,
            rules: rules.iter().map(Rule::shown).collect(),
            alerts: keeper.shown(&read),
        });
    }
    outbox.pass(now).await
}
