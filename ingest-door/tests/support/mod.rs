//! A door over a log and a store in memory, and requests to it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request as HttpRequest, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cloudping_ingest_client::{Key, Request};
use cloudping_ingest_door::{Door, Limits, Reason, registry, router};
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use cloudping_schemas::ingest::{Accepted, IngestProblem, PATH, SIGNATURE_HEADER, signed_text};
use cloudping_testkit::{FaultPlan, Faulty, MemoryLog, MemoryStore, Operation};
use tower::ServiceExt;

/// The door's present moment.
pub const NOW: UtcMicros = UtcMicros(1_767_225_630_000_000);
pub const MINUTE: i64 = 60_000_000;
/// The vantage point whose key every rig knows.
pub const GOV: &str = "us-gov-west-1";

pub fn now() -> UtcMicros {
    NOW
}

pub fn vantage(id: &str) -> VantageId {
    VantageId::new(id).unwrap()
}

/// A key of a vantage point; another one for each number.
pub fn key(id: &str, number: u8) -> Key {
    Key::from_seed(vantage(id), [number; 32])
}

pub fn round(id: &str, number: u64, started_at: UtcMicros) -> Round {
    let sample = |target: &str, offset_us| Sample {
        target: TargetId::new(target).unwrap(),
        offset_us,
        protocol: Protocol::TcpConnect,
        outcome: Outcome::Answered,
        rtt_us: Some(70_123),
        connect_us: Some(70_200),
        retransmits: 0,
        family: Family::V4,
        address: None,
    };
    let id = RoundId { vantage: vantage(id), epoch: 1_767_225_600_000_000, number };
    Round { id, started_at, gap: None, samples: vec![sample("eu-west-1", 5), sample("cn-north-1", 900)] }
}

/// Rounds of [`GOV`], as events.
pub fn events(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|number| event::encode(&round(GOV, number, NOW))).collect()
}

/// A request with these events, signed by the key of [`GOV`] so many µs after the door's moment.
pub fn signed(events: &[Vec<u8>], after: i64) -> Request {
    Request::sign(&key(GOV, 1), events.iter().map(Vec::as_slice), NOW + after)
}

/// A request with a body that need not be one, signed like [`signed`].
pub fn signed_body(body: Vec<u8>, after: i64) -> Request {
    let mut request = signed(&[], after);
    let sha256 = ring::digest::digest(&ring::digest::SHA256, &body).as_ref().try_into().unwrap();
    let signature = key(GOV, 1).sign(signed_text(&vantage(GOV), NOW + after, sha256).as_bytes());
    let header = request.headers.iter_mut().find(|(name, _)| *name == SIGNATURE_HEADER).unwrap();
    (header.1, request.body) = (URL_SAFE_NO_PAD.encode(signature), body);
    request
}

pub struct Rig {
    pub log: Arc<Faulty<MemoryLog>>,
    pub store: Arc<Faulty<MemoryStore>>,
    pub door: Door,
}

/// What became of a request.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<u64>,
    pub body: Bytes,
}

impl Answer {
    pub async fn of(response: Response<Body>) -> Self {
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
        let status = response.status();
        let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
        assert_eq!(response.headers()["content-type"], kind);
        Self { status, retry_after, body: axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap() }
    }

    pub fn accepted(&self) -> u64 {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.body);
        serde_json::from_slice::<Accepted>(&self.body).unwrap().accepted
    }

    pub fn problem(&self) -> IngestProblem {
        let problem: IngestProblem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        problem
    }
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let log = Arc::new(Faulty::new(Arc::new(MemoryLog::default()), FaultPlan::none()));
        let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), FaultPlan::none()));
        for id in [GOV, "laptop"] {
            registry::add(&*store, &vantage(id), key(id, 1).fingerprint(), "", NOW).await.unwrap();
        }
        let door = Door::new(log.clone(), store.clone(), now, limits);
        Self { log, store, door }
    }

    /// Another door over the same log and store.
    pub fn other_door(&self, clock: fn() -> UtcMicros) -> Door {
        Door::new(self.log.clone(), self.store.clone(), clock, Limits::default())
    }

    pub async fn send(&self, request: &Request) -> Answer {
        send(&self.door, http(request)).await
    }

    /// Sends what must be refused, for this reason, with this status, with nothing written by it.
    pub async fn refuse(&self, request: HttpRequest<Body>, reason: Reason, status: u16) -> IngestProblem {
        let before = (self.writes(), self.door.counters());
        let answer = send(&self.door, request).await;
        let problem = answer.problem();
        assert_eq!((problem.status, problem.code.as_str()), (status, reason.code()), "{problem:?}");
        let (writes, counters) = (self.writes(), self.door.counters());
        assert_eq!(writes, before.0, "{reason:?} wrote");
        assert_eq!(counters.refused(reason), before.1.refused(reason) + 1);
        assert_eq!(counters.all_refused(), before.1.all_refused() + 1);
        assert_eq!((counters.requests, counters.rounds), (before.1.requests, before.1.rounds));
        problem
    }

    /// How often the log and the store were written to.
    pub fn writes(&self) -> (u64, u64) {
        (self.log.calls(Operation::Append), self.store.calls(Operation::Commit))
    }

    /// What the log holds.
    pub async fn logged(&self) -> Vec<Bytes> {
        let mut all = Vec::new();
        for shard in self.log.shards().await.unwrap() {
            all.extend(self.log.read(&shard.id, None, 1_000).await.unwrap().into_iter().map(|record| record.data));
        }
        all
    }
}

pub async fn send(door: &Door, request: HttpRequest<Body>) -> Answer {
    Answer::of(router(door.clone()).oneshot(request).await.unwrap()).await
}

/// The request as a client sends it.
pub fn http(request: &Request) -> HttpRequest<Body> {
    let mut http = HttpRequest::post(PATH).body(Body::from(request.body.clone())).unwrap();
    let headers = request.headers.iter().map(|(name, value)| (*name, value.clone()));
    for (name, value) in headers.chain([("content-length", request.body.len().to_string())]) {
        http.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
    }
    http
}

/// The request with one header changed, or taken away.
pub fn with_header(request: &Request, name: &'static str, value: Option<&str>) -> HttpRequest<Body> {
    let mut http = http(request);
    http.headers_mut().remove(name);
    if let Some(value) = value {
        http.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    http
}
