//! What an invocation of the function tells; docs/metrics.md says what for.

use cloudping_telemetry::{Line, Metric, Unit};

use crate::handler::Counted;

/// Packets in the batch.
pub const PACKETS_COUNTED: Metric = Metric::new("PacketsCounted", Unit::Count);
/// Addresses that sent them.
pub const SENDERS_COUNTED: Metric = Metric::new("SendersCounted", Unit::Count);
/// All of them.
pub const METRICS: [Metric; 2] = [PACKETS_COUNTED, SENDERS_COUNTED];

/// The line of an invocation.
#[must_use]
pub fn line(counted: &Counted) -> Line {
    Line::new().count(PACKETS_COUNTED, counted.packets).count(SENDERS_COUNTED, counted.senders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_stands_in_the_guide() {
        let guide = include_str!("../../../../docs/metrics.md");
        for metric in METRICS {
            assert!(guide.contains(&metric.row()), "docs/metrics.md has no row {}", metric.row());
        }
    }
}
