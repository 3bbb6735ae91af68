//! What the service is told when it starts.

use std::sync::Arc;
use std::time::Duration;

use cloudping_model::VantageId;
use cloudping_schemas::catalogue::Catalogue;
use deltalake_core::logstore::object_store::ObjectStore;

use crate::exports::Exports;

/// The service's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether the network is simulated; every answer says so.
    pub simulated: bool,
    /// The regions.
    pub catalogue: Catalogue,
    /// The vantage points that are meant to measure. Others that have data are shown too.
    pub vantages: Vec<VantageId>,
    /// The folder of the Delta tables, such as `file:///var/lib/cloudping/tables`, or `s3://bucket/archive` in a storage.
    pub tables_url: String,
    /// The storage whose root is that of the address' host; `None` where the tables are in a folder of this machine.
    pub tables_storage: Option<Arc<dyn ObjectStore>>,
    /// The export that is handed out, if there is one.
    pub exports: Option<Exports>,
    /// Bounds of the SQL door.
    pub sql: SqlLimits,
    /// Timing of the live view.
    pub live: LiveSettings,
}

impl Settings {
    /// Settings with the default bounds.
    #[must_use]
    pub fn new(simulated: bool, catalogue: Catalogue, vantages: Vec<VantageId>, tables_url: impl Into<String>) -> Self {
        Self {
            simulated,
            catalogue,
            vantages,
            tables_url: tables_url.into(),
            tables_storage: None,
            exports: None,
            sql: SqlLimits::default(),
            live: LiveSettings::default(),
        }
    }
}

/// What one SQL statement, and all of them together, may use.
#[derive(Debug, Clone)]
pub struct SqlLimits {
    /// Memory of all running statements together, in bytes. Default 512 MiB. Sorts, joins and aggregates are counted; the values of an
    /// expression on the batch in hand are not.
    pub memory_bytes: usize,
    /// Time for one statement. Default 30 s.
    pub wall_time: Duration,
    /// Rows of one answer; the rest is cut off, and the answer says so. Default 100,000.
    pub rows: usize,
    /// Bytes of one answer as it is sent; the rest is cut off, and the answer says so. Default 64 MiB.
    pub result_bytes: usize,
    /// Length of one statement in bytes. Default 16 KiB.
    pub query_bytes: usize,
    /// Words and signs of one statement. Default 2,000: planning takes the square of a chain's length, and cannot be stopped.
    pub query_tokens: usize,
    /// Statements that run at the same time. Default 4.
    pub concurrency: usize,
    /// Downloads of samples at the same time, beside the statements: they have no limit of time, since their clients set the pace. Default 2.
    pub downloads: usize,
    /// Threads that run them. Default 2.
    pub threads: usize,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            wall_time: Duration::from_secs(30),
            rows: 100_000,
            result_bytes: 64 << 20,
            query_bytes: 16 << 10,
            query_tokens: 2_000,
            concurrency: 4,
            downloads: 2,
            threads: 2,
        }
    }
}

/// Timing and bounds of the live view.
#[derive(Debug, Clone)]
pub struct LiveSettings {
    /// Without a newer round for this long the service calls itself degraded. Default 30 s.
    pub stale_after: Duration,
    /// Clients of the stream at the same time. Default 256.
    pub streams: usize,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { stale_after: Duration::from_secs(30), streams: 256 }
    }
}
