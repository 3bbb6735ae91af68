//! AWS's account service, which ministack has only as a fixed list of 31 regions without EnableRegion: two requests, in pages as AWS answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// Regions of a page.
const PAGE: usize = 20;

/// The regions and their statuses.
pub type Statuses = Arc<Mutex<BTreeMap<String, &'static str>>>;

/// Serves the account until the test ends.
pub async fn serve(statuses: Statuses) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/listRegions", post(list)).route("/enableRegion", post(enable));
    tokio::spawn(async move { axum::serve(listener, router.with_state(statuses)).await });
    address
}

async fn list(State(statuses): State<Statuses>, Json(asked): Json<Value>) -> Json<Value> {
    let first: usize = asked["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let statuses = statuses.lock().unwrap();
    let page = statuses.iter().skip(first).take(PAGE);
    let regions: Vec<_> = page.map(|(id, status)| json!({"RegionName": id, "RegionOptStatus": status})).collect();
    let mut answer = json!({ "Regions": regions });
    if first + PAGE < statuses.len() {
        answer["NextToken"] = (first + PAGE).to_string().into();
    }
    Json(answer)
}

async fn enable(State(statuses): State<Statuses>, Json(asked): Json<Value>) -> Json<Value> {
    let mut statuses = statuses.lock().unwrap();
    let status = statuses.get_mut(asked["RegionName"].as_str().unwrap()).unwrap();
    assert_eq!(*status, "DISABLED", "AWS refuses others");
    *status = "ENABLING";
    Json(json!({}))
}
