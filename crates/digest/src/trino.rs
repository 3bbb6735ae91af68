//! A digest as the bytes that Trino, and engines built on it such as Athena, cast to `tdigest`.
//!
//! Little-endian: format byte 0; min, max, compression, total weight as `f64`; centroid count as `i32`; the means as `f64`,
//! ascending; the weights as `f64`. Means are in µs. `merge(CAST(x AS tdigest))` and `value_at_quantile(…, q)` then work on a column.

use crate::body::MAX_COUNT;
use crate::bytes::Reader;
use crate::latency_digest::{Content, Totals};
use crate::sketch::{MAX_CENTROIDS, canonical};
use crate::{COMPRESSION, DecodeError, EXACT_LIMIT, LatencyDigest};

const FORMAT: u8 = 0;
const HEADER_BYTES: usize = 37;
const CENTROID_BYTES: usize = 16;
/// The least that Trino accepts.
const LEAST_COMPRESSION: f64 = 10.0;
/// By how much (µs) a mean may be out of order or out of range: merging engines round.
const ROUNDING_US: f64 = 1e-3;

/// The digest as Trino's bytes, 37 and 16 a centroid. An exact digest's centroids are its distinct values. An empty digest has the
/// minimum +∞ and the maximum -∞, as Trino writes it.
#[must_use]
pub fn to_trino_bytes(digest: &LatencyDigest) -> Vec<u8> {
    let centroids = match digest.content() {
        Content::Exact(values) => {
            values.chunk_by(|a, b| a == b).map(|equal| (f64::from(equal[0]), equal.len() as f64)).collect()
        }
        Content::Sketch(sketch) => {
            sketch.centroids().iter().map(|centroid| (centroid.mean(), centroid.weight())).collect::<Vec<_>>()
        }
    };
    let min = digest.min_us().map_or(f64::INFINITY, f64::from);
    let max = digest.max_us().map_or(f64::NEG_INFINITY, f64::from);
    let mut out = Vec::with_capacity(HEADER_BYTES + CENTROID_BYTES * centroids.len());
    out.push(FORMAT);
    for number in [min, max, COMPRESSION as f64, digest.count() as f64] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    // At most the greater of EXACT_LIMIT and COMPRESSION.
    out.extend_from_slice(&(centroids.len() as i32).to_le_bytes());
    for (mean, _) in &centroids {
        out.extend_from_slice(&mean.to_le_bytes());
    }
    for (_, weight) in &centroids {
        out.extend_from_slice(&weight.to_le_bytes());
    }
    out
}

/// Reads Trino's bytes of latencies in whole µs, ours or those of an engine that merged ours.
///
/// The format knows no sum: it becomes the centroids', rounded to whole µs, which is exact only for an exact digest; elsewhere it is
/// near, as is the sum of squares. Nor does it say
/// whether it is exact: it is taken to be so if it has at most [`EXACT_LIMIT`] values and every centroid, the first at the minimum and the
/// last at the maximum, is a whole number of µs. An engine's merge of few values can look so by chance.
///
/// # Errors
/// Bytes that are not such a digest, with the first field that tells. Allocates no more than the length of `bytes` justifies.
pub fn from_trino_bytes(bytes: &[u8]) -> Result<LatencyDigest, DecodeError> {
    let mut reader = Reader::new(bytes);
    let format = reader.byte("format")?;
    if format != FORMAT {
        return Err(DecodeError::new("format", FORMAT, format));
    }
    let min = reader.f64_le("min")?;
    let max = reader.f64_le("max")?;
    let compression = reader.f64_le("compression")?;
    if !(compression.is_finite() && compression >= LEAST_COMPRESSION) {
        return Err(DecodeError::new("compression", "at least 10", compression));
    }
    let total = reader.f64_le("total weight")?;
    let count = read_centroid_count(&mut reader)?;
    if count == 0 && total == 0.0 {
        return Ok(LatencyDigest::new());
    }
    let total = whole("total weight", total, 1, MAX_COUNT)?;
    let min = whole_us("min", min, 0)?;
    let max = whole_us("max", max, min)?;
    if total == 1 && max != min {
        return Err(DecodeError::new("max", format_args!("the minimum, {min}, of a single value"), max));
    }
    let means = read_means(&mut reader, count, min, max)?;
    let weights = read_weights(&mut reader, count, total)?;
    let centroids: Vec<(f64, u64)> = means.into_iter().zip(weights).collect();
    digest_of(total, min, max, &centroids)
}

fn read_centroid_count(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let count = reader.i32_le("centroid count")?;
    let fits = reader.rest().len() / CENTROID_BYTES;
    match usize::try_from(count) {
        Ok(count) if count == fits && reader.rest().len().is_multiple_of(CENTROID_BYTES) => Ok(count),
        _ => Err(DecodeError::new(
            "centroid count",
            format_args!("one for each 16 of the {} bytes that follow", reader.rest().len()),
            count,
        )),
    }
}

fn read_means(reader: &mut Reader<'_>, count: usize, min: u32, max: u32) -> Result<Vec<f64>, DecodeError> {
    let (min, max) = (f64::from(min), f64::from(max));
    let mut means = Vec::with_capacity(count);
    let mut least = min;
    for _ in 0..count {
        let mean = reader.f64_le("means")?;
        if !(least - ROUNDING_US..=max + ROUNDING_US).contains(&mean) {
            return Err(DecodeError::new("means", format_args!("an ascending value, here {least} to {max}"), mean));
        }
        least = mean.clamp(least, max);
        means.push(least);
    }
    Ok(means)
}

fn read_weights(reader: &mut Reader<'_>, count: usize, total: u64) -> Result<Vec<u64>, DecodeError> {
    let mut weights = Vec::with_capacity(count);
    let mut left = total;
    for _ in 0..count {
        let weight = whole("weights", reader.f64_le("weights")?, 1, MAX_COUNT)?;
        left = left
            .checked_sub(weight)
            .ok_or_else(|| DecodeError::new("weights", format_args!("a sum of the total weight, {total}"), "more"))?;
        weights.push(weight);
    }
    if left > 0 {
        return Err(DecodeError::new("weights", format_args!("a sum of the total weight, {total}"), total - left));
    }
    Ok(weights)
}

fn digest_of(count: u64, min: u32, max: u32, centroids: &[(f64, u64)]) -> Result<LatencyDigest, DecodeError> {
    let at_ends = centroids.first().is_some_and(|&(mean, _)| mean == f64::from(min))
        && centroids.last().is_some_and(|&(mean, _)| mean == f64::from(max));
    let exact = at_ends && count <= EXACT_LIMIT as u64 && centroids.iter().all(|(mean, _)| mean.fract() == 0.0);
    if exact {
        let values = centroids.iter().flat_map(|&(mean, weight)| std::iter::repeat_n(mean as u32, weight as usize));
        return Ok(LatencyDigest::from_values(values.collect()));
    }
    let sum: f64 = centroids.iter().map(|&(mean, weight)| mean * weight as f64).sum();
    // Rounding must not put the mean outside of the extremes: the digest's own encoding would refuse that.
    let least = u128::from(count) * u128::from(min);
    let most = u128::from(count) * u128::from(max);
    let sum = (sum.round() as u128).clamp(least, most);
    let sum =
        u64::try_from(sum).map_err(|_| DecodeError::new("weights", "values whose sum is at most 64 bits", sum))?;
    let centroids = canonical(centroids.iter().map(|&(mean, weight)| (mean, weight as f64)));
    let totals = Totals { count, sum, min, max, sum_sq: 0 }.with_estimated_squares(&centroids);
    Ok(if centroids.len() > MAX_CENTROIDS {
        LatencyDigest::from_centroids(totals, centroids)
    } else {
        LatencyDigest::from_sketch(totals, centroids)
    })
}

/// A whole number within bounds that `f64` counts exactly.
fn whole(field: &'static str, value: f64, least: u64, most: u64) -> Result<u64, DecodeError> {
    if value.fract() == 0.0 && (least as f64..=most as f64).contains(&value) {
        Ok(value as u64)
    } else {
        Err(DecodeError::new(field, format_args!("a whole number, {least} to {most}"), value))
    }
}

fn whole_us(field: &'static str, value: f64, least: u32) -> Result<u32, DecodeError> {
    whole(field, value, least.into(), u32::MAX.into()).map(|us| us as u32)
}
