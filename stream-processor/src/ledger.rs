//! The ledger: what was received of a vantage point, hour by hour.

use cloudping_model::{Gap, GapReason, Outcome, Pane, UtcMicros};
use cloudping_schemas::stored::{EpochRounds, LedgerHour};

use crate::bounds::{Bound, MAX_EPOCHS_OF_HOURS, MAX_HOURS};
use crate::retention::LEDGER_KEPT_US;

/// What a round adds to its hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) not_sent: u64,
    /// Of the others, those that were too old for every window.
    pub(crate) uncounted: u64,
}

impl Tally {
    /// Counts a probe that may be in a window; says whether it was sent.
    pub(crate) fn note(&mut self, outcome: Outcome) -> bool {
        let count = match outcome {
            outcome if !outcome.was_sent() => &mut self.not_sent,
            outcome if outcome.is_loss() => &mut self.lost,
            _ => &mut self.received,
        };
        *count += 1;
        outcome.was_sent()
    }
}

/// The bound that a round would go beyond, if any.
pub(crate) fn beyond(ledger: &[LedgerHour], at: UtcMicros, epoch: u64) -> Option<Bound> {
    let start = Pane::Hour.start_of(at);
    // Mostly the last one.
    let hour = ledger.iter().rfind(|hour| hour.start <= start).filter(|hour| hour.start == start);
    match hour {
        Some(hour) if hour.numbers.binary_search_by_key(&epoch, |entry| entry.epoch).is_ok() => None,
        None if ledger.len() >= MAX_HOURS => Some(Bound::Hours),
        _ => {
            let epochs: usize = ledger.iter().map(|hour| hour.numbers.len()).sum();
            (epochs >= MAX_EPOCHS_OF_HOURS).then_some(Bound::Epochs)
        }
    }
}

/// The entry of the hour that holds `at`, made if absent.
pub(crate) fn hour(ledger: &mut Vec<LedgerHour>, at: UtcMicros) -> &mut LedgerHour {
    let start = Pane::Hour.start_of(at);
    // Mostly the last one.
    let newest = ledger.last().is_some_and(|hour| hour.start == start);
    let place = match newest {
        true => Ok(ledger.len() - 1),
        false => ledger.binary_search_by_key(&start, |hour| hour.start),
    };
    let place = place.unwrap_or_else(|place| {
        let entry = LedgerHour { start, ..LedgerHour::default() };
        ledger.insert(place, entry);
        place
    });
    &mut ledger[place]
}

/// Books a round that is counted.
pub(crate) fn book(entry: &mut LedgerHour, (epoch, number): (u64, u64), gap: Option<Gap>, late: bool, tally: Tally) {
    entry.rounds += 1;
    entry.late += u64::from(late);
    if let Some(gap) = gap {
        entry.dropped = entry.dropped.saturating_add(gap.rounds);
        // What the spool dropped had its numbers.
        let unnumbered = if gap.reason == GapReason::SpoolFull { 0 } else { gap.rounds };
        entry.unnumbered = entry.unnumbered.saturating_add(unnumbered);
        let of_reason = GapReason::ALL.iter().zip(&mut entry.gaps).find(|(reason, _)| **reason == gap.reason);
        of_reason.into_iter().for_each(|(_, count)| *count += 1);
    }
    note_number(&mut entry.numbers, epoch, number);
    entry.sent += tally.received + tally.lost;
    entry.received += tally.received;
    entry.lost += tally.lost;
    entry.not_sent += tally.not_sent;
    entry.uncounted += tally.uncounted;
}

fn note_number(numbers: &mut Vec<EpochRounds>, epoch: u64, number: u64) {
    match numbers.binary_search_by_key(&epoch, |entry| entry.epoch) {
        Ok(at) => {
            let entry = &mut numbers[at];
            (entry.first, entry.last) = (entry.first.min(number), entry.last.max(number));
        }
        Err(at) => numbers.insert(at, EpochRounds { epoch, first: number, last: number }),
    }
}

/// Drops hours that ended too long before the watermark.
pub(crate) fn expire(ledger: &mut Vec<LedgerHour>, watermark: UtcMicros) {
    let kept = |hour: &LedgerHour| hour.start + Pane::Hour.micros() > watermark - LEDGER_KEPT_US;
    if !ledger.first().is_none_or(kept) {
        ledger.retain(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn what_is_reported_missing_has_no_end_and_no_overflow() {
        let mut entry = LedgerHour::default();
        for reason in [GapReason::Suspended, GapReason::SpoolFull, GapReason::Overload] {
            let gap = Some(Gap { reason, rounds: u64::MAX, micros: 0 });
            book(&mut entry, (1, 0), gap, false, Tally::default());
        }
        assert_eq!((entry.dropped, entry.unnumbered, entry.rounds), (u64::MAX, u64::MAX, 3));
    }

    #[test]
    fn a_ledger_has_so_many_hours() {
        let mut ledger = Vec::new();
        for n in 0..MAX_HOURS as i64 {
            let at = UtcMicros(n * HOUR);
            assert_eq!(beyond(&ledger, at, 1), None);
            book(hour(&mut ledger, at), (1, 0), None, false, Tally::default());
        }
        assert_eq!(beyond(&ledger, UtcMicros(MAX_HOURS as i64 * HOUR), 1), Some(Bound::Hours));
        assert_eq!(beyond(&ledger, UtcMicros(5 * HOUR), 2), None, "an hour that is there");
    }

    #[test]
    fn its_hours_have_so_many_epochs() {
        let mut ledger = Vec::new();
        for epoch in 0..MAX_EPOCHS_OF_HOURS as u64 {
            book(hour(&mut ledger, UtcMicros(0)), (epoch, 0), None, false, Tally::default());
        }
        assert_eq!(beyond(&ledger, UtcMicros(0), u64::MAX), Some(Bound::Epochs));
        assert_eq!(beyond(&ledger, UtcMicros(HOUR), 0), Some(Bound::Epochs));
        assert_eq!(beyond(&ledger, UtcMicros(0), 7), None, "an epoch that is there");
    }
}
