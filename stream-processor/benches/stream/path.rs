//! The full path: records are decoded, deduplicated, counted into windows, and written to the live store.

use std::error::Error;
use std::sync::Arc;

use cloudping_digest::SeriesSummary;
use cloudping_model::{Pane, UtcMicros, VantageId};
use cloudping_ports::{Key, LiveStore, Record, ShardId};
use cloudping_schemas::stored::{PaneItem, SeriesTable, VantageHead, keys};
use cloudping_stream_processor::{BatchReport, Processor};
use cloudping_testkit::MemoryStore;
use cloudping_testkit::bench_report::{Bar, BenchReport};
use serde_json::{Value, json};

use crate::case;
use crate::generator::{Deliveries, HOUR_US, START_US, Shape, Truth, record};
use crate::settings::Settings;
use crate::usage::{peak_memory, process_cpu_seconds};

/// The most records that Lambda takes from Kinesis at once.
const BATCH_RECORDS: usize = 10_000;
/// The most that Lambda takes at once is 6 MB, of Base64.
const BATCH_BYTES: usize = 6_000_000 / 4 * 3;
/// All events come by one shard.
pub const SHARD: &str = "shard-0";
/// So many batches are generated before they are timed. Few, so that the peak of memory is not the generator's.
const BATCHES_AT_ONCE: usize = 4;
/// Sorts after every sort key.
pub const END: &str = "\u{10ffff}";

/// What the path costs at one size.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// Samples in a CPU second; of several runs the most.
    pub per_second: f64,
    /// Peak of resident memory in bytes; of several runs the greatest.
    pub memory: f64,
    /// Bytes in the live store at the end, keys left out.
    pub stored: f64,
    /// CPU seconds a sample in each hour of event time of the last run.
    pub by_hour: Vec<f64>,
}

/// Runs the path at one size, each run in a process of its own.
///
/// # Errors
/// If a run fails, or what it stored is wrong.
pub fn cost(shape: Shape, samples: u64, runs: u32) -> Result<Cost, Box<dyn Error>> {
    let mut best = Cost::default();
    for _ in 0..runs {
        let answer = case::run(&["path", &shape.name(), &samples.to_string()])?;
        let per_second = case::number(&answer, "samples")? / case::number(&answer, "cpu_seconds")?;
        best.per_second = best.per_second.max(per_second);
        best.memory = best.memory.max(case::number(&answer, "peak_memory")?);
        best.stored = case::number(&answer, "stored")?;
        best.by_hour = answer["by_hour"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    }
    Ok(best)
}

/// Reports the cost at one size; gives the samples in a CPU second.
///
/// # Errors
/// As [`cost`].
pub fn judge(report: &mut BenchReport, shape: Shape, settings: &Settings) -> Result<f64, Box<dyn Error>> {
    let cost = cost(shape, settings.samples, settings.runs)?;
    let name = shape.name();
    report.plain(format!("{name}: full path"), cost.per_second / 1e6, "M/s");
    let memory = format!("{name}: peak memory, the store's included");
    match shape == crate::generator::LARGE {
        true => report.judged(memory, cost.memory / 1e9, "GB", Bar::AtMost(2.0)),
        false => report.plain(memory, cost.memory / 1e9, "GB"),
    }
    report.plain(format!("{name}: live store at the end"), cost.stored / 1e6, "MB");
    Ok(cost.per_second)
}

/// One run, in a process of its own.
///
/// # Errors
/// If the processor fails, or what it stored is wrong.
pub fn child(shape: Shape, samples: u64) -> Result<Value, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = Arc::new(MemoryStore::new());
    let mut processor = Processor::new(store.clone());
    let shard = ShardId(SHARD.into());
    let mut batches = Batches::new(shape, samples);
    let mut done = BatchReport::default();
    let mut hours: Vec<(u64, f64)> = Vec::new();
    loop {
        let generated = batches.truth.delivered;
        let chunk: Vec<Batch> = batches.by_ref().take(BATCHES_AT_ONCE).collect();
        let Some(first) = chunk.first() else { break };
        let hour = usize::try_from((first.arrived_us - START_US) / HOUR_US)?;
        hours.resize((hour + 1).max(hours.len()), (0, 0.0));
        let before = process_cpu_seconds();
        for batch in &chunk {
            let now = UtcMicros(batch.arrived_us);
            let report = runtime.block_on(processor.process_batch(&shard, &batch.records, now))?;
            done.counted += report.counted;
            done.duplicates += report.duplicates;
            done.dead += report.dead;
        }
        hours[hour].1 += process_cpu_seconds() - before;
        hours[hour].0 += batches.truth.delivered - generated;
    }
    let peak = peak_memory()?;
    let truth = batches.truth;
    let stored = runtime.block_on(read_back(store.as_ref()))?;
    check(&truth, &done, &stored)?;
    let seconds: f64 = hours.iter().map(|(_, seconds)| seconds).sum();
    let by_hour: Vec<f64> = hours.iter().map(|(samples, seconds)| seconds / *samples as f64).collect();
    Ok(json!({
        "samples": truth.delivered, "cpu_seconds": seconds, "peak_memory": peak, "stored": stored.bytes, "by_hour": by_hour,
    }))
}

/// What Lambda would be given at once.
pub struct Batch {
    /// In the order of the shard.
    pub records: Vec<Record>,
    /// When the last of them arrived.
    pub arrived_us: i64,
}

/// All batches, generated as they are asked for.
pub struct Batches {
    deliveries: Deliveries,
    truth: Truth,
    sequence: u64,
}

impl Batches {
    /// About so many distinct samples.
    pub fn new(shape: Shape, samples: u64) -> Self {
        Self { deliveries: Deliveries::new(shape, samples), truth: Truth::default(), sequence: 0 }
    }

    /// What was generated so far.
    pub fn truth(&self) -> Truth {
        self.truth
    }
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch { records: Vec::new(), arrived_us: 0 };
        let mut bytes = 0;
        // The record that does not fit any more is let in: a batch is over by one at most.
        while bytes < BATCH_BYTES && batch.records.len() < BATCH_RECORDS {
            let Some(delivery) = self.deliveries.next() else { break };
            self.truth.count(&delivery);
            self.sequence += 1;
            let record = record(&delivery, self.sequence);
            bytes += record.data.len();
            batch.records.push(record);
            batch.arrived_us = delivery.arrives_us;
        }
        (!batch.records.is_empty()).then_some(batch)
    }
}

/// What stands in the live store.
#[derive(Debug, Default)]
struct Stored {
    answered: u64,
    lost: u64,
    sum_us: u64,
    bytes: u64,
}

impl Stored {
    fn add(&mut self, summary: &SeriesSummary) {
        self.answered += summary.received();
        self.lost += summary.lost();
        self.sum_us += summary.sum_us();
    }
}

/// Sums what the panes hold: of each vantage point the days, the hours that are not folded into a day yet, and the minutes
/// that are not folded into an hour yet.
async fn read_back(store: &dyn LiveStore) -> Result<Stored, Box<dyn Error>> {
    let mut stored = Stored::default();
    for (key, item) in store.list(keys::HEADS, ""..END).await? {
        stored.bytes += item.value.len() as u64;
        let head = VantageHead::decode(&item.value)?;
        let table = store.get(&Key::new(keys::SERIES, &key.sort)).await?.ok_or("a vantage point without series")?;
        stored.bytes += table.value.len() as u64;
        let table = SeriesTable::decode(&table.value)?;
        let vantage = VantageId::new(&key.sort)?;
        for pane in Pane::ALL {
            let from = match pane {
                Pane::Minute => head.folded_until,
                Pane::Hour => head.hours_folded_until,
                Pane::Day => UtcMicros(0),
            };
            for (_, item) in store.list(&keys::panes(&vantage, pane), ""..END).await? {
                stored.bytes += item.value.len() as u64;
                let item = PaneItem::decode(&item.value, &table)?;
                if item.start >= from {
                    item.series.values().for_each(|summary| stored.add(summary));
                }
            }
        }
    }
    Ok(stored)
}

/// Nothing fast may be wrong.
fn check(truth: &Truth, done: &BatchReport, stored: &Stored) -> Result<(), Box<dyn Error>> {
    for (what, found, expected) in [
        ("rounds counted", done.counted as u64, truth.rounds),
        ("duplicates", done.duplicates as u64, truth.again),
        ("dead letters", done.dead as u64, 0),
        ("answers stored", stored.answered, truth.answered),
        ("losses stored", stored.lost, truth.lost),
        ("sum of the round-trip times stored, µs", stored.sum_us, truth.sum_us),
    ] {
        if found != expected {
            return Err(format!("{what}: {found}, expected {expected}").into());
        }
    }
    Ok(())
}
