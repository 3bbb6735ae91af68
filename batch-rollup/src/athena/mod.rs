//! The tables and the export as Athena, Glue and DuckDB define them, generated from the tables' own schemas so that they cannot differ from them.
//!
//! [`athena_ddl`] is SQL to run in Athena, [`glue_tables`] the same as `TableInput`s of Glue's API and of CloudFormation, [`duckdb_views`] views
//! over the same files, and [`athena_queries`] what to ask first.

mod duckdb;
mod glue;
mod queries;
#[cfg(test)]
mod tests;
mod types;

use std::fmt::Write;

use chrono::NaiveDate;

pub use duckdb::duckdb_views;
pub use glue::glue_tables;
pub use queries::{Query, athena_queries};

use crate::Table;
use cloudping_schemas::tables::MONTH;
use types::{AthenaColumn, athena_columns};

/// What lies at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// The archive's Delta tables.
    Tables,
    /// An export: plain Parquet in folders of days and months.
    Export,
}

/// What is to be defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Which kind of files.
    pub holding: Holding,
    /// The folder that the tables' folders are in, such as `s3://bucket/tables`, without a slash at the end.
    pub location: String,
    /// The database that the tables are defined in.
    pub database: String,
    /// The first day that an export has or may have: partition projection counts from there.
    pub since: NaiveDate,
}

impl Definition {
    /// A definition; a slash at the location's end is left out.
    #[must_use]
    pub fn new(holding: Holding, location: &str, database: &str, since: NaiveDate) -> Self {
        let location = location.trim_end_matches('/').to_owned();
        Self { holding, location, database: database.to_owned(), since }
    }

    /// Where a table lies, with a slash at the end: without it Athena would take folders in whose names its name begins.
    fn place(&self, table: Table) -> String {
        format!("{}/{}/", self.location, table.name())
    }
}

/// The statements that define every table in Athena, one after the other; each ends with a semicolon.
#[must_use]
pub fn athena_ddl(definition: &Definition) -> String {
    let mut text = format!("CREATE DATABASE IF NOT EXISTS {};\n", name(&definition.database));
    for table in Table::ALL {
        text.push('\n');
        text.push_str(&match definition.holding {
            Holding::Tables => delta_table(definition, table),
            Holding::Export => plain_table(definition, table),
        });
    }
    text
}

/// A Delta table brings its columns with it; Athena takes no other property here.
fn delta_table(definition: &Definition, table: Table) -> String {
    format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS {}.{}\nLOCATION {}\nTBLPROPERTIES ('table_type' = 'DELTA');\n",
        name(&definition.database),
        name(table.name()),
        text_of(&definition.place(table)),
    )
}

fn plain_table(definition: &Definition, table: Table) -> String {
    let (inside, folders) = athena_columns(table);
    let mut ddl = format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS {}.{} (\n{}\n)\nCOMMENT {}\n",
        name(&definition.database),
        name(table.name()),
        column_list(&inside),
        text_of(table.description()),
    );
    if !folders.is_empty() {
        // Writing into a text cannot fail.
        let _ = writeln!(ddl, "PARTITIONED BY (\n{}\n)", column_list(&folders));
    }
    let _ = write!(ddl, "STORED AS PARQUET\nLOCATION {}", text_of(&definition.place(table)));
    let properties = projection(definition, table);
    if !properties.is_empty() {
        let list = properties.iter().map(|(key, value)| format!("  {} = {}", text_of(key), text_of(value)));
        let _ = write!(ddl, "\nTBLPROPERTIES (\n{}\n)", list.collect::<Vec<_>>().join(",\n"));
    }
    ddl.push_str(";\n");
    ddl
}

/// What makes Athena know an export's folders without a list of them: a partition for each day or month from the first on.
fn projection(definition: &Definition, table: Table) -> Vec<(String, String)> {
    let Some(column) = table.partition() else { return Vec::new() };
    let unit = if column == MONTH { "MONTHS" } else { "DAYS" };
    let first = match column {
        MONTH => chrono::Datelike::with_day(&definition.since, 1).unwrap_or(definition.since),
        _ => definition.since,
    };
    let of = |key: &str| format!("projection.{column}.{key}");
    vec![
        ("projection.enabled".to_owned(), "true".to_owned()),
        (of("type"), "date".to_owned()),
        (of("format"), "yyyy-MM-dd".to_owned()),
        (of("range"), format!("{first},NOW")),
        (of("interval"), "1".to_owned()),
        (of("interval.unit"), unit.to_owned()),
        ("storage.location.template".to_owned(), format!("{}{column}=${{{column}}}/", definition.place(table))),
    ]
}

fn column_list(columns: &[AthenaColumn]) -> String {
    let line = |column: &AthenaColumn| {
        format!("  {} {} COMMENT {}", name(&column.name), column.kind, text_of(&column.comment))
    };
    columns.iter().map(line).collect::<Vec<_>>().join(",\n")
}

/// A name as Athena's DDL, which is Hive's, quotes it.
fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as Athena's DDL, which is Hive's, quotes it.
fn text_of(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
