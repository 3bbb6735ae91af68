//! The ceiling: the least that anyone would do for percentiles a minute, written by hand, on samples that are decoded already.
//!
//! Each answer is pushed to the values of its pair and minute, in one hash map. When no more can come to a minute, the values
//! of each of its pairs are taken out and sorted, and seven quantiles are taken. No deduplication, no other windows, no
//! counts beside the quantiles, no store.
//!
//! Beside it stands, for information, the same with a map of its own for each open minute: less to hash, nothing to search.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;

use serde_json::{Value, json};

use crate::case;
use crate::columns::Columns;
use crate::generator::{MINUTE_US, Shape};
use crate::usage::process_cpu_seconds;

/// The quantiles that everyone is asked for.
pub const QUANTILES: [f64; 7] = [0.10, 0.25, 0.50, 0.75, 0.90, 0.98, 0.99];
/// A minute is closed when events are this many minutes past it: the latest are 90 s late, after a round of up to a minute.
const OPEN_MINUTES: i64 = 3;

/// One row of the result.
struct Row {
    pair: u32,
    minute: i64,
    quantiles: [f32; 7],
}

/// Samples in a CPU second.
#[derive(Debug, Clone, Copy)]
pub struct Ceiling {
    /// With one map.
    pub one_map: f64,
    /// With a map of each open minute.
    pub map_a_minute: f64,
}

/// The ceiling at one size, of several runs the highest.
///
/// # Errors
/// If a run fails.
pub fn measure(shape: Shape, samples: u64, runs: u32) -> Result<Ceiling, Box<dyn Error>> {
    let run = |way: &str| -> Result<f64, Box<dyn Error>> {
        let answer = case::run(&["ceiling", way, &shape.name(), &samples.to_string(), &runs.to_string()])?;
        Ok(case::number(&answer, "samples")? / case::number(&answer, "cpu_seconds")?)
    };
    Ok(Ceiling { one_map: run("one-map")?, map_a_minute: run("map-a-minute")? })
}

/// The runs, in a process of their own.
///
/// # Errors
/// If a result is wrong.
pub fn child(way: &str, shape: Shape, samples: u64, runs: u32) -> Result<Value, Box<dyn Error>> {
    let columns = Columns::generate(shape, samples);
    let answered = columns.outcome.iter().filter(|outcome| **outcome == 0).count();
    let percentiles = match way {
        "one-map" => by_one_map,
        "map-a-minute" => by_a_map_a_minute,
        _ => return Err(format!("no way {way:?} to the ceiling").into()),
    };
    let mut best = f64::INFINITY;
    let mut rows = 0;
    for _ in 0..runs {
        let before = process_cpu_seconds();
        let (result, counted) = black_box(percentiles(shape, &columns));
        best = best.min(process_cpu_seconds() - before);
        if counted != answered {
            return Err(format!("the ceiling counted {counted} answers, expected {answered}").into());
        }
        rows = black_box(&result).iter().filter(|row| is_sound(row)).count();
        if rows != result.len() {
            return Err("the ceiling's quantiles do not rise".into());
        }
    }
    Ok(json!({ "samples": columns.len(), "cpu_seconds": best, "rows": rows }))
}

fn is_sound(row: &Row) -> bool {
    let rising = row.quantiles.windows(2).all(|pair| pair[0] <= pair[1]);
    rising && row.minute > 0 && row.pair < 1 << 20
}

type Map<K> = HashMap<K, Vec<u32>, BuildHasherDefault<KeyHasher>>;

fn pair_of(shape: Shape, columns: &Columns, at: usize) -> u32 {
    u32::from(columns.source[at]) * shape.targets as u32 + u32::from(columns.target[at])
}

/// The rows, and how many answers are in them.
fn by_one_map(shape: Shape, columns: &Columns) -> (Vec<Row>, usize) {
    let mut groups = Map::<(u32, i64)>::default();
    let (mut rows, mut counted) = (Vec::new(), 0);
    let mut newest = i64::MIN;
    for at in 0..columns.len() {
        if columns.outcome[at] != 0 {
            continue;
        }
        let minute = columns.ts_us[at].div_euclid(MINUTE_US);
        groups.entry((pair_of(shape, columns, at), minute)).or_default().push(columns.rtt_us[at]);
        if minute > newest {
            newest = minute;
            let closed = groups.extract_if(|(_, minute), _| *minute < newest - OPEN_MINUTES);
            counted += closed.map(|((pair, minute), values)| close(pair, minute, values, &mut rows)).sum::<usize>();
        }
    }
    counted += groups.drain().map(|((pair, minute), values)| close(pair, minute, values, &mut rows)).sum::<usize>();
    (rows, counted)
}

/// The rows, and how many answers are in them.
fn by_a_map_a_minute(shape: Shape, columns: &Columns) -> (Vec<Row>, usize) {
    let mut open: BTreeMap<i64, Map<u32>> = BTreeMap::new();
    let (mut rows, mut counted) = (Vec::new(), 0);
    // Nearly always the one of the sample before.
    let (mut at_hand, mut pairs): (i64, Map<u32>) = (i64::MIN, Map::default());
    let mut newest = i64::MIN;
    for at in 0..columns.len() {
        if columns.outcome[at] != 0 {
            continue;
        }
        let minute = columns.ts_us[at].div_euclid(MINUTE_US);
        if minute != at_hand {
            open.insert(at_hand, std::mem::take(&mut pairs));
            pairs = open.remove(&minute).unwrap_or_default();
            at_hand = minute;
        }
        pairs.entry(pair_of(shape, columns, at)).or_default().push(columns.rtt_us[at]);
        if minute > newest {
            newest = minute;
            while let Some(first) = open.first_entry().filter(|first| *first.key() < newest - OPEN_MINUTES) {
                let (minute, pairs) = first.remove_entry();
                counted +=
                    pairs.into_iter().map(|(pair, values)| close(pair, minute, values, &mut rows)).sum::<usize>();
            }
        }
    }
    open.insert(at_hand, pairs);
    for (minute, pairs) in open {
        counted += pairs.into_iter().map(|(pair, values)| close(pair, minute, values, &mut rows)).sum::<usize>();
    }
    (rows, counted)
}

/// Adds the row of a group; gives how many values it has.
fn close(pair: u32, minute: i64, mut values: Vec<u32>, rows: &mut Vec<Row>) -> usize {
    values.sort_unstable();
    rows.push(Row { pair, minute, quantiles: QUANTILES.map(|q| quantile(&values, q)) });
    values.len()
}

/// By linear interpolation between ranks (type 7), of at least one value.
fn quantile(sorted: &[u32], q: f64) -> f32 {
    let rank = q * (sorted.len() - 1) as f64;
    let below = rank as usize;
    let (low, high) = (f64::from(sorted[below]), f64::from(sorted[(below + 1).min(sorted.len() - 1)]));
    (low + (high - low) * (rank - below as f64)) as f32
}

/// Multiplies by 2^64 over the golden ratio (Knuth, The Art of Computer Programming, 6.4).
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        // The map takes the low bits for the place and the high ones for the tag.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(26) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
