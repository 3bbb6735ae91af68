//! Where each item lives in the live store.

use std::ops::Range;

use cloudping_model::{Pane, UtcMicros, VantageId};

/// Every sort key that an item may have.
pub const ALL: Range<&str> = "!".."\u{10FFFF}";

/// The partition that lists the vantage points: one head each, under the vantage point's id.
pub const HEADS: &str = "heads";
/// The partition of the series tables, one under each vantage point's id.
pub const SERIES: &str = "series";
/// The partition of the watches, one under each vantage point's id.
pub const WATCHES: &str = "watches";
/// The partition of the regimes, one item under each vantage point's id.
pub const REGIMES: &str = "regimes";
/// The partition of the route changes that the event log has not acknowledged yet.
pub const OUTBOX: &str = "outbox";
/// The partition of the audits, one under each hour's start.
pub const AUDITS: &str = "audits";
/// The partition of the processor's checkpoints: one item a shard.
pub const CHECKPOINTS: &str = "checkpoints";
/// The partition of the leases: one item a shard.
pub const LEASES: &str = "leases";
/// The partition of the workers that share the shards, one item under each worker's id.
pub const WORKERS: &str = "workers";
/// The partition of the keys that the ingest door knows, one item under each vantage point's id.
pub const INGEST_KEYS: &str = "ingest-keys";
/// The partition of the keys by which the query service is asked, one item under each key's id.
pub const API_KEYS: &str = "api-keys";
/// The partition, and the sort key, of the [`NetworkMark`](super::NetworkMark).
pub const NETWORK: &str = "network";
/// The name, beside the archive's tables, of the [`AccountRegions`](super::AccountRegions).
pub const ACCOUNT_REGIONS: &str = "account-regions.json";
/// The partition of the alerts that are not at rest: one item under each rule's name, source and target.
pub const ALERTS: &str = "alerts";
/// The partition of the notices that no receiver has taken yet, the oldest first.
pub const NOTICES: &str = "notices";
/// The partition of the dead letters.
pub const DEAD_LETTERS: &str = "dead-letters";

/// The partition of a vantage point's panes of one size.
#[must_use]
pub fn panes(vantage: &VantageId, pane: Pane) -> String {
    format!("panes/{}/{vantage}", pane.name())
}

/// The partition of a vantage point's route changes.
#[must_use]
pub fn changes(vantage: &VantageId) -> String {
    format!("changes/{vantage}")
}

/// The partition of a vantage point's requests that the ingest door has taken: one item under the start of each minute in which some were
/// signed.
#[must_use]
pub fn ingest_seen(vantage: &VantageId) -> String {
    format!("ingest-seen/{vantage}")
}

/// The partition of what was asked by a key of the query service: one item under the start of each day.
#[must_use]
pub fn api_key_usage(id: &str) -> String {
    format!("api-key-usage/{id}")
}

/// The sort key of the route changes of a minute that were found at another; sort keys order as the minutes of the changes do.
#[must_use]
pub fn change(minute: UtcMicros, found: UtcMicros) -> String {
    format!("{}/{}", pane_start(minute), pane_start(found))
}

/// The sort key of the pane that starts then; sort keys order as times do.
///
/// Events before 1970 have no panes: their start is clamped to 0.
#[must_use]
pub fn pane_start(start: UtcMicros) -> String {
    format!("{:019}", start.0.max(0))
}

/// The sort key of a dead letter.
#[must_use]
pub fn dead_letter(shard: &str, sequence: &str) -> String {
    format!("{shard}/{sequence:0>64}")
}

/// The sort key of the state of an alert.
#[must_use]
pub fn alert(rule: &str, source: &str, target: &str) -> String {
    format!("{rule}/{source}/{target}")
}

/// When a store may delete an item by itself, in seconds since 1970; `None` for what is never deleted so.
///
/// What the stream processor no longer keeps it deletes itself, or leaves to this; readers do not look at it either way. It measures by
/// the rounds of a vantage point, though, and a store by the clock. So everything stays long enough for a vantage point, or the processor, to
/// be silent for [`SILENCE_DAYS`] and go on with the minutes and hours that it had not folded yet.
#[must_use]
pub fn expires_at(partition: &str, sort: &str) -> Option<i64> {
    let days = match partition.split_once('/') {
        Some(("panes", pane)) => match pane.split_once('/')?.0 {
            "1m" => SILENCE_DAYS + 1,
            "1h" => SILENCE_DAYS + 3,
            "1d" => YEAR_KEPT_DAYS + SILENCE_DAYS,
            _ => return None,
        },
        Some(("changes", _)) => YEAR_KEPT_DAYS + SILENCE_DAYS,
        Some(("api-key-usage", _)) => YEAR_KEPT_DAYS,
        // The door refuses by the clock what is older than some minutes.
        Some(("ingest-seen", _)) => 2,
        None if partition == AUDITS => SILENCE_DAYS + 3,
        _ => return None,
    };
    // The first part of each of these sort keys is a time in µs.
    let start: i64 = sort.split('/').next()?.parse().ok()?;
    Some(start.div_euclid(1_000_000) + days * 86_400)
}

/// See [`expires_at`].
pub const SILENCE_DAYS: i64 = 14;
/// Days and route changes are kept for a year and a month.
const YEAR_KEPT_DAYS: i64 = 397;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_a_time_expires_and_all_else_stays() {
        let vantage = VantageId::new("us-east-1").unwrap();
        let (at, day) = (UtcMicros(1_767_225_600_000_000), 86_400);
        let sort = pane_start(at);
        let rest = |partition: &str, sort: &str| Some((expires_at(partition, sort)? - 1_767_225_600) / day);
        assert_eq!(rest(&api_key_usage("00ff"), &sort), Some(397));
        let panes = Pane::ALL.map(|pane| rest(&panes(&vantage, pane), &sort));
        assert_eq!(panes, [Some(15), Some(17), Some(411)]);
        assert_eq!(rest(&changes(&vantage), &change(at, at + 60_000_000)), Some(411));
        assert_eq!((rest(AUDITS, &sort), rest(&ingest_seen(&vantage), &sort)), (Some(17), Some(2)));
        for partition in [
            HEADS,
            SERIES,
            WATCHES,
            REGIMES,
            OUTBOX,
            CHECKPOINTS,
            LEASES,
            WORKERS,
            INGEST_KEYS,
            API_KEYS,
            ALERTS,
            NOTICES,
            DEAD_LETTERS,
        ] {
            assert_eq!(expires_at(partition, &sort), None, "{partition}");
        }
        assert_eq!(expires_at("panes/1m/us-east-1", "soon"), None);
    }
}
