//! `cloudping rollup stats`.

use clap::Args;
use cloudping_agent::failure::Failure;
use cloudping_agent::{clock, output};
use cloudping_batch_rollup::stats::{ColumnStats, Stats, TableStats};
use cloudping_batch_rollup::{CompactOptions, Compactor, Table, Vacuum, VacuumOptions};
use cloudping_model::UtcMicros;
use indicatif::HumanBytes;
use serde::Serialize;

use super::place::PlaceArgs;
use super::report::{OutputArgs, thousands};
use super::{compact, progress, to_the_end, vacuum};

/// Arguments of `rollup stats`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup stats
  cloudping rollup stats --columns --tables data/planet/tables -o json

Small files are those below 16 MiB that are not alone in their folder. Files beside are in the folder
and not in the newest version: replaced by a compaction or a rollup, or written in vain. A vacuum
removes them once they are old enough.")]
pub struct StatsArgs {
    /// Read the footer of every file, and show what each column costs
    #[arg(long)]
    columns: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Found {
    tables: Vec<TableFound>,
    /// What `rollup compact` would do.
    compact: Counts,
    /// What `rollup vacuum` would do.
    vacuum: Counts,
}

type Counts = std::collections::BTreeMap<&'static str, u64>;

#[derive(Debug, Serialize)]
struct TableFound {
    table: &'static str,
    version: u64,
    files: u64,
    small_files: u64,
    rows: u64,
    bytes: u64,
    bytes_a_row: Option<f64>,
    first: Option<String>,
    last: Option<String>,
    unreferenced_files: u64,
    unreferenced_bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<ColumnFound>,
}

#[derive(Debug, Serialize)]
struct ColumnFound {
    column: String,
    bytes: u64,
    bytes_a_row: Option<f64>,
    encoded_bytes: u64,
}

impl TableFound {
    fn new(table: Table, stats: TableStats) -> Self {
        let rows = stats.rows;
        let column = |ColumnStats { name, bytes, encoded_bytes }| ColumnFound {
            column: name,
            bytes,
            bytes_a_row: a_row(bytes, rows),
            encoded_bytes,
        };
        Self {
            table: table.name(),
            version: stats.version,
            files: stats.files,
            small_files: stats.small_files,
            rows,
            bytes: stats.bytes,
            bytes_a_row: a_row(stats.bytes, rows),
            first: stats.first.map(clock::rfc3339),
            last: stats.last.map(clock::rfc3339),
            unreferenced_files: stats.unreferenced_files,
            unreferenced_bytes: stats.unreferenced_bytes,
            columns: stats.columns.into_iter().map(column).collect(),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "bytes and rows are far below 2^53")]
fn a_row(bytes: u64, rows: u64) -> Option<f64> {
    (rows > 0).then(|| (bytes as f64 / rows as f64 * 1_000.0).round() / 1_000.0)
}

/// Weighs the tables and prints what was found.
pub fn run(args: &StatsArgs) -> Result<(), Failure> {
    let found = to_the_end(weigh(args, clock::now()))?;
    if args.output.is_json() {
        return output::json(&found);
    }
    show(&found)
}

async fn weigh(args: &StatsArgs, now: UtcMicros) -> Result<Found, Failure> {
    let tables = args.place.existing().await?;
    let (stats, progress) = (Stats::new(tables.clone()), progress::shown());
    let progress = progress.as_ref();
    let mut found = Vec::new();
    for table in Table::ALL {
        let stats = stats.run(table, args.columns, progress).await.map_err(Failure::runtime)?;
        found.extend(stats.map(|stats| TableFound::new(table, stats)));
    }
    let options = CompactOptions { dry_run: true, ..CompactOptions::default() };
    let compact = Compactor::new(tables.clone()).run_once(now, &options, progress).await.map_err(Failure::runtime)?;
    let options = VacuumOptions { dry_run: true, ..VacuumOptions::default() };
    let vacuum = Vacuum::new(tables).run_once(now, &options, progress).await.map_err(Failure::runtime)?;
    Ok(Found {
        tables: found,
        compact: compact::counts(&compact, true).into_iter().collect(),
        vacuum: vacuum::counts(&vacuum).into_iter().collect(),
    })
}

fn show(found: &Found) -> Result<(), Failure> {
    let header = [
        "table",
        "from",
        "to",
        "version",
        "files",
        "small",
        "rows",
        "size",
        "bytes a row",
        "files beside",
        "their size",
    ];
    let rows = found.tables.iter().map(row);
    output::print(output::table(&header, rows.collect(), 3))?;
    let columns: Vec<_> = found.tables.iter().flat_map(column_rows).collect();
    if !columns.is_empty() {
        output::print("")?;
        output::print(output::table(&["table", "column", "size", "bytes a row", "before compression"], columns, 2))?;
    }
    for (what, counts) in [("compact", &found.compact), ("vacuum", &found.vacuum)] {
        let counts = counts.iter().map(|(name, count)| format!("{} {}", thousands(*count), name.replace('_', " ")));
        output::print(format_args!("\n`cloudping rollup {what}` would do: {}", counts.collect::<Vec<_>>().join(", ")))?;
    }
    Ok(())
}

fn row(table: &TableFound) -> Vec<String> {
    let time = |at: &Option<String>| at.as_deref().and_then(|at| at.get(..16)).unwrap_or("-").replace('T', " ");
    vec![
        table.table.to_owned(),
        time(&table.first),
        time(&table.last),
        thousands(table.version),
        thousands(table.files),
        thousands(table.small_files),
        thousands(table.rows),
        HumanBytes(table.bytes).to_string(),
        each(table.bytes_a_row),
        thousands(table.unreferenced_files),
        HumanBytes(table.unreferenced_bytes).to_string(),
    ]
}

fn column_rows(table: &TableFound) -> impl Iterator<Item = Vec<String>> {
    table.columns.iter().map(|column| {
        vec![
            table.table.to_owned(),
            column.column.clone(),
            HumanBytes(column.bytes).to_string(),
            each(column.bytes_a_row),
            HumanBytes(column.encoded_bytes).to_string(),
        ]
    })
}

fn each(bytes: Option<f64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_by_the_row() {
        let stats = TableStats {
            version: 3,
            files: 2,
            rows: 3_000,
            bytes: 10_000,
            last: Some(UtcMicros(1_772_359_200_000_000)),
            columns: vec![ColumnStats { name: "rtt_us".to_owned(), bytes: 4_000, encoded_bytes: 9_000 }],
            ..TableStats::default()
        };
        let found = TableFound::new(Table::Samples, stats);
        assert_eq!((found.bytes_a_row, found.columns[0].bytes_a_row), (Some(3.333), Some(1.333)));
        assert_eq!(row(&found)[..3], ["samples", "-", "2026-03-01 10:00"]);
        let empty = TableFound::new(Table::Regions, TableStats::default());
        assert_eq!((empty.bytes_a_row, each(empty.bytes_a_row)), (None, "-".to_owned()));
    }
}
