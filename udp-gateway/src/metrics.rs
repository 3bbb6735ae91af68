//! `/metrics`: the state for Prometheus, as OpenMetrics.

use std::fmt;

use cloudping_schemas::api::{GatewayDestination, GatewayState, GatewayTarget};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The media type.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Names and values, in the order in which they are printed.
type Labels = Vec<(&'static str, String)>;

/// A page of a state; only those destinations that `shown` says yes to.
///
/// # Errors
/// None that a string would give.
pub fn page(state: &GatewayState, shown: impl Fn(&str) -> bool) -> Result<String, fmt::Error> {
    let mut page = Page { registry: Registry::with_prefix("cloudping_gateway"), region: state.region.clone() };
    page.listeners(state);
    let destinations: Vec<&GatewayDestination> = state.destinations.iter().filter(|it| shown(&it.name)).collect();
    page.destinations(&destinations);
    page.targets(&destinations);
    let displaced = [(Labels::new(), state.displaced_senders)];
    page.counter("senders_displaced", "Senders that lost their place in the table to another", displaced);
    let mut text = String::new();
    encode(&mut text, &page.registry)?;
    Ok(text)
}

struct Page {
    registry: Registry,
    region: String,
}

impl Page {
    fn counter(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            family.get_or_create(&self.with_region(labels)).inc_by(value);
        }
        self.registry.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            family.get_or_create(&self.with_region(labels)).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.registry.register(name, help, family);
    }

    fn with_region(&self, labels: Labels) -> Labels {
        let region = ("region", self.region.clone());
        std::iter::once(region).chain(labels).collect()
    }

    fn listeners(&mut self, state: &GatewayState) {
        let of = |address: &str| vec![("listener", address.to_owned())];
        let each = || state.listeners.iter();
        self.counter("received", "Datagrams taken from a socket", each().map(|it| (of(&it.address), it.received)));
        let bytes = each().map(|it| (of(&it.address), it.received_bytes));
        self.counter("received_bytes", "Bytes of their payloads", bytes);
        let refused = each().flat_map(|it| {
            let reasons =
                [("not_allowed", it.not_allowed), ("rate_limited", it.rate_limited), ("kernel", it.kernel_dropped)];
            reasons.map(|(reason, count)| ([of(&it.address), vec![("reason", reason.to_owned())]].concat(), count))
        });
        self.counter("refused", "Datagrams that no destination was offered, by reason", refused);
        let replies = each().flat_map(|it| {
            [("sent", it.replies), ("unsent", it.replies_unsent)]
                .map(|(result, count)| ([of(&it.address), vec![("result", result.to_owned())]].concat(), count))
        });
        self.counter("replies", "Replies, by whether the kernel took them", replies);
    }

    fn destinations(&mut self, destinations: &[&GatewayDestination]) {
        let of = |name: &str| vec![("destination", name.to_owned())];
        let each = || destinations.iter();
        self.counter("offered", "Datagrams offered to a destination", each().map(|it| (of(&it.name), it.offered)));
        let delivered = each().map(|it| (of(&it.name), it.delivered));
        self.counter("delivered", "Datagrams in batches that a target took", delivered);
        self.gauge("waiting", "Datagrams on their way", each().map(|it| (of(&it.name), it.waiting)));
        let by_reason = |it: &GatewayDestination, counts: &std::collections::BTreeMap<String, u64>| {
            let row =
                |(reason, count): (&String, &u64)| ([of(&it.name), vec![("reason", reason.clone())]].concat(), *count);
            counts.iter().map(row).collect::<Vec<_>>()
        };
        let dropped = each().flat_map(|it| by_reason(it, &it.dropped));
        self.counter("dropped", "Datagrams that were not delivered, by reason", dropped);
        let unusable = each().flat_map(|it| by_reason(it, &it.unusable_replies));
        self.counter("unusable_replies", "Replies that could not be sent, by reason", unusable);
        self.counter("batches", "Batches that a target took", each().map(|it| (of(&it.name), it.batches)));
        self.counter("retried", "Batches that were tried a second time", each().map(|it| (of(&it.name), it.retried)));
        let unknown = each().map(|it| (of(&it.name), it.unknown_outcome));
        self.counter("unknown_outcomes", "Attempts of which nobody knows whether the target counted them", unknown);
    }

    fn targets(&mut self, destinations: &[&GatewayDestination]) {
        let all = |value: fn(&GatewayTarget) -> u64| {
            let rows = destinations.iter().flat_map(move |it| {
                let labels = |target: &GatewayTarget| {
                    vec![("destination", it.name.clone()), ("target_region", target.region.clone())]
                };
                it.targets.iter().map(move |target| (labels(target), value(target)))
            });
            rows.collect::<Vec<_>>()
        };
        self.counter("target_packets", "Datagrams that a target took", all(|target| target.packets));
        self.counter("target_failures", "Batches that a target did not take", all(|target| target.failures));
        let closed = all(|target| u64::from(target.breaker == "closed"));
        self.gauge("target_well", "1 where batches go to a target, 0 where its breaker is not closed", closed);
    }
}
