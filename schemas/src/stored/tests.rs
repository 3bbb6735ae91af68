use std::path::Path;

use super::*;

fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{hex}\n")).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(hex, text.trim(), "{name}: what is written has changed");
    let digits = text.trim().as_bytes();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
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
fn golden_bytes_of_version_1_are_read_and_written_unchanged() {
    let bytes = golden("head-v1.hex", &head().encode());
    assert_eq!(VantageHead::decode(&bytes).unwrap(), head());
    let bytes = golden("pane-v1.hex", &pane().encode());
    assert_eq!(PaneItem::decode(&bytes).unwrap(), pane());
    let bytes = golden("dead-letter-v1.hex", &letter().encode());
    assert_eq!(DeadLetter::decode(&bytes).unwrap(), letter());
}

#[test]
fn what_was_missing_is_kept_beside_version_1() {
    let mut head = head();
    head.ledger[0].dropped = 7;
    head.ledger[0].gaps = [0, 1, 0, 2];
    let bytes = golden("head-v1-gaps.hex", &head.encode());
    assert_eq!(VantageHead::decode(&bytes).unwrap(), head);
}

#[test]
fn errors_name_the_field() {
    let mut broken = head();
    broken.seen[0].ranges = vec![(5, 3)];
    let error = VantageHead::decode(&broken.encode()).unwrap_err().to_string();
    assert_eq!(error, "stored head: ranges is [5, 3], expected pairs of first and last, ascending");
    let item = wire::VantageHead { schema_version: 2, ..wire::VantageHead::default() };
    let error = VantageHead::decode(&item.encode_to_vec()).unwrap_err().to_string();
    assert_eq!(error, "stored head: schema_version is 2, expected 1");
    let error = PaneItem::decode(b"\xff").unwrap_err().to_string();
    assert!(error.starts_with("stored pane: "), "{error}");
}

#[test]
fn sort_keys_order_as_times_do() {
    let starts = [0, 9, 10, 1_767_225_660_000_000, i64::MAX];
    let sorted = starts.map(|start| keys::pane_start(UtcMicros(start)));
    assert!(sorted.is_sorted());
}
