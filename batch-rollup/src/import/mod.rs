//! Measurements of others into the table of samples, each row marked with where it comes from.
//!
//! A row of a foreign file becomes a round whose identity is a hash of what it says: the same row takes effect once, in whichever file it comes and
//! however often. Files are read as streams; rows that cannot be read are left out, counted, and the first of them named.

mod atlas;
mod cloudping;
mod csv_table;
mod fault;
mod fields;
mod identity;
mod input;
mod mapping;
mod records;
mod values;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloudping_model::{Round, UtcMicros};
use cloudping_schemas::tables::Origin;
use tokio::sync::mpsc::{self, Sender};

use crate::{AppendReport, Appender, ArchiveError, Progress, Tables};
use csv_table::CsvTable;
pub use fault::BadRow;
use fault::Fault;
pub use input::{Format, Input};
pub use mapping::{Mapping, MappingError};
use records::Records;

/// So many bad rows are named.
const BAD_ROWS_NAMED: usize = 20;
/// Records that are handed over at once; progress is told after them.
const RECORDS_AT_ONCE: usize = 256;
/// Read ahead at most so many times as many.
const READ_AHEAD: usize = 4;

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// What the files are; `None` to tell it by their content.
    pub format: Option<Format>,
    /// When stored averages were made: their rows do not say.
    pub at: Option<UtcMicros>,
    /// The time it is: rows of a time later than a day from now are bad. `None` to take any time.
    pub now: Option<UtcMicros>,
    /// What probes and hosts are called here.
    pub mapping: Mapping,
    /// Read and look up, but append nothing. Rows that come twice within the files are then counted twice where they are far apart.
    pub dry_run: bool,
    /// A commit is made as soon as it has this many rows: what is in memory.
    pub rows_per_commit: usize,
}

impl Default for ImportOptions {
    /// A quarter of a million rows, some 100 MB while they are written.
    fn default() -> Self {
        Self {
            format: None,
            at: None,
            now: None,
            mapping: Mapping::default(),
            dry_run: false,
            rows_per_commit: 250_000,
        }
    }
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// Files read.
    pub files: u64,
    /// Records read: rows of the files.
    pub records: u64,
    /// Rounds appended.
    pub rounds: u64,
    /// Rows appended: samples of those rounds.
    pub rows: u64,
    /// Records that are in the table already, or came before.
    pub duplicates: u64,
    /// Records that are right and say nothing that the table can hold.
    pub skipped: u64,
    /// Records that were left out because something is wrong with them.
    pub bad: u64,
    /// Commits made.
    pub commits: u64,
    /// The first of the bad ones.
    pub first_bad: Vec<BadRow>,
}

/// Why an import ended before its time. What was committed before stays; the same files again do the rest.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file could not be read.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not tell what it is.
    #[error("{file}: expected CloudPing.co's DynamoDB JSON, RIPE Atlas' ping results or CSV; say which one it is")]
    Format {
        /// The file.
        file: String,
    },
    /// A table has no header that names its columns, each once.
    #[error("{file}: expected {expected}")]
    Header {
        /// The file.
        file: String,
        /// What it must begin with.
        expected: &'static str,
    },
    /// The table could not be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// What a record of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Taken {
    /// A round of that origin.
    Round(Round, Origin),
    /// Nothing that the table can hold.
    Skipped,
}

type Taking = Box<dyn Iterator<Item = io::Result<(u64, Result<Taken, Fault>)>> + Send>;

/// Imports files into the table of samples.
pub struct Import {
    appender: Appender,
    options: Arc<ImportOptions>,
}

impl Import {
    /// An import into these tables.
    #[must_use]
    pub fn new(tables: Tables, options: ImportOptions) -> Self {
        Self { appender: Appender::new(tables), options: Arc::new(options) }
    }

    /// Imports files, one after the other. May be dropped at any point, also while it waits for a file's bytes, and run again.
    ///
    /// # Errors
    /// [`ImportError`]. What was committed before it stays.
    ///
    /// # Panics
    /// Outside a runtime of Tokio: a thread of its own for what blocks reads the files.
    pub async fn run(
        &self,
        inputs: impl IntoIterator<Item = Input>,
        progress: &dyn Progress,
    ) -> Result<ImportReport, ImportError> {
        let mut run = Run { import: self, report: ImportReport::default(), pending: BTreeMap::new(), rows: 0 };
        for input in inputs {
            run.file(input, progress).await?;
        }
        run.flush().await?;
        Ok(run.report)
    }
}

/// The next records of a file, and how many of its bytes were read so far.
type Chunk = (Vec<(u64, Result<Taken, Fault>)>, u64);

/// Reads a file and hands over its records, until its end or until nobody takes them.
fn read_file(
    options: &ImportOptions,
    file: &str,
    bytes: Box<dyn io::Read + Send>,
    chunks: &Sender<Chunk>,
) -> Result<(), ImportError> {
    let (mut taking, read) = records(options, file, bytes)?;
    loop {
        let chunk: Result<Vec<_>, _> = taking.by_ref().take(RECORDS_AT_ONCE).collect();
        let chunk = chunk.map_err(|source| ImportError::Read { file: file.to_owned(), source })?;
        let last = chunk.len() < RECORDS_AT_ONCE;
        if chunks.blocking_send((chunk, read.load(Ordering::Relaxed))).is_err() || last {
            return Ok(());
        }
    }
}

/// The records of a file, and how many of its bytes were read so far.
fn records(
    options: &ImportOptions,
    file: &str,
    bytes: Box<dyn io::Read + Send>,
) -> Result<(Taking, Arc<AtomicU64>), ImportError> {
    let failed = |source| ImportError::Read { file: file.to_owned(), source };
    let input::Opened { reader, format, layout, read } = input::open(bytes).map_err(failed)?;
    let format = options.format.or(format).ok_or_else(|| ImportError::Format { file: file.to_owned() })?;
    let records: Taking = match format {
        Format::Csv => {
            let table = CsvTable::open(reader).map_err(failed)?;
            Box::new(table.map_err(|expected| ImportError::Header { file: file.to_owned(), expected })?)
        }
        Format::CloudPing => {
            let at = options.at;
            let read = move |record: io::Result<(u64, Vec<u8>)>| {
                record.map(|(line, bytes)| (line, cloudping::read(&bytes, at)))
            };
            Box::new(Records::new(reader, layout).map(read))
        }
        Format::Atlas => {
            let mapping = options.mapping.clone();
            let read = move |record: io::Result<(u64, Vec<u8>)>| {
                record.map(|(line, bytes)| (line, atlas::read(&bytes, &mapping)))
            };
            Box::new(Records::new(reader, layout).map(read))
        }
    };
    let Some(now) = options.now else { return Ok((records, read)) };
    let field = if format == Format::Csv { "ts" } else { "timestamp" };
    let checked = records.map(move |record| {
        let past = |taken| match taken {
            Taken::Round(round, origin) => {
                values::past(field, round.started_at, now).map(|()| Taken::Round(round, origin))
            }
            Taken::Skipped => Ok(Taken::Skipped),
        };
        record.map(|(line, taken)| (line, taken.and_then(past)))
    });
    Ok((Box::new(checked), read))
}

/// An import under way.
struct Run<'a> {
    import: &'a Import,
    report: ImportReport,
    /// Rounds that wait for their commit.
    pending: BTreeMap<Origin, Vec<Round>>,
    rows: usize,
}

impl Run<'_> {
    async fn file(&mut self, input: Input, progress: &dyn Progress) -> Result<(), ImportError> {
        let Input { name, bytes, length } = input;
        progress.stage(&format!("reading {name}"), length, "bytes");
        let (sender, mut chunks) = mpsc::channel(READ_AHEAD);
        let (options, file) = (Arc::clone(&self.import.options), name.clone());
        let reader = tokio::task::spawn_blocking(move || read_file(&options, &file, bytes, &sender));
        let mut told = 0;
        while let Some((records, read)) = chunks.recv().await {
            for (line, taken) in records {
                self.take(&name, line, taken);
                if self.rows >= self.import.options.rows_per_commit {
                    self.flush().await?;
                }
            }
            progress.advance(read - told);
            told = read;
        }
        reader.await.map_err(|gone| ImportError::Read { file: name, source: io::Error::other(gone) })??;
        self.report.files += 1;
        Ok(())
    }

    fn take(&mut self, file: &str, line: u64, taken: Result<Taken, Fault>) {
        self.report.records += 1;
        match taken {
            Ok(Taken::Round(round, origin)) => {
                self.rows += round.samples.len();
                self.pending.entry(origin).or_default().push(round);
            }
            Ok(Taken::Skipped) => self.report.skipped += 1,
            Err(fault) => {
                self.report.bad += 1;
                if self.report.first_bad.len() < BAD_ROWS_NAMED {
                    self.report.first_bad.push(BadRow::new(file, line, fault));
                }
            }
        }
    }

    async fn flush(&mut self) -> Result<(), ImportError> {
        self.rows = 0;
        for (origin, rounds) in std::mem::take(&mut self.pending) {
            let appender = &self.import.appender;
            let AppendReport { rounds, rows, duplicates, commits } = match self.import.options.dry_run {
                true => appender.would_append(rounds, origin).await?,
                false => appender.append(rounds, origin).await?,
            };
            self.report.rounds += rounds;
            self.report.rows += rows;
            self.report.duplicates += duplicates;
            self.report.commits += commits;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use cloudping_model::Outcome;
    use proptest::prelude::*;

    use super::*;

    const RUN: &str = r#"{"Item":{"region":{"S":"a"},"regionTo":{"S":"b"},"timestamp":{"S":"2021-05-04T12:00:03Z"},"avg":{"N":"1"},"attempts":{"N":"5"},"attemptsSuccess":{"N":"3"},"results":{"L":[{"M":{"seq":{"N":"0"},"time":{"N":"67.1"}}}]}}}"#;
    const RESULT: &str = r#"[{"type":"ping","prb_id":1,"af":4,"dst_name":"h","dst_addr":"192.0.2.1","timestamp":1620129603,"result":[{"rtt":1.5},{"x":"*"}]}]"#;
    const ROWS: &str =
        "ts,source,target,rtt_ms,outcome,family,address\n1772359200,a,b,1.5,,4,192.0.2.1\n1772359200,a,b,,timeout,,\n";

    /// All records of a file, whatever it is: none of them may break anything, and what is taken must fit into the table.
    fn read_all(bytes: &[u8], format: Format) {
        let options = ImportOptions { format: Some(format), ..ImportOptions::default() };
        let Ok((records, _)) = records(&options, "f", Box::new(Cursor::new(bytes.to_vec()))) else { return };
        for record in records {
            let Ok((_, Ok(Taken::Round(round, _)))) = record else { continue };
            assert!(i64::try_from(round.id.epoch).is_ok() && !round.samples.is_empty(), "{round:?}");
            for sample in &round.samples {
                assert!(sample.rtt_us.is_none_or(|rtt| rtt > 0 && i32::try_from(rtt).is_ok()), "{sample:?}");
                assert!(sample.rtt_us.is_none() || sample.outcome == Outcome::Answered, "{sample:?}");
                assert!((0..253_370_764_800_000_000).contains(&round.started_at.0), "{round:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_file_breaks_the_reader(
            which in 0..3_usize,
            cuts in proptest::collection::vec((any::<proptest::sample::Index>(), ".{0,3}"), 0..6),
        ) {
            let mut text = [RUN, RESULT, ROWS][which].repeat(2).into_bytes();
            for (at, new) in cuts {
                let at = at.index(text.len());
                text.splice(at..(at + 2).min(text.len()), new.bytes());
            }
            for format in [Format::CloudPing, Format::Atlas, Format::Csv] {
                read_all(&text, format);
            }
        }
    }
}
