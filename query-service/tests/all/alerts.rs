//! Alerts through the whole service: rules from a file, states in the store, notices at a real HTTP server.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use cloudping_model::{Family, Pane, UtcMicros};
use cloudping_ports::LiveStore;
use cloudping_query_service::{Alerts, Service};
use cloudping_schemas::stored::keys;
use cloudping_testkit::{FaultPlan, Faulty, Operation, When};
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::common::*;

/// By how much a test has moved the time on, µs.
static SHIFT: AtomicI64 = AtomicI64::new(0);

/// [`NOW`], and on as the test runs.
fn ticking() -> UtcMicros {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed().as_micros();
    NOW + SHIFT.load(Ordering::Relaxed) + i64::try_from(elapsed).unwrap()
}

fn secret(name: &str) -> Option<String> {
    (name == "HOOK_SECRET").then(|| "open sesame".to_owned())
}

/// A server that takes notices: at `/hook`, only after so many refusals; at `/slow`, never; at `/away`, it sends elsewhere.
struct Receiver {
    address: String,
    taken: Arc<Taken>,
}

#[derive(Default)]
struct Taken {
    refusals: AtomicUsize,
    requests: Mutex<Vec<(HeaderMap, Bytes)>>,
}

impl Receiver {
    async fn refusing(times: usize) -> Self {
        let taken = Arc::new(Taken { refusals: AtomicUsize::new(times), ..Taken::default() });
        let app = Router::new()
            .route("/hook", post(hook))
            .route("/away", post(async || Redirect::temporary("/hook")))
            .route("/slow", post(async || std::future::pending::<()>().await))
            .with_state(Arc::clone(&taken));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { address, taken }
    }

    fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.taken.requests.lock().unwrap().clone()
    }

    /// The bodies of all requests, once there are so many.
    async fn bodies(&self, count: usize) -> Vec<Value> {
        within(15, async || self.requests().len() >= count).await;
        self.requests().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }
}

async fn hook(State(taken): State<Arc<Taken>>, headers: HeaderMap, body: Bytes) -> Response {
    taken.requests.lock().unwrap().push((headers, body));
    let refused = taken.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    match refused {
        // More than anybody would read.
        Ok(_) => (StatusCode::SERVICE_UNAVAILABLE, vec![b'x'; 8 << 20]).into_response(),
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

#[track_caller]
fn within(seconds: u64, met: impl AsyncFn() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !met().await {
            assert!(Instant::now() < deadline, "not met within {seconds} s: {place}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn world() -> World {
    World::with(ticking, |_| {})
}

struct Watching {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Watching {
    fn start(service: &Service, file: &Path) -> Self {
        let alerts = Alerts::open(file, secret, Vec::new()).unwrap();
        let stop = watch::Sender::new(false);
        let (service, stopped) = (service.clone(), stop.subscribe());
        let task = tokio::spawn(async move { service.watch_alerts(alerts, stopped).await });
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

fn rules(world: &World, text: &str) -> PathBuf {
    let file = world.folder.path().join("alerts.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// Fires for the one lost probe of [`World::fill`].
fn lossy(notify: &str) -> String {
    format!(
        r#"
        [[rule]]
        name = "lossy"
        source = "us-east-1"
        target = "eu-*"
        statistic = "loss"
        above = 0.001
        clear_for = "0s"
        notify = [{notify}]
        "#
    )
}

/// Ten minutes later nothing was lost for five.
async fn ten_good_minutes(world: &World) {
    SHIFT.fetch_add(10 * MINUTE, Ordering::Relaxed);
    for minute in 6..=10 {
        let start = NOW.floor(MINUTE) + minute * MINUTE;
        world.pane("us-east-1", Pane::Minute, &pane_of(start, "eu-west-1", Family::V4, &[68_410; 60], 0)).await;
    }
    world.head("us-east-1", &head_at(NOW + 10 * MINUTE, NOON)).await;
    world.service.refresh(ticking()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_episode_is_told_once_and_outlives_a_restart() {
    let (world, receiver) = (world(), Receiver::refusing(0).await);
    world.fill().await;
    let to = format!("{{ to = \"{}/hook?token=secret\", secret_env = \"HOOK_SECRET\" }}", receiver.address);
    let file = rules(&world, &lossy(&to));
    let watching = Watching::start(&world.service, &file);
    let fired = receiver.bodies(1).await.remove(0);
    let alert = &fired["alerts"][0];
    let expected = json!({"event": "firing", "source": "us-east-1", "target": "eu-west-1", "state": "firing",
        "episode": alert["episode"], "fired_at": alert["fired_at"], "value": 1.0 / 301.0, "count": 301});
    assert_eq!((alert, fired["alerts"].as_array().unwrap().len()), (&expected, 1));
    assert_eq!(
        (&fired["simulated"], &fired["rule"], &fired["threshold"]),
        (&json!(true), &json!("lossy"), &json!(0.001))
    );
    assert!(
        fired["text"].as_str().unwrap().starts_with("[SIMULATED] lossy: FIRING us-east-1 -> eu-west-1 (0.00 share)")
    );
    let (headers, body) = receiver.requests().remove(0);
    assert_eq!(headers["cloudping-notice-id"], fired["id"].as_str().unwrap());
    let (time, tag) = headers["cloudping-signature"].to_str().unwrap().split_once(",v1=").unwrap();
    let signed = [time.strip_prefix("t=").unwrap().as_bytes(), b".", &body].concat();
    let tag: Vec<u8> = (0..tag.len()).step_by(2).map(|at| u8::from_str_radix(&tag[at..at + 2], 16).unwrap()).collect();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, b"open sesame"), &signed, &tag).unwrap();

    let shown = world.get("/api/v1/alerts?state=firing").await.ok();
    assert_eq!(shown["alerts"][0]["fired_at"], alert["fired_at"]);
    assert_eq!(shown["rules"][0]["notify"], json!([receiver.address]), "without what may be secret");
    within(5, async || world.get("/api/v1/alerts").await.ok()["undelivered"] == 0).await;
    watching.end().await;

    let watching = Watching::start(&world.service, &file);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.requests().len(), 1, "a restart repeats nothing");
    ten_good_minutes(&world).await;
    let resolved = receiver.bodies(2).await.remove(1);
    assert_eq!(resolved["alerts"][0]["event"], "resolved");
    assert_eq!(resolved["alerts"][0]["episode"], alert["episode"], "and forgets nothing");
    assert_ne!(resolved["id"], fired["id"]);
    within(5, async || world.store.list(keys::NOTICES, keys::ALL).await.unwrap().is_empty()).await;
    assert!(world.store.list(keys::ALERTS, keys::ALL).await.unwrap().is_empty(), "at rest nothing is stored");
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_tried_until_it_is_taken() {
    let (world, receiver) = (world(), Receiver::refusing(2).await);
    world.fill().await;
    let watching = Watching::start(&world.service, &rules(&world, &lossy(&format!("\"{}/hook\"", receiver.address))));
    let bodies = receiver.bodies(3).await;
    assert!(bodies[0] == bodies[1] && bodies[1] == bodies[2], "one notice, thrice: {bodies:?}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.requests().len(), 3, "and no more once it was taken");
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_slow_receiver_and_redirects_are_not_followed() {
    let (world, receiver) = (world(), Receiver::refusing(0).await);
    world.fill().await;
    let address = &receiver.address;
    let to = format!("\"{address}/slow\", \"{address}/away\", \"http://127.0.0.1:1/\", \"{address}/hook\"");
    let watching = Watching::start(&world.service, &rules(&world, &lossy(&to)));
    let started = Instant::now();
    receiver.bodies(1).await;
    assert!(started.elapsed() < Duration::from_secs(5), "the last of the list waited for the first");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(receiver.requests().len(), 1, "what was sent elsewhere did not go there");
    assert_eq!(world.get("/api/v1/alerts").await.ok()["undelivered"], 3);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_share_a_store_tell_once() {
    let (world, receiver) = (world(), Receiver::refusing(0).await);
    world.fill().await;
    let file = rules(&world, &lossy(&format!("\"{}/hook\"", receiver.address)));
    let both = [Watching::start(&world.service, &file), Watching::start(&world.service, &file)];
    receiver.bodies(1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.requests().len(), 1);
    for watching in both {
        watching.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_tells_once() {
    let (world, receiver) = (world(), Receiver::refusing(0).await);
    world.fill().await;
    let faulty = Arc::new(Faulty::new(Arc::clone(&world.store), FaultPlan::none()));
    faulty.fail_next(Operation::Commit, When::AfterActing);
    let catalogue = cloudping_schemas::catalogue::Catalogue::built_in().unwrap();
    let url = format!("file://{}/tables/", world.folder.path().display());
    let settings = cloudping_query_service::Settings::new(true, catalogue, Vec::new(), url);
    let service = Service::new(settings, faulty as _, ticking).unwrap();
    service.refresh(ticking()).await.unwrap();
    let watching = Watching::start(&service, &rules(&world, &lossy(&format!("\"{}/hook\"", receiver.address))));
    receiver.bodies(1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.requests().len(), 1);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_edit_keeps_the_rules_and_says_so() {
    let world = world();
    world.fill().await;
    let file = rules(&world, &lossy(""));
    let watching = Watching::start(&world.service, &file);
    let shown = async || world.get("/api/v1/alerts").await.ok();
    within(5, async || shown().await["alerts"][0]["state"] == "firing").await;
    rules(&world, "[[rule]]\nname = \"lossy\"\nstatistic = \"p50\"\n");
    within(5, async || !shown().await["file_error"].is_null()).await;
    let kept = shown().await;
    let error = kept["file_error"].as_str().unwrap();
    assert!(error.ends_with("rule \"lossy\": above is missing, expected a threshold, above or below"), "{error}");
    assert_eq!((&kept["rules"][0]["statistic"], &kept["alerts"][0]["state"]), (&json!("loss"), &json!("firing")));
    std::fs::remove_file(&file).unwrap();
    within(5, async || shown().await["file_error"].as_str().unwrap_or("").contains("No such file")).await;

    rules(&world, "[[rule]]\nname = \"slow\"\nstatistic = \"p50\"\nabove = 50\nsource = \"us-*\"\n");
    within(5, async || shown().await["rules"][0]["name"] == "slow").await;
    within(5, async || shown().await["alerts"][0]["state"] == "firing").await;
    assert!(shown().await["file_error"].is_null());
    let stored = world.store.list(keys::ALERTS, keys::ALL).await.unwrap();
    let stored: Vec<&str> = stored.iter().map(|(key, _)| key.sort.as_str()).collect();
    assert_eq!(stored, ["slow/us-east-1/eu-west-1"], "the alert of the rule that is gone is gone");
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_scarcity_are_no_health() {
    let world = world();
    world.fill().await;
    let text = r#"
        [[rule]]
        name = "silent"
        source = "us-east-1"
        target = "sa-east-1"
        statistic = "p50"
        above = 1
        no_data_for = "1s"

        [[rule]]
        name = "scarce"
        source = "us-east-1"
        statistic = "p99.9"
        above = 1

        [[rule]]
        name = "stepped"
        source = "us-east-1"
        statistic = "step"
        above = 10
        window = "1h"

        [[rule]]
        name = "other provider"
        provider = "gcp"
        statistic = "p50"
        above = 1
        "#;
    world.change(&change_at(NOW.floor(MINUTE) - 20 * MINUTE, "us-east-1", "eu-west-1")).await;
    world.head("us-east-1", &head_at(NOW, NOON)).await;
    world.service.refresh(ticking()).await.unwrap();
    let watching = Watching::start(&world.service, &rules(&world, text));
    let shown = async || world.get("/api/v1/alerts").await.ok()["alerts"].clone();
    within(8, async || shown().await[0]["state"] == "no_data").await;
    let alerts = shown().await;
    let of =
        |at: usize| ["rule", "target", "state", "value", "count", "low_count"].map(|field| alerts[at][field].clone());
    assert_eq!(of(1), [json!("scarce"), json!("eu-west-1"), json!("ok"), json!(68.41), json!(300), json!(true)]);
    assert_eq!(of(0), [json!("silent"), json!("sa-east-1"), json!("no_data"), json!(null), json!(0), json!(false)]);
    assert_eq!(of(2), [json!("stepped"), json!("eu-west-1"), json!("firing"), json!(12.5), json!(1), json!(false)]);
    assert_eq!(alerts.as_array().unwrap().len(), 3, "{alerts}");

    let csv = world.get("/api/v1/alerts?format=csv&state=no_data").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let mut lines = csv.body.lines();
    assert_eq!(lines.next(), Some("rule,source,target,state,since,fired_at,value,count,low_count"));
    assert!(lines.next().unwrap().starts_with("silent,us-east-1,sa-east-1,no_data,2026-01-02T12:30:2"));
    assert_eq!(lines.next(), None);
    watching.end().await;
}

#[tokio::test]
async fn without_rules_there_is_nothing_and_bad_questions_are_named() {
    let world = World::new();
    let expected = json!({"simulated": true, "evaluated_at": null, "file_error": null, "undelivered": 0, "rules": [], "alerts": []});
    assert_eq!(world.get("/api/v1/alerts").await.ok(), expected);
    let state = world.get("/api/v1/alerts?state=bad").await.problem(400);
    assert_eq!(state, "state is \"bad\", expected ok, pending, firing or no_data");
    assert!(world.get("/api/v1/alerts?rules=x").await.problem(400).starts_with("unknown parameter \"rules\""));
}
