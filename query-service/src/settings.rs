//! What the service is told when it starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloudping_model::VantageId;
use cloudping_schemas::catalogue::Catalogue;
use deltalake_core::logstore::object_store::ObjectStore;

use crate::access::AccessSettings;
use crate::exports::Exports;
use crate::gateways::GatewaySource;

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
    /// The UDP gateways that it tells of.
    pub gateways: Vec<Arc<dyn GatewaySource>>,
    /// Bounds of the SQL door.
    pub sql: SqlLimits,
    /// Timing of the live view.
    pub live: LiveSettings,
    /// Bounds of the connections.
    pub connections: ConnectionLimits,
    /// Who may ask how much.
    pub access: AccessSettings,
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
            gateways: Vec::new(),
            sql: SqlLimits::default(),
            live: LiveSettings::default(),
            connections: ConnectionLimits::default(),
            access: AccessSettings::default(),
        }
    }
}

/// What one SQL statement, and all of them together, may use.
#[derive(Debug, Clone)]
pub struct SqlLimits {
    /// Memory of all running statements together, in bytes. Default 512 MiB. Sorts, joins and aggregates are counted; the values of an
    /// expression on the batch in hand are not.
    pub memory_bytes: usize,
    /// Disk of all running statements together, for sorts and aggregates that do not fit into memory. Default 2 GiB; 0 for none.
    pub spill_bytes: u64,
    /// The folder for that, in one of its own that goes with the service. Default the system's for temporary files.
    pub spill_folder: Option<PathBuf>,
    /// Time for one statement, without the time in which its reader keeps it waiting. Default 30 s.
    pub wall_time: Duration,
    /// Time in which a reader may keep one statement waiting, all in all. Default 120 s.
    pub reader_time: Duration,
    /// Rows of one answer that is taken as it is made; more are an error. Default 10,000,000.
    pub stream_rows: usize,
    /// Bytes of the columns of one answer that is taken as it is made; more are an error. Default 1 GiB.
    pub stream_bytes: usize,
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
    /// Statements that wait for a place. Default 8.
    pub queue: usize,
    /// How long they wait. Default 10 s: a page asks several things at once, and a small machine takes a second for each.
    pub queue_time: Duration,
    /// Downloads of samples at the same time, beside the statements: they have no limit of time, since their clients set the pace. Default 2.
    pub downloads: usize,
    /// Threads that run them. Default 2.
    pub threads: usize,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            spill_bytes: 2 << 30,
            spill_folder: None,
            wall_time: Duration::from_secs(30),
            reader_time: Duration::from_secs(120),
            stream_rows: 10_000_000,
            stream_bytes: 1 << 30,
            rows: 100_000,
            result_bytes: 64 << 20,
            query_bytes: 16 << 10,
            query_tokens: 2_000,
            concurrency: 4,
            queue: 8,
            queue_time: Duration::from_secs(10),
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
    /// Clients of the stream at the same time. Default 2,000: those with the same selection share what they are sent.
    pub streams: usize,
    /// Different selections that they follow. Default 128: each takes about a megabyte for a thousand pairs, and is computed anew with
    /// every view.
    pub selections: usize,
    /// Bytes of finished live answers that are kept until the next view. Default 64 MiB.
    pub cache_bytes: usize,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { stale_after: Duration::from_secs(30), streams: 2_000, selections: 128, cache_bytes: 64 << 20 }
    }
}

/// What one connection, and all of them together, may take.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Connections at the same time; more wait. Default 4,096.
    pub count: usize,
    /// From the connection to its first bytes. Default 10 s.
    pub first_byte: Duration,
    /// For the head of a request; also the longest pause between two. Default 75 s: load balancers keep connections for 60.
    pub head: Duration,
    /// How long the client may leave an answer untaken. Default 60 s.
    pub untaken: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            count: 4_096,
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(75),
            untaken: Duration::from_secs(60),
        }
    }
}
