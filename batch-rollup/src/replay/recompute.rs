//! Has rollups computed anew.

use deltalake_core::kernel::Transaction;
use deltalake_core::protocol::SaveMode;

use crate::checkpoint::{ROLLUP_APP, ROLLUP_DAYS_APP};
use crate::commit::{Commit, MAX_LOST_RACES, commit, lost_race};
use crate::{RollupError, Table, Tables};

/// Older than every version of the samples: what was computed from it is all to be computed again.
const NO_VERSION: i64 = -1;

/// Forgets from which version of the samples the rollups were computed: the next [`Rollup::run_once`](crate::Rollup::run_once) computes every window of
/// which there are samples, and puts it in the place of what is there. Until then the rollups stay as they are.
///
/// # Errors
/// [`RollupError`].
pub async fn forget_rollups(tables: &Tables) -> Result<(), RollupError> {
    for (table, app) in [(Table::Rollup1h, ROLLUP_APP), (Table::Rollup1d, ROLLUP_DAYS_APP)] {
        forget(tables, table, app).await?;
    }
    Ok(())
}

async fn forget(tables: &Tables, table: Table, app: &str) -> Result<(), RollupError> {
    for _ in 0..MAX_LOST_RACES {
        let open = tables.open_or_create(table).await?;
        let write = Commit {
            table,
            actions: Vec::new(),
            transactions: vec![Transaction::new(app, NO_VERSION)],
            mode: SaveMode::Append,
            alone: false,
        };
        match commit(&open, write).await {
            Ok(_) => return Ok(()),
            Err(error) if lost_race(&error) => {}
            Err(error) => return Err(tables.error(table, "have it computed anew")(error).into()),
        }
    }
    Err(RollupError::Contended(MAX_LOST_RACES))
}
