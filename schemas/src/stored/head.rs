//! What is known of a vantage point: its rounds, its ledger, how far its windows are folded.

use cloudping_model::{GapReason, Pane, UtcMicros};
use prost::Message;

use super::{StoredError, message, wire, wrong};

/// The version of heads that is written.
const VERSION: u32 = 2;
const ITEM: &str = "head";

/// The rounds of one epoch that have been counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenEpoch {
    /// The producer's epoch.
    pub epoch: u64,
    /// Inclusive ranges of round numbers, ascending, neither touching nor overlapping.
    pub ranges: Vec<(u64, u64)>,
}

/// The least and the greatest number of the rounds of one epoch in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochRounds {
    /// The producer's epoch.
    pub epoch: u64,
    /// The least.
    pub first: u64,
    /// The greatest.
    pub last: u64,
}

/// What was received of a vantage point in one hour, by the start of the rounds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerHour {
    /// Start of the hour.
    pub start: UtcMicros,
    /// Distinct rounds.
    pub rounds: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes answered at once.
    pub received: u64,
    /// Probes lost.
    pub lost: u64,
    /// Probes that never left: no socket, or no address for the name.
    pub not_sent: u64,
    /// Deliveries of rounds that had been counted before.
    pub duplicates: u64,
    /// Rounds that came later than the allowed lateness.
    pub late: u64,
    /// Rounds that the gaps of counted rounds report missing.
    pub dropped: u64,
    /// Gaps reported, in the order of [`GapReason::ALL`].
    pub gaps: [u64; GapReason::ALL.len()],
    /// The numbers of the rounds, one entry an epoch, ascending by epoch.
    pub numbers: Vec<EpochRounds>,
    /// Those of `dropped` that never got a number: the machine slept or was overloaded.
    pub unnumbered: u64,
    /// Those of `sent` that were too old for every window of the live view.
    pub uncounted: u64,
}

impl LedgerHour {
    /// Probes that every round should have had so far: those of the rounds that came and, by their average, of those that did not.
    /// `missing` as [`missing_rounds`] gives it.
    #[must_use]
    pub fn probes_due(&self, missing: u64) -> u64 {
        let known = self.sent.saturating_add(self.not_sent);
        let absent = u128::from(known) * u128::from(missing) / u128::from(self.rounds.max(1));
        known.saturating_add(u64::try_from(absent).unwrap_or(u64::MAX))
    }
}

/// How many rounds of each hour of a ledger are missing: numbers of an epoch that have not come, by the hour of the next number that
/// did; and rounds that got no number, by the hour that reports them.
///
/// What is missing at the end of an epoch is known only when its vantage point reports it, and what is missing before the first number
/// in the oldest hour kept is not known any more.
#[must_use]
pub fn missing_rounds(ledger: &[LedgerHour]) -> Vec<u64> {
    let mut reached = std::collections::HashMap::new();
    // Hours of version 1 have rounds whose numbers are not known.
    let mut unnumbered = false;
    let hours = ledger.iter().enumerate().map(|(at, hour)| {
        let spans = hour.numbers.iter().map(|numbers| numbers.last.saturating_sub(numbers.first).saturating_add(1));
        unnumbered |= hour.rounds > spans.fold(0, u64::saturating_add);
        let mut due = 0_u64;
        for numbers in &hour.numbers {
            let next = match reached.get(&numbers.epoch) {
                Some(end) => *end,
                None if at == 0 || unnumbered => numbers.first,
                None => 0,
            };
            let end = next.max(numbers.last.saturating_add(1));
            due = due.saturating_add(end - next);
            reached.insert(numbers.epoch, end);
        }
        due.saturating_sub(hour.rounds).saturating_add(hour.unnumbered)
    });
    hours.collect()
}

/// What is known of a vantage point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VantageHead {
    /// The rounds that have been counted, one entry an epoch, ascending.
    pub seen: Vec<SeenEpoch>,
    /// One entry an hour, ascending.
    pub ledger: Vec<LedgerHour>,
    /// The newest start of a round.
    pub watermark: UtcMicros,
    /// Minutes before this one are folded into their hours.
    pub folded_until: UtcMicros,
    /// Hours before this one are folded into their days.
    pub hours_folded_until: UtcMicros,
    /// The version of the head with which anything older than its youngest minutes was last changed: an hour, a day, or a minute before
    /// [`Self::young_from`] of the head before. Whoever has read the panes since need read no more than these minutes again. `None` where the
    /// writer did not say.
    pub revised: Option<u64>,
    /// The same of days before [`Self::young_days_from`] of the head before, of which there may be a year's: folding changes none of them.
    pub old_days_revised: Option<u64>,
}

/// Days before the watermark's that may be changed without [`VantageHead::old_days_revised`] saying so.
const YOUNG_DAYS: i64 = 2;

impl VantageHead {
    /// The first of the youngest days. Hours are folded into them, and only rounds that come days late change any other.
    #[must_use]
    pub fn young_days_from(&self) -> UtcMicros {
        Pane::Day.start_of(self.watermark) - YOUNG_DAYS * Pane::Day.micros()
    }

    /// The first of the youngest minutes: the one before the watermark's. Most commits change nothing older.
    #[must_use]
    pub fn young_from(&self) -> UtcMicros {
        Pane::Minute.start_of(self.watermark) - Pane::Minute.micros()
    }

    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let seen = self.seen.iter().map(|seen| wire::SeenEpoch {
            epoch: seen.epoch,
            ranges: (seen.ranges.iter()).flat_map(|(first, last)| [*first, *last]).collect(),
        });
        wire::VantageHead {
            schema_version: VERSION,
            seen: seen.collect(),
            ledger: self.ledger.iter().map(write_hour).collect(),
            watermark_us: self.watermark.0,
            folded_until_us: self.folded_until.0,
            hours_folded_until_us: self.hours_folded_until.0,
            revised: self.revised,
            old_days_revised: self.old_days_revised,
        }
        .encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::VantageHead = message(ITEM, bytes)?;
        if !(1..=VERSION).contains(&item.schema_version) {
            return Err(wrong(ITEM, "schema_version", item.schema_version, "1 or 2"));
        }
        if !item.seen.is_sorted_by(|one, next| one.epoch < next.epoch) {
            return Err(wrong(ITEM, "seen", "another order", "epochs, ascending"));
        }
        if !item.ledger.is_sorted_by(|one, next| one.start_us < next.start_us) {
            return Err(wrong(ITEM, "ledger", "another order", "hours, ascending"));
        }
        let seen =
            item.seen.into_iter().map(|seen| Ok(SeenEpoch { epoch: seen.epoch, ranges: read_ranges(&seen.ranges)? }));
        let folded_until = UtcMicros(item.folded_until_us);
        let hours_folded_until = match item.schema_version {
            1 => Pane::Hour.start_of(folded_until),
            _ => UtcMicros(item.hours_folded_until_us),
        };
        Ok(Self {
            seen: seen.collect::<Result<_, StoredError>>()?,
            ledger: item.ledger.into_iter().map(read_hour).collect(),
            watermark: UtcMicros(item.watermark_us),
            folded_until,
            hours_folded_until,
            revised: item.revised,
            old_days_revised: item.old_days_revised,
        })
    }
}

fn write_hour(hour: &LedgerHour) -> wire::LedgerHour {
    let numbers = hour.numbers.iter();
    wire::LedgerHour {
        start_us: hour.start.0,
        rounds: hour.rounds,
        sent: hour.sent,
        received: hour.received,
        lost: hour.lost,
        not_sent: hour.not_sent,
        duplicates: hour.duplicates,
        late: hour.late,
        dropped: hour.dropped,
        gaps: if hour.gaps.iter().all(|count| *count == 0) { Vec::new() } else { hour.gaps.to_vec() },
        numbers: numbers.map(|&EpochRounds { epoch, first, last }| wire::EpochRounds { epoch, first, last }).collect(),
        unnumbered: hour.unnumbered,
        uncounted: hour.uncounted,
    }
}

fn read_hour(hour: wire::LedgerHour) -> LedgerHour {
    let numbers = hour.numbers.into_iter();
    LedgerHour {
        start: UtcMicros(hour.start_us),
        rounds: hour.rounds,
        sent: hour.sent,
        received: hour.received,
        lost: hour.lost,
        not_sent: hour.not_sent,
        duplicates: hour.duplicates,
        late: hour.late,
        dropped: hour.dropped,
        gaps: std::array::from_fn(|at| hour.gaps.get(at).copied().unwrap_or(0)),
        numbers: numbers.map(|wire::EpochRounds { epoch, first, last }| EpochRounds { epoch, first, last }).collect(),
        unnumbered: hour.unnumbered,
        uncounted: hour.uncounted,
    }
}

fn read_ranges(flat: &[u64]) -> Result<Vec<(u64, u64)>, StoredError> {
    let (pairs, rest) = flat.as_chunks::<2>();
    let broken = pairs.iter().find(|[first, last]| first > last);
    let touching = pairs.windows(2).find(|two| two[0][1].checked_add(1).is_none_or(|next| next >= two[1][0]));
    let found = match (rest, broken, touching) {
        ([], None, None) => return Ok(pairs.iter().map(|[first, last]| (*first, *last)).collect()),
        (_, Some(pair), _) => format!("{pair:?}"),
        (_, _, Some(two)) => format!("{two:?}"),
        (rest, ..) => format!("{rest:?} at the end"),
    };
    Err(wrong(ITEM, "ranges", found, "pairs of first and last, ascending and apart"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(numbers: &[(u64, u64, u64)], rounds: u64, unnumbered: u64) -> LedgerHour {
        let numbers = numbers.iter().map(|&(epoch, first, last)| EpochRounds { epoch, first, last }).collect();
        LedgerHour { rounds, numbers, unnumbered, sent: rounds * 10, ..LedgerHour::default() }
    }

    #[test]
    fn a_head_that_says_when_it_was_revised_is_told_from_one_that_does_not() {
        for revised in [None, Some(0), Some(7)] {
            let heads = [
                VantageHead { revised, ..VantageHead::default() },
                VantageHead { old_days_revised: revised, ..VantageHead::default() },
            ];
            for head in heads {
                assert_eq!(VantageHead::decode(&head.encode()).unwrap(), head);
            }
        }
    }

    #[test]
    fn numbers_that_did_not_come_are_missing_in_the_hour_of_the_next() {
        let ledger = [
            hour(&[(1, 500, 559)], 60, 0),
            hour(&[(1, 562, 619)], 57, 0),
            hour(&[(1, 620, 640), (2, 1, 30)], 51, 2),
            hour(&[], 0, 0),
        ];
        assert_eq!(missing_rounds(&ledger), [0, 2 + 1, 1 + 2, 0]);
    }

    #[test]
    fn rounds_of_two_hours_in_another_order_are_missing_nowhere() {
        let ledger = [hour(&[(1, 0, 60)], 60, 0), hour(&[(1, 59, 99)], 40, 0)];
        // Number 60 started in the first hour, 59 in the second: the clock was set back between them.
        assert_eq!(missing_rounds(&ledger).iter().sum::<u64>(), 1, "an upper bound, by one");
    }

    #[test]
    fn no_number_makes_the_sums_overflow() {
        let most = u64::MAX;
        let ledger = [hour(&[(0, 0, 0)], 1, 0), hour(&[(1, most, most), (2, 0, most), (3, 7, most)], 3, most)];
        assert_eq!(missing_rounds(&ledger), [0, most]);
        let full = LedgerHour { sent: most, not_sent: most, rounds: 1, ..LedgerHour::default() };
        assert_eq!(full.probes_due(most), most);
    }

    #[test]
    fn rounds_of_version_1_are_not_missing() {
        let ledger = [hour(&[], 60, 0), hour(&[(1, 500_030, 500_059)], 60, 0), hour(&[(1, 500_061, 500_119)], 59, 0)];
        assert_eq!(missing_rounds(&ledger), [0, 0, 1]);
    }

    #[test]
    fn what_is_due_follows_the_rounds_average() {
        assert_eq!(hour(&[(1, 0, 9)], 8, 0).probes_due(2), 100);
        assert_eq!(hour(&[], 0, 3).probes_due(3), 0);
    }
}
