//! What the region manager has written, as it is shown.

use std::sync::Arc;

use cloudping_schemas::stored::{AccountRegion, AccountRegions};
use deltalake_core::logstore::object_store::ObjectStoreExt;
use deltalake_core::logstore::object_store::memory::InMemory;
use deltalake_core::logstore::object_store::path::Path;
use serde_json::json;

use crate::common::{NOW, World, now};

fn region(id: &str, catalogued: bool, sha256: Option<&str>) -> AccountRegion {
    AccountRegion {
        id: id.to_owned(),
        status: "ENABLED_BY_DEFAULT".to_owned(),
        catalogued,
        outcome: "unchanged".to_owned(),
        producer_sha256: sha256.map(str::to_owned),
        note: Some("not for everybody: it may name roles".to_owned()),
    }
}

#[tokio::test]
async fn regions_of_the_account_are_shown_with_what_they_measured() {
    let storage = Arc::new(InMemory::new());
    let place = Path::from("archive/tables/account-regions.json");
    let world = World::with(now, |settings| {
        settings.tables_url = "s3://bucket/archive/tables".to_owned();
        settings.tables_storage = Some(Arc::clone(&storage) as _);
    });
    world.fill().await;
    let path = "/api/v1/regions/account";
    let none = world.get(path).await.ok();
    assert_eq!(none, json!({"simulated": true, "checked_at": null, "regions": []}), "no region manager has run");

    let regions = vec![region("eu-west-1", true, Some("abc=")), region("xx-new-1", false, None)];
    let stored = AccountRegions { checked_at_us: NOW.0, regions };
    storage.put(&place, serde_json::to_vec(&stored).unwrap().into()).await.unwrap();
    let shown = world.get(path).await.ok();
    assert_eq!(shown["checked_at"], "2026-01-02T12:30:20.000Z");
    let [known, new] = [&shown["regions"][0], &shown["regions"][1]];
    assert_eq!((&known["producer_sha256"], &known["catalogued"]), (&json!("abc="), &json!(true)));
    assert_eq!(
        (&known["first_data_at"], &known["last_data_at"]),
        (&json!("2026-01-02T12:26:00.000Z"), &json!("2026-01-02T12:30:19.000Z"))
    );
    assert_eq!((&new["catalogued"], &new["last_data_at"]), (&json!(false), &json!(null)));
    assert_eq!(known.get("note"), None);
    let csv = world.get(&format!("{path}?format=csv")).await.body;
    assert!(csv.starts_with(
        "id,status,catalogued,outcome,producer_sha256,first_data_at,last_data_at\neu-west-1,ENABLED_BY_DEFAULT,true,"
    ));

    storage.put(&place, "{".into()).await.unwrap();
    world.get(path).await.problem(500);
}
