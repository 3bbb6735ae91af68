//! Has rollups computed anew.

use cloudping_model::{Pane, UtcMicros};
use deltalake_core::protocol::SaveMode;

use crate::commit::{Commit, MAX_LOST_RACES, commit, lost_race};
use crate::rollup::pending::Pending;
use crate::{RollupError, Table, Tables};

/// Lists every window from the one that holds `since` on as still to be computed: the next [`Rollup::run_once`](crate::Rollup::run_once) computes those
/// of which there are samples, and puts them in the place of what is there. Until then the rollups stay as they are.
///
/// # Errors
/// [`RollupError`].
pub async fn recompute_rollups(tables: &Tables, since: UtcMicros) -> Result<(), RollupError> {
    for (table, pane) in [(Table::Rollup1h, Pane::Hour), (Table::Rollup1d, Pane::Day)] {
        recompute(tables, table, pane, since).await?;
    }
    Ok(())
}

async fn recompute(tables: &Tables, table: Table, pane: Pane, since: UtcMicros) -> Result<(), RollupError> {
    for _ in 0..MAX_LOST_RACES {
        let open = tables.open_or_create(table).await?;
        let pending =
            Pending::read(&open, pane).await.map_err(tables.error(table, "read what is still to be computed"))?;
        let write = Commit {
            table,
            actions: Vec::new(),
            transactions: pending.and_from(since).transactions(),
            mode: SaveMode::Append,
            // A rollup that commits meanwhile would list what is still to come without it.
            alone: true,
        };
        match commit(&open, write).await {
            Ok(_) => return Ok(()),
            Err(error) if lost_race(&error) => {}
            Err(error) => return Err(tables.error(table, "have it computed anew")(error).into()),
        }
    }
    Err(RollupError::Contended(MAX_LOST_RACES))
}
