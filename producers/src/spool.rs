//! Where rounds wait on disk until the event log has them: bounded, in order, across restarts and `kill -9`.
//!
//! One redb file a vantage point. Rounds are numbered as they come, so those of an earlier epoch go out first. Beyond the
//! bound the oldest are dropped and counted; the count is in the same commit as the drop, and leaves the spool as the gap of
//! the next round that goes out. A round that was offered to the log already is never dropped for room, since it may have
//! arrived; only when the log says that it will never take it, and then it is counted like the others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use cloudping_model::{Round, VantageId};
use cloudping_schemas::event;
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::gaps;

/// How many bytes of events a spool holds unless told otherwise.
pub const DEFAULT_BYTES: u64 = 256 << 20;

const ROUNDS: TableDefinition<u64, &[u8]> = TableDefinition::new("rounds");
/// What else must survive a crash.
const FACTS: TableDefinition<&str, u64> = TableDefinition::new("facts");
/// Rounds that were dropped and have not been reported yet, and the last place that was dropped: a round before it may have
/// been sent before they were dropped, so only one behind it can report them.
const DROPPED: &str = "dropped";
const DROPPED_AT: &str = "dropped_at";
/// The version of the file's format.
const FORMAT: (&str, u64) = ("format", 1);
/// Memory for cached pages: the spool is written and read once, at its ends.
const CACHE_BYTES: usize = 1 << 20;

/// Why the spool could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The directory cannot be made.
    #[error("spool: cannot make {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file cannot be opened: another process has it, or it is damaged.
    #[error("spool: cannot open {}: {source}; stop who uses it, or move it away to start anew", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What redb said.
        source: Box<redb::Error>,
    },
    /// A later cloudping wrote the file.
    #[error("spool: {} has format {found}, expected {}", path.display(), FORMAT.1)]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// The file cannot be read or written now.
    #[error("spool: {0}")]
    Storage(Box<redb::Error>),
    /// The thread that worked on the file ended before its work.
    #[error("spool: {0}")]
    Panicked(tokio::task::JoinError),
}

impl<E: Into<redb::Error>> From<E> for SpoolError {
    fn from(error: E) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}

/// A round that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the spool.
    pub place: u64,
    /// The event's bytes.
    pub data: Bytes,
}

/// The rounds of one vantage point that the event log does not have yet.
pub struct Spool {
    database: Database,
    limit: u64,
    /// Of the events that wait; the file is larger, by up to about its half.
    bytes: u64,
    next_place: u64,
    /// The place of the round that was offered to the log last, perhaps before a restart.
    offered: Option<u64>,
    interval: Duration,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("bytes", &self.bytes).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Spool {
    /// Opens the vantage point's spool in a directory, making both where absent. It holds `limit` bytes of events at most.
    /// `interval` is the vantage point's: a gap of dropped rounds is as long as so many intervals.
    ///
    /// # Errors
    /// [`SpoolError`], naming the file.
    pub fn open(directory: &Path, vantage: &VantageId, limit: u64, interval: Duration) -> Result<Self, SpoolError> {
        fs::create_dir_all(directory).map_err(|source| SpoolError::Directory { path: directory.to_owned(), source })?;
        let path = directory.join(format!("{vantage}.redb"));
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(&path);
        let database =
            database.map_err(|source| SpoolError::Open { path: path.clone(), source: Box::new(source.into()) })?;
        let found = format_of(&database)?;
        if found != FORMAT.1 {
            return Err(SpoolError::Format { path, found });
        }
        let mut spool = Self { database, limit, bytes: 0, next_place: 0, offered: None, interval };
        spool.count()?;
        Ok(spool)
    }

    fn count(&mut self) -> Result<(), SpoolError> {
        let reading = self.database.begin_read()?;
        let dropped_at = reading.open_table(FACTS)?.get(DROPPED_AT)?;
        self.next_place = dropped_at.map_or(0, |place| place.value() + 1);
        for entry in reading.open_table(ROUNDS)?.iter()? {
            let (place, data) = entry?;
            self.bytes += data.value().len() as u64;
            self.next_place = self.next_place.max(place.value() + 1);
            self.offered.get_or_insert(place.value());
        }
        Ok(())
    }

    /// The bytes of the events that wait.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a round behind all others; it is on disk when this returns. Gives how many rounds were dropped for it: of those
    /// that were never offered to the log the oldest, at last the new one itself.
    ///
    /// # Errors
    /// [`SpoolError::Storage`]; then nothing has changed.
    pub fn push(&mut self, round: &Round) -> Result<u64, SpoolError> {
        let data = event::encode(round);
        let size = data.len() as u64;
        let writing = self.database.begin_write()?;
        let mut removed = {
            let mut rounds = writing.open_table(ROUNDS)?;
            let needed = (self.bytes + size).saturating_sub(self.limit);
            make_room(&mut rounds, self.offered, needed)?
        };
        let fits = self.bytes + size - removed.bytes <= self.limit;
        if fits {
            writing.open_table(ROUNDS)?.insert(self.next_place, data.as_slice())?;
        } else {
            removed.rounds += gaps::lost_with(round);
            removed.last = Some(self.next_place);
        }
        if let Some(last) = removed.last {
            add_dropped(&writing, removed.rounds, last)?;
        }
        writing.commit()?;
        self.next_place += 1;
        self.bytes = self.bytes - removed.bytes + if fits { size } else { 0 };
        Ok(removed.rounds)
    }

    /// The oldest round, to be offered to the log now; it stays until [`Self::sent`]. If rounds before it were dropped it
    /// says so in its gap, unless it has one already or no probe: then the next one does. It is the same however often it is offered,
    /// since the log must never hold two versions of a round.
    ///
    /// # Errors
    /// [`SpoolError::Storage`].
    pub fn offer(&mut self) -> Result<Option<Waiting>, SpoolError> {
        let (first, dropped, dropped_at) = {
            let reading = self.database.begin_read()?;
            let rounds = reading.open_table(ROUNDS)?;
            let first = rounds.first()?.map(|(place, data)| (place.value(), Bytes::copy_from_slice(data.value())));
            let facts = reading.open_table(FACTS)?;
            let fact = |name| Ok::<u64, SpoolError>(facts.get(name)?.map_or(0, |value| value.value()));
            (first, fact(DROPPED)?, fact(DROPPED_AT)?)
        };
        let Some((place, mut data)) = first else { return Ok(None) };
        if dropped > 0 && place > dropped_at {
            data = self.report(place, data, dropped)?;
        }
        self.offered = Some(place);
        Ok(Some(Waiting { place, data }))
    }

    /// Writes the count of dropped rounds into a round's gap.
    fn report(&mut self, place: u64, data: Bytes, dropped: u64) -> Result<Bytes, SpoolError> {
        let Ok(mut round) = event::decode(&data) else { return Ok(data) };
        if !gaps::may_report(&round) {
            return Ok(data);
        }
        round.gap = gaps::dropped(dropped, self.interval);
        let stamped = Bytes::from(event::encode(&round));
        let writing = self.database.begin_write()?;
        writing.open_table(ROUNDS)?.insert(place, &*stamped)?;
        writing.open_table(FACTS)?.insert(DROPPED, 0)?;
        writing.commit()?;
        self.bytes = self.bytes + stamped.len() as u64 - data.len() as u64;
        Ok(stamped)
    }

    /// Removes a round that the log has.
    ///
    /// # Errors
    /// [`SpoolError::Storage`]; then the round will be sent again, which is safe.
    pub fn sent(&mut self, place: u64) -> Result<(), SpoolError> {
        let writing = self.database.begin_write()?;
        let size = writing.open_table(ROUNDS)?.remove(place)?.map_or(0, |data| data.value().len() as u64);
        writing.commit()?;
        self.bytes -= size;
        Ok(())
    }

    /// Removes a round that the log will never take, and counts it among those that the next one reports.
    ///
    /// # Errors
    /// [`SpoolError::Storage`]; then it stays, and will be refused again.
    pub fn refused(&mut self, place: u64) -> Result<(), SpoolError> {
        let writing = self.database.begin_write()?;
        let removed = writing.open_table(ROUNDS)?.remove(place)?.map(|data| {
            let data = data.value();
            (data.len() as u64, lost_with(data))
        });
        let Some((size, rounds)) = removed else { return Ok(()) };
        add_dropped(&writing, rounds, place)?;
        writing.commit()?;
        self.bytes -= size;
        Ok(())
    }

    /// Counts rounds that were lost before they reached the spool, to be reported like those it dropped.
    ///
    /// # Errors
    /// [`SpoolError::Storage`].
    pub fn missing(&mut self, rounds: u64) -> Result<(), SpoolError> {
        let writing = self.database.begin_write()?;
        add_dropped(&writing, rounds, self.next_place)?;
        writing.commit()?;
        self.next_place += 1;
        Ok(())
    }
}

/// What was removed to make room.
#[derive(Default)]
struct Removed {
    rounds: u64,
    bytes: u64,
    last: Option<u64>,
}

/// The format of a file; a new file gets the newest.
fn format_of(database: &Database) -> Result<u64, SpoolError> {
    let writing = database.begin_write()?;
    let found = {
        writing.open_table(ROUNDS)?;
        let mut facts = writing.open_table(FACTS)?;
        let found = facts.get(FORMAT.0)?.map(|version| version.value());
        if found.is_none() {
            facts.insert(FORMAT.0, FORMAT.1)?;
        }
        found.unwrap_or(FORMAT.1)
    };
    writing.commit()?;
    Ok(found)
}

/// Removes the oldest rounds until so many bytes are free; never the one that was offered.
fn make_room(
    rounds: &mut Table<'_, u64, &'static [u8]>,
    offered: Option<u64>,
    needed: u64,
) -> Result<Removed, SpoolError> {
    let mut removed = Removed::default();
    let first = offered.map_or(0, |offered| offered + 1);
    while removed.bytes < needed {
        let oldest = rounds.range(first..)?.next().transpose()?.map(|(place, _)| place.value());
        let Some(oldest) = oldest else { break };
        if let Some(data) = rounds.remove(oldest)? {
            removed.bytes += data.value().len() as u64;
            removed.rounds += lost_with(data.value());
            removed.last = Some(oldest);
        }
    }
    Ok(removed)
}

/// The rounds that are missing when an event is dropped; one that cannot be read is one round.
fn lost_with(data: &[u8]) -> u64 {
    event::decode(data).map_or(1, |round| gaps::lost_with(&round))
}

fn add_dropped(writing: &WriteTransaction, rounds: u64, last: u64) -> Result<(), SpoolError> {
    let mut facts = writing.open_table(FACTS)?;
    let before = facts.get(DROPPED)?.map_or(0, |count| count.value());
    facts.insert(DROPPED, before + rounds)?;
    // A refused round may lie before those that were dropped for room.
    let last_before = facts.get(DROPPED_AT)?.map_or(0, |place| place.value());
    facts.insert(DROPPED_AT, last.max(last_before))?;
    Ok(())
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
