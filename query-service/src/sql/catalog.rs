//! `information_schema`: the tables and columns that statements may read, for programs that ask before they read. It is made from their
//! documentation, and knows nothing of the engine, its settings or the machine.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::common::Result;
use datafusion::datasource::MemTable;

use super::plain;
use super::session::{CATALOG, SCHEMA};
use crate::archive::Table;

/// Its name.
pub(super) const INFORMATION_SCHEMA: &str = "information_schema";

/// The schema with its tables `schemata`, `tables` and `columns`.
pub(super) fn information_schema(tables: &[Table]) -> Result<Arc<dyn SchemaProvider>> {
    let schema = MemorySchemaProvider::new();
    schema.register_table("schemata".to_owned(), schemata()?)?;
    schema.register_table("tables".to_owned(), listed(tables)?)?;
    schema.register_table("columns".to_owned(), columns(tables)?)?;
    Ok(Arc::new(schema))
}

fn schemata() -> Result<Arc<MemTable>> {
    let names = [SCHEMA, INFORMATION_SCHEMA];
    table([("catalog_name", texts(names.map(|_| CATALOG))), ("schema_name", texts(names))])
}

fn listed(tables: &[Table]) -> Result<Arc<MemTable>> {
    table([
        ("table_catalog", texts(tables.iter().map(|_| CATALOG))),
        ("table_schema", texts(tables.iter().map(|_| SCHEMA))),
        ("table_name", texts(tables.iter().map(|table| table.name))),
        ("table_type", texts(tables.iter().map(|_| "BASE TABLE"))),
    ])
}

fn columns(tables: &[Table]) -> Result<Arc<MemTable>> {
    let all: Vec<(&str, i64, &Field)> = tables
        .iter()
        .flat_map(|table| (1..).zip(table.schema.fields()).map(|(at, field)| (table.name, at, field.as_ref())))
        .collect();
    let comment = |field: &Field| field.metadata().get("comment").cloned().unwrap_or_default();
    table([
        ("table_catalog", texts(all.iter().map(|_| CATALOG))),
        ("table_schema", texts(all.iter().map(|_| SCHEMA))),
        ("table_name", texts(all.iter().map(|(table, ..)| *table))),
        ("column_name", texts(all.iter().map(|(.., field)| field.name()))),
        ("ordinal_position", Arc::new(Int64Array::from_iter_values(all.iter().map(|(_, at, _)| *at)))),
        ("is_nullable", texts(all.iter().map(|(.., field)| if field.is_nullable() { "YES" } else { "NO" }))),
        ("data_type", texts(all.iter().map(|(.., field)| plain::data_type(field.data_type()).to_string()))),
        ("comment", texts(all.iter().map(|(.., field)| comment(field)))),
    ])
}

fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<Arc<MemTable>> {
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, DataType::clone(column.data_type()), false);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![rows]])?))
}
