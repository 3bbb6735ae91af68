//! The tables as views in DuckDB.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Field};

use super::{Definition, Holding};
use crate::Table;

/// Views of the tables in DuckDB. Delta tables need its extension `delta`, which it fetches itself.
///
/// Those of `absent` get a view without rows and with the same columns: an export has no folder of a table without a closed partition, and DuckDB
/// defines no view of files that are not there.
#[must_use]
pub fn duckdb_views(definition: &Definition, absent: &BTreeSet<Table>) -> String {
    let view = |table: Table| {
        let rows = if absent.contains(&table) { no_rows(definition, table) } else { rows(definition, table) };
        format!("CREATE OR REPLACE VIEW {} AS SELECT {rows};\n", table.name())
    };
    Table::ALL.into_iter().map(view).collect()
}

fn rows(definition: &Definition, table: Table) -> String {
    let place = definition.place(table);
    match (definition.holding, table.partition()) {
        (Holding::Tables, _) => format!("* FROM delta_scan({})", sql_text(place.trim_end_matches('/'))),
        (Holding::Export, None) => format!("* FROM read_parquet({})", sql_text(&format!("{place}*.parquet"))),
        (Holding::Export, Some(column)) => format!(
            "* FROM read_parquet({}, hive_partitioning = true, hive_types = {{'{column}': DATE}})",
            sql_text(&format!("{place}*/*.parquet"))
        ),
    }
}

/// The columns in the order in which a reader of the files has them: what the folders stand for comes last.
fn no_rows(definition: &Definition, table: Table) -> String {
    let schema = table.schema();
    let is_folder =
        |field: &Field| definition.holding == Holding::Export && Some(field.name().as_str()) == table.partition();
    let (folders, inside): (Vec<&Field>, Vec<&Field>) =
        schema.fields().iter().map(AsRef::as_ref).partition(|field| is_folder(field));
    let columns = inside.into_iter().chain(folders);
    let columns: Vec<String> =
        columns.map(|field| format!("CAST(NULL AS {}) AS {}", duckdb_type(field), field.name())).collect();
    format!("{} WHERE false", columns.join(", "))
}

/// What DuckDB reads a column as.
///
/// # Panics
/// For a type that no table has: a test goes through all columns.
fn duckdb_type(field: &Field) -> &'static str {
    match field.data_type() {
        DataType::Utf8 => "VARCHAR",
        DataType::Date32 => "DATE",
        DataType::Timestamp(..) => "TIMESTAMP WITH TIME ZONE",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::Float64 => "DOUBLE",
        DataType::Binary => "BLOB",
        other => unreachable!("column {} has the type {other}, which no table uses", field.name()),
    }
}

/// A text as standard SQL quotes it.
pub(super) fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
