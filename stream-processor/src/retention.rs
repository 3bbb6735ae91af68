//! How long the live store keeps what. Times are event times, measured back from a vantage point's watermark.

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// A minute is folded into its hour when the watermark is this far past its end, so that rounds that wait for a late
/// answer still find their minute open.
pub const FOLD_AFTER_US: i64 = MINUTE_US;
/// Minute panes are kept for the rolling hour and half an hour of late events.
pub const MINUTES_KEPT_US: i64 = 90 * MINUTE_US;
/// Hour panes are kept for the rolling day and one day more.
pub const HOURS_KEPT_US: i64 = 49 * HOUR_US;
/// Day panes are kept for a year and a month.
pub const DAYS_KEPT_US: i64 = 396 * 24 * HOUR_US;
/// The ledger's hours are kept as long as the hour panes.
pub const LEDGER_KEPT_US: i64 = HOURS_KEPT_US;
/// How many epochs of a vantage point are remembered. A round of an older one can no longer be told from a duplicate and
/// goes to the dead letters.
pub const EPOCHS_KEPT: usize = 256;
