//! The deployment that is priced, and everything about it that is not counted.

/// Hours of a month: a twelfth of 365 days.
pub const MONTH_HOURS: f64 = 730.0;
/// Seconds of a month.
pub const MONTH_S: f64 = MONTH_HOURS * 3600.0;

/// A deployment: every region measures the others, from a Lambda function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment {
    /// Vantage points.
    pub regions: u32,
    /// Targets of each.
    pub targets: u32,
    /// From one round to the next, s.
    pub interval_s: u32,
    /// How long the event source of the stream processor gathers a batch, s.
    pub window_s: u32,
    /// Shards of the stream.
    pub shards: u32,
}

impl Deployment {
    /// 36 regions, 35 targets each. One shard takes 1,000 records and 1 MB a second.
    pub fn default_at(interval_s: u32, window_s: u32) -> Self {
        Self { regions: 36, targets: 35, interval_s, window_s, shards: 1 }
    }

    /// Rounds of all regions in a month.
    pub fn rounds(&self) -> f64 {
        f64::from(self.regions) * MONTH_S / f64::from(self.interval_s)
    }

    /// Probes of all regions in a month.
    pub fn probes(&self) -> f64 {
        self.rounds() * f64::from(self.targets)
    }

    /// Batches of the stream processor in a month: each shard has records in each window.
    pub fn batches(&self) -> f64 {
        MONTH_S / f64::from(self.window_s) * f64::from(self.shards)
    }

    /// Invocations of the producers in a month: one a minute, of one round or of sixty.
    pub fn producer_invocations(&self) -> f64 {
        f64::from(self.regions) * MONTH_S / 60.0
    }

    /// How long an invocation of a producer lasts, s: its rounds, and 2 s for the last answers and the log.
    pub fn producer_s(&self) -> f64 {
        f64::from((60 / self.interval_s).saturating_sub(1) * self.interval_s) + 2.0
    }
}

/// Every so often a producer's environment is replaced, and its epoch with it, s. What a vantage point's head remembers of epochs makes
/// up most of it.
pub const ENVIRONMENT_S: i64 = 2 * 3600;
/// Of so many rounds one comes late, by up to [`LATE_S`].
pub const LATE_ONE_IN: u64 = 1_000;
/// See [`LATE_ONE_IN`], s.
pub const LATE_S: i64 = 90;
/// From one reading of the live view to the next, s.
pub const REFRESH_S: i64 = 1;

/// Memory of a producer, GB.
pub const PRODUCER_GB: f64 = 0.125;
/// Memory of the stream processor, GB.
pub const PROCESSOR_GB: f64 = 0.5;
/// How long the stream processor takes for a batch, s.
pub const PROCESSOR_S: f64 = 0.15;
/// Memory of the archiver and the rollup, GB.
pub const ARCHIVER_GB: f64 = 2.0;
/// How long a run of the archiver and the rollup takes, s.
pub const ARCHIVER_S: f64 = 10.0;
/// From one run of the archiver to the next, s.
pub const ARCHIVER_EVERY_S: f64 = 300.0;
/// PUT and LIST requests of such a run: data, log and checkpoints of two tables.
pub const ARCHIVER_PUTS: f64 = 8.0;
/// GET requests of such a run.
pub const ARCHIVER_GETS: f64 = 30.0;
/// Parquet bytes of a sample: 4.3 in one large sorted file (`cargo xtask bench archive`), more in files of five minutes.
pub const SAMPLE_BYTES: f64 = 6.0;
/// Months of samples that are kept.
pub const MONTHS_KEPT: f64 = 12.0;
/// What a round's way to the log takes beside the round: TLS records, signed headers, the answer's acknowledgements, bytes.
pub const APPEND_BYTES: f64 = 1_500.0;
/// What leaves a region for a probe: SYN, ACK and RST or FIN, with their IP headers, bytes.
pub const PROBE_BYTES: f64 = 160.0;
/// What an invocation of a function writes into its log: Lambda's three lines, the metrics, a line of its own, bytes.
pub const INVOCATION_LOG_BYTES: f64 = 1_200.0;
/// Metrics that a producer makes: those that an alarm needs.
pub const PRODUCER_METRICS: f64 = 3.0;
/// Metrics of all other functions together.
pub const OTHER_METRICS: f64 = 12.0;
/// vCPUs of the query service's container.
pub const QUERY_VCPU: f64 = 0.5;
/// Memory of the query service's container, GB.
pub const QUERY_GB: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_make_months() {
        let [minute, second] = [60, 1].map(|interval| Deployment::default_at(interval, 10));
        assert_eq!((minute.rounds(), second.rounds()), (36.0 * 43_800.0, 36.0 * 2_628_000.0));
        assert_eq!(second.probes(), 35.0 * second.rounds());
        assert_eq!((minute.batches(), minute.producer_invocations()), (262_800.0, 36.0 * 43_800.0));
        assert_eq!((minute.producer_s(), second.producer_s()), (2.0, 61.0));
    }
}
