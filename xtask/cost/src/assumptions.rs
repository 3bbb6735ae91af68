//! The deployment that is priced, and everything about it that is not counted.

use serde::Deserialize;

/// Hours of a month: a twelfth of 365 days.
pub const MONTH_HOURS: f64 = 730.0;
/// Seconds of a month.
pub const MONTH_S: f64 = MONTH_HOURS * 3600.0;

/// What of `cdk/settings.json` decides how much is done.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    producers: Producers,
    serving: Serving,
    rollup: Rollup,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Producers {
    interval_seconds: u32,
    probes: u32,
    spread_ms: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Serving {
    refresh_ms: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rollup {
    every_minutes: u32,
}

/// A deployment: every region measures the others, from a Lambda function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deployment {
    /// Vantage points.
    pub regions: u32,
    /// Targets of each.
    pub targets: u32,
    /// Probes to each target in a round.
    pub probes: u32,
    /// From one round to the next, s.
    pub interval_s: u32,
    /// In which time the probes of a round leave, s.
    pub spread_s: f64,
    /// How long the event source of the stream processor gathers a batch, s.
    pub window_s: u32,
    /// From one reading of the live view to the next, s.
    pub refresh_s: f64,
    /// From one run of the archiver to the next, s.
    pub archive_s: f64,
    /// Shards of the stream.
    pub shards: u32,
}

impl Deployment {
    /// What settings and templates say together.
    pub fn new(settings: &Settings, regions: u32, targets: u32, window_s: u32, shards: u32) -> Self {
        let Producers { interval_seconds, probes, spread_ms } = settings.producers;
        let (spread_s, refresh_s) = (f64::from(spread_ms) / 1e3, f64::from(settings.serving.refresh_ms) / 1e3);
        let archive_s = f64::from(settings.rollup.every_minutes) * 60.0;
        Self {
            regions,
            targets,
            probes,
            interval_s: interval_seconds,
            spread_s,
            window_s,
            refresh_s,
            archive_s,
            shards,
        }
    }

    /// Rounds of all regions in a month.
    pub fn rounds(&self) -> f64 {
        f64::from(self.regions) * MONTH_S / f64::from(self.interval_s)
    }

    /// Probes of all regions in a month.
    pub fn all_probes(&self) -> f64 {
        self.rounds() * f64::from(self.targets * self.probes)
    }

    /// Batches of the stream processor in a month: each shard has records in each window.
    pub fn batches(&self) -> f64 {
        MONTH_S / f64::from(self.window_s) * f64::from(self.shards)
    }

    /// Runs of the archiver in a month.
    pub fn archive_runs(&self) -> f64 {
        MONTH_S / self.archive_s
    }

    /// How long an invocation of a producer lasts, s: its rounds, the last round's spread, and [`ANSWERS_S`].
    pub fn producer_s(&self) -> f64 {
        f64::from((60 / self.interval_s).saturating_sub(1) * self.interval_s) + self.spread_s + ANSWERS_S
    }

    /// 36 regions, a round a minute.
    #[cfg(test)]
    pub fn example() -> Self {
        let (spread_s, refresh_s, archive_s) = (1.0, 5.0, 300.0);
        let (regions, targets, probes, interval_s, window_s, shards) = (36, 35, 1, 60, 10, 1);
        Self { regions, targets, probes, interval_s, spread_s, window_s, refresh_s, archive_s, shards }
    }
}

/// Invocations of a producer in a month: one a minute, of one round or of sixty.
pub const PRODUCER_INVOCATIONS: f64 = MONTH_S / 60.0;
/// What a producer waits for behind its last probe, s: the farthest answer, now and then the two seconds of one that is lost, the stream.
pub const ANSWERS_S: f64 = 1.0;
/// Every so often a producer's environment is replaced, and its epoch with it, s. What a vantage point's head remembers of epochs makes
/// up most of it.
pub const ENVIRONMENT_S: i64 = 2 * 3600;
/// Of so many rounds one comes late, by up to [`LATE_S`].
pub const LATE_ONE_IN: u64 = 1_000;
/// See [`LATE_ONE_IN`], s.
pub const LATE_S: i64 = 90;

/// How long the stream processor takes for a batch, s.
pub const PROCESSOR_S: f64 = 0.15;
/// How long a run of the archiver and the rollup takes, s.
pub const ARCHIVER_S: f64 = 10.0;
/// PUT and LIST requests of such a run: data, log and checkpoints of two tables.
pub const ARCHIVER_PUTS: f64 = 8.0;
/// GET requests of such a run.
pub const ARCHIVER_GETS: f64 = 30.0;
/// Parquet bytes of a sample: 4.3 in one large sorted file (`cargo xtask bench archive`), more in files of five minutes.
pub const SAMPLE_BYTES: f64 = 6.0;
/// Months of samples that are kept.
pub const MONTHS_KEPT: f64 = 12.0;
/// How long a run of the tasks of a large rollup takes, hours of a month: five minutes an hour.
pub const UPKEEP_HOURS: f64 = MONTH_HOURS / 12.0;
/// What the other buckets hold: access logs, query results, GB.
pub const OTHER_BUCKET_GB: f64 = 1.0;
/// What a round's way to the log takes beside the round: TLS records, signed headers, the answer's acknowledgements, bytes.
pub const APPEND_BYTES: f64 = 1_500.0;
/// What leaves a region for a probe: SYN, ACK and RST or FIN, with their IP headers, bytes.
pub const PROBE_BYTES: f64 = 160.0;
/// What an invocation of a function writes into its log: Lambda's three lines, the metrics, a line of its own, bytes.
pub const INVOCATION_LOG_BYTES: f64 = 1_200.0;
/// What the containers of the query service write into their logs, GB.
pub const SERVICE_LOG_GB: f64 = 1.0;
/// What a log of refused packets takes, GB.
pub const FLOW_LOG_GB: f64 = 0.2;
/// Requests to the query service.
pub const REQUESTS: f64 = 300_000.0;
/// What is answered to them, GB.
pub const ANSWERED_GB: f64 = 5.0;
/// Capacity units of the load balancer, mean.
pub const BALANCER_UNITS: f64 = 0.1;
/// Requests to the ingest door: ten vantage points, one a minute.
pub const DOOR_REQUESTS: f64 = 10.0 * MONTH_S / 60.0;
/// How long the ingest door takes for one, s.
pub const DOOR_S: f64 = 0.1;
/// Metrics that CloudWatch makes of a cluster and a service when Container Insights are on.
pub const INSIGHT_METRICS: f64 = 20.0;
/// Whoever reads or writes an encrypted stream makes Kinesis ask for its key every so often, s.
pub const KEY_EVERY_S: f64 = 300.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_make_months() {
        let minute = Deployment::example();
        let second = Deployment { interval_s: 1, probes: 5, ..minute };
        assert_eq!((minute.rounds(), second.rounds()), (36.0 * 43_800.0, 36.0 * 2_628_000.0));
        assert_eq!(second.all_probes(), 175.0 * second.rounds());
        assert_eq!((minute.batches(), minute.archive_runs()), (262_800.0, 8_760.0));
        assert_eq!((minute.producer_s(), second.producer_s()), (2.0, 61.0));
    }
}
