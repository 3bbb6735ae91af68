//! Who is let in, how often, and what is told and logged of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::common::*;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::http::request::Builder;
use cloudping_model::UtcMicros;
use cloudping_ports::{Key, LiveStore};
use cloudping_query_service::access::keys::{self, KeyError, NewKey};
use cloudping_query_service::access::{AccessSettings, Budget, ClientHeader, Proxies, Refusal, Scope, Secret};
use cloudping_schemas::stored::keys as places;

const STRANGER: &str = "198.51.100.7";

fn budget(text: &str) -> Budget {
    text.parse().unwrap()
}

fn world(adjust: impl FnOnce(&mut AccessSettings)) -> World {
    World::with(now, |settings| {
        settings.access.light = budget("3/1m");
        settings.access.heavy = budget("2/1m");
        adjust(&mut settings.access);
    })
}

pub fn new_key(scopes: &[Scope]) -> NewKey {
    NewKey {
        name: "test".to_owned(),
        scopes: scopes.to_vec(),
        light: None,
        heavy: None,
        requests_a_day: None,
        sql_a_day: None,
        expires_at: None,
    }
}

pub async fn key(world: &World, new: NewKey) -> Secret {
    keys::create(world.store.as_ref(), new, NOW).await.unwrap()
}

fn from(address: &str, path: &str) -> Builder {
    let peer = SocketAddr::new(address.parse().unwrap(), 4_711);
    Request::get(path).extension(ConnectInfo(peer))
}

async fn ask(world: &World, request: Builder) -> Answer {
    world.ask(request.body(Body::empty()).unwrap()).await
}

async fn with_key(world: &World, secret: &Secret, path: &str) -> Answer {
    ask(world, from(STRANGER, path).header("x-api-key", secret.to_text())).await
}

#[tokio::test]
async fn an_address_has_its_budget_and_is_told_of_it() {
    let world = world(|_| {});
    for left in [2, 1, 0] {
        let answer = ask(&world, from(STRANGER, "/api/v1/matrix")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), r#""light";q=3;w=60"#);
        assert_eq!(answer.header("ratelimit"), format!(r#""light";r={left};t={}"#, 60 - 20 * left));
    }
    let refused = ask(&world, from(STRANGER, "/api/v1/matrix")).await;
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("20", r#""light";r=0;t=20"#));
    assert_eq!(refused.header("ratelimit-policy"), r#""light";q=3;w=60"#);
    assert_eq!(refused.header("access-control-allow-origin"), "*");
    assert_eq!(refused.problem(429), "light requests come too fast: wait 20 s, or ask with a key");
    // Others have theirs, and so has this one for heavy requests; what is free is free.
    assert_eq!(ask(&world, from("2001:db8::1", "/api/v1/matrix")).await.status, 200);
    let heavy = ask(&world, from(STRANGER, "/api/v1/sql?q=select%201")).await;
    assert_eq!((heavy.status.as_u16(), heavy.header("ratelimit")), (200, r#""heavy";r=1;t=30"#));
    for path in ["/", "/healthz"] {
        let answer = ask(&world, from(STRANGER, path)).await;
        assert!(answer.status != 429 && answer.header("ratelimit").is_empty(), "{path}");
    }
    let preflight = from(STRANGER, "/api/v1/matrix").method("OPTIONS").header("origin", "https://example.org");
    let preflight = preflight
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization");
    assert_eq!(ask(&world, preflight).await.header("access-control-allow-headers"), "authorization");
}

#[tokio::test]
async fn this_machine_is_free_unless_a_proxy_on_it_asks_for_others() {
    let world = world(|_| {});
    for _ in 0..9 {
        assert_eq!(ask(&world, from("127.0.0.1", "/api/v1/matrix")).await.status, 200);
        assert_eq!(ask(&world, from("::1", "/api/v1/matrix")).await.status, 200);
    }
    let proxied = || from("127.0.0.1", "/api/v1/matrix").header("x-forwarded-for", STRANGER);
    for status in [200, 200, 200, 429] {
        assert_eq!(ask(&world, proxied()).await.status.as_u16(), status);
    }
}

#[tokio::test]
async fn behind_trusted_proxies_each_client_has_his_own_budget() {
    let world = world(|access| access.proxies = Proxies::of(["10.0.0.0/8"], ClientHeader::default()).unwrap());
    let asked = async |peer: &str, told: &str| {
        ask(&world, from(peer, "/api/v1/matrix").header("x-forwarded-for", told)).await.status.as_u16()
    };
    for status in [200, 200, 200, 429] {
        assert_eq!(asked("10.0.0.1", "203.0.113.9, 198.51.100.7").await, status);
    }
    assert_eq!(asked("10.0.0.2", "8.8.8.8, 198.51.100.7").await, 429, "what the client adds changes nothing");
    assert_eq!(asked("10.0.0.1", "198.51.100.8").await, 200);
    assert_eq!(asked("198.51.100.7", "198.51.100.9").await, 429, "who is not trusted is who he is");
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_say() {
    let world = world(|access| (access.sql_needs_key, access.history_needs_key) = (true, true));
    for (path, scope) in
        [("/api/v1/sql?q=select%201", "sql"), ("/api/v1/series", "history"), ("/api/v1/samples", "download")]
    {
        let answer = ask(&world, from(STRANGER, path)).await;
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="cloudping""#);
        let text = "send it as Authorization: Bearer cp_… or as x-api-key";
        assert_eq!(answer.problem(401), format!("this needs a key with the scope {scope}: {text}"));
    }
    let sql = key(&world, new_key(&[Scope::Sql])).await;
    assert_eq!(with_key(&world, &sql, "/api/v1/sql?q=select%201").await.status, 200);
    let bearer =
        from(STRANGER, "/api/v1/sql?q=select%201").header("authorization", format!("bearer {}", sql.to_text()));
    assert_eq!(ask(&world, bearer).await.status, 200);
    let refused = with_key(&world, &sql, "/api/v1/series").await.problem(403);
    assert_eq!(refused, "the key has no scope history: its scopes are sql");
    assert_eq!(with_key(&world, &sql, "/api/v1/matrix").await.status, 403, "a key opens what it says, and no more");
    assert_eq!(ask(&world, from(STRANGER, "/api/v1/matrix")).await.status, 200);
}

#[tokio::test]
async fn what_is_no_good_key_is_refused_and_not_taken_for_nobody() {
    let world = world(|_| {});
    let good = key(&world, new_key(&[Scope::Read])).await;
    let expiring = NewKey { expires_at: Some(NOW + 1), ..new_key(&[Scope::Read]) };
    // The clock stands still: it is created in the past.
    let expiring =
        keys::create(world.store.as_ref(), NewKey { expires_at: Some(NOW), ..expiring }, NOW - SECOND).await.unwrap();
    let revoked = key(&world, new_key(&[Scope::Read])).await;
    keys::revoke(world.store.as_ref(), revoked.id(), NOW).await.unwrap();
    keys::revoke(world.store.as_ref(), revoked.id(), NOW).await.unwrap();
    let unknown = Secret::generate().unwrap();
    for (secret, reason) in
        [(&expiring, "the key has expired"), (&revoked, "the key was revoked"), (&unknown, "the key is not known here")]
    {
        let answer = with_key(&world, secret, "/api/v1/matrix").await;
        assert!(answer.header("www-authenticate").contains("invalid_token"));
        assert_eq!(answer.problem(401), reason);
    }
    let malformed = ask(&world, from(STRANGER, "/api/v1/matrix").header("authorization", "Bearer cp_1")).await;
    assert!(malformed.problem(401).starts_with("what was sent is no key"));
    let two = from(STRANGER, "/api/v1/matrix").header("x-api-key", good.to_text()).header("x-api-key", "cp_1");
    assert_eq!(ask(&world, two).await.problem(400), "two different keys are sent, expected one");
    assert_eq!(with_key(&world, &good, "/api/v1/matrix").await.status, 200);
    let error = keys::revoke(world.store.as_ref(), unknown.id(), NOW).await.unwrap_err();
    assert!(matches!(error, KeyError::Unknown(id) if id == unknown.id()));
}

#[tokio::test]
async fn trying_keys_is_slow_and_does_not_hinder_those_that_are_known() {
    let world = world(|_| {});
    let good = key(&world, new_key(&[Scope::Read])).await;
    assert_eq!(with_key(&world, &good, "/api/v1/matrix").await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(with_key(&world, &Secret::generate().unwrap(), "/api/v1/matrix").await.status.as_u16());
    }
    assert_eq!((statuses.iter().filter(|status| **status == 401).count(), statuses.last()), (29, Some(&429)));
    assert_eq!(with_key(&world, &good, "/api/v1/matrix").await.status, 200);
}

#[tokio::test]
async fn a_key_has_rates_and_quotas_of_its_own() {
    let world = world(|_| {});
    let new = NewKey { light: Some(budget("5/1m")), requests_a_day: Some(4), ..new_key(&[Scope::Read]) };
    let secret = key(&world, new).await;
    let answer = with_key(&world, &secret, "/api/v1/matrix").await;
    assert_eq!(answer.header("ratelimit-policy"), r#""light";q=5;w=60, "day";q=4;w=86400"#);
    // NOW is 12:30:20.
    assert_eq!(answer.header("ratelimit"), r#""light";r=4;t=12, "day";r=3;t=41380"#);
    for _ in 0..3 {
        assert_eq!(with_key(&world, &secret, "/api/v1/matrix").await.status, 200);
    }
    let spent = with_key(&world, &secret, "/api/v1/matrix").await;
    assert_eq!(spent.header("retry-after"), "41380");
    assert_eq!(spent.problem(429), "the key has made its 4 requests of this day (UTC): the next one begins in 41380 s");
    let fast = with_key(&world, &secret, "/api/v1/matrix").await;
    assert_eq!(fast.problem(429), "light requests come too fast: wait 12 s");
}

#[tokio::test]
async fn what_was_asked_outlives_the_service_and_is_shared_by_services() {
    let first = world(|_| {});
    let new = NewKey { requests_a_day: Some(5), ..new_key(&[Scope::Read]) };
    let secret = key(&first, new).await;
    let settings = |adjust: &World| {
        cloudping_query_service::Settings::new(
            true,
            cloudping_schemas::catalogue::Catalogue::built_in().unwrap(),
            Vec::new(),
            format!("file://{}/tables/", adjust.folder.path().display()),
        )
    };
    for _ in 0..2 {
        assert_eq!(with_key(&first, &secret, "/api/v1/matrix").await.status, 200);
    }
    first.service.gate().flush().await.unwrap();
    first.service.gate().flush().await.unwrap();
    let days = keys::usage(first.store.as_ref(), secret.id(), UtcMicros(0)).await.unwrap();
    let [(day, used)] = days[..] else { panic!("{days:?}") };
    assert_eq!(
        (day, used.requests, used.last_used),
        (NOW.floor(DAY), 2, NOON),
        "counted once, the last use to the hour"
    );
    let second =
        cloudping_query_service::Service::new(settings(&first), std::sync::Arc::clone(&first.store) as _, now).unwrap();
    let gate = second.gate();
    let admit = async || gate.admit(Some(&secret.to_text()), STRANGER.parse().unwrap(), Scope::Read).await;
    for _ in 0..3 {
        assert!(admit().await.is_ok());
    }
    assert!(matches!(admit().await.err(), Some(Refusal::Requests { most: 5, .. })));
    gate.flush().await.unwrap();
    // The first one has not heard of it until it tells its own.
    assert_eq!(with_key(&first, &secret, "/api/v1/matrix").await.status, 200);
    first.service.gate().flush().await.unwrap();
    assert_eq!(with_key(&first, &secret, "/api/v1/matrix").await.status, 429);
}

#[tokio::test]
async fn sql_has_its_seconds_a_day() {
    static TIME: AtomicI64 = AtomicI64::new(NOW.0);
    let world = World::with(|| UtcMicros(TIME.load(Ordering::Relaxed)), |_| {});
    let secret = key(&world, NewKey { sql_a_day: Some(Duration::from_secs(2)), ..new_key(&[Scope::Sql]) }).await;
    let gate = world.service.gate();
    let admit = async || gate.admit(Some(&secret.to_text()), STRANGER.parse().unwrap(), Scope::Sql).await;
    let meter = admit().await.unwrap().meter();
    TIME.fetch_add(1_900_000, Ordering::Relaxed);
    drop(meter);
    let meter = admit().await.unwrap().meter();
    TIME.fetch_add(100_000, Ordering::Relaxed);
    drop(meter);
    let Err(refusal) = admit().await else { panic!("its time is over") };
    assert!(refusal.to_string().starts_with("the SQL of this key has run for its 2 s of this day (UTC)"), "{refusal}");
    TIME.fetch_add(DAY, Ordering::Relaxed);
    assert!(admit().await.is_ok());
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_ten_seconds() {
    static TIME: AtomicI64 = AtomicI64::new(NOW.0);
    let world = World::with(|| UtcMicros(TIME.load(Ordering::Relaxed)), |_| {});
    let secret = key(&world, new_key(&[Scope::Read])).await;
    assert_eq!(with_key(&world, &secret, "/api/v1/matrix").await.status, 200);
    keys::revoke(world.store.as_ref(), secret.id(), NOW).await.unwrap();
    let mut last_let_in = 0;
    for second in 1..=10 {
        TIME.store(NOW.0 + second * SECOND, Ordering::Relaxed);
        if with_key(&world, &secret, "/api/v1/matrix").await.status == 200 {
            last_let_in = second;
        }
    }
    assert!(last_let_in < 10, "{last_let_in}");
    assert_eq!(with_key(&world, &secret, "/api/v1/matrix").await.problem(401), "the key was revoked");
}

#[tokio::test]
async fn many_at_once_get_no_more_than_the_quota() {
    let world = world(|_| {});
    let secret = key(&world, NewKey { requests_a_day: Some(50), ..new_key(&[Scope::Read]) }).await;
    let gate = world.service.gate();
    let tries = (0..200).map(|_| {
        let (gate, text) = (gate.clone(), secret.to_text());
        tokio::spawn(async move { gate.admit(Some(&text), "127.0.0.1".parse().unwrap(), Scope::Read).await.is_ok() })
    });
    let mut admitted = 0;
    for tried in tries.collect::<Vec<_>>() {
        admitted += usize::from(tried.await.unwrap());
    }
    assert_eq!(admitted, 50);
}

#[tokio::test]
async fn a_key_in_the_address_is_refused_with_advice() {
    let world = world(|_| {});
    let secret = key(&world, new_key(&[Scope::Read])).await.to_text();
    for query in [format!("key={secret}"), format!("source={secret}"), "api_key=1".to_owned(), "Token=x".to_owned()] {
        let answer = ask(&world, from(STRANGER, &format!("/api/v1/matrix?{query}"))).await;
        let detail = answer.problem(400);
        assert!(detail.contains("send it as Authorization: Bearer") && !detail.contains(&secret), "{detail}");
    }
}

#[tokio::test]
async fn the_legacy_api_refuses_in_its_own_form() {
    let world = world(|access| access.history_needs_key = true);
    let refused = ask(&world, from(STRANGER, "/history?from=a&to=b")).await;
    assert_eq!((refused.status.as_u16(), refused.body.as_str()), (403, r#"{"message":"Forbidden"}"#));
    for _ in 0..3 {
        assert_eq!(ask(&world, from(STRANGER, "/latencies")).await.status, 200);
    }
    let refused = ask(&world, from(STRANGER, "/latencies")).await;
    assert_eq!((refused.status.as_u16(), refused.body.as_str()), (429, r#"{"message":"Too Many Requests"}"#));
    assert_eq!(refused.header("retry-after"), "20");
}

#[tokio::test]
async fn the_legacy_history_may_need_a_key_where_all_other_is_open() {
    let world = world(|access| access.legacy_history_needs_key = true);
    let refused = ask(&world, from("127.0.0.1", "/history?from=a&to=b")).await;
    assert_eq!((refused.status.as_u16(), refused.body.as_str()), (403, r#"{"message":"Forbidden"}"#));
    assert_eq!((refused.header("access-control-allow-origin"), refused.header("cloudping-simulated")), ("*", "true"));
    assert_ne!(ask(&world, from("127.0.0.1", "/api/v1/series")).await.status, 403);
    let (history, read) = (key(&world, new_key(&[Scope::History])).await, key(&world, new_key(&[Scope::Read])).await);
    assert_ne!(with_key(&world, &history, "/history?from=a&to=b").await.status, 403);
    assert_eq!(with_key(&world, &read, "/history?from=a&to=b").await.status, 403);
}

#[tokio::test]
async fn what_is_stored_of_a_key_opens_nothing() {
    let world = world(|_| {});
    let secret = key(&world, new_key(&[Scope::Read])).await;
    let place = Key::new(places::API_KEYS, secret.id().to_string());
    let stored = world.store.get(&place).await.unwrap().unwrap().value;
    let digits = &secret.to_text()[3..67];
    let raw: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert!(stored.windows(32).all(|window| window != raw));
    assert!(!String::from_utf8_lossy(&stored).contains(&digits[..16]));
}

#[tokio::test]
async fn keys_that_would_serve_nobody_are_not_made() {
    let store = cloudping_testkit::MemoryStore::default();
    let create = async |new: NewKey| keys::create(&store, new, NOW).await.unwrap_err().to_string();
    assert!(
        create(NewKey { name: String::new(), ..new_key(&[Scope::Read]) }).await.starts_with("the name has 0 bytes")
    );
    assert!(create(NewKey { name: "a\nb".to_owned(), ..new_key(&[Scope::Read]) }).await.contains("control characters"));
    assert!(create(new_key(&[])).await.starts_with("the key has no scope"));
    assert!(create(NewKey { expires_at: Some(NOW), ..new_key(&[Scope::Read]) }).await.contains("expired already"));
    assert!(keys::list(&store).await.unwrap().is_empty());
}
