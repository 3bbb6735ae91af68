//! The columns of the tables as Athena and Glue name their types.

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::Table;

/// A column of a table in Glue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AthenaColumn {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) comment: String,
}

/// The columns that the files hold, in their order, and those that the folders stand for.
pub(crate) fn athena_columns(table: Table) -> (Vec<AthenaColumn>, Vec<AthenaColumn>) {
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| AthenaColumn {
        name: field.name().clone(),
        kind: athena_type(field),
        comment: field.metadata().get("comment").cloned().unwrap_or_default(),
    });
    columns.partition(|column| Some(column.name.as_str()) != table.partition())
}

/// What Athena reads a column as, by its documentation's types of Parquet and Delta columns. Its timestamps show milliseconds of our microseconds.
///
/// # Panics
/// For a type that no table has: a test goes through all columns.
fn athena_type(field: &Field) -> &'static str {
    match field.data_type() {
        DataType::Utf8 => "string",
        DataType::Date32 => "date",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp",
        DataType::Int32 => "int",
        DataType::Int64 => "bigint",
        DataType::Float64 => "double",
        DataType::Binary => "binary",
        other => unreachable!("column {} has the type {other}, which no table uses", field.name()),
    }
}
