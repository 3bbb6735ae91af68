//! A service over a live store in memory and Delta tables in a temporary folder, filled by hand.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, SchemaRef};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use cloudping_digest::{LatencyDigest, SeriesSummary, trino};
use cloudping_model::{Family, Level, Pane, Protocol, RouteChange, TargetId, UtcMicros, VantageId};
use cloudping_ports::{Change, Expect, Key, LiveStore, Write};
use cloudping_query_service::{Service, Settings};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::stored::{ChangesItem, PaneItem, SeriesKey, SeriesTable, VantageHead, keys};
use cloudping_schemas::tables;
use cloudping_testkit::MemoryStore;
use deltalake_core::DeltaTable;
use serde_json::Value;
use tower::ServiceExt;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// 2026-01-02T12:00:00Z: the start of an hour.
pub const NOON: UtcMicros = UtcMicros(1_767_355_200 * SECOND);
/// The present of most tests: 2026-01-02T12:30:20Z.
pub const NOW: UtcMicros = UtcMicros(NOON.0 + 30 * MINUTE + 20 * SECOND);

pub fn now() -> UtcMicros {
    NOW
}

pub struct World {
    pub store: Arc<MemoryStore>,
    pub folder: tempfile::TempDir,
    pub service: Service,
}

impl World {
    pub fn new() -> Self {
        Self::with(now, |_| {})
    }

    pub fn with(clock: fn() -> UtcMicros, adjust: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::default());
        let mut catalogue = Catalogue::built_in().unwrap();
        catalogue.retain(|region| region.provider == "aws" && region.endpoint.is_some());
        let vantages = vec![vantage("us-east-1"), vantage("local")];
        let url = format!("file://{}/tables/", folder.path().display());
        let mut settings = Settings::new(true, catalogue, vantages, url);
        adjust(&mut settings);
        let service = Service::new(settings, Arc::clone(&store) as _, clock).unwrap();
        Self { store, folder, service }
    }

    pub async fn put(&self, key: Key, value: Vec<u8>) {
        let old = self.store.get(&key).await.unwrap();
        let expect = Expect::unchanged(old.as_ref());
        let change = Change::Put(value.into());
        self.store.commit(vec![Write { key, expect, change }]).await.unwrap();
    }

    pub async fn head(&self, source: &str, head: &VantageHead) {
        self.put(Key::new(keys::HEADS, source), head.encode()).await;
    }

    pub async fn pane(&self, source: &str, size: Pane, pane: &PaneItem) {
        let key = Key::new(keys::panes(&vantage(source), size), keys::pane_start(pane.start));
        let mut table = self.table(source).await;
        let bytes = pane.encode(&mut table);
        self.put(Key::new(keys::SERIES, source), table.encode()).await;
        self.put(key, bytes).await;
    }

    pub async fn table(&self, source: &str) -> SeriesTable {
        let item = self.store.get(&Key::new(keys::SERIES, source)).await.unwrap();
        item.map_or_else(SeriesTable::default, |item| SeriesTable::decode(&item.value).unwrap())
    }

    pub async fn change(&self, change: &RouteChange) {
        let sort = keys::change(change.minute, change.found_at);
        let item = ChangesItem { changes: vec![change.clone()] };
        self.put(Key::new(keys::changes(&change.vantage), sort), item.encode()).await;
    }

    /// Two sources that have measured one another; `us-east-1` also over IPv6, and with loss.
    pub async fn fill(&self) {
        for (source, target) in [("us-east-1", "eu-west-1"), ("eu-west-1", "us-east-1")] {
            for minute in 0..5 {
                let start = NOW.floor(MINUTE) - minute * MINUTE;
                let lost = u64::from(source == "us-east-1" && minute == 0);
                let mut pane = pane_of(start, target, Family::V4, &[68_410; 60], lost);
                pane.series.extend(pane_of(start, target, Family::V6, &[99_000; 60], 0).series);
                self.pane(source, Pane::Minute, &pane).await;
            }
            self.head(source, &head_at(NOW - SECOND, NOON)).await;
        }
        self.service.refresh(NOW).await.unwrap();
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn sql(&self, query: &str) -> Answer {
        let body = serde_json::json!({ "query": query }).to_string();
        let request = Request::post("/api/v1/sql").header("content-type", "application/json");
        self.ask(request.body(Body::from(body)).unwrap()).await
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let router: Router = self.service.router();
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 30).await.unwrap();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, body, bytes }
    }

    /// Appends rows to the table of samples, as the archive does.
    pub async fn archive_samples(&self, rows: &[SampleRow]) {
        self.append(tables::SAMPLES, samples(rows)).await;
    }

    pub async fn append(&self, table: &str, batch: RecordBatch) {
        let partition = match table {
            tables::REGIONS => None,
            tables::ROLLUP_1D | tables::CHANGES => Some(tables::MONTH),
            _ => Some(tables::PARTITION),
        };
        let path = self.folder.path().join("tables").join(table);
        std::fs::create_dir_all(&path).unwrap();
        let url = format!("file://{}", path.display()).parse().unwrap();
        let table = DeltaTable::try_from_url(url).await.unwrap();
        table.write([batch]).with_partition_columns(partition).await.unwrap();
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    /// The body as it came.
    pub bytes: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.json()
    }

    /// Checks that this is problem JSON of that status, and returns its detail.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!((&problem["status"], &problem["type"]), (&status.into(), &"about:blank".into()));
        assert!(problem["title"].is_string());
        problem["detail"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub fn vantage(id: &str) -> VantageId {
    VantageId::new(id).unwrap()
}

pub fn head_at(watermark: UtcMicros, folded_until: UtcMicros) -> VantageHead {
    let hours_folded_until = folded_until.floor(DAY);
    VantageHead { watermark, folded_until, hours_folded_until, ..VantageHead::default() }
}

/// A step from 68 ms to 80.5 ms.
pub fn change_at(minute: UtcMicros, source: &str, target: &str) -> RouteChange {
    let percentiles_us = Some([67_000.0, 68_000.0, 69_000.0, 75_250.4]);
    RouteChange {
        vantage: vantage(source),
        target: TargetId::new(target).unwrap(),
        protocol: Protocol::TcpConnect,
        family: Family::V4,
        minute,
        found_at: minute + 5 * MINUTE,
        before_us: 68_000,
        after_us: 80_500,
        score: 2.5,
        ended: Level { since: NOON - DAY, count: 86_400, percentiles_us },
        addresses: None,
    }
}

pub fn key(target: &str, family: Family) -> SeriesKey {
    SeriesKey { target: TargetId::new(target).unwrap(), protocol: Protocol::TcpConnect, family }
}

pub fn pane_of(start: UtcMicros, target: &str, family: Family, rtts_us: &[u32], lost: u64) -> PaneItem {
    let mut summary = SeriesSummary::new();
    for (second, rtt_us) in rtts_us.iter().enumerate() {
        summary.record_rtt(start.0 + second as i64 * SECOND, *rtt_us);
    }
    for _ in 0..lost {
        summary.record_loss(start.0, false);
    }
    let mut pane = PaneItem::starting(start);
    pane.series.insert(key(target, family), summary);
    pane
}

#[derive(Clone)]
pub struct SampleRow {
    pub at: UtcMicros,
    pub source: &'static str,
    pub target: &'static str,
    pub outcome: &'static str,
    pub rtt_us: Option<i32>,
}

pub fn answered(at: UtcMicros, rtt_us: i32) -> SampleRow {
    SampleRow { at, source: "us-east-1", target: "eu-west-1", outcome: "answered", rtt_us: Some(rtt_us) }
}

fn day(at: UtcMicros) -> i32 {
    i32::try_from(at.0.div_euclid(24 * HOUR)).unwrap()
}

pub fn samples(rows: &[SampleRow]) -> RecordBatch {
    let schema = tables::samples();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        let text = |get: fn(&SampleRow) -> &'static str| Arc::new(StringArray::from_iter_values(rows.iter().map(get)));
        match field.name().as_str() {
            "date" => Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| day(row.at)))),
            "ts" => Arc::new(
                TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at.0)).with_timezone("UTC"),
            ),
            "source" => text(|row| row.source),
            "target" => text(|row| row.target),
            "outcome" => text(|row| row.outcome),
            "protocol" => text(|_| "tcp"),
            "family" => Arc::new(Int32Array::from(vec![4; rows.len()])),
            "rtt_us" | "connect_us" => Arc::new(rows.iter().map(|row| row.rtt_us).collect::<Int32Array>()),
            "origin" => new_null_array(field.data_type(), rows.len()),
            _ => zeros(field.data_type(), rows.len()),
        }
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

fn zeros(data_type: &DataType, rows: usize) -> ArrayRef {
    match data_type {
        DataType::Int64 => Arc::new(Int64Array::from(vec![0; rows])),
        DataType::Int32 => Arc::new(Int32Array::from(vec![0; rows])),
        DataType::Float64 => Arc::new(Float64Array::from(vec![0.0; rows])),
        _ => Arc::new(StringArray::from(vec!["10.0.0.1"; rows])),
    }
}

/// A rollup of one pair and hour.
pub fn rollup(hour: UtcMicros, source: &str, target: &str, rtts_us: &[u32]) -> RecordBatch {
    rollup_of(tables::rollup_1h(), hour, source, target, rtts_us)
}

/// A rollup of one pair and a day of December 2025 or January 2026.
pub fn rollup_day(start: UtcMicros, source: &str, target: &str, rtts_us: &[u32]) -> RecordBatch {
    rollup_of(tables::rollup_1d(), start, source, target, rtts_us)
}

/// The date 2026-01-01.
const JANUARY: i32 = 20_454;

fn rollup_of(schema: SchemaRef, start: UtcMicros, source: &str, target: &str, rtts_us: &[u32]) -> RecordBatch {
    let digest = LatencyDigest::from_unsorted(rtts_us.to_vec());
    let mean = digest.sum_us() as f64 / digest.count() as f64;
    let whole = |value: Option<u32>| Arc::new(Int32Array::from(vec![value.unwrap() as i32]));
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        if let Some((_, q)) = tables::PERCENTILES.iter().find(|(name, _)| name == field.name()) {
            return Arc::new(Float64Array::from(vec![digest.quantile(*q)]));
        }
        match field.name().as_str() {
            "date" | "day" => Arc::new(Date32Array::from(vec![day(start)])),
            "month" => Arc::new(Date32Array::from(vec![if day(start) < JANUARY { JANUARY - 31 } else { JANUARY }])),
            "hour" => Arc::new(TimestampMicrosecondArray::from(vec![start.0]).with_timezone("UTC")),
            "source" => Arc::new(StringArray::from(vec![source])),
            "target" => Arc::new(StringArray::from(vec![target])),
            "protocol" => Arc::new(StringArray::from(vec!["tcp"])),
            "family" => Arc::new(Int32Array::from(vec![4])),
            "sent" | "received" => Arc::new(Int64Array::from(vec![rtts_us.len() as i64])),
            "min_us" => whole(digest.min_us()),
            "max_us" => whole(digest.max_us()),
            "mean_us" => Arc::new(Float64Array::from(vec![mean])),
            "digest" => Arc::new(BinaryArray::from_vec(vec![&trino::to_trino_bytes(&digest)])),
            "origin" => new_null_array(field.data_type(), 1),
            _ => zeros(field.data_type(), 1),
        }
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

/// The same rows, imported.
pub fn imported(rows: &RecordBatch) -> RecordBatch {
    of_origin(rows, "csv")
}

/// The same rows, over that address family.
pub fn of_family(rows: &RecordBatch, family: i32) -> RecordBatch {
    let (at, _) = rows.schema_ref().column_with_name("family").unwrap();
    let mut columns = rows.columns().to_vec();
    columns[at] = Arc::new(Int32Array::from(vec![family; rows.num_rows()]));
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

/// The same rows, of that origin.
pub fn of_origin(rows: &RecordBatch, origin: &str) -> RecordBatch {
    let (at, _) = rows.schema_ref().column_with_name("origin").unwrap();
    let mut columns = rows.columns().to_vec();
    columns[at] = Arc::new(StringArray::from(vec![origin; rows.num_rows()]));
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

/// One probe a second for two minutes, a day ago, with losses.
pub async fn archived() -> World {
    archived_with(|_| {}).await
}

/// The same with other settings.
pub async fn archived_with(adjust: impl FnOnce(&mut Settings)) -> World {
    let world = World::with(now, adjust);
    let start = NOW.floor(HOUR) - 24 * HOUR;
    let mut rows: Vec<SampleRow> =
        (0..120).map(|second| answered(start + second * SECOND, 10_000 + 100 * second as i32)).collect();
    let odd = [("timeout", None), ("retransmitted", None), ("not_sent", None), ("answered", None)];
    rows.extend(odd.map(|(outcome, rtt_us)| SampleRow { outcome, rtt_us, ..answered(start, 0) }));
    world.archive_samples(&rows).await;
    world.service.refresh(NOW).await.unwrap();
    world
}
