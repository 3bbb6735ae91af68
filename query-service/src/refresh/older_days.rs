//! The days before those of the first reading, piece by piece, the newest first.
//!
//! A piece is kept only if nothing was folded meanwhile: a vantage point that was silent for long, or is behind, may fold its last hours into a
//! day that old, and they would be counted twice. Late rounds change a day as a whole; the head says so, and a later reading lists the days anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use cloudping_model::{Pane, Rolling, UtcMicros, VantageId};
use cloudping_ports::{Key, LiveStore, StoreError};
use cloudping_schemas::stored::{VantageHead, keys};

use super::{LIST_DAYS_EVERY_US, ReadError, Reading, fault};
use crate::live_view::{LiveView, Stored, VantageView};

/// Days of a piece: at 20 reads a second one of 35 targets takes about a second.
const PIECE_DAYS: i64 = 2;

/// What was added to a view.
#[derive(Debug, Default)]
pub struct Added {
    /// The view with what was read, if anything was.
    pub view: Option<LiveView>,
    /// Items that are not what they should be. Their vantage points are passed over for an hour.
    pub faults: Vec<String>,
    /// The store's failure that ended it.
    pub cut_short: Option<StoreError>,
}

/// Adds pieces to the view, to the vantage point of which the fewest days are known first, until the year is whole or it is `enough`.
pub async fn read(store: &dyn LiveStore, view: &LiveView, enough: impl Fn() -> bool) -> Added {
    let now = view.now;
    let mut read = LiveView { now, vantages: view.vantages.clone(), partial: view.partial };
    let (mut added, mut passed_over, mut any) = (Added::default(), BTreeSet::new(), false);
    while !enough() {
        let missing =
            read.vantages.iter().filter(|(id, vantage)| is_due(&vantage.stored, now) && !passed_over.contains(*id));
        // One that was never read has no newest days yet, before which there would be older ones.
        let known = missing.filter_map(|(id, vantage)| Some((vantage.stored.days_from?, id, vantage)));
        let Some((until, id, vantage)) = known.max_by_key(|(from, ..)| *from) else {
            break;
        };
        let (id, vantage) = (id.clone(), Arc::clone(vantage));
        let stored = match piece(store, &id, (&vantage.stored, until), now).await {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                passed_over.insert(id);
                continue;
            }
            Err(ReadError::Store(error)) => {
                added.cut_short = Some(error);
                break;
            }
            Err(fault) => {
                added.faults.push(fault.to_string());
                let broken_days = Some((now, fault.to_string().into()));
                Stored { broken_days, ..Stored::clone(&vantage.stored) }
            }
        };
        read.vantages.insert(id, Arc::new(VantageView::new(stored, now, &vantage)));
        any = true;
    }
    Added { view: any.then_some(read), ..added }
}

fn is_due(stored: &Stored, now: UtcMicros) -> bool {
    let waits = stored.broken_days.as_ref().is_some_and(|(at, _)| (now - at.0).0 < LIST_DAYS_EVERY_US);
    !stored.has_all_of(Rolling::Year, now) && !waits
}

/// The vantage point with the days of a piece before `until`; `None` if its head tells of a fold since it was read.
async fn piece(
    store: &dyn LiveStore,
    id: &VantageId,
    (before, until): (&Stored, UtcMicros),
    now: UtcMicros,
) -> Result<Option<Stored>, ReadError> {
    let from = (until - PIECE_DAYS * Pane::Day.micros()).max(Rolling::Year.first_pane(now));
    let mut reading = Reading::new(store, id, before, now);
    let older = reading.within(Pane::Day, (from, &keys::pane_start(until)), &before.panes.days).await?;
    let key = Key::new(keys::HEADS, id.as_str());
    let head = match store.get(&key).await? {
        Some(item) => VantageHead::decode(&item.value).map_err(|source| fault(&key, source))?,
        None => return Ok(None),
    };
    if head.hours_folded_until != before.head.hours_folded_until {
        return Ok(None);
    }
    let mut stored = before.clone();
    Arc::make_mut(&mut stored.panes.days).extend(older.iter().map(|(start, pane)| (*start, pane.clone())));
    (stored.places, stored.days_from, stored.broken_days) = (reading.places, Some(from), None);
    Ok(Some(stored))
}
