//! Version 2 of the stored bytes, without its version byte: [`SeriesSummary::put`] and its inverses. The layout is described in
//! [`encoding`](crate::encoding).

use tdigest::Centroid;

use crate::bytes::{Reader, put_varint, put_varint_u128, unzigzag, zigzag};
use crate::latency_digest::{Content, Totals};
use crate::sketch::{MAX_CENTROIDS, MEAN_STEPS};
use crate::{Counts, DecodeError, EXACT_LIMIT, LatencyDigest, Parts, SeriesSummary};

/// A stored summary may hold up to so many values one by one: a minute that is written again and again as it grows must not be compressed
/// each time.
pub const STORED_EXACT_LIMIT: usize = 4096;

const HAS_COUNTS: u64 = 1;
const IS_SKETCH: u64 = 2;
const N_SHIFT: u32 = 2;
/// Weights are `f64` in memory, which counts no further than this.
pub(crate) const MAX_COUNT: u64 = 1 << 53;
/// The longest varint of a value: 32 bits.
const VALUE_BYTES: usize = 5;
/// Fewer values are appended one by one.
const FEW: usize = 6;

impl SeriesSummary {
    /// Appends the summary's bytes, which say themselves where they end: the body of version 2, without the version.
    ///
    /// The newest probe's time is stored relative to `base_us` (UTC, µs since 1970), such as the start of the summary's pane: the nearer,
    /// the shorter. Eight bytes for one RTT below 2 s within a minute of the base.
    pub fn put(&self, base_us: i64, out: &mut Vec<u8>) {
        match self.digest.content() {
            Content::Exact(values) => Self::put_sorted(&values, &self.counts(), base_us, out),
            Content::Sketch(sketch) => {
                put_head(&self.counts(), self.received(), IS_SKETCH, base_us, out);
                put_sketch(out, self.digest.totals(), sketch.centroids());
            }
        }
    }

    /// What [`SeriesSummary::from_sorted`] and [`SeriesSummary::put`] append, without building anything.
    ///
    /// `rtts_us` must be ascending and hold at most [`STORED_EXACT_LIMIT`] values. Beyond [`EXACT_LIMIT`] these are not the bytes that
    /// `put` appends: here every value is kept, there a sketch of them.
    pub fn put_sorted(rtts_us: &[u32], counts: &Counts, base_us: i64, out: &mut Vec<u8>) {
        debug_assert!(rtts_us.len() <= STORED_EXACT_LIMIT);
        let received = rtts_us.len() as u64;
        put_head(&counts.settled(received), received, 0, base_us, out);
        put_ascending(rtts_us, out);
    }

    /// Reads what [`SeriesSummary::put`] appended, with the same `base_us`, from the front of `bytes`, and moves `bytes` behind it.
    ///
    /// # Errors
    /// Bytes that no encoder wrote, with the first field that tells; `bytes` stays where it is. Allocates no more than the length of
    /// `bytes` justifies.
    pub fn take(bytes: &mut &[u8], base_us: i64) -> Result<Self, DecodeError> {
        Self::take_at_most(STORED_EXACT_LIMIT, bytes, base_us)
    }

    /// [`SeriesSummary::take`] of no more values than `limit` where every value is kept.
    pub(crate) fn take_at_most(limit: usize, bytes: &mut &[u8], base_us: i64) -> Result<Self, DecodeError> {
        let mut values = Vec::new();
        let parts = take_parts(bytes, base_us, limit, &mut values)?;
        Ok(Self::from_digest(parts.sketch.unwrap_or_else(|| LatencyDigest::from_sorted(&values)), parts.counts))
    }

    /// [`SeriesSummary::take`] for many: the values of a summary that keeps each are appended, ascending, to `values`; any other's
    /// distribution comes with the parts.
    ///
    /// # Errors
    /// Those of [`SeriesSummary::take`]; `values` then is as it was.
    pub fn take_parts(bytes: &mut &[u8], base_us: i64, values: &mut Vec<u32>) -> Result<Parts, DecodeError> {
        take_parts(bytes, base_us, STORED_EXACT_LIMIT, values)
    }
}

#[inline]
fn take_parts(bytes: &mut &[u8], base_us: i64, limit: usize, values: &mut Vec<u32>) -> Result<Parts, DecodeError> {
    let mut reader = Reader::new(bytes);
    let head = read_head(&mut reader)?;
    let counts = read_counts(&mut reader, &head, base_us)?;
    let sketch = if head.is_sketch {
        Some(read_sketch(&mut reader, head.n)?)
    } else {
        read_ascending(&mut reader, head.n, limit, values)?;
        None
    };
    *bytes = reader.rest();
    Ok(Parts { counts, sketch })
}

/// Appends a digest alone: a summary's bytes without counts and time.
pub(crate) fn put_digest(digest: &LatencyDigest, out: &mut Vec<u8>) {
    match digest.content() {
        Content::Exact(values) => {
            put_varint(out, digest.count() << N_SHIFT);
            put_ascending(&values, out);
        }
        Content::Sketch(sketch) => {
            put_varint(out, digest.count() << N_SHIFT | IS_SKETCH);
            put_sketch(out, digest.totals(), sketch.centroids());
        }
    }
}

/// Reads what [`put_digest`] appended.
pub(crate) fn read_digest(reader: &mut Reader<'_>) -> Result<LatencyDigest, DecodeError> {
    let head = read_head(reader)?;
    if head.has_counts {
        return Err(DecodeError::new("header", "no counts in a digest", "counts"));
    }
    if head.is_sketch {
        return read_sketch(reader, head.n);
    }
    let mut values = Vec::new();
    read_ascending(reader, head.n, EXACT_LIMIT, &mut values)?;
    Ok(LatencyDigest::from_values(values))
}

struct Head {
    n: u64,
    is_sketch: bool,
    has_counts: bool,
}

#[inline]
fn put_head(counts: &Counts, received: u64, kind: u64, base_us: i64, out: &mut Vec<u8>) {
    let has_counts = counts.lost != 0 || counts.unknown != 0;
    put_varint(out, received << N_SHIFT | kind | u64::from(has_counts));
    if let Some(last_at_us) = counts.last_at_us {
        // Wraps, and back when it is read: any time fits any base.
        put_varint(out, zigzag(last_at_us.wrapping_sub(base_us)));
    }
    if has_counts {
        put_varint(out, counts.lost);
        put_varint(out, counts.retransmitted);
        put_varint(out, counts.unknown);
    }
}

#[inline]
fn read_head(reader: &mut Reader<'_>) -> Result<Head, DecodeError> {
    let head = reader.varint("header")?;
    Ok(Head { n: head >> N_SHIFT, is_sketch: head & IS_SKETCH != 0, has_counts: head & HAS_COUNTS != 0 })
}

#[inline]
fn read_counts(reader: &mut Reader<'_>, head: &Head, base_us: i64) -> Result<Counts, DecodeError> {
    let mut counts = Counts::default();
    if head.n > 0 || head.has_counts {
        counts.last_at_us = Some(base_us.wrapping_add(unzigzag(reader.varint("last_at")?)));
    }
    if head.has_counts {
        counts.lost = reader.varint("lost")?;
        counts.retransmitted = reader.varint("retransmitted")?;
        counts.unknown = reader.varint("unknown")?;
        if counts.retransmitted > counts.lost {
            let most = format_args!("at most lost, {}", counts.lost);
            return Err(DecodeError::new("retransmitted", most, counts.retransmitted));
        }
        if counts.lost == 0 && counts.unknown == 0 {
            return Err(DecodeError::new("unknown", "a count, where the header says that there are some", "none"));
        }
    }
    Ok(counts)
}

/// The first value, then differences.
fn put_ascending(sorted: &[u32], out: &mut Vec<u8>) {
    if sorted.len() < FEW {
        let mut previous = 0;
        for &value in sorted {
            put_varint(out, u64::from(value - previous));
            previous = value;
        }
        return;
    }
    let start = out.len();
    // Grown once and cut afterwards: cheaper than asking at every byte whether there is room.
    out.resize(start + VALUE_BYTES * sorted.len(), 0);
    let room = &mut out[start..];
    let mut at = 0;
    let mut previous = 0;
    for &value in sorted {
        let mut delta = value - previous;
        previous = value;
        while delta >= 0x80 {
            room[at] = delta as u8 | 0x80;
            delta >>= 7;
            at += 1;
        }
        room[at] = delta as u8;
        at += 1;
    }
    out.truncate(start + at);
}

#[inline]
fn read_ascending(reader: &mut Reader<'_>, n: u64, limit: usize, values: &mut Vec<u32>) -> Result<(), DecodeError> {
    // A value takes a byte at least.
    let n = count_within(n, limit.min(reader.rest().len()))
        .ok_or_else(|| DecodeError::new("n", format_args!("at most {limit}, a byte each"), n))?;
    let start = values.len();
    values.resize(start + n, 0);
    let read = fill_ascending(reader, &mut values[start..]);
    if read.is_err() {
        values.truncate(start);
    }
    read
}

#[inline]
fn fill_ascending(reader: &mut Reader<'_>, values: &mut [u32]) -> Result<(), DecodeError> {
    let mut last = 0u64;
    for value in values {
        last = last.saturating_add(reader.varint("values")?);
        *value = last as u32;
    }
    // Ascending: if any value is too great, the last one is.
    u32::try_from(last).map(drop).map_err(|_| DecodeError::new("values", "values of at most 32 bits", last))
}

fn put_sketch(out: &mut Vec<u8>, totals: &Totals, centroids: &[Centroid]) {
    put_varint(out, totals.sum);
    put_varint(out, u64::from(totals.min));
    put_varint(out, u64::from(totals.max - totals.min));
    put_varint_u128(out, totals.sum_sq);
    put_varint(out, centroids.len() as u64);
    let mut previous = u64::from(totals.min);
    for centroid in centroids {
        let floor = centroid.mean() as u64;
        put_varint(out, floor - previous);
        let fraction = (centroid.mean().fract() * MEAN_STEPS as f64) as u64;
        put_varint(out, (centroid.weight() as u64 - 1) * MEAN_STEPS + fraction);
        previous = floor;
    }
}

fn read_sketch(reader: &mut Reader<'_>, n: u64) -> Result<LatencyDigest, DecodeError> {
    let totals = read_totals(reader, n)?;
    let count = reader.varint("centroids")?;
    // A mean and a weight take a byte each at least.
    let count = count_within(count, MAX_CENTROIDS.min(reader.rest().len() / 2))
        .filter(|&count| count > 0)
        .ok_or_else(|| DecodeError::new("centroids", format_args!("1 to {MAX_CENTROIDS}, two bytes each"), count))?;
    let mut centroids = Vec::with_capacity(count);
    let mut floor = u64::from(totals.min);
    let mut least = floor as f64;
    let mut left = totals.count;
    for _ in 0..count {
        floor = floor.saturating_add(reader.varint("means")?);
        let code = reader.varint("weights")?;
        let (weight, fraction) = (code / MEAN_STEPS + 1, code % MEAN_STEPS);
        let step = 1.0 / MEAN_STEPS as f64;
        let mean = floor as f64 + fraction as f64 * step;
        if mean < least || mean > f64::from(totals.max) {
            let between = format_args!("an ascending value, here {least} to {}", totals.max);
            return Err(DecodeError::new("means", between, mean));
        }
        if fraction > 0 && weight == 1 {
            return Err(DecodeError::new("weights", "one value to be whole", mean));
        }
        left = left
            .checked_sub(weight)
            .ok_or_else(|| DecodeError::new("weights", format_args!("a sum of n, {n}"), "more"))?;
        centroids.push(Centroid::new(mean, weight as f64));
        least = mean + step;
    }
    if left > 0 {
        return Err(DecodeError::new("weights", format_args!("a sum of n, {n}"), n - left));
    }
    Ok(LatencyDigest::from_sketch(totals, centroids))
}

fn read_totals(reader: &mut Reader<'_>, count: u64) -> Result<Totals, DecodeError> {
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(DecodeError::new("n", "1 to 2^53", count));
    }
    let sum = reader.varint("sum")?;
    let min = read_us(reader, "min", 0)?;
    let max = read_us(reader, "range", min)?;
    let sum_sq = reader.varint_u128("sum_sq")?;
    let totals = Totals { count, sum, min, max, sum_sq };
    totals.check()?;
    Ok(totals)
}

fn read_us(reader: &mut Reader<'_>, field: &'static str, base: u32) -> Result<u32, DecodeError> {
    let offset = reader.varint(field)?;
    u32::try_from(offset)
        .ok()
        .and_then(|offset| base.checked_add(offset))
        .ok_or_else(|| DecodeError::new(field, "a value of at most 32 bits", offset))
}

pub(crate) fn count_within(count: u64, limit: usize) -> Option<usize> {
    usize::try_from(count).ok().filter(|&count| count <= limit)
}
