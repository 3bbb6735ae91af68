//! Compact, versioned bytes for [`LatencyDigest`] and [`SeriesSummary`].
//!
//! Version 1. `v` is an unsigned LEB128 varint in its shortest form, `z` a zigzag varint. Equal contents have equal bytes, and
//! encoding what was decoded gives the same bytes again.
//!
//! A digest is a version byte (1) and a body. The body of an exact digest, an empty one included:
//!
//! | field | as | |
//! |---|---|---|
//! | kind | byte 0 | |
//! | n | v | at most [`EXACT_LIMIT`] |
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
//! | centroids | v | how many, 1 to [`COMPRESSION`] |
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

use tdigest::{Centroid, TDigest};

use crate::bytes::{Reader, put_varint, put_varint_u128, unzigzag, zigzag};
use crate::latency_digest::{Content, Totals};
use crate::{COMPRESSION, DecodeError, EXACT_LIMIT, LatencyDigest, SeriesSummary};

const VERSION: u8 = 1;
const EXACT: u8 = 0;
const SKETCH: u8 = 1;
/// Means are kept to this fraction of a µs.
const MEAN_STEPS: u64 = 8;
/// Weights are `f64` in memory, which counts no further than this.
pub(crate) const MAX_COUNT: u64 = 1 << 53;

impl LatencyDigest {
    /// The digest as bytes of the newest version: about 80 for 60 values, at most about 1,000 whatever the count.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_digest(&mut out, self);
        out
    }

    /// Reads bytes written by [`LatencyDigest::encode`] of this or any earlier release.
    ///
    /// # Errors
    /// Bytes that no encoder wrote, with the first field that tells. Allocates no more than the length of `bytes` justifies.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        read_version(&mut reader)?;
        let digest = read_digest(&mut reader)?;
        reader.finish()?;
        Ok(digest)
    }
}

impl SeriesSummary {
    /// The summary as bytes of the newest version: a digest's, and about 12 more.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_digest(&mut out, &self.digest);
        put_varint(&mut out, self.lost);
        put_varint(&mut out, self.retransmitted);
        put_varint(&mut out, self.unknown);
        if let Some(last_at_us) = self.last_at_us {
            put_varint(&mut out, zigzag(last_at_us));
        }
        if !self.digest.is_exact() {
            put_varint_u128(&mut out, self.sum_sq_us);
        }
        out
    }

    /// Reads bytes written by [`SeriesSummary::encode`] of this or any earlier release.
    ///
    /// # Errors
    /// Bytes that no encoder wrote, with the first field that tells. Allocates no more than the length of `bytes` justifies.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        read_version(&mut reader)?;
        let mut summary = Self {
            digest: read_digest(&mut reader)?,
            lost: reader.varint("lost")?,
            retransmitted: reader.varint("retransmitted")?,
            unknown: reader.varint("unknown")?,
            ..Self::default()
        };
        if summary.retransmitted > summary.lost {
            return Err(DecodeError::new(
                "retransmitted",
                format_args!("at most lost, {}", summary.lost),
                summary.retransmitted,
            ));
        }
        if summary.sent() > 0 {
            summary.last_at_us = Some(unzigzag(reader.varint("last_at")?));
        }
        summary.sum_sq_us = read_sum_sq(&mut reader, &summary.digest)?;
        reader.finish()?;
        Ok(summary)
    }
}

fn read_version(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match reader.byte("version")? {
        VERSION => Ok(()),
        other => Err(DecodeError::new("version", VERSION, other)),
    }
}

fn put_digest(out: &mut Vec<u8>, digest: &LatencyDigest) {
    match digest.content() {
        Content::Exact(values) => put_exact(out, &values),
        Content::Sketch(sketch) => put_sketch(out, digest.totals(), &sketch),
    }
}

fn put_exact(out: &mut Vec<u8>, sorted: &[u32]) {
    out.push(EXACT);
    put_varint(out, sorted.len() as u64);
    let mut previous = 0;
    for &value in sorted {
        put_varint(out, u64::from(value - previous));
        previous = value;
    }
}

fn put_sketch(out: &mut Vec<u8>, totals: &Totals, sketch: &TDigest) {
    out.push(SKETCH);
    put_varint(out, totals.count);
    put_varint(out, totals.sum);
    put_varint(out, u64::from(totals.min));
    put_varint(out, u64::from(totals.max - totals.min));
    let mut centroids: Vec<(u64, u64)> =
        sketch.centroids().iter().map(|c| ((c.mean() * MEAN_STEPS as f64).round() as u64, c.weight() as u64)).collect();
    // Means that were apart may now be equal, and the decoder's order among those is by weight.
    centroids.sort_unstable();
    put_varint(out, centroids.len() as u64);
    let mut previous = u64::from(totals.min) * MEAN_STEPS;
    for &(mean, _) in &centroids {
        put_varint(out, mean - previous);
        previous = mean;
    }
    for &(_, weight) in &centroids {
        put_varint(out, weight);
    }
}

fn read_digest(reader: &mut Reader<'_>) -> Result<LatencyDigest, DecodeError> {
    match reader.byte("kind")? {
        EXACT => read_exact(reader),
        SKETCH => read_sketch(reader),
        other => Err(DecodeError::new("kind", "0 (exact) or 1 (t-digest)", other)),
    }
}

fn read_exact(reader: &mut Reader<'_>) -> Result<LatencyDigest, DecodeError> {
    let n = reader.varint("n")?;
    // A value takes a byte at least.
    let n = count_within(n, EXACT_LIMIT.min(reader.remaining()))
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
    let centroids = count_within(centroids, COMPRESSION.min(reader.remaining() / 2))
        .filter(|&count| count > 0)
        .ok_or_else(|| DecodeError::new("centroids", format_args!("1 to {COMPRESSION}, two bytes each"), centroids))?;
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
    let centroids = means
        .iter()
        .zip(weights)
        .map(|(&mean, weight)| Centroid::new(mean as f64 / MEAN_STEPS as f64, weight as f64))
        .collect();
    Ok(LatencyDigest::from_centroids(totals, centroids))
}

fn read_totals(reader: &mut Reader<'_>) -> Result<Totals, DecodeError> {
    let count = reader.varint("n")?;
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(DecodeError::new("n", "1 to 2^53", count));
    }
    let sum = reader.varint("sum")?;
    let min = read_us(reader, "min", 0)?;
    let max = read_us(reader, "range", min)?;
    let least = u128::from(count) * u128::from(min);
    let most = u128::from(count) * u128::from(max);
    if !(least..=most).contains(&u128::from(sum)) {
        return Err(DecodeError::new("sum", format_args!("n * min to n * max, {least} to {most}"), sum));
    }
    Ok(Totals { count, sum, min, max })
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

fn read_sum_sq(reader: &mut Reader<'_>, digest: &LatencyDigest) -> Result<u128, DecodeError> {
    let Totals { count, sum, max, .. } = *digest.totals();
    if let Content::Exact(values) = digest.content() {
        return Ok(values.iter().map(|&value| u128::from(value).pow(2)).sum());
    }
    let sum_sq = reader.varint_u128("sum_sq")?;
    // No variance is negative, and no value is above max.
    let least = (u128::from(sum).pow(2)).div_ceil(u128::from(count));
    let most = u128::from(sum) * u128::from(max);
    if (least..=most).contains(&sum_sq) {
        Ok(sum_sq)
    } else {
        Err(DecodeError::new("sum_sq", format_args!("sum² / n to sum * max, {least} to {most}"), sum_sq))
    }
}

fn count_within(count: u64, limit: usize) -> Option<usize> {
    usize::try_from(count).ok().filter(|&count| count <= limit)
}
