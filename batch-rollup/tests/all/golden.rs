//! The stored tables look as the golden files say: readers depend on it.

use std::path::PathBuf;

use cloudping_batch_rollup::{Archiver, Regions, Rollup, Table, Tables};
use cloudping_schemas::catalogue::Catalogue;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::common::*;

/// Compares with a file in schemas/golden. With UPDATE_GOLDEN set it writes the file instead; a version that was released is never rewritten.
fn check(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, golden, "differs from {}", path.display());
}

async fn schemas(tables: &Tables, table: Table) -> String {
    let open = open(tables, table).await;
    let snapshot = open.snapshot().unwrap();
    let delta = serde_json::to_string_pretty(snapshot.schema().as_ref()).unwrap();
    let partitions = snapshot.metadata().partition_columns().join(", ");
    let mut properties: Vec<_> =
        snapshot.metadata().configuration().iter().map(|(key, value)| format!("{key} = {value}")).collect();
    properties.sort();
    let file = open.get_file_uris().unwrap().next().unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(file.trim_start_matches("file://")).unwrap()).unwrap();
    let metadata = reader.metadata();
    let mut parquet = Vec::new();
    parquet::schema::printer::print_schema(&mut parquet, metadata.file_metadata().schema());
    let encodings: Vec<String> = (metadata.row_group(0).columns().iter())
        .map(|column| {
            let mut encodings: Vec<String> = column.encodings().map(|encoding| encoding.to_string()).collect();
            encodings.sort();
            // Its level is not stored: the reader makes one up.
            let compression = column.compression().to_string();
            let compression = compression.split('(').next().unwrap();
            format!("{} {compression} {}", column.column_path().string(), encodings.join(" "))
        })
        .collect();
    format!(
        "# Delta\n{delta}\npartitioned by {partitions}\n{}\n\n# Parquet\n{}\n# Encodings\n{}\n",
        properties.join("\n"),
        String::from_utf8(parquet).unwrap(),
        encodings.join("\n"),
    )
}

#[tokio::test]
async fn the_tables_keep_their_shape() {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    let log = std::sync::Arc::new(cloudping_testkit::MemoryLog::default());
    append(&log, &rounds(1, TEN, 100, 1)).await;
    append_changes(&log, &[route_change("us-east-1", 7)]).await;
    Archiver::new(log, tables.clone()).run_once().await.unwrap();
    Rollup::new(tables.clone()).run_once(cloudping_model::UtcMicros(TEN)).await.unwrap();
    Regions::new(tables.clone()).run_once(&Catalogue::built_in().unwrap()).await.unwrap();
    check("tables-samples-v2.txt", &schemas(&tables, Table::Samples).await);
    check("tables-changes-v2.txt", &schemas(&tables, Table::Changes).await);
    check("tables-rollup_1h-v2.txt", &schemas(&tables, Table::Rollup1h).await);
    check("tables-regions-v2.txt", &schemas(&tables, Table::Regions).await);
}
