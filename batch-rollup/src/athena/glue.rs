//! Glue's definitions of the tables.

use serde_json::{Map, Value, json};

use super::types::{AthenaColumn, athena_columns};
use super::{Definition, Holding, projection};
use crate::Table;

/// One `TableInput` a table, as Glue's `CreateTable` and CloudFormation's `AWS::Glue::Table` take it.
#[must_use]
pub fn glue_tables(definition: &Definition) -> Vec<Value> {
    Table::ALL.into_iter().map(|table| table_input(definition, table)).collect()
}

fn table_input(definition: &Definition, table: Table) -> Value {
    let (inside, folders) = athena_columns(table);
    let (mut parameters, storage) = match definition.holding {
        Holding::Tables => (delta_parameters(), delta_storage(definition, table)),
        Holding::Export => (plain_parameters(definition, table), plain_storage(definition, table)),
    };
    parameters.insert("EXTERNAL".to_owned(), "TRUE".into());
    let mut storage = storage;
    storage["Columns"] = columns(&inside);
    json!({
        "Name": table.name(),
        "Description": table.description(),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": columns(&folders),
        "StorageDescriptor": storage,
    })
}

fn columns(columns: &[AthenaColumn]) -> Value {
    let column = |column: &AthenaColumn| json!({ "Name": column.name, "Type": column.kind, "Comment": column.comment });
    columns.iter().map(column).collect()
}

/// Athena knows a Delta table by `table_type`, Spark by its provider.
fn delta_parameters() -> Map<String, Value> {
    let parameters = [("table_type", "DELTA"), ("classification", "delta"), ("spark.sql.sources.provider", "delta")];
    parameters.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// The formats are those that Glue's own crawler writes for Delta tables; who reads one goes to its log and does not use them.
fn delta_storage(definition: &Definition, table: Table) -> Value {
    let location = definition.place(table);
    json!({
        "Location": location,
        "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            "Parameters": { "serialization.format": "1", "path": location },
        },
    })
}

fn plain_parameters(definition: &Definition, table: Table) -> Map<String, Value> {
    let mut parameters = Map::from_iter([("classification".to_owned(), Value::from("parquet"))]);
    parameters.extend(projection(definition, table).into_iter().map(|(key, value)| (key, value.into())));
    parameters
}

fn plain_storage(definition: &Definition, table: Table) -> Value {
    json!({
        "Location": definition.place(table),
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            "Parameters": { "serialization.format": "1" },
        },
    })
}
