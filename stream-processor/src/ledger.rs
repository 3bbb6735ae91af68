//! The ledger: what was received of a vantage point, hour by hour.

use cloudping_model::{GapReason, Pane, Round, UtcMicros};
use cloudping_schemas::stored::LedgerHour;

use crate::retention::LEDGER_KEPT_US;

/// The entry of the hour that holds `at`, made if absent.
pub(crate) fn hour(ledger: &mut Vec<LedgerHour>, at: UtcMicros) -> &mut LedgerHour {
    let start = Pane::Hour.start_of(at);
    let place = match ledger.binary_search_by_key(&start, |hour| hour.start) {
        Ok(place) => place,
        Err(place) => {
            let entry = LedgerHour { start, ..LedgerHour::default() };
            ledger.insert(place, entry);
            place
        }
    };
    &mut ledger[place]
}

/// Books a round that is counted.
pub(crate) fn book(entry: &mut LedgerHour, round: &Round, late: bool) {
    entry.rounds += 1;
    entry.late += u64::from(late);
    if let Some(gap) = round.gap {
        entry.dropped += gap.rounds;
        let of_reason = GapReason::ALL.iter().zip(&mut entry.gaps).find(|(reason, _)| **reason == gap.reason);
        of_reason.into_iter().for_each(|(_, count)| *count += 1);
    }
    for sample in &round.samples {
        if !sample.outcome.was_sent() {
            entry.not_sent += 1;
            continue;
        }
        entry.sent += 1;
        if sample.outcome.is_loss() {
            entry.lost += 1;
        } else {
            entry.received += 1;
        }
    }
}

/// Drops hours that ended too long before the watermark.
pub(crate) fn expire(ledger: &mut Vec<LedgerHour>, watermark: UtcMicros) {
    ledger.retain(|hour| hour.start + Pane::Hour.micros() > watermark - LEDGER_KEPT_US);
}
