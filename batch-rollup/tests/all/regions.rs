//! The table of regions says what the region manager found, wherever the tables lie and whatever release made them.

use std::sync::Arc;

use cloudping_batch_rollup::{Regions, RegionsReport, Table, Tables};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::stored::{AccountRegion, AccountRegions, keys};
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::logstore::object_store::memory::InMemory;
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{ObjectStore, ObjectStoreExt};
use deltalake_core::operations::create::CreateBuilder;
use tempfile::TempDir;

use crate::common::*;

const OF_ACCOUNT: &str = "SELECT id, status, CAST(checked_at AS BIGINT) AS checked, producer_sha256, provider FROM regions \
                          WHERE status IS NOT NULL ORDER BY id";

fn place() -> (TempDir, Tables) {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    (directory, tables)
}

fn found(checked_at_us: i64, package: &str) -> Vec<u8> {
    let region = |id: &str, status: &str, package: Option<&str>| AccountRegion {
        id: id.to_owned(),
        status: status.to_owned(),
        producer_sha256: package.map(str::to_owned),
        ..AccountRegion::default()
    };
    let regions = vec![
        region("af-south-1", "DISABLED", None),
        region("eu-west-1", "ENABLED_BY_DEFAULT", Some(package)),
        region("xx-new-1", "ENABLED", Some(package)),
    ];
    serde_json::to_vec(&AccountRegions { checked_at_us, regions }).unwrap()
}

/// What the region manager found comes into the table, follows it, and goes with it. `put` puts the file in its place.
async fn follows_the_region_manager(tables: &Tables, put: impl AsyncFn(Option<Vec<u8>>)) {
    let catalogue = Catalogue::built_in().unwrap();
    let regions = Regions::new(tables.clone());
    let run = async || regions.run_once(&catalogue).await;
    let all = catalogue.regions().len() as u64;
    assert_eq!(run().await.unwrap(), RegionsReport { regions: all, rows: all });
    let unknown = sql(tables, "SELECT count(*) AS n FROM regions WHERE status IS NULL AND checked_at IS NULL").await;
    assert_eq!(ints(&unknown, "n"), [Some(all.cast_signed())]);

    put(Some(found(TEN, "one"))).await;
    assert_eq!(run().await.unwrap(), RegionsReport { regions: all + 1, rows: all + 1 }, "xx-new-1 is in no catalogue");
    assert_eq!(run().await.unwrap().rows, 0);
    let rows = sql(tables, OF_ACCOUNT).await;
    let of = |column| texts(&rows, column).into_iter().map(|text| text.unwrap_or_default()).collect::<Vec<_>>();
    assert_eq!(of("id"), ["af-south-1", "eu-west-1", "xx-new-1"]);
    assert_eq!(of("status"), ["DISABLED", "ENABLED_BY_DEFAULT", "ENABLED"]);
    assert_eq!(of("producer_sha256"), ["", "one", "one"]);
    assert_eq!(of("provider"), ["aws", "aws", ""]);
    assert_eq!(ints(&rows, "checked"), [Some(TEN); 3]);

    put(Some(found(TEN + HOUR, "two"))).await;
    assert_eq!(run().await.unwrap().rows, all + 1);
    let rows = sql(tables, OF_ACCOUNT).await;
    assert_eq!(ints(&rows, "checked"), [Some(TEN + HOUR); 3]);
    assert_eq!(texts(&rows, "producer_sha256")[1].as_deref(), Some("two"));

    put(Some(b"half a fi".to_vec())).await;
    let error = run().await.unwrap_err().to_string();
    assert!(error.contains("account-regions.json: ") && error.contains("expected what the region manager"), "{error}");
    assert_eq!(sql(tables, OF_ACCOUNT).await, rows, "what was known stays");

    put(None).await;
    assert_eq!(run().await.unwrap(), RegionsReport { regions: all, rows: all });
}

#[tokio::test]
async fn what_the_region_manager_found_is_in_the_table_of_a_folder() {
    let (directory, tables) = place();
    let file = directory.path().join(keys::ACCOUNT_REGIONS);
    follows_the_region_manager(&tables, async |bytes| match bytes {
        Some(bytes) => std::fs::write(&file, bytes).unwrap(),
        None => std::fs::remove_file(&file).unwrap(),
    })
    .await;
}

#[tokio::test]
async fn what_the_region_manager_found_is_in_the_table_of_a_bucket() {
    let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let tables = Tables::in_storage("s3://bucket/a/tables/", Arc::clone(&bucket));
    let key = Path::from("a/tables").join(keys::ACCOUNT_REGIONS);
    follows_the_region_manager(&tables, async |bytes| match bytes {
        Some(bytes) => drop(bucket.put(&key, bytes.into()).await.unwrap()),
        None => bucket.delete(&key).await.unwrap(),
    })
    .await;
}

#[tokio::test]
async fn a_table_of_an_older_release_gets_the_columns_and_is_written_anew() {
    let (directory, tables) = place();
    let since = ["status", "checked_at", "producer_sha256"];
    let all: StructType = Table::Regions.schema().as_ref().try_into_kernel().unwrap();
    CreateBuilder::new()
        .with_location(tables.uri(Table::Regions))
        .with_table_name(Table::Regions.name())
        .with_columns(all.fields().filter(|field| !since.contains(&field.name().as_str())).cloned())
        .await
        .unwrap();
    std::fs::write(directory.path().join(keys::ACCOUNT_REGIONS), found(TEN, "one")).unwrap();
    Regions::new(tables.clone()).run_once(&Catalogue::built_in().unwrap()).await.unwrap();
    assert_eq!(sql(&tables, OF_ACCOUNT).await.num_rows(), 3);
    let open = tables.open(Table::Regions).await.unwrap().unwrap();
    let names: Vec<_> = open.snapshot().unwrap().schema().fields().map(|field| field.name().clone()).collect();
    assert_eq!(names[names.len() - 3..], since, "behind those that were there");
}
