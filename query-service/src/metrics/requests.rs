//! What is counted of the requests over HTTP.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// From what the cache answers to what a statement may take, in seconds.
const BUCKETS: [f64; 13] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Left {
    /// The route's template, or `other`.
    pub(crate) route: Arc<str>,
    /// `GET` and so on; `other` where it is none of HTTP's.
    pub(crate) method: &'static str,
    /// The status' class: `2xx`.
    pub(crate) status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: Arc<str>,
}

/// What the cache of live answers did for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheResult {
    /// Gave the answer of the newest view.
    Hit,
    /// Gave the answer of the view before, while another request makes the new one.
    Before,
    /// Had the answer made.
    Miss,
    /// Was passed by: the answer is not to be kept, or there is no place for it.
    Aside,
}

impl CacheResult {
    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Before => "before",
            Self::Miss => "miss",
            Self::Aside => "aside",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cached {
    result: &'static str,
}

#[derive(Debug, Clone)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

/// The counters of the requests.
#[derive(Debug)]
pub(crate) struct Requests {
    answered: Family<Left, Counter>,
    durations: Family<Route, Histogram, Durations>,
    in_flight: Gauge,
    cached: Family<Cached, Counter>,
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Requests {
    fn default() -> Self {
        let (answered, in_flight, cached) = Default::default();
        Self { answered, durations: Family::new_with_constructor(Durations), in_flight, cached }
    }
}

impl Requests {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("cloudping_http_requests", "Requests answered", self.answered.clone());
        registry.register_with_unit(
            "cloudping_http_request_duration",
            "From a request to the head of its answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        let help = "Requests whose answer has not begun";
        registry.register("cloudping_http_requests_in_flight", help, self.in_flight.clone());
        let help = "What the cache of live answers did";
        registry.register("cloudping_http_cache_requests", help, self.cached.clone());
    }

    /// A request has come; it counts as being in flight until the result is dropped.
    pub(crate) fn entered(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// A request was answered.
    pub(crate) fn left(&self, request: Left, took: Duration) {
        self.answered.get_or_create(&request).inc();
        self.durations.get_or_create(&Route { route: request.route }).observe(took.as_secs_f64());
    }

    /// The cache was asked.
    pub(crate) fn cached(&self, result: CacheResult) {
        self.cached.get_or_create(&Cached { result: result.name() }).inc();
    }
}
