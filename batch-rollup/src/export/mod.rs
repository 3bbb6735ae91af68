//! The export: closed days and months as plain Parquet (or CSV) that needs no table format to be read.
//!
//! `DIR/samples/date=2026-03-01/part-0000.parquet`, …, and beside them `manifest.json`, `SHA256SUMS`, a data dictionary, the licence and descriptions for
//! catalogues of data sets. Rows are in an order that depends on nothing but themselves, and no file holds a clock's reading, so the same
//! rows are the same bytes, whoever exports them and when.
//!
//! What is to be done is decided in [`plan`]; the manifest says what was done, and is written last.

mod about;
mod columns;
mod croissant;
mod destination;
mod encode;
mod error;
mod manifest;
mod open_data;
mod origins;
mod plan;
mod reached;
mod rows;
mod state;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use cloudping_model::UtcMicros;
use cloudping_schemas::tables::Origin;
use deltalake_core::DeltaTable;

pub use columns::{Column, columns, columns_in_markdown};
pub use destination::Destination;
pub use error::ExportError;
pub use manifest::{ExportFormat, FileEntry, Manifest, PartitionEntry, Superseded, TableEntry};
pub use open_data::Publication;

use crate::hours::date_of;
use crate::{Progress, Table, Tables};
use plan::{Source, is_closed, is_within, revised, sources};
use reached::Reached;
use state::State;
use write::write_partition;

/// What the manifest's field `format` says.
const FORMAT: &str = "cloudping-export/1";
/// Where the manifest lies.
pub const MANIFEST: &str = "manifest.json";

/// What to export, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOptions {
    /// Which tables.
    pub tables: Vec<Table>,
    /// Of samples and rollups only the rows that come from these. The other tables hold nothing that was imported.
    pub origins: BTreeSet<Origin>,
    /// In which formats.
    pub formats: Vec<ExportFormat>,
    /// From this day on.
    pub from: Option<NaiveDate>,
    /// Up to and with this day.
    pub to: Option<NaiveDate>,
    /// A day or a month is closed so many microseconds after its end.
    pub lateness_us: i64,
    /// A file that has so many rows is followed by another one.
    pub rows_per_file: u64,
    /// Where the export is published, for its entry in the registry of open data on AWS; without it none is written.
    pub publication: Option<Publication>,
    /// Export what has ended as it is, though the archive or the rollups may not be through with it.
    pub no_wait: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Default for ExportOptions {
    /// All tables as Parquet, with what this archive's own producers measured: what was imported is others' to give away. An hour is well past the allowed lateness of 15 minutes and the five minutes until the rollups follow. 16 million rows are
    /// 50 to 100 MB.
    fn default() -> Self {
        Self {
            tables: Table::ALL.to_vec(),
            origins: [Origin::Measured, Origin::Simulated].into(),
            formats: vec![ExportFormat::Parquet],
            from: None,
            to: None,
            lateness_us: 3_600_000_000,
            rows_per_file: 16_000_000,
            publication: None,
            no_wait: false,
            dry_run: false,
        }
    }
}

/// What one run did, or would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct ExportReport {
    /// Partitions written, those included that turned out to be the same as before.
    pub written: u64,
    /// Partitions that were there and whose rows had not changed.
    pub kept: u64,
    /// Partitions whose rows were others than those exported before: they have a new revision.
    pub revised: u64,
    /// Partitions left out because their day or month is not closed yet.
    pub not_closed: u64,
    /// Partitions left out though they have ended: samples may still be on their way into the archive, since none that is later came yet, or the
    /// rollups have not followed.
    pub waiting: u64,
    /// Files written.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Exports tables to a destination. Run again it goes on: what is there is kept, what is new or has changed is written.
pub struct Exporter {
    tables: Tables,
    to: Destination,
}

/// A partition to write.
struct Task {
    source: Source,
    format: ExportFormat,
    open: DeltaTable,
}

impl Exporter {
    /// An export of these tables to there.
    #[must_use]
    pub fn new(tables: Tables, to: Destination) -> Self {
        Self { tables, to }
    }

    /// Exports every partition that is closed at `now` and complete as far as the tables tell, and writes the manifest last. May be dropped at any point and run again; two runs to one
    /// destination at once are not provided for.
    ///
    /// # Errors
    /// [`ExportError`]. What was finished before it is found by the next run.
    pub async fn run_once(
        &self,
        now: UtcMicros,
        options: &ExportOptions,
        progress: &dyn Progress,
    ) -> Result<ExportReport, ExportError> {
        let mut state = State::load(&self.to).await?;
        let (tasks, mut report) = self.plan(now, options, &state).await?;
        if options.dry_run {
            report.written = tasks.len() as u64;
            return Ok(report);
        }
        progress.stage("exporting", tasks.len() as u64, "partitions");
        for task in tasks {
            self.export(&task, options, &mut state, &mut report).await?;
            progress.advance(1);
        }
        state.save(&self.to).await?;
        let of_archive = origins::of_archive(&self.tables).await?;
        self.publish(Manifest::of(state.into_partitions(), &of_archive), options).await?;
        Ok(report)
    }

    /// What has to be written, and the report so far.
    async fn plan(
        &self,
        now: UtcMicros,
        options: &ExportOptions,
        state: &State,
    ) -> Result<(Vec<Task>, ExportReport), ExportError> {
        let mut tasks = Vec::new();
        let mut report = ExportReport::default();
        let reached = match options.no_wait {
            true => Reached::default(),
            false => Reached::of(&self.tables, &options.origins, date_of(now)).await?,
        };
        for &table in &options.tables {
            let Some(open) = self.tables.open(table).await? else { continue };
            let all =
                sources(table, &open, &options.origins).map_err(self.tables.error(table, "list its partitions"))?;
            let wanted = all.into_iter().filter(|source| is_within(source, options.from, options.to));
            let (closed, running): (Vec<Source>, Vec<Source>) =
                wanted.partition(|source| is_closed(source, now, options.lateness_us));
            let (closed, waiting): (Vec<Source>, Vec<Source>) =
                closed.into_iter().partition(|source| reached.is_past(source));
            report.not_closed += (running.len() * options.formats.len()) as u64;
            report.waiting += (waiting.len() * options.formats.len()) as u64;
            for &format in &options.formats {
                let there = self.to.sizes(&format!("{}{}", format.folder(), table.name())).await?;
                for source in &closed {
                    if state.is_current(source, format) && is_whole(state.entry(source, format), &there) {
                        report.kept += 1;
                    } else {
                        tasks.push(Task { source: source.clone(), format, open: open.clone() });
                    }
                }
            }
        }
        Ok((tasks, report))
    }

    /// Writes one partition and takes down that it is done.
    async fn export(
        &self,
        task: &Task,
        options: &ExportOptions,
        state: &mut State,
        report: &mut ExportReport,
    ) -> Result<(), ExportError> {
        let Task { source, format, open } = task;
        let written = write_partition(&self.tables, open, source, *format, options, &self.to).await?;
        let new = PartitionEntry {
            table: source.table.name().to_owned(),
            format: *format,
            partition: source.folder(),
            revision: 1,
            table_version: open.version().unwrap_or_default(),
            rows: written.files.iter().map(|file| file.rows).sum(),
            origins: written.origins,
            files: written.files,
            superseded: Vec::new(),
        };
        let bytes: u64 = new.files.iter().map(|file| file.bytes).sum();
        report.written += 1;
        report.files += new.files.len() as u64;
        report.rows += new.rows;
        report.bytes += bytes;
        let before = state.entry(source, *format).cloned();
        let old_revision = before.as_ref().map(|entry| entry.revision);
        let entry = revised(before, new);
        report.revised += u64::from(old_revision.is_some_and(|old| old < entry.revision));
        state.done(source, *format, entry);
        state.save_sometimes(&self.to, bytes).await
    }

    /// Writes what describes the files, the manifest last.
    async fn publish(&self, manifest: Manifest, options: &ExportOptions) -> Result<(), ExportError> {
        for (path, text) in about::documents(&manifest) {
            self.to.put(path, text.into_bytes()).await?;
        }
        if let Some(publication) = &options.publication {
            self.to.put(open_data::FILE, open_data::entry(&manifest, publication).into_bytes()).await?;
        }
        self.to.put(MANIFEST, about::json(&manifest).into_bytes()).await
    }
}

/// Whether an entry's files are there in their size.
fn is_whole(entry: Option<&PartitionEntry>, there: &BTreeMap<String, u64>) -> bool {
    entry.is_some_and(|entry| entry.files.iter().all(|file| there.get(&file.path) == Some(&file.bytes)))
}

/// Bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
