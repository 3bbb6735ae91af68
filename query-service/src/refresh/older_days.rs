//! The days before those of the first reading, piece by piece, the newest first.
//!
//! A piece needs no head to agree with: nothing is folded into days that old but late rounds, each day whole with every commit. Where such a
//! commit comes after its piece, the head says so and a later reading lists the days anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use cloudping_model::{Pane, Rolling, UtcMicros, VantageId};
use cloudping_ports::{LiveStore, StoreError};
use cloudping_schemas::stored::keys;

use super::{ReadError, Reading};
use crate::live_view::{LiveView, Stored, VantageView};

/// Days of a piece: at 20 reads a second one of 35 targets takes some seconds.
const PIECE_DAYS: i64 = 10;

/// Adds pieces to the view, to the vantage point of which the fewest days are known first, until the year is whole or it is `enough`; `None`
/// if nothing was added. What is not what it should be is told in `faults`, and its vantage point passed over this time.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn read(
    store: &dyn LiveStore,
    view: &LiveView,
    faults: &mut Vec<String>,
    enough: impl Fn() -> bool,
) -> Result<Option<LiveView>, StoreError> {
    let now = view.now;
    let mut read = LiveView { now, vantages: view.vantages.clone() };
    let (mut passed_over, mut any) = (BTreeSet::new(), false);
    while !enough() {
        let missing =
            read.vantages.iter().filter(|(id, vantage)| vantage.stored.lacks_days(now) && !passed_over.contains(*id));
        let Some((id, vantage)) = missing.max_by_key(|(_, vantage)| vantage.stored.days_from) else {
            break;
        };
        let id = id.clone();
        match piece(store, &id, &vantage.stored, now).await {
            Ok(stored) => {
                let added = VantageView::new(stored, now, vantage);
                read.vantages.insert(id, Arc::new(added));
                any = true;
            }
            Err(ReadError::Store(error)) => return Err(error),
            Err(fault) => {
                faults.push(fault.to_string());
                passed_over.insert(id);
            }
        }
    }
    Ok(any.then_some(read))
}

/// The vantage point with a piece more.
async fn piece(store: &dyn LiveStore, id: &VantageId, before: &Stored, now: UtcMicros) -> Result<Stored, ReadError> {
    let year_from = Rolling::Year.first_pane(now);
    let until = before.days_from.unwrap_or(now);
    let from = (until - PIECE_DAYS * Pane::Day.micros()).max(year_from);
    let mut reading = Reading::new(store, id, before, now);
    let older = reading.within(Pane::Day, (from, &keys::pane_start(until)), &before.panes.days).await?;
    let mut stored = before.clone();
    Arc::make_mut(&mut stored.panes.days).extend(older.iter().map(|(start, pane)| (*start, pane.clone())));
    stored.places = reading.places;
    stored.days_from = Some(from);
    Ok(stored)
}
