//! Which packets the replies stand for. Times are since the first departure.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use cloudping_agent::output;
use serde::Serialize;

/// The packets of one test, and what the replies said of them.
#[derive(Debug)]
pub struct Account {
    attempted: u64,
    queued: u64,
    /// Departures of packets that no reply stood for yet, the earliest first.
    unanswered: VecDeque<Duration>,
    regions: BTreeMap<Option<String>, Region>,
    surplus: u64,
    unreadable: u64,
}

#[derive(Debug, Default)]
struct Region {
    responses: u64,
    packets: u64,
    total: Duration,
    bounds: Option<(Duration, Duration)>,
}

impl Account {
    /// Of so many packets that were to be sent, those left at `departures`, in their order.
    pub fn new(attempted: u64, departures: Vec<Duration>) -> Self {
        let queued = departures.len() as u64;
        let unanswered = departures.into();
        Self { attempted, queued, unanswered, regions: BTreeMap::new(), surplus: 0, unreadable: 0 }
    }

    /// A reply that came at `at`: it stands for the earliest packets that are left.
    pub fn reply(&mut self, at: Duration, payload: &[u8]) {
        let Some((packets, region)) = read(payload) else {
            self.unreadable += 1;
            return;
        };
        let region = self.regions.entry(region.map(str::to_owned)).or_default();
        region.responses += 1;
        let answered = usize::try_from(packets).unwrap_or(usize::MAX).min(self.unanswered.len());
        self.surplus = self.surplus.saturating_add(packets - answered as u64);
        for departure in self.unanswered.drain(..answered) {
            let latency = at.saturating_sub(departure);
            let (min, max) = region.bounds.unwrap_or((latency, latency));
            region.bounds = Some((min.min(latency), max.max(latency)));
            region.packets += 1;
            region.total += latency;
        }
    }

    /// What came of it.
    pub fn summary(self) -> Summary {
        let lost = self.unanswered.len() as u64;
        Summary {
            attempted: self.attempted,
            queued: self.queued,
            received: self.queued - lost,
            lost,
            surplus: self.surplus,
            unreadable: self.unreadable,
            regions: self.regions.into_iter().map(|(name, region)| region.summary(name)).collect(),
        }
    }
}

impl Region {
    fn summary(&self, region: Option<String>) -> RegionSummary {
        let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        RegionSummary {
            region,
            responses: self.responses,
            packets: self.packets,
            min_ms: self.bounds.map(|(min, _)| ms(min)),
            max_ms: self.bounds.map(|(_, max)| ms(max)),
            average_ms: (self.packets > 0).then(|| ms(self.total) / self.packets as f64),
        }
    }
}

/// A packet counter's reply: `12 eu-west-1`, or the number alone.
fn read(payload: &[u8]) -> Option<(u64, Option<&str>)> {
    let mut words = std::str::from_utf8(payload).ok()?.split_ascii_whitespace();
    let packets = words.next()?.parse().ok().filter(|packets| *packets > 0)?;
    let region = words.next();
    words.next().is_none().then_some((packets, region))
}

/// What came of a test.
#[derive(Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Packets that were to be sent.
    attempted: u64,
    /// Packets that the system took.
    queued: u64,
    /// Packets of these that replies stood for.
    received: u64,
    /// Packets of these that no reply stood for.
    lost: u64,
    /// Packets in replies beyond those that were sent: something else at this address sends too, or replies were doubled.
    surplus: u64,
    /// Replies that are no packet counter's.
    unreadable: u64,
    /// By region, in the order of their names.
    pub regions: Vec<RegionSummary>,
}

/// What came from a region.
#[derive(Debug, PartialEq, Serialize)]
pub struct RegionSummary {
    /// Its name; none where replies are numbers alone.
    region: Option<String>,
    /// Replies.
    responses: u64,
    /// Packets that they stood for.
    packets: u64,
    /// The least latency of these.
    min_ms: Option<f64>,
    /// The largest.
    max_ms: Option<f64>,
    /// Their mean.
    average_ms: Option<f64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempted, queued, received, lost, surplus, unreadable, regions } = self;
        writeln!(f, "Packets attempted:       {attempted:>6}")?;
        writeln!(f, "Packets queued:          {queued:>6}")?;
        writeln!(f, "Packets received:        {received:>6}")?;
        write!(f, "Packets lost in transit: {lost:>6}")?;
        if *surplus > 0 {
            write!(f, "\nCounted beyond these:    {surplus:>6}")?;
        }
        if *unreadable > 0 {
            write!(f, "\nUnreadable replies:      {unreadable:>6}")?;
        }
        if regions.is_empty() {
            return Ok(());
        }
        let row = |of: &RegionSummary| {
            let name = of.region.clone().unwrap_or_else(|| "(not named)".to_owned());
            let latencies = [of.min_ms, of.max_ms, of.average_ms].map(output::ms);
            [name, of.responses.to_string()].into_iter().chain(latencies).collect()
        };
        let header = ["region", "responses", "min ms", "max ms", "average ms"];
        write!(f, "\n\n{}", output::table(&header, regions.iter().map(row).collect(), 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn region(name: Option<&str>, responses: u64, packets: u64, latencies: Option<[f64; 3]>) -> RegionSummary {
        let latency = |nth: usize| latencies.map(|latencies| latencies[nth]);
        let region = name.map(str::to_owned);
        RegionSummary { region, responses, packets, min_ms: latency(0), max_ms: latency(1), average_ms: latency(2) }
    }

    #[test]
    fn a_reply_stands_for_the_earliest_packets_that_are_left() {
        let mut account = Account::new(6, [0, 1, 2, 3, 4].map(ms).into());
        account.reply(ms(12), b"2 us-west-2\n");
        account.reply(ms(13), b"1 eu-west-1\n");
        account.reply(ms(23), b"1 us-west-2\n");
        let expected = Summary {
            attempted: 6,
            queued: 5,
            received: 4,
            lost: 1,
            surplus: 0,
            unreadable: 0,
            regions: vec![
                region(Some("eu-west-1"), 1, 1, Some([11.0, 11.0, 11.0])),
                region(Some("us-west-2"), 2, 3, Some([11.0, 20.0, 43.0 / 3.0])),
            ],
        };
        let summary = account.summary();
        assert_eq!(summary, expected);
        let text = summary.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines[..4],
            [
                "Packets attempted:            6",
                "Packets queued:               5",
                "Packets received:             4",
                "Packets lost in transit:      1",
            ]
        );
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(lines[6]), ["eu-west-1", "1", "11.00", "11.00", "11.00"]);
        assert_eq!(words(lines[7]), ["us-west-2", "2", "11.00", "20.00", "14.33"]);
    }

    #[test]
    fn replies_beyond_what_was_sent_are_told_apart() {
        let mut account = Account::new(2, [0, 1].map(ms).into());
        account.reply(ms(5), b"5\n");
        account.reply(ms(6), b"3");
        account.reply(ms(7), b"test");
        account.reply(ms(7), b"0 eu-west-1");
        account.reply(ms(7), b"1 eu-west-1 more");
        account.reply(ms(7), b"\xff");
        account.reply(ms(8), format!("{} far", u64::MAX).as_bytes());
        let summary = account.summary();
        assert_eq!((summary.received, summary.lost, summary.unreadable), (2, 0, 4));
        assert_eq!(summary.surplus, u64::MAX);
        assert_eq!(summary.regions, [region(None, 2, 2, Some([4.0, 5.0, 4.5])), region(Some("far"), 1, 0, None)]);
        assert!(summary.to_string().contains("(not named)"));
    }

    proptest! {
        #[test]
        fn every_packet_is_received_or_lost(
            departures in proptest::collection::vec(0..50_u64, 0..100),
            replies in proptest::collection::vec((50..90_u64, 1..40_u64, 0..3_u8), 0..20),
        ) {
            let queued = departures.len() as u64;
            let mut account = Account::new(queued, departures.into_iter().map(ms).collect());
            for (at, packets, region) in &replies {
                account.reply(ms(*at), format!("{packets} region-{region}\n").as_bytes());
            }
            let summary = account.summary();
            let told: u64 = replies.iter().map(|(_, packets, _)| packets).sum();
            prop_assert_eq!(summary.received + summary.lost, queued);
            prop_assert_eq!(summary.received + summary.surplus, told);
            prop_assert_eq!(summary.regions.iter().map(|region| region.packets).sum::<u64>(), summary.received);
            for region in &summary.regions {
                let (min, max, average) = (region.min_ms, region.max_ms, region.average_ms);
                prop_assert!(min <= average.map(|average| average + 1e-9) && average <= max.map(|max| max + 1e-9));
            }
        }
    }
}
