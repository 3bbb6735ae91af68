//! `information_schema` with the names that PostgreSQL has for types: tools tell columns of time from others by them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow_pg::datatypes::into_pg_type;
use cloudping_query_service::Table;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;

use crate::catalogue::{DATABASE, SCHEMA};

/// Its name.
pub const INFORMATION_SCHEMA: &str = "information_schema";
/// What columns of ours have none of.
const NONE: [&str; 7] = [
    "column_default",
    "character_maximum_length",
    "numeric_precision",
    "numeric_scale",
    "datetime_precision",
    "domain_name",
    "identity_generation",
];
/// Lists of what there is none of here, by their columns.
const EMPTY: [(&str, &[&str]); 3] = [
    ("views", &["table_catalog", "table_schema", "table_name", "view_definition"]),
    ("table_constraints", &["constraint_schema", "constraint_name", "table_schema", "table_name", "constraint_type"]),
    ("key_column_usage", &["constraint_schema", "constraint_name", "table_schema", "table_name", "column_name"]),
];

/// The schema for these tables.
///
/// # Errors
/// DataFusion's.
pub fn information_schema(tables: &[Table]) -> Result<Arc<dyn SchemaProvider>, DataFusionError> {
    let schema = MemorySchemaProvider::new();
    schema.register_table("schemata".to_owned(), schemata()?)?;
    schema.register_table("tables".to_owned(), listed(tables)?)?;
    schema.register_table("columns".to_owned(), columns(tables)?)?;
    for (name, of) in EMPTY {
        let columns = of.iter().map(|column| (*column, texts::<&str>([]))).collect();
        schema.register_table(name.to_owned(), table(columns)?)?;
    }
    Ok(Arc::new(schema))
}

fn schemata() -> Result<Arc<MemTable>, DataFusionError> {
    let names = [SCHEMA, INFORMATION_SCHEMA, "pg_catalog"];
    table(vec![
        ("catalog_name", texts(names.map(|_| DATABASE))),
        ("schema_name", texts(names)),
        ("schema_owner", texts(names.map(|_| DATABASE))),
    ])
}

fn listed(tables: &[Table]) -> Result<Arc<MemTable>, DataFusionError> {
    let same = |text: &'static str| texts(tables.iter().map(|_| text));
    table(vec![
        ("table_catalog", same(DATABASE)),
        ("table_schema", same(SCHEMA)),
        ("table_name", texts(tables.iter().map(|table| table.name))),
        ("table_type", same("BASE TABLE")),
        ("is_insertable_into", same("NO")),
    ])
}

fn columns(tables: &[Table]) -> Result<Arc<MemTable>, DataFusionError> {
    let all: Vec<(&str, i32, &Field)> = tables
        .iter()
        .flat_map(|table| (1..).zip(table.schema.fields()).map(|(at, field)| (table.name, at, field.as_ref())))
        .collect();
    let same = |text: &'static str| texts(all.iter().map(|_| text));
    let mut columns = vec![
        ("table_catalog", same(DATABASE)),
        ("table_schema", same(SCHEMA)),
        ("table_name", texts(all.iter().map(|(table, ..)| *table))),
        ("column_name", texts(all.iter().map(|(.., field)| field.name()))),
        ("ordinal_position", Arc::new(Int32Array::from_iter_values(all.iter().map(|(_, at, _)| *at))) as ArrayRef),
        ("is_nullable", texts(all.iter().map(|(.., field)| if field.is_nullable() { "YES" } else { "NO" }))),
        ("data_type", texts(all.iter().map(|(.., field)| sql_name(&pg_name(field.data_type()))))),
        ("udt_name", texts(all.iter().map(|(.., field)| pg_name(field.data_type())))),
        ("is_identity", same("NO")),
        ("is_generated", same("NEVER")),
        ("is_updatable", same("NO")),
    ];
    let none: ArrayRef = Arc::new(StringArray::new_null(all.len()));
    columns.extend(NONE.map(|name| (name, Arc::clone(&none))));
    table(columns)
}

/// PostgreSQL's own name of a type.
fn pg_name(data_type: &DataType) -> String {
    into_pg_type(data_type).map_or_else(|_| "text".to_owned(), |known| known.name().to_owned())
}

/// The name that the SQL standard has for it.
fn sql_name(pg_name: &str) -> String {
    let name = match pg_name {
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "bool" => "boolean",
        "timestamptz" => "timestamp with time zone",
        "timestamp" => "timestamp without time zone",
        list if list.starts_with('_') => "ARRAY",
        other => other,
    };
    name.to_owned()
}

fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<Arc<MemTable>, DataFusionError> {
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![rows]])?))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn types_have_the_standards_names() {
        let named = |data_type| sql_name(&pg_name(&data_type));
        assert_eq!(named(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))), "timestamp with time zone");
        assert_eq!(named(DataType::Utf8View), "text");
        assert_eq!(named(DataType::Float64), "double precision");
        assert_eq!(named(DataType::new_list(DataType::Int64, true)), "ARRAY");
    }
}
