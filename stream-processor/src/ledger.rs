//! The ledger: what was received of a vantage point, hour by hour.

use cloudping_model::{Gap, GapReason, Outcome, Pane, UtcMicros};
use cloudping_schemas::stored::{EpochRounds, LedgerHour};

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
        entry.dropped += gap.rounds;
        // What the spool dropped had its numbers.
        entry.unnumbered += if gap.reason == GapReason::SpoolFull { 0 } else { gap.rounds };
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
