//! What the service counts of itself, for Prometheus.
//!
//! - `requests`: the doors over HTTP; `statements`: the SQL door; `probes`: what the vantage points have sent.
//! - `latency`: the live view as gauges; `process`: what the operating system counts.
//! - `exposition`: the text formats.

mod exposition;
mod latency;
mod probes;
mod process;
mod requests;
mod statements;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use cloudping_model::UtcMicros;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

pub(crate) use exposition::Exposition;
pub(crate) use latency::Latency;
pub(crate) use probes::Probes;
pub(crate) use requests::{CacheResult, Left, Requests};
pub(crate) use statements::{Running, Statements};

use crate::live_view::LiveView;

/// Everything that is counted from the start on.
pub(crate) struct Metrics {
    pub(crate) requests: Requests,
    probes: Mutex<Probes>,
    registry: Registry,
}

/// What is looked up when somebody asks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen {
    /// How old the live view is, in seconds; `None` before the first.
    pub(crate) view_age: Option<f64>,
    /// The newest round's age in seconds; `None` before the first.
    pub(crate) round_age: Option<f64>,
    /// Vantage points in the live view.
    pub(crate) vantages: usize,
    /// Clients that follow the stream.
    pub(crate) stream_clients: usize,
    /// Bytes of the answers that are kept.
    pub(crate) cache_bytes: usize,
    /// The versions of the archive's tables that were read last.
    pub(crate) versions: Vec<(&'static str, i64)>,
}

impl Metrics {
    pub(crate) fn new(started: UtcMicros, statements: &Statements) -> Self {
        let mut registry = Registry::default();
        let requests = Requests::default();
        requests.register(&mut registry);
        statements.register(&mut registry);
        let build = Family::<[(&str, &str); 1], Gauge>::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("cloudping_build_info", "The version that runs, as a label", build);
        let start = ConstGauge::new(started.0 as f64 / 1e6);
        registry.register_with_unit("process_start_time", "When the service started, since 1970", Unit::Seconds, start);
        registry.register_collector(Box::new(process::Process));
        Self { requests, probes: Mutex::default(), registry }
    }

    /// Takes over what a new view says of the probes.
    pub(crate) fn viewed(&self, view: &LiveView) {
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, vantage) in &view.vantages {
            probes.advance(id, &vantage.stored.head.ledger);
        }
    }

    /// The probes counted so far.
    pub(crate) fn probes(&self) -> Probes {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of it as OpenMetrics.
    ///
    /// # Errors
    /// None that a string would give.
    pub(crate) fn text(&self, seen: &Seen) -> Result<Exposition, fmt::Error> {
        Exposition::of(&[&self.registry, &seen.registry()])
    }
}

impl Seen {
    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        let ages = [
            ("cloudping_live_view_age", "How long ago the live store was read", self.view_age),
            ("cloudping_newest_round_age", "How long ago the newest round started", self.round_age),
        ];
        for (name, help, age) in ages {
            if let Some(age) = age {
                registry.register_with_unit(name, help, Unit::Seconds, ConstGauge::new(age));
            }
        }
        let gauge = |count: usize| ConstGauge::new(count as u64);
        registry.register("cloudping_vantage_points", "Vantage points in the live view", gauge(self.vantages));
        registry.register("cloudping_stream_clients", "Clients that follow the stream", gauge(self.stream_clients));
        registry.register_with_unit(
            "cloudping_http_cache",
            "What the answers that are kept take",
            Unit::Bytes,
            gauge(self.cache_bytes),
        );
        let versions = Family::<[(&str, &str); 1], Gauge>::default();
        for (table, version) in &self.versions {
            versions.get_or_create(&[("table", table)]).set(*version);
        }
        let help = "The version of an archive's table that was read last";
        registry.register("cloudping_archive_version", help, versions);
        registry
    }
}
