//! The bytes of version 1, pinned: what is stored today must be readable for ever, and its encoder must not drift.
//!
//! A new version gets new files; those of an old one never change. `UPDATE_GOLDEN=1` writes the files of the newest.

mod common;

use std::fmt::Write as _;
use std::path::PathBuf;

use cloudping_digest::trino::{from_trino_bytes, to_trino_bytes};
use cloudping_digest::{LatencyDigest, SeriesSummary};
use common::Numbers;

/// 2026-03-11T14:23:01.412Z.
const AT_US: i64 = 1_773_238_981_412_000;

fn exact() -> LatencyDigest {
    Numbers(60).many_around_70_ms(60).into_iter().collect()
}

fn sketch() -> LatencyDigest {
    Numbers(3_600).many_around_70_ms(3_600).into_iter().collect()
}

fn summary(n: usize) -> SeriesSummary {
    let mut summary = SeriesSummary::new();
    for (second, rtt_us) in (0..).zip(Numbers(n as u64).many_around_70_ms(n)) {
        summary.record_rtt(AT_US + second * 1_000_000, rtt_us);
    }
    summary.record_loss(AT_US + 7, false);
    summary.record_loss(AT_US + 8, true);
    summary.record_unknown(AT_US + 9);
    summary
}

/// The golden bytes called `name`, after comparing them with `encoded`.
fn golden(name: &str, encoded: &[u8]) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "golden", &format!("{name}.hex")].iter().collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, to_hex(encoded)).expect("the golden folder is writable");
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(to_hex(encoded), text, "{name}: the encoder's bytes are not the golden ones");
    from_hex(&text)
}

fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").expect("a String takes any text");
        }
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Checks a digest's golden bytes, and that they mean what was encoded. Returns what they mean.
fn check_digest(name: &str, digest: &LatencyDigest) -> LatencyDigest {
    let bytes = golden(name, &digest.encode());
    let decoded = LatencyDigest::decode(&bytes).expect("golden bytes are readable");
    assert_eq!(decoded.encode(), bytes);
    assert_eq!(decoded.count(), digest.count());
    assert_eq!(decoded.sum_us(), digest.sum_us());
    assert_eq!(decoded.min_us(), digest.min_us());
    assert_eq!(decoded.max_us(), digest.max_us());
    decoded
}

fn check_summary(name: &str, summary: &SeriesSummary) {
    let bytes = golden(name, &summary.encode());
    let decoded = SeriesSummary::decode(&bytes).expect("golden bytes are readable");
    assert_eq!(decoded.encode(), bytes);
    let numbers = |s: &SeriesSummary| {
        (s.sent(), s.lost(), s.retransmitted(), s.unknown(), s.sum_us(), s.sum_sq_us(), s.last_at_us())
    };
    assert_eq!(numbers(&decoded), numbers(summary));
}

#[test]
fn empty() {
    assert!(check_digest("v1-empty", &LatencyDigest::new()).is_empty());
    check_summary("v1-summary-empty", &SeriesSummary::new());
}

#[test]
fn exact_digest() {
    assert_eq!(check_digest("v1-exact", &exact()), exact());
}

#[test]
fn t_digest() {
    let (decoded, original) = (check_digest("v1-digest", &sketch()), sketch());
    for q in [0.01, 0.5, 0.99] {
        let moved = decoded.quantile(q).unwrap() - original.quantile(q).unwrap();
        assert!(moved.abs() < 0.07, "{q}: {moved} µs");
    }
}

#[test]
fn summaries() {
    check_summary("v1-summary", &summary(60));
    check_summary("v1-summary-large", &summary(3_600));
}

#[test]
fn trino() {
    for (name, digest) in [("trino-exact", exact()), ("trino-digest", sketch())] {
        let bytes = golden(name, &to_trino_bytes(&digest));
        let read = from_trino_bytes(&bytes).expect("golden bytes are readable");
        assert_eq!(read.quantiles(&[0.01, 0.5, 0.99]), digest.quantiles(&[0.01, 0.5, 0.99]));
    }
}
