//! The export that a service hands out: its list, its files in parts, and links to where it lies.

use std::error::Error;
use std::time::Duration;

use crate::common::*;
use axum::body::Body;
use axum::http::Request;
use cloudping_query_service::{Exports, SignLinks};
use futures::future::BoxFuture;
use serde_json::{Value, json};

const DAY_FILE: &str = "samples/date=2026-01-01/part-0000.parquet";
const SHA: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn file(path: &str, bytes: usize) -> Value {
    json!({"path": path, "bytes": bytes, "rows": 3, "first_ts": "2026-01-01T00:00:00Z", "last_ts": null, "sha256": SHA})
}

/// As `cloudping rollup export` writes it.
fn manifest() -> Value {
    let partition = |table: &str, format: &str, files: Vec<Value>| {
        json!({"table": table, "format": format, "partition": "date=2026-01-01", "revision": 2, "table_version": 7, "rows": 3,
            "origins": ["simulated"], "files": files, "superseded": [{"revision": 1, "table_version": 5, "files": [file("gone", 1)]}]})
    };
    let csv = "csv/samples/date=2026-01-01/part-0000.csv.gz";
    json!({"format": "cloudping-export/1", "license": "CC-BY-4.0", "simulated": true, "origins": ["simulated"], "tables": [],
    "partitions": [
        partition("samples", "parquet", vec![file(DAY_FILE, 1_000), file("samples/missing.parquet", 5)]),
        partition("samples", "csv.gz", vec![file(csv, 10)]),
        partition("rollup_1h", "parquet", vec![]),
    ]})
}

fn content() -> Vec<u8> {
    (0..1_000_u32).map(|at| (at % 251) as u8).collect()
}

#[derive(Debug)]
struct Links;

impl SignLinks for Links {
    fn link(&self, path: String, lasts: Duration) -> BoxFuture<'_, Result<String, Box<dyn Error + Send + Sync>>> {
        Box::pin(async move { Ok(format!("https://bucket.example/{path}?lasts={}", lasts.as_secs())) })
    }
}

/// A service whose export is in a folder beside its tables.
fn world(exported: bool) -> World {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("an export");
    if exported {
        let day = root.join(DAY_FILE);
        std::fs::create_dir_all(day.parent().unwrap()).unwrap();
        std::fs::write(&day, content()).unwrap();
        std::fs::write(root.join("secret.txt"), "not exported").unwrap();
        std::fs::write(root.join("manifest.json"), manifest().to_string()).unwrap();
    }
    let exports = Exports::in_directory(&root).unwrap();
    let mut world = World::with(now, move |settings| settings.exports = Some(exports));
    world.folder = folder;
    world
}

async fn part(world: &World, headers: &[(&str, &str)]) -> Answer {
    let request = Request::get(format!("/api/v1/exports/{DAY_FILE}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    world.ask(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_list_is_the_manifests() {
    let world = world(true);
    let list = world.get("/api/v1/exports").await.ok();
    assert_eq!((&list["license"], &list["simulated"]), (&json!("CC-BY-4.0"), &json!(true)));
    assert_eq!(list["files"].as_array().unwrap().len(), 3);
    let expected = json!({"table": "samples", "partition": "date=2026-01-01", "format": "parquet", "revision": 2, "path": DAY_FILE,
        "url": format!("/api/v1/exports/{DAY_FILE}"), "bytes": 1_000, "rows": 3, "first_ts": "2026-01-01T00:00:00Z", "last_ts": null, "sha256": SHA});
    assert_eq!(list["files"][0], expected);
    let csv = world.get("/api/v1/exports?format=csv&table=samples").await;
    assert_eq!(csv.body.lines().count(), 4);
    assert!(csv.body.starts_with("table,partition,format,revision,path,url,bytes,rows,first_ts,last_ts,sha256\n"));
    assert!(world.get("/api/v1/exports?table=x").await.problem(400).contains("table is \"x\""));
    let manifest_json = world.get("/api/v1/exports/manifest.json").await;
    assert_eq!(manifest_json.json(), manifest());
    assert!(manifest_json.header("etag").starts_with("W/\""));
}

#[tokio::test]
async fn files_come_whole_or_in_parts() {
    let world = world(true);
    let whole = part(&world, &[]).await;
    assert_eq!((whole.status.as_u16(), &whole.bytes[..]), (200, &content()[..]));
    let tag = format!("\"{SHA}\"");
    assert_eq!(
        (whole.header("etag"), whole.header("accept-ranges"), whole.header("content-length")),
        (&*tag, "bytes", "1000")
    );
    assert_eq!(whole.header("content-type"), "application/vnd.apache.parquet");
    let packed = part(&world, &[("accept-encoding", "gzip")]).await;
    assert_eq!((packed.header("content-encoding"), packed.bytes.len()), ("", 1_000), "the ETag is of these very bytes");
    let some = part(&world, &[("range", "bytes=100-199")]).await;
    assert_eq!((some.status.as_u16(), &some.bytes[..]), (206, &content()[100..200]));
    assert_eq!((some.header("content-range"), some.header("content-length")), ("bytes 100-199/1000", "100"));
    let end = part(&world, &[("range", "bytes=-50"), ("if-range", &tag)]).await;
    assert_eq!((end.status.as_u16(), &end.bytes[..]), (206, &content()[950..]));
    let another = part(&world, &[("range", "bytes=-50"), ("if-range", "\"22\"")]).await;
    assert_eq!((another.status.as_u16(), another.bytes.len()), (200, 1_000), "a part of another revision is of no use");
    let beyond = part(&world, &[("range", "bytes=1000-")]).await;
    assert_eq!(beyond.header("content-range"), "bytes */1000");
    assert!(beyond.problem(416).contains("1000 bytes"));
    for known in [&*tag, "\"x\", W/\"1111111111111111111111111111111111111111111111111111111111111111\"", "*"] {
        let same = part(&world, &[("if-none-match", known)]).await;
        assert_eq!((same.status.as_u16(), same.bytes.len(), same.header("etag")), (304, 0, &*tag), "{known}");
    }
    assert_eq!(part(&world, &[("if-none-match", "\"x\"")]).await.status, 200);
}

#[tokio::test]
async fn nothing_else_can_be_read() {
    let world = world(true);
    for path in [
        "secret.txt",
        "gone",
        "../tables",
        "%2e%2e/secret.txt",
        "samples",
        "_state.json",
        "samples/date=2026-01-01/../../secret.txt",
    ] {
        let answer = world.get(&format!("/api/v1/exports/{path}")).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
    // What is being written anew is not given out under the old sum.
    assert!(world.get("/api/v1/exports/samples/missing.parquet").await.problem(503).contains("try again"));
    std::fs::write(world.folder.path().join("an export").join(DAY_FILE), b"shorter").unwrap();
    assert!(part(&world, &[]).await.problem(503).contains("replaced by a new revision"));
}

#[tokio::test]
async fn without_an_export_there_is_a_hint() {
    let none = World::new().get("/api/v1/exports").await.problem(404);
    assert!(none.contains("hands out no export"), "{none}");
    let not_yet = world(false).get("/api/v1/exports").await.problem(404);
    assert!(not_yet.contains("cloudping rollup export"), "{not_yet}");
    assert!(Exports::in_directory(std::path::Path::new("relative")).is_err());
}

#[tokio::test]
async fn a_bucket_is_linked_to() {
    let storage = std::sync::Arc::new(deltalake_core::logstore::object_store::memory::InMemory::new());
    let put = async |path: &str, bytes: Vec<u8>| {
        let path = deltalake_core::logstore::object_store::path::Path::from(path);
        deltalake_core::logstore::object_store::ObjectStoreExt::put(&*storage, &path, bytes.into()).await.unwrap();
    };
    put("latency/manifest.json", manifest().to_string().into_bytes()).await;
    put(&format!("latency/{DAY_FILE}"), content()).await;
    let exports = Exports::in_storage(storage.clone(), "latency", Some(std::sync::Arc::new(Links)));
    let world = World::with(now, move |settings| settings.exports = Some(exports));
    let link = part(&world, &[]).await;
    assert_eq!((link.status.as_u16(), link.header("cache-control")), (302, "no-store"));
    assert_eq!(link.header("location"), format!("https://bucket.example/{DAY_FILE}?lasts=900"));
    let through = world.get(&format!("/api/v1/exports/{DAY_FILE}?redirect=false")).await;
    assert_eq!((through.status.as_u16(), &through.bytes[..]), (200, &content()[..]));
}
