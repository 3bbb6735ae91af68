//! Probes by result, as counters that only grow.
//!
//! The ledger in the live store has the newest hours only, and its hours still change: what is new in them since the last view is added up.

use std::collections::BTreeMap;

use cloudping_model::{UtcMicros, VantageId};
use cloudping_schemas::stored::LedgerHour;

/// The results: of [`Counts`], by its places.
pub(super) const RESULTS: [&str; 3] = ["answered", "lost", "not_sent"];

type Counts = [u64; RESULTS.len()];

/// What is known of each vantage point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Probes(BTreeMap<VantageId, OfVantage>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct OfVantage {
    total: Counts,
    hours: BTreeMap<UtcMicros, Counts>,
}

impl Probes {
    /// Adds what a vantage point's ledger has more than when it was seen last.
    pub(super) fn advance(&mut self, id: &VantageId, ledger: &[LedgerHour]) {
        let known = match self.0.get_mut(id) {
            Some(known) => known,
            None => self.0.entry(id.clone()).or_default(),
        };
        let counted = |hour: &LedgerHour| (hour.start, [hour.received, hour.lost, hour.not_sent]);
        let hours: BTreeMap<UtcMicros, Counts> = ledger.iter().map(counted).collect();
        for (start, counts) in &hours {
            let before = known.hours.get(start).copied().unwrap_or_default();
            for ((total, now), before) in known.total.iter_mut().zip(counts).zip(before) {
                *total += now.saturating_sub(before);
            }
        }
        known.hours = hours;
    }

    /// Each vantage point's number of each result.
    pub(super) fn totals(&self) -> impl Iterator<Item = (&VantageId, &'static str, u64)> {
        self.0.iter().flat_map(|(id, known)| RESULTS.into_iter().zip(known.total).map(move |(name, n)| (id, name, n)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(start: i64, received: u64, lost: u64) -> LedgerHour {
        LedgerHour { start: UtcMicros(start), received, lost, not_sent: 1, ..LedgerHour::default() }
    }

    #[test]
    fn what_is_new_in_an_hour_is_added_and_what_leaves_is_not_taken_away() {
        let id = VantageId::new("a").unwrap();
        let mut probes = Probes::default();
        let mut after = |ledger: &[LedgerHour]| {
            probes.advance(&id, ledger);
            probes.totals().map(|(_, _, count)| count).collect::<Vec<_>>()
        };
        assert_eq!(after(&[hour(1, 10, 2)]), [10, 2, 1]);
        assert_eq!(after(&[hour(1, 10, 2)]), [10, 2, 1]);
        assert_eq!(after(&[hour(1, 12, 3), hour(2, 5, 0)]), [17, 3, 2]);
        assert_eq!(after(&[hour(2, 6, 0)]), [18, 3, 2]);
        // A store that was rebuilt may start lower: counters never fall.
        assert_eq!(after(&[hour(2, 1, 0)]), [18, 3, 2]);
    }
}
