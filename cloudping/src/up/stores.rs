//! The stores that the components meet in: one place knows which backend they are on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloudping_agent::clock;
use cloudping_agent::failure::Failure;
use cloudping_backend_local::{LocalLog, LocalStore};
use cloudping_batch_rollup::Tables;
use cloudping_ports::{EventLog, LiveStore, Notifier};
use cloudping_stream_processor::WorkerId;
use object_store::ObjectStore;
use tokio::sync::watch;

use super::claim;
use super::plan::{Backend, Plan};

/// The live view of the embedded store is read at most this often, and at least once a second.
const LOCAL_PAUSE: Duration = Duration::from_millis(100);
const LOCAL_LONGEST: Duration = Duration::from_secs(1);

/// Where everything is kept.
pub struct Stores {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// The live store.
    pub store: Arc<dyn LiveStore>,
    /// The archive.
    pub archive: ArchivePlace,
    /// Changes with every append, where the log can tell.
    pub appended: Option<watch::Receiver<u64>>,
    /// Changes with every commit, where the store can tell.
    pub committed: Option<watch::Receiver<u64>>,
    /// How the live view follows the store.
    pub refresh: Refresh,
    /// This process among those that process the log, where there may be others.
    pub worker: Option<WorkerId>,
    /// The log, where this process must keep it short itself.
    pub trimmed: Option<Arc<LocalLog>>,
    /// Where rounds wait while the log is away; `None` where the log is on the same disk.
    pub spool: Option<PathBuf>,
    /// Who can be told of alerts, beside webhooks.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// Where all this is, for people.
    pub place: String,
}

/// Where the tables lie.
#[derive(Clone)]
pub struct ArchivePlace {
    /// For the archiver and the rollup.
    pub tables: Tables,
    /// For the query service.
    pub url: String,
    /// What the address' host stands for; `None` where it is a folder of this machine.
    pub storage: Option<Arc<dyn ObjectStore>>,
}

/// How often the live store is read.
#[derive(Debug, Clone, Copy)]
pub struct Refresh {
    /// The least time between two readings.
    pub pause: Duration,
    /// How long to wait for a commit at the most, beyond the pause.
    pub longest: Duration,
}

impl Stores {
    /// Opens the stores of the plan's backend, and claims them for its network.
    ///
    /// # Errors
    /// What is missing or in the way, with what to do about it.
    pub async fn open(plan: &Plan) -> Result<Self, Failure> {
        match &plan.backend {
            Backend::Local => local(plan),
            #[cfg(feature = "aws")]
            Backend::Aws(places) => super::on_aws::open(plan, places).await,
        }
    }
}

fn local(plan: &Plan) -> Result<Stores, Failure> {
    let log = Arc::new(LocalLog::open(&plan.data, clock::now).map_err(Failure::setting)?);
    let store = Arc::new(LocalStore::open(&plan.data).map_err(Failure::setting)?);
    claim::directory(&plan.data, plan.network_kind())?;
    let path = std::path::absolute(plan.data.join("tables")).map_err(Failure::setting)?;
    let url = url::Url::from_file_path(&path);
    let url = url.map_err(|()| Failure::setting(format!("--data {}: not a path", plan.data.display())))?.to_string();
    Ok(Stores {
        appended: Some(log.appended()),
        committed: Some(store.committed()),
        refresh: Refresh { pause: LOCAL_PAUSE, longest: LOCAL_LONGEST },
        trimmed: Some(log.clone()),
        spool: None,
        notifiers: Vec::new(),
        place: plan.data.display().to_string(),
        archive: ArchivePlace { tables: Tables::at(&url), url, storage: None },
        worker: None,
        log,
        store,
    })
}
