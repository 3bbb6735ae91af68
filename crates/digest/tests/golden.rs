//! The bytes of all versions, pinned: what is stored must be readable for ever, and the newest version's encoder must not drift.
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
    let bytes = old(name);
    assert_eq!(to_hex(encoded), to_hex(&bytes), "{name}: the encoder's bytes are not the golden ones");
    bytes
}

/// The golden bytes called `name`, of a version that is only read.
fn old(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "golden", &format!("{name}.hex")].iter().collect();
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
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

/// Checks that golden bytes mean `digest`, and returns what they mean.
fn check_digest(name: &str, bytes: &[u8], digest: &LatencyDigest) -> LatencyDigest {
    let decoded = LatencyDigest::decode(bytes).expect("golden bytes are readable");
    let numbers = |d: &LatencyDigest| (d.count(), d.sum_us(), d.min_us(), d.max_us(), d.is_exact());
    assert_eq!(numbers(&decoded), numbers(digest), "{name}");
    for q in [0.01, 0.5, 0.99] {
        let moved = (decoded.quantile(q).unwrap_or(0.0) - digest.quantile(q).unwrap_or(0.0)).abs();
        assert!(moved <= 4.0, "{name} {q}: {moved} µs");
    }
    decoded
}

fn check_summary(name: &str, bytes: &[u8], summary: &SeriesSummary) {
    let decoded = SeriesSummary::decode(bytes).expect("golden bytes are readable");
    let numbers = |s: &SeriesSummary| (s.sent(), s.counts(), s.sum_us(), s.sum_sq_us());
    assert_eq!(numbers(&decoded), numbers(summary), "{name}");
}

#[test]
fn version_1_is_read() {
    for (name, digest) in [("v1-empty", LatencyDigest::new()), ("v1-exact", exact()), ("v1-digest", sketch())] {
        let bytes = old(name);
        assert_eq!(bytes[0], 1);
        let decoded = check_digest(name, &bytes, &digest);
        assert_eq!(LatencyDigest::decode(&decoded.encode()), Ok(decoded), "{name} is kept as version 2");
    }
    for (name, summary) in
        [("v1-summary-empty", SeriesSummary::new()), ("v1-summary", summary(60)), ("v1-summary-large", summary(3_600))]
    {
        check_summary(name, &old(name), &summary);
    }
}

#[test]
fn version_2_is_read_and_written() {
    for (name, digest) in [("v2-empty", LatencyDigest::new()), ("v2-exact", exact()), ("v2-digest", sketch())] {
        let bytes = golden(name, &digest.encode());
        assert_eq!(check_digest(name, &bytes, &digest), digest);
    }
    for (name, summary) in
        [("v2-summary-empty", SeriesSummary::new()), ("v2-summary", summary(60)), ("v2-summary-large", summary(3_600))]
    {
        let bytes = golden(name, &summary.encode());
        check_summary(name, &bytes, &summary);
        assert_eq!(SeriesSummary::decode(&bytes), Ok(summary), "{name}");
    }
}

/// The form inside of a pane: no version, the time relative to the pane's start.
#[test]
fn a_minute_of_one_value_is_eight_bytes() {
    let minute_us = AT_US / 60_000_000 * 60_000_000;
    let mut summary = SeriesSummary::new();
    summary.record_rtt(AT_US, 70_125);
    let mut bytes = Vec::new();
    summary.put(minute_us, &mut bytes);
    assert_eq!(bytes, [4, 0xc0, 0xae, 0xac, 1, 0xed, 0xa3, 4], "n = 1; 1,412,000 µs zigzag; 70,125 µs");
    assert_eq!(SeriesSummary::take(&mut &bytes[..], minute_us), Ok(summary));
}

#[test]
fn trino() {
    for (name, digest) in [("trino-exact", exact()), ("trino-sketch", sketch())] {
        let bytes = golden(name, &to_trino_bytes(&digest));
        let read = from_trino_bytes(&bytes).expect("golden bytes are readable");
        assert_eq!(read.quantiles(&[0.01, 0.5, 0.99]), digest.quantiles(&[0.01, 0.5, 0.99]));
    }
}

/// Written when a sketch was a t-digest of 200 centroids with means of any fraction.
#[test]
fn an_older_releases_trino_bytes_are_read() {
    let read = from_trino_bytes(&old("trino-digest")).expect("golden bytes are readable");
    let digest = sketch();
    assert_eq!((read.count(), read.min_us(), read.max_us()), (digest.count(), digest.min_us(), digest.max_us()));
    for q in [0.01, 0.5, 0.99] {
        let moved = (read.quantile(q).unwrap() - digest.quantile(q).unwrap()).abs();
        assert!(moved <= 4.0, "{q}: {moved} µs");
    }
}
