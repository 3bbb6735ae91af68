use std::path::Path;

use cloudping_digest::SeriesSummary;
use cloudping_model::{Family, Level, Protocol, RouteChange, TargetId, UtcMicros, VantageId};

use super::*;
use crate::ingest::Fingerprint;

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let digits = text.trim().as_bytes();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{hex}\n")).unwrap();
    }
    let read = read(name);
    assert_eq!(bytes, read, "{name}: what is written has changed");
    read
}

fn head() -> VantageHead {
    VantageHead {
        seen: vec![
            SeenEpoch { epoch: 1_767_225_600_000_000, ranges: vec![(0, 41), (43, 43)] },
            SeenEpoch { epoch: 1_767_225_700_000_000, ranges: vec![(0, 0)] },
        ],
        ledger: vec![LedgerHour {
            start: UtcMicros(1_767_225_600_000_000),
            rounds: 44,
            sent: 1_672,
            received: 1_660,
            lost: 12,
            not_sent: 1,
            duplicates: 2,
            late: 3,
            ..LedgerHour::default()
        }],
        watermark: UtcMicros(1_767_225_712_345_678),
        folded_until: UtcMicros(1_767_225_660_000_000),
        hours_folded_until: UtcMicros(1_767_225_600_000_000),
        revised: None,
        old_days_revised: None,
    }
}

fn pane() -> PaneItem {
    let mut summary = SeriesSummary::new();
    summary.record_rtt(1_767_225_660_100_000, 68_410);
    summary.record_rtt(1_767_225_661_100_000, 68_390);
    summary.record_loss(1_767_225_662_100_000, true);
    let key =
        |target, family| SeriesKey { target: TargetId::new(target).unwrap(), protocol: Protocol::TcpConnect, family };
    PaneItem {
        start: UtcMicros(1_767_225_660_000_000),
        series: [(key("eu-west-1", Family::V4), summary), (key("eu-west-1", Family::V6), SeriesSummary::new())].into(),
    }
}

fn letter() -> DeadLetter {
    DeadLetter {
        shard: "0".to_owned(),
        sequence: "49590338271490256608559692538361571095921575989136588898".to_owned(),
        reason: "event: schema_version 9, expected 1".to_owned(),
        data: vec![8, 9],
    }
}

#[test]
fn golden_bytes_of_version_1_are_read() {
    assert_eq!(VantageHead::decode(&read("head-v1.hex")).unwrap(), head());
    assert_eq!(PaneItem::decode(&read("pane-v1.hex"), &SeriesTable::default()).unwrap(), pane());
    let mut with_gaps = head();
    with_gaps.ledger[0].dropped = 7;
    with_gaps.ledger[0].gaps = [0, 1, 0, 2];
    assert_eq!(VantageHead::decode(&read("head-v1-gaps.hex")).unwrap(), with_gaps);
}

#[test]
fn golden_bytes_are_read_and_written_unchanged() {
    let mut head = head();
    head.hours_folded_until = UtcMicros(1_767_139_200_000_000);
    head.ledger[0].numbers = vec![EpochRounds { epoch: 1_767_225_600_000_000, first: 0, last: 43 }];
    (head.ledger[0].dropped, head.ledger[0].gaps) = (7, [0, 1, 0, 2]);
    (head.ledger[0].unnumbered, head.ledger[0].uncounted) = (5, 38);
    let bytes = golden("head-v2.hex", &head.encode());
    assert_eq!(VantageHead::decode(&bytes).unwrap(), head);

    let mut table = SeriesTable::default();
    let bytes = golden("pane-v2.hex", &pane().encode(&mut table));
    assert_eq!(PaneItem::decode(&bytes, &table).unwrap(), pane());
    let mut writer = PaneWriter::new(pane().start);
    let summaries = (0..).zip(pane().series.into_values());
    summaries.for_each(|(place, summary)| writer.push(place, &summary));
    writer.set_addresses(vec![4, 192, 0, 2, 7, 1]);
    let bytes = golden("pane-v2-addresses.hex", &writer.finish());
    assert_eq!(PaneItem::decode(&bytes, &table).unwrap(), pane());
    assert_eq!(PaneReader::open(&bytes).unwrap().addresses, [4, 192, 0, 2, 7, 1]);
    let bytes = golden("series-v1.hex", &table.encode());
    assert_eq!(SeriesTable::decode(&bytes).unwrap(), table);

    let watch = WatchItem { observed_until: pane().start, detectors: vec![0, 7, 9] };
    let bytes = golden("watch-v1.hex", &watch.encode());
    assert_eq!(WatchItem::decode(&bytes).unwrap(), watch);
    let summary = pane().series.into_values().next().unwrap();
    let regimes = RegimesItem { regimes: vec![Regime { series: 3, since: pane().start, summary }] };
    let bytes = golden("regimes-v1.hex", &regimes.encode());
    assert_eq!(RegimesItem::decode(&bytes).unwrap(), regimes);
    let changes = ChangesItem { changes: vec![change("ap-south-1"), change("eu-west-1")] };
    let bytes = golden("changes-v1.hex", &changes.encode());
    assert_eq!(ChangesItem::decode(&bytes).unwrap(), changes);
    let bytes = golden("audit-v1.hex", &audit().encode());
    assert_eq!(AuditItem::decode(&bytes).unwrap(), audit());
    for (name, lease) in [("lease-v1.hex", lease()), ("lease-v1-finished.hex", finished())] {
        let bytes = golden(name, &lease.encode());
        assert_eq!(LeaseItem::decode(&bytes).unwrap(), lease);
    }
    let worker = WorkerItem { heartbeat: 1_000 };
    let bytes = golden("worker-v1.hex", &worker.encode());
    assert_eq!(WorkerItem::decode(&bytes).unwrap(), worker);
    let bytes = golden("ingest-keys-v1.hex", &ingest_keys().encode());
    assert_eq!(IngestKeys::decode(&bytes).unwrap(), ingest_keys());
    let seen = IngestSeen { requests: vec![[7; 16], std::array::from_fn(|at| at as u8)] };
    let bytes = golden("ingest-seen-v1.hex", &seen.encode());
    assert_eq!(IngestSeen::decode(&bytes).unwrap(), seen);
    let bytes = golden("api-key-v1.hex", &api_key().encode());
    assert_eq!(ApiKey::decode(&bytes).unwrap(), api_key());
    let usage = ApiKeyUsage { requests: 5_000, sql_us: 1_250_000, last_used: UtcMicros(1_767_225_600_000_000) };
    let bytes = golden("api-key-usage-v1.hex", &usage.encode());
    assert_eq!(ApiKeyUsage::decode(&bytes).unwrap(), usage);
    let bytes = golden("dead-letter-v1.hex", &letter().encode());
    assert_eq!(DeadLetter::decode(&bytes).unwrap(), letter());
}

fn lease() -> LeaseItem {
    LeaseItem { owner: Some("ip-10-0-0-7/1767225600000000".to_owned()), finished: false }
}

fn finished() -> LeaseItem {
    LeaseItem { owner: None, finished: true }
}

fn ingest_keys() -> IngestKeys {
    let key = |fingerprint, revoked_at: Option<i64>, note: &str| IngestKey {
        fingerprint: Fingerprint(fingerprint),
        created_at: UtcMicros(1_767_225_600_000_000),
        revoked_at: revoked_at.map(UtcMicros),
        note: note.to_owned(),
    };
    let keys =
        vec![key([1; 32], Some(1_767_225_660_000_000), "first"), key(std::array::from_fn(|at| at as u8), None, "")];
    IngestKeys { keys }
}

fn api_key() -> ApiKey {
    ApiKey {
        hash: std::array::from_fn(|at| at as u8),
        name: "grafana".to_owned(),
        scopes: vec!["read".to_owned(), "sql".to_owned()],
        created_at: UtcMicros(1_767_225_600_000_000),
        expires_at: Some(UtcMicros(1_798_761_600_000_000)),
        revoked_at: None,
        light: Some(ApiRate { requests: 600, window_us: 60_000_000 }),
        heavy: None,
        requests_a_day: Some(100_000),
        sql_seconds_a_day: Some(0),
    }
}

fn change(target: &str) -> RouteChange {
    RouteChange {
        vantage: VantageId::new("us-east-1").unwrap(),
        target: TargetId::new(target).unwrap(),
        protocol: Protocol::TcpConnect,
        family: Family::V4,
        minute: UtcMicros(1_767_225_720_000_000),
        found_at: UtcMicros(1_767_225_961_000_000),
        before_us: 186_250,
        after_us: 198_410,
        score: 1.75,
        ended: Level { since: UtcMicros(1_767_139_200_000_000), count: 0, percentiles_us: None },
        addresses: None,
    }
}

fn audit() -> AuditItem {
    let quantile = AuditQuantile {
        q: 0.99,
        rank_error_max: 0.000_2,
        rank_error_mean: 0.000_1,
        error_us_max: 12.5,
        error_us_mean: 3.25,
    };
    let hour = UtcMicros(1_767_225_600_000_000);
    AuditItem { hour, at: hour + 4_600_000_000, series: 64, samples: 230_400, mismatches: 1, quantiles: vec![quantile] }
}

#[test]
fn a_pane_written_series_by_series_is_the_same() {
    let mut table = SeriesTable::default();
    let whole = pane().encode(&mut table);
    let mut writer = PaneWriter::new(pane().start);
    for (key, summary) in &pane().series {
        let place = table.find(key).unwrap();
        let mut rtts = Vec::new();
        let mut body = Vec::new();
        summary.put(0, &mut body);
        let parts = SeriesSummary::take_parts(&mut body.as_slice(), 0, &mut rtts).unwrap();
        writer.push_sorted(place, &rtts, &parts.counts);
    }
    assert_eq!(writer.finish(), whole);
}

#[test]
fn a_pane_of_a_series_that_the_table_has_not_is_refused() {
    let bytes = pane().encode(&mut SeriesTable::default());
    let error = PaneItem::decode(&bytes, &SeriesTable::default()).unwrap_err().to_string();
    assert_eq!(error, "stored pane: summaries is series 0, expected a place in the series table");
}

#[test]
fn errors_name_the_field() {
    let mut broken = head();
    broken.seen[0].ranges = vec![(5, 3)];
    let error = VantageHead::decode(&broken.encode()).unwrap_err().to_string();
    assert_eq!(error, "stored head: ranges is [5, 3], expected pairs of first and last, ascending and apart");
    let item = wire::VantageHead { schema_version: 3, ..wire::VantageHead::default() };
    let error = VantageHead::decode(&item.encode_to_vec()).unwrap_err().to_string();
    assert_eq!(error, "stored head: schema_version is 3, expected 1 or 2");
    let item = wire::IngestSeen { schema_version: 1, requests: vec![0; 17] };
    let error = IngestSeen::decode(&item.encode_to_vec()).unwrap_err().to_string();
    assert_eq!(error, "stored ingest seen: requests is 17 bytes, expected 16 bytes a request");
    let item = wire::IngestKeys { schema_version: 1, keys: vec![wire::IngestKey::default()] };
    let error = IngestKeys::decode(&item.encode_to_vec()).unwrap_err().to_string();
    assert_eq!(error, "stored ingest keys: fingerprint is 0 bytes, expected 32 bytes");
    let item = wire::ApiKey { schema_version: 1, ..wire::ApiKey::default() };
    let error = ApiKey::decode(&item.encode_to_vec()).unwrap_err().to_string();
    assert_eq!(error, "stored API key: hash is 0 bytes, expected 32 bytes");
    let error = PaneItem::decode(b"\xff", &SeriesTable::default()).unwrap_err().to_string();
    assert!(error.starts_with("stored pane: "), "{error}");
}

#[test]
fn sort_keys_order_as_times_do() {
    let starts = [0, 9, 10, 1_767_225_660_000_000, i64::MAX];
    let sorted = starts.map(|start| keys::pane_start(UtcMicros(start)));
    assert!(sorted.is_sorted());
}
