//! Where exported rows come from, and what follows: under which terms they are given, and whether they are of the world.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use cloudping_schemas::tables::Origin;
use datafusion::error::DataFusionError;
use datafusion::prelude::{Expr, col, lit};
use deltalake_core::DeltaTable;

use super::ExportError;
use super::manifest::PartitionEntry;
use crate::query::{rows, session};
use crate::{Table, Tables};

/// The SPDX identifier of the licence that this archive's own rows are given under.
pub(crate) const LICENSE: &str = "CC-BY-4.0";
/// Where it is published.
pub(crate) const LICENSE_URL: &str = "https://creativecommons.org/licenses/by/4.0/";
/// Stands for the licence where rows of others are among them.
pub(crate) const LICENSE_BY_ORIGIN: &str = "LicenseRef-by-origin";

/// Whether a table's rows say where they come from.
pub(crate) fn has_origin(table: Table) -> bool {
    table.schema().column_with_name("origin").is_some()
}

/// Whether rows of this name come from this archive's own producers.
pub(crate) fn is_own(origin: &str) -> bool {
    matches!(origin.parse(), Ok(Origin::Measured | Origin::Simulated))
}

/// Those that others measured.
pub(crate) fn imported(origins: &BTreeSet<String>) -> Vec<&str> {
    origins.iter().map(String::as_str).filter(|origin| !is_own(origin)).collect()
}

/// Rows that come from one of these.
pub(crate) fn is_of(origins: &BTreeSet<Origin>) -> Expr {
    let named = origins.iter().filter_map(|origin| origin.stored()).map(lit).collect();
    let named = col("origin").in_list(named, false);
    if origins.contains(&Origin::Measured) { col("origin").is_null().or(named) } else { named }
}

/// Whether any exported row is of a simulated network. Where rows do not say it, the archive's samples do: route steps and regions come from the
/// same producers. Of an archive that was imported as a whole it is not known.
pub(crate) fn simulated(
    partitions: &[PartitionEntry],
    origins: &BTreeSet<String>,
    of_archive: &BTreeSet<String>,
) -> Option<bool> {
    let has = |origins: &BTreeSet<String>, origin: Origin| origins.contains(&origin.to_string());
    let mute = |name: &str| Table::ALL.into_iter().any(|table| table.name() == name && !has_origin(table));
    let all_say_it = !origins.is_empty() && !partitions.iter().any(|entry| mute(&entry.table));
    if has(origins, Origin::Simulated) {
        Some(true)
    } else if all_say_it {
        Some(false)
    } else if has(of_archive, Origin::Simulated) {
        Some(true)
    } else {
        has(of_archive, Origin::Measured).then_some(false)
    }
}

/// Where the archive's samples come from, by name: as the hours say it, which are few; before there are any, the samples themselves.
pub(crate) async fn of_archive(tables: &Tables) -> Result<BTreeSet<String>, ExportError> {
    for table in [Table::Rollup1h, Table::Samples] {
        let Some(open) = tables.open(table).await? else { continue };
        let found = distinct(&open).await.map_err(tables.error(table, "read its origins"))?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(BTreeSet::new())
}

async fn distinct(open: &DeltaTable) -> Result<BTreeSet<String>, DataFusionError> {
    let mut found = BTreeSet::new();
    for batch in rows(&session()?, open, None).await?.select_columns(&["origin"])?.distinct()?.collect().await? {
        let column = cast(batch.column(0), &DataType::Utf8)?;
        let name = |origin: Option<&str>| origin.map_or_else(|| Origin::Measured.to_string(), str::to_owned);
        found.extend(column.as_string::<i32>().iter().map(name));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::ExportFormat;
    use super::*;

    fn names(origins: &[Origin]) -> BTreeSet<String> {
        origins.iter().map(Origin::to_string).collect()
    }

    fn of(tables: &[Table]) -> Vec<PartitionEntry> {
        let entry = |table: &Table| PartitionEntry {
            table: table.name().to_owned(),
            format: ExportFormat::Parquet,
            partition: String::new(),
            revision: 1,
            table_version: 0,
            rows: 1,
            origins: BTreeSet::new(),
            files: Vec::new(),
            superseded: Vec::new(),
        };
        tables.iter().map(entry).collect()
    }

    #[test]
    fn an_export_is_real_only_if_something_says_so() {
        use Origin::{Csv, Measured, Simulated};
        let found = |tables: &[Table], rows: &[Origin], archive: &[Origin]| {
            simulated(&of(tables), &names(rows), &names(archive))
        };
        for mute in [&[Table::Changes][..], &[Table::Regions], &[]] {
            assert_eq!(found(mute, &[], &[Simulated]), Some(true));
            assert_eq!(found(mute, &[], &[Measured]), Some(false));
            assert_eq!(found(mute, &[], &[Csv]), None);
            assert_eq!(found(mute, &[], &[]), None);
        }
        assert_eq!(found(&[Table::Samples], &[Measured, Simulated], &[]), Some(true));
        // What it holds says it all, whatever else is in the archive …
        assert_eq!(found(&[Table::Samples], &[Measured], &[Measured, Simulated]), Some(false));
        // … but for the route steps, which may be of either.
        assert_eq!(found(&[Table::Samples, Table::Changes], &[Measured], &[Measured, Simulated]), Some(true));
    }
}
