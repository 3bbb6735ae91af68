//! The live view as metrics: round-trip times by quantile, and probes by result.

use std::fmt;
use std::sync::Arc;

use cloudping_digest::SeriesSummary;
use cloudping_model::{Protocol, Rolling};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Exposition, Probes};
use crate::live_view::LiveView;

/// What is shown of a live view.
#[derive(Debug)]
pub(crate) struct Latency {
    pub(crate) view: Arc<LiveView>,
    pub(crate) window: Rolling,
    /// One source only.
    pub(crate) source: Option<String>,
    /// Each between 0 and 1.
    pub(crate) quantiles: Vec<f64>,
    pub(crate) probes: Probes,
}

impl Latency {
    /// How many numbers it has, those of probes not counted.
    pub(crate) fn size(&self) -> usize {
        self.pairs(|_, _, _, _| Ok(())).map_or(0, |pairs| pairs * self.quantiles.len())
    }

    /// All of it as OpenMetrics. Takes long where the window was not merged yet.
    ///
    /// # Errors
    /// None that a string would give.
    pub(crate) fn text(self) -> Result<Exposition, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        Exposition::of(&[&registry])
    }

    /// Calls `each` with source, target, protocol and summary of each pair; returns how many there are.
    fn pairs(
        &self,
        mut each: impl FnMut(&str, &str, &'static str, &SeriesSummary) -> fmt::Result,
    ) -> Result<usize, fmt::Error> {
        let mut count = 0;
        for protocol in Protocol::ALL {
            for (source, key, summary) in self.view.pairs(self.window, protocol, self.source.as_deref()) {
                each(source.as_str(), key.target.as_str(), protocol.name(), summary)?;
                count += 1;
            }
        }
        Ok(count)
    }
}

impl Collector for Latency {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let window = self.window.name();
        let quantiles: Vec<(f64, String)> = self.quantiles.iter().map(|q| (*q, q.to_string())).collect();
        let (name, help) = ("cloudping_rtt", "Round-trip time in the rolling window");
        let mut metric = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        self.pairs(|source, target, protocol, summary| {
            for (q, text) in &quantiles {
                let Some(micros) = summary.quantile(*q) else { continue };
                let labels = [
                    ("source", source),
                    ("target", target),
                    ("protocol", protocol),
                    ("window", window),
                    ("quantile", text.as_str()),
                ];
                ConstGauge::new(micros / 1e6).encode(metric.encode_family(&labels)?)?;
            }
            Ok(())
        })?;
        let (name, help) = ("cloudping_window_probes", "Probes in the rolling window by result");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        self.pairs(|source, target, protocol, summary| {
            for (result, count) in [("answered", summary.received()), ("lost", summary.lost())] {
                let labels = [
                    ("source", source),
                    ("target", target),
                    ("protocol", protocol),
                    ("window", window),
                    ("result", result),
                ];
                ConstGauge::new(count).encode(metric.encode_family(&labels)?)?;
            }
            Ok(())
        })?;
        let (name, help) = ("cloudping_probes", "Probes by result, as far as the service has seen them");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (source, result, count) in self.probes.totals() {
            if self.source.as_deref().is_some_and(|only| only != source.as_str()) {
                continue;
            }
            let labels = [("source", source.as_str()), ("result", result)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
