//! How long the live store keeps what. Times are event times, measured back from a vantage point's watermark.

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// How late a round may be unless told otherwise: an hour is folded when the watermark is this far past its end, and a round that
/// is further behind is counted as late.
pub const ALLOWED_LATENESS_US: i64 = 15 * MINUTE_US;
/// The most that may be allowed: the minutes of an hour that is not folded yet are kept.
pub const MAX_ALLOWED_LATENESS_US: i64 = 25 * MINUTE_US;
/// A minute is searched for a route step when the watermark is this far past its end, so that rounds that wait for a late answer
/// are in it.
pub const SETTLED_AFTER_US: i64 = MINUTE_US / 2;
/// Minute panes are kept for the rolling hour, or until the hour that they are folded into is past its lateness.
pub const MINUTES_KEPT_US: i64 = 90 * MINUTE_US;
/// Hour panes are kept for the rolling day and one day more.
pub const HOURS_KEPT_US: i64 = 49 * HOUR_US;
/// Day panes are kept for a year and a month.
pub const DAYS_KEPT_US: i64 = 396 * 24 * HOUR_US;
/// Route changes are kept as long as the day panes.
pub const CHANGES_KEPT_US: i64 = DAYS_KEPT_US;
/// The ledger's hours are kept as long as the hour panes.
pub const LEDGER_KEPT_US: i64 = HOURS_KEPT_US;
/// Minutes that stay in memory behind the watermark: what comes later is read from the store.
pub const MINUTES_HELD_US: i64 = 4 * MINUTE_US;
/// How many epochs of a vantage point are remembered. A round of an older one can no longer be told from a duplicate and
/// goes to the dead letters.
pub const EPOCHS_KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use cloudping_model::{Pane, UtcMicros, VantageId};
    use cloudping_schemas::stored::keys;

    use super::*;
    use crate::vantage::kept_us;

    /// A store deletes by the clock, the processor by the watermark, which stands still while a vantage point is silent.
    #[test]
    fn a_store_deletes_long_after_the_processor_would() {
        let vantage = VantageId::new("us-east-1").unwrap();
        let (start, second) = (UtcMicros(1_767_225_600_000_000), 1_000_000);
        let after = |partition: &str| keys::expires_at(partition, &keys::pane_start(start)).unwrap() * second - start.0;
        let silence = keys::SILENCE_DAYS * 24 * HOUR_US;
        for pane in Pane::ALL {
            let most = kept_us(pane) + pane.micros();
            assert!(after(&keys::panes(&vantage, pane)) >= most + silence, "{pane:?}");
        }
        assert!(after(&keys::changes(&vantage)) >= CHANGES_KEPT_US + silence);
    }
}
