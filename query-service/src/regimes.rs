//! The levels of one pair, from one route step to the next, read from the live store.
//!
//! Levels that have ended stand with the step that ended them. The current one is what is stored of it, which holds the minutes that are
//! folded, and the minutes since: the head is read before and after them, since a fold in between would be seen by half.

use std::ops::Range;

use cloudping_digest::SeriesSummary;
use cloudping_model::{Family, Level, Pane, Protocol, RouteChange, TargetId, UtcMicros, VantageId};
use cloudping_ports::{Item, Key, LiveStore};
use cloudping_schemas::stored::{PaneItem, RegimesItem, SeriesKey, VantageHead, keys};

use crate::refresh::{ReadError, changes, fault, series_table};

/// How often a reading that a commit has overtaken is repeated; a processor commits a few times a second at most.
const ATTEMPTS: usize = 5;
/// Every minute.
const ALWAYS: Range<UtcMicros> = UtcMicros(0)..UtcMicros(i64::MAX);

/// Which pair.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) vantage: VantageId,
    pub(crate) target: TargetId,
    pub(crate) protocol: Protocol,
}

/// The levels and their ends, the oldest first; the one without an end is the current one. Of a pair that was measured over both address
/// families those over IPv4.
///
/// # Errors
/// [`ReadError`].
pub(crate) async fn read(store: &dyn LiveStore, pair: &Pair) -> Result<Vec<(Level, Option<UtcMicros>)>, ReadError> {
    let ended = changes(store, &pair.vantage, ALWAYS).await?;
    for family in [Family::V4, Family::V6] {
        let key = SeriesKey { target: pair.target.clone(), protocol: pair.protocol, family };
        let of_series = |change: &&RouteChange| {
            (&change.target, change.protocol, change.family) == (&key.target, key.protocol, family)
        };
        let ended = ended.iter().filter(of_series);
        let mut levels: Vec<_> = ended.map(|change| (change.ended, Some(change.minute))).collect();
        levels.extend(current(store, &pair.vantage, &key).await?.map(|level| (level, None)));
        if !levels.is_empty() {
            return Ok(levels);
        }
    }
    Ok(Vec::new())
}

/// The level that a series is at; `None` where it is not known.
async fn current(store: &dyn LiveStore, id: &VantageId, series: &SeriesKey) -> Result<Option<Level>, ReadError> {
    let head_key = Key::new(keys::HEADS, id.as_str());
    let mut level = None;
    let Some(mut head) = store.get(&head_key).await? else {
        return Ok(None);
    };
    for _ in 0..ATTEMPTS {
        level = current_at(store, id, series, (&head_key, &head)).await?;
        match store.get(&head_key).await? {
            Some(after) if after.version != head.version => head = after,
            _ => break,
        }
    }
    Ok(level)
}

async fn current_at(
    store: &dyn LiveStore,
    id: &VantageId,
    series: &SeriesKey,
    (head_key, head): (&Key, &Item),
) -> Result<Option<Level>, ReadError> {
    let head = VantageHead::decode(&head.value).map_err(|source| fault(head_key, source))?;
    let key = Key::new(keys::REGIMES, id.as_str());
    let Some(item) = store.get(&key).await? else {
        return Ok(None);
    };
    let regimes = RegimesItem::decode(&item.value).map_err(|source| fault(&key, source))?;
    let from = keys::pane_start(head.folded_until);
    let minutes = store.list(&keys::panes(id, Pane::Minute), &*from..keys::ALL.end).await?;
    // Read after what counts through it.
    let table = series_table(store, id).await?;
    let place = table.find(series);
    let Some(regime) = regimes.regimes.into_iter().find(|regime| Some(regime.series) == place) else {
        return Ok(None);
    };
    let mut parts = vec![regime.summary];
    for (key, item) in &minutes {
        let mut pane = PaneItem::decode(&item.value, &table).map_err(|source| fault(key, source))?;
        parts.extend(pane.series.remove(series).filter(|_| pane.start >= regime.since));
    }
    Ok(Some(level(regime.since, &SeriesSummary::merge_many(&parts))))
}

fn level(since: UtcMicros, summary: &SeriesSummary) -> Level {
    let percentiles = Level::QUANTILES.map(|q| summary.quantile(q));
    let percentiles_us = match percentiles {
        [Some(p10), Some(p50), Some(p90), Some(p99)] => Some([p10, p50, p90, p99]),
        _ => None,
    };
    Level { since, count: summary.received(), percentiles_us }
}
