//! Which file of a table is to blame when an answer fails: the engine's own errors rarely say.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::parquet::file::metadata::ParquetMetaDataReader;
use deltalake_core::DeltaTable;
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{Error as StorageError, ObjectStore, ObjectStoreExt};
use futures::{StreamExt, stream};

/// Files that are looked at together.
const AT_ONCE: usize = 16;
/// At a Parquet file's end: the length of its footer and [`MAGIC`].
const TAIL_BYTES: u64 = 8;
const MAGIC: &[u8] = b"PAR1";

/// The first file of a table's loaded version that is missing, not as large as it was written, or no Parquet of the table's columns: its path within
/// the table, and what is wrong with it. A storage that does not answer blames no file.
pub(crate) async fn broken_file(table: &DeltaTable, schema: &Schema) -> Option<(String, String)> {
    let storage = table.object_store();
    let snapshot = table.snapshot().ok()?;
    let needed = needed(schema, snapshot.metadata().partition_columns());
    let files = snapshot.log_data();
    let files: Vec<_> = files.iter().map(|file| (file.object_store_path(), file.size().unsigned_abs())).collect();
    let looked = stream::iter(files).map(|(path, size)| {
        let (storage, needed) = (Arc::clone(&storage), &needed);
        async move {
            let fault = fault(storage.as_ref(), &path, size, needed).await;
            fault.map(|fault| (path.to_string(), fault))
        }
    });
    let mut broken = looked.buffered(AT_ONCE).filter_map(std::future::ready).boxed();
    broken.next().await
}

/// The columns that every file has: not those by which the table is partitioned, whose values are in the table's log.
fn needed<'a>(schema: &'a Schema, partitions: &[String]) -> Vec<&'a str> {
    let fields = schema.fields().iter().filter(|field| !field.is_nullable());
    fields.map(|field| field.name().as_str()).filter(|name| !partitions.iter().any(|column| column == name)).collect()
}

async fn fault(storage: &dyn ObjectStore, path: &Path, size: u64, needed: &[&str]) -> Option<String> {
    match storage.head(path).await {
        Ok(found) if found.size != size => return Some(format!("has {} bytes, expected {size}", found.size)),
        Ok(_) => {}
        Err(StorageError::NotFound { .. }) => return Some("is missing".to_owned()),
        Err(_) => return None,
    }
    let no_parquet = || Some("is no Parquet, or damaged".to_owned());
    let Some(start) = size.checked_sub(TAIL_BYTES) else {
        return no_parquet();
    };
    let tail = storage.get_range(path, start..size).await.ok()?;
    let (length, magic) = tail.split_at(4);
    let length = length.try_into().map(u32::from_le_bytes).map_or(u64::MAX, u64::from);
    let Some(from) = start.checked_sub(length).filter(|_| magic == MAGIC) else {
        return no_parquet();
    };
    let footer = storage.get_range(path, from..start).await.ok()?;
    let Ok(metadata) = ParquetMetaDataReader::decode_metadata(&footer) else {
        return no_parquet();
    };
    let columns = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let there = |name: &str| columns.iter().any(|column| column.name() == name);
    let missing = needed.iter().find(|name| !there(name));
    missing.map(|name| format!("belongs to another table: it has no column {name}"))
}
