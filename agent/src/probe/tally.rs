//! What is known of one target: the statistics of `probe` and `nearest`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use cloudping_model::{Outcome, Protocol, UtcMicros};
use cloudping_producers::probers::Reading;
use serde::Serialize;

use super::distribution::Distribution;

/// How many of the last results are kept to be drawn.
pub const RECENT: usize = 60;

/// One probe and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Shot {
    /// Which target, by its place on the command line.
    pub target: usize,
    /// From 1, by time of departure.
    pub number: u64,
    /// When it left.
    pub sent_at: UtcMicros,
    /// What it found.
    pub reading: Reading,
}

/// One of the last results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A round-trip time in µs.
    Rtt(u32),
    /// Lost.
    Lost,
    /// Not sent, without a known time, or still under way.
    Unknown,
}

/// The statistics of one target.
#[derive(Debug, Clone)]
pub struct Tally {
    /// As it was named on the command line.
    pub target: String,
    /// What its probes are.
    pub kind: Protocol,
    /// What is probed, if the name has an address.
    pub address: Option<SocketAddr>,
    /// Probes that left and whose outcome is known.
    pub sent: u64,
    /// Those that found no proper answer.
    pub lost: u64,
    /// Round-trip times.
    pub rtts: Distribution,
    /// User space's time minus the kernel's, of each probe that has both.
    own_errors: Distribution,
    outcomes: BTreeMap<&'static str, u64>,
    last: Option<Reading>,
    recent: BTreeMap<u64, Mark>,
}

/// A target's statistics as they are printed. Times in ms, `None` where nothing is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// As it was named on the command line.
    pub target: String,
    /// What its probes were: tcp, tls, https, icmp or udp.
    pub kind: &'static str,
    /// Address and port that were probed.
    pub address: Option<SocketAddr>,
    /// Probes that left and whose outcome is known.
    pub sent: u64,
    /// Those that found no proper answer.
    pub lost: u64,
    /// `lost / sent`.
    pub loss: Option<f64>,
    /// How often each outcome came.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Outcome of the probe that ended last.
    pub last: Option<&'static str>,
    /// Its round-trip time.
    pub last_ms: Option<f64>,
    /// Least round-trip time.
    pub min_ms: Option<f64>,
    /// Mean.
    pub mean_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 90th percentile.
    pub p90_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Greatest round-trip time.
    pub max_ms: Option<f64>,
    /// The instrument's own error: median of user space's time minus the kernel's.
    pub own_error_p50_ms: Option<f64>,
}

impl Tally {
    /// Of a target that nothing is known of yet.
    pub fn new(target: &str, kind: Protocol, address: Option<SocketAddr>) -> Self {
        Self {
            target: target.to_owned(),
            kind,
            address,
            sent: 0,
            lost: 0,
            rtts: Distribution::default(),
            own_errors: Distribution::default(),
            outcomes: BTreeMap::new(),
            last: None,
            recent: BTreeMap::new(),
        }
    }

    /// Takes the result of probe `number` in.
    pub fn add(&mut self, number: u64, reading: Reading) {
        let outcome = reading.outcome;
        self.last = Some(reading);
        *self.outcomes.entry(outcome.name()).or_default() += 1;
        self.sent += u64::from(outcome.was_sent());
        self.lost += u64::from(outcome.is_loss());
        if let Some(rtt) = reading.rtt_us {
            self.rtts.add(i64::from(rtt));
        }
        if let (Some(rtt), Some(connect)) = (reading.rtt_us, reading.connect_us) {
            self.own_errors.add(i64::from(connect) - i64::from(rtt));
        }
        self.recent.insert(number, mark(reading));
        while self.recent.len() > RECENT {
            self.recent.pop_first();
        }
    }

    /// The last results by time of departure, the latest at the end; what is still under way among them is unknown.
    pub fn recent(&self) -> Vec<Mark> {
        let (Some((first, _)), Some((last, _))) = (self.recent.first_key_value(), self.recent.last_key_value()) else {
            return Vec::new();
        };
        let first = (*first).max(last.saturating_sub(RECENT as u64 - 1));
        (first..=*last).map(|number| self.recent.get(&number).copied().unwrap_or(Mark::Unknown)).collect()
    }

    /// The statistics so far.
    pub fn summary(&self) -> Summary {
        let quantile = |q| self.rtts.quantile_ms(q);
        Summary {
            target: self.target.clone(),
            kind: self.kind.name(),
            address: self.address,
            sent: self.sent,
            lost: self.lost,
            loss: (self.sent > 0).then(|| self.lost as f64 / self.sent as f64),
            outcomes: self.outcomes.clone(),
            last: self.last.map(|reading| reading.outcome.name()),
            last_ms: self.last.and_then(|reading| reading.rtt_us).map(|rtt| f64::from(rtt) / 1_000.0),
            min_ms: quantile(0.0),
            mean_ms: self.rtts.mean_ms(),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            max_ms: quantile(1.0),
            own_error_p50_ms: self.own_errors.quantile_ms(0.5),
        }
    }
}

fn mark(reading: Reading) -> Mark {
    match (reading.outcome, reading.rtt_us) {
        (Outcome::Answered, Some(rtt)) => Mark::Rtt(rtt),
        (outcome, _) if outcome.is_loss() => Mark::Lost,
        _ => Mark::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(rtt_us: u32, connect_us: u32) -> Reading {
        Reading { rtt_us: Some(rtt_us), connect_us: Some(connect_us), ..Reading::failed(Outcome::Answered) }
    }

    #[test]
    fn losses_never_enter_a_latency_and_what_was_not_sent_is_neither() {
        let mut tally = Tally::new("a", Protocol::TcpConnect, None);
        tally.add(1, answered(10_000, 10_040));
        tally.add(2, Reading::failed(Outcome::Timeout));
        tally.add(3, answered(20_000, 20_020));
        tally
            .add(4, Reading { connect_us: Some(1_000_000), retransmits: 1, ..Reading::failed(Outcome::Retransmitted) });
        tally.add(5, Reading::failed(Outcome::NotSent));
        let summary = tally.summary();
        assert_eq!((summary.sent, summary.lost, summary.loss), (4, 2, Some(0.5)));
        assert_eq!((summary.min_ms, summary.p50_ms, summary.max_ms), (Some(10.0), Some(15.0), Some(20.0)));
        assert_eq!(summary.own_error_p50_ms, Some(0.03));
        assert_eq!((summary.last, summary.last_ms), (Some("not_sent"), None));
        assert_eq!(summary.outcomes["answered"], 2);
        let expected = [Mark::Rtt(10_000), Mark::Lost, Mark::Rtt(20_000), Mark::Lost, Mark::Unknown];
        assert_eq!(tally.recent(), expected);
    }

    #[test]
    fn a_kernel_time_that_is_unknown_is_received_and_no_latency() {
        let mut tally = Tally::new("a", Protocol::TcpConnect, None);
        tally.add(1, Reading { connect_us: Some(9), ..Reading::failed(Outcome::Answered) });
        let summary = tally.summary();
        assert_eq!((summary.sent, summary.lost, summary.p50_ms), (1, 0, None));
        assert_eq!(tally.recent(), [Mark::Unknown]);
    }

    #[test]
    fn a_late_result_takes_its_own_place_among_the_recent() {
        let mut tally = Tally::new("a", Protocol::TcpConnect, None);
        tally.add(3, answered(3, 3));
        assert_eq!(tally.recent(), [Mark::Rtt(3)]);
        tally.add(1, Reading::failed(Outcome::Timeout));
        assert_eq!(tally.recent(), [Mark::Lost, Mark::Unknown, Mark::Rtt(3)]);
        (4..=200).for_each(|number| tally.add(number, answered(number as u32, 500)));
        let recent = tally.recent();
        assert_eq!((recent.len(), recent.last()), (RECENT, Some(&Mark::Rtt(200))));
    }

    #[test]
    fn nothing_measured_is_nothing_known() {
        let summary = Tally::new("a", Protocol::TcpConnect, None).summary();
        assert_eq!((summary.sent, summary.loss, summary.p50_ms, summary.last), (0, None, None, None));
    }
}
