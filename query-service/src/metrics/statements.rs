//! What is counted of the statements at the SQL door.

use cloudping_model::UtcMicros;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::sql::SqlError;

/// Seconds of a statement.
const BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Bound {
    bound: &'static str,
}

/// The counters of the SQL door. Copies share them.
#[derive(Debug, Clone)]
pub(crate) struct Statements {
    running: Gauge,
    queued: Gauge,
    refused: Family<Bound, Counter>,
    durations: Histogram,
    clock: fn() -> UtcMicros,
}

/// A statement that waits, until this is dropped.
#[derive(Debug)]
pub(crate) struct Queued(Gauge);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A statement that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    of: Statements,
    since: UtcMicros,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.of.running.dec();
        self.of.durations.observe((self.of.clock)().since(self.since).as_secs_f64());
    }
}

impl Statements {
    /// Counters that take the time by `clock`.
    pub(crate) fn new(clock: fn() -> UtcMicros) -> Self {
        let (running, queued, refused) = Default::default();
        Self { running, queued, refused, durations: Histogram::new(BUCKETS), clock }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("cloudping_sql_statements_running", "Statements that run", self.running.clone());
        registry.register("cloudping_sql_statements_queued", "Statements that wait for a place", self.queued.clone());
        let help = "Statements that met a bound, by the bound";
        registry.register("cloudping_sql_statements_refused", help, self.refused.clone());
        registry.register_with_unit(
            "cloudping_sql_statement_duration",
            "How long statements ran, refused ones too",
            Unit::Seconds,
            self.durations.clone(),
        );
    }

    /// A statement waits until the result is dropped.
    pub(crate) fn queued(&self) -> Queued {
        self.queued.inc();
        Queued(self.queued.clone())
    }

    /// A statement runs until the result is dropped.
    pub(crate) fn running(&self) -> Running {
        self.running.inc();
        Running { of: self.clone(), since: (self.clock)() }
    }

    /// A statement failed; counted if it met a bound.
    pub(crate) fn failed(&self, error: &SqlError) {
        if let Some(bound) = bound(error) {
            self.refused.get_or_create(&Bound { bound }).inc();
        }
    }
}

fn bound(error: &SqlError) -> Option<&'static str> {
    match error {
        SqlError::TooLong { .. } | SqlError::TooManyTokens { .. } | SqlError::TooAmbiguous => Some("length"),
        SqlError::TooSlow { .. } => Some("time"),
        SqlError::TooBig => Some("memory"),
        SqlError::Busy { .. } => Some("concurrency"),
        SqlError::TooManyRows { .. } => Some("rows"),
        SqlError::TooManyBytes { .. } => Some("bytes"),
        _ => None,
    }
}
