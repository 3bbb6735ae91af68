//! Committing to a table.

use arrow::array::RecordBatch;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, FinalizedCommit, TransactionError};
use deltalake_core::kernel::{Action, Transaction, Version};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaResult, DeltaTable, DeltaTableError};
use futures::stream;

use crate::checkpoint::ARCHIVE_APP;
pub(crate) use crate::file_writer::{write_files, write_sorted_files};
use crate::{Table, TableError, Tables};

/// Every so many commits the log is cleared of what is older than its retention (Delta's default: 30 days) and behind a checkpoint.
const COMMITS_PER_CLEANUP: Version = 500;
/// After so many commits in a row that lost to another writer a run gives up. Each of them was another's success.
pub(crate) const MAX_LOST_RACES: u32 = 20;

/// What a commit does, and what must hold for it.
pub(crate) struct Commit {
    /// Of which table.
    pub(crate) table: Table,
    /// Files to add and to remove.
    pub(crate) actions: Vec<Action>,
    /// Application transactions that become true with it.
    pub(crate) transactions: Vec<Transaction>,
    /// Whether rows are added to those that are there, or take the place of some.
    pub(crate) mode: SaveMode,
    /// Whether any other commit since the table was read refuses this one; otherwise only one that wrote one of `transactions`.
    pub(crate) alone: bool,
}

/// Commits; returns the table's new version.
pub(crate) async fn commit(open: &DeltaTable, commit: Commit) -> DeltaResult<Version> {
    // Looking for expired commits lists the whole log: a minute's commit must not do so each time.
    let cleans_up = open.version().is_some_and(|version| version % COMMITS_PER_CLEANUP == 0);
    let mut properties = CommitProperties::default()
        .with_application_transactions(commit.transactions)
        .with_cleanup_expired_logs(Some(cleans_up));
    if commit.alone {
        properties = properties.with_max_retries(0);
    }
    let partition_by = commit.table.partition().map(|column| vec![column.to_owned()]);
    let operation = DeltaOperation::Write { mode: commit.mode, partition_by, predicate: None };
    let done: FinalizedCommit = CommitBuilder::from(properties)
        .with_actions(commit.actions)
        .build(Some(open.snapshot()?), open.log_store(), operation)
        .await?;
    Ok(done.version())
}

/// Appends rows in one commit, in turn with all archivers: of two that looked at the same version the second is refused. Whether it was made.
pub(crate) async fn append_in_turn(
    tables: &Tables,
    table: Table,
    open: &DeltaTable,
    rows: RecordBatch,
) -> Result<bool, TableError> {
    let written = write_files(table, open, stream::iter([Ok::<_, DeltaTableError>(rows)])).await;
    let files = written.map_err(tables.error(table, "write files"))?;
    let version = open.version().unwrap_or(0).cast_signed();
    let write = Commit {
        table,
        actions: files.into_iter().map(Action::Add).collect(),
        transactions: vec![Transaction::new(ARCHIVE_APP, version)],
        mode: SaveMode::Append,
        alone: false,
    };
    match commit(open, write).await {
        Ok(_) => Ok(true),
        Err(error) if lost_race(&error) => Ok(false),
        Err(error) => Err(tables.error(table, "commit")(error)),
    }
}

/// Whether a commit was refused because another one came first.
pub(crate) fn lost_race(error: &DeltaTableError) -> bool {
    match error {
        DeltaTableError::VersionAlreadyExists(_) => true,
        DeltaTableError::Transaction { source } => matches!(
            source,
            TransactionError::CommitConflict(_)
                | TransactionError::MaxCommitAttempts(_)
                | TransactionError::VersionAlreadyExists(_)
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(app: &str, alone: bool) -> Commit {
        Commit {
            table: Table::Samples,
            actions: Vec::new(),
            transactions: vec![Transaction::new(app, 1)],
            mode: SaveMode::Append,
            alone,
        }
    }

    #[tokio::test]
    async fn of_two_commits_that_share_a_transaction_the_second_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let tables = Tables::in_directory(directory.path());
        let read = tables.open_or_create(Table::Samples).await.unwrap();
        assert_eq!(commit(&read, of("a", false)).await.unwrap(), 1);
        let second = commit(&read, of("a", false)).await.unwrap_err();
        assert!(lost_race(&second), "{second}");
        let other = commit(&read, of("b", false)).await.unwrap();
        assert_eq!(other, 2, "without one in common it follows the first");
        let alone = commit(&read, of("c", true)).await.unwrap_err();
        assert!(lost_race(&alone), "{alone}");
        let newest = tables.open_or_create(Table::Samples).await.unwrap();
        assert_eq!(newest.version(), Some(2));
        assert_eq!(commit(&newest, of("c", true)).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn opening_never_reads_many_commits() {
        let directory = tempfile::tempdir().unwrap();
        let tables = Tables::in_directory(directory.path());
        let mut open = tables.open_or_create(Table::Samples).await.unwrap();
        for version in 1..=45 {
            assert_eq!(commit(&open, of("a", false)).await.unwrap(), version);
            open.load_version(version).await.unwrap();
        }
        let newest = std::fs::read_to_string(directory.path().join("samples/_delta_log/_last_checkpoint")).unwrap();
        let newest: serde_json::Value = serde_json::from_str(&newest).unwrap();
        assert_eq!(newest["version"], 39, "six commits behind the newest");
    }
}
