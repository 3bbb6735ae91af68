//! Reading the stored bytes of version 1, which are written no more. `v` is an unsigned LEB128 varint, `z` a zigzag varint.
//!
//! A digest is a version byte (1) and a body. The body of an exact digest, an empty one included:
//!
//! | field | as | |
//! |---|---|---|
//! | kind | byte 0 | |
//! | n | v | at most 512 |
//! | values | n × v | µs, ascending: the first, then differences |
//!
//! The body of a t-digest:
//!
//! | field | as | |
//! |---|---|---|
//! | kind | byte 1 | |
//! | n | v | how many values, at most 2^53 |
//! | sum | v | µs |
//! | min | v | µs |
//! | range | v | max - min, µs |
//! | centroids | v | how many, 1 to 200 |
//! | means | v each | rounded to 1/8 µs, ascending: the first's distance from min, then differences |
//! | weights | v each | their sum is n; ascending where means are equal |
//!
//! A summary is a version byte (1), a digest's body, and:
//!
//! | field | as | |
//! |---|---|---|
//! | lost | v | |
//! | retransmitted | v | at most lost |
//! | unknown | v | |
//! | last_at | z | UTC µs of the newest probe; absent when nothing was sent |
//! | sum_sq | v, up to 128 bits | µs²; absent when the digest is exact, whose values give it |

use crate::body::{MAX_COUNT, count_within};
use crate::bytes::{Reader, unzigzag};
use crate::latency_digest::Totals;
use crate::sketch::canonical;
use crate::{Counts, DecodeError, LatencyDigest, SeriesSummary};

const EXACT: u8 = 0;
const SKETCH: u8 = 1;
const EXACT_LIMIT: usize = 512;
const CENTROIDS: usize = 200;
/// Means were kept to this fraction of a µs.
const MEAN_STEPS: u64 = 8;

/// Reads a summary's bytes behind the version.
pub(crate) fn read_summary(reader: &mut Reader<'_>) -> Result<SeriesSummary, DecodeError> {
    let mut digest = read_digest(reader)?;
    let mut counts = Counts {
        lost: reader.varint("lost")?,
        retransmitted: reader.varint("retransmitted")?,
        unknown: reader.varint("unknown")?,
        last_at_us: None,
    };
    if counts.retransmitted > counts.lost {
        let most = format_args!("at most lost, {}", counts.lost);
        return Err(DecodeError::new("retransmitted", most, counts.retransmitted));
    }
    if !digest.is_empty() || counts.lost > 0 || counts.unknown > 0 {
        counts.last_at_us = Some(unzigzag(reader.varint("last_at")?));
    }
    if !digest.is_exact() {
        let totals = Totals { sum_sq: reader.varint_u128("sum_sq")?, ..*digest.totals() };
        totals.check()?;
        digest = digest.with_totals(totals);
    }
    Ok(SeriesSummary::from_digest(digest, counts))
}

/// Reads a digest's body. The sum of squares of a t-digest is not among its bytes, and is estimated.
pub(crate) fn read_digest(reader: &mut Reader<'_>) -> Result<LatencyDigest, DecodeError> {
    match reader.byte("kind")? {
        EXACT => read_exact(reader),
        SKETCH => read_sketch(reader),
        other => Err(DecodeError::new("kind", "0 (exact) or 1 (t-digest)", other)),
    }
}

fn read_exact(reader: &mut Reader<'_>) -> Result<LatencyDigest, DecodeError> {
    let n = reader.varint("n")?;
    // A value takes a byte at least.
    let n = count_within(n, EXACT_LIMIT.min(reader.rest().len()))
        .ok_or_else(|| DecodeError::new("n", format_args!("at most {EXACT_LIMIT}, a byte each"), n))?;
    let mut values = Vec::with_capacity(n);
    let mut value = 0u64;
    for _ in 0..n {
        value = value.saturating_add(reader.varint("values")?);
        let us = u32::try_from(value).map_err(|_| DecodeError::new("values", "values of at most 32 bits", value))?;
        values.push(us);
    }
    Ok(LatencyDigest::from_values(values))
}

fn read_sketch(reader: &mut Reader<'_>) -> Result<LatencyDigest, DecodeError> {
    let totals = read_totals(reader)?;
    let centroids = reader.varint("centroids")?;
    // A mean and a weight take a byte each at least.
    let centroids = count_within(centroids, CENTROIDS.min(reader.rest().len() / 2))
        .filter(|&count| count > 0)
        .ok_or_else(|| DecodeError::new("centroids", format_args!("1 to {CENTROIDS}, two bytes each"), centroids))?;
    let mut means = Vec::with_capacity(centroids);
    let mut mean = u64::from(totals.min) * MEAN_STEPS;
    for _ in 0..centroids {
        mean = mean.saturating_add(reader.varint("means")?);
        if mean > u64::from(totals.max) * MEAN_STEPS {
            return Err(DecodeError::new(
                "means",
                format_args!("at most max, {} µs", totals.max),
                format_args!("{} µs", mean as f64 / MEAN_STEPS as f64),
            ));
        }
        means.push(mean);
    }
    let weights = read_weights(reader, &means, totals.count)?;
    let centroids = means.iter().zip(weights).map(|(&mean, weight)| (mean as f64 / MEAN_STEPS as f64, weight as f64));
    let centroids = canonical(centroids);
    Ok(LatencyDigest::from_sketch(totals.with_estimated_squares(&centroids), centroids))
}

fn read_totals(reader: &mut Reader<'_>) -> Result<Totals, DecodeError> {
    let count = reader.varint("n")?;
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(DecodeError::new("n", "1 to 2^53", count));
    }
    let sum = reader.varint("sum")?;
    let min = read_us(reader, "min", 0)?;
    let max = read_us(reader, "range", min)?;
    let totals = Totals { count, sum, min, max, sum_sq: 0 };
    totals.check_sum()?;
    Ok(totals)
}

fn read_us(reader: &mut Reader<'_>, field: &'static str, base: u32) -> Result<u32, DecodeError> {
    let offset = reader.varint(field)?;
    u32::try_from(offset)
        .ok()
        .and_then(|offset| base.checked_add(offset))
        .ok_or_else(|| DecodeError::new(field, "a value of at most 32 bits", offset))
}

fn read_weights(reader: &mut Reader<'_>, means: &[u64], count: u64) -> Result<Vec<u64>, DecodeError> {
    let mut weights: Vec<u64> = Vec::with_capacity(means.len());
    let mut total = 0u64;
    for (i, mean) in means.iter().enumerate() {
        let weight = reader.varint("weights")?;
        let least = if i > 0 && means[i - 1] == *mean { weights[i - 1] } else { 1 };
        if weight < least {
            return Err(DecodeError::new("weights", format_args!("at least {least}"), weight));
        }
        total = total.saturating_add(weight);
        weights.push(weight);
    }
    if total != count {
        return Err(DecodeError::new("weights", format_args!("a sum of n, {count}"), total));
    }
    Ok(weights)
}
