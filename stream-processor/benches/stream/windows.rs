//! What the rolling windows add to a sample's cost: each minute of event time every vantage point's changed panes are read from the
//! live store, as the query service does, and its windows are merged; the path's own cost is counted in.
//!
//! A year of day panes and a day of hour panes lie before the events, so that every window is full. The first reading takes
//! them all in and is not timed.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use cloudping_digest::{Counts, SeriesSummary};
use cloudping_model::{Pane, Rolling, UtcMicros, VantageId};
use cloudping_ports::{Item, Key, LiveStore, ShardId};
use cloudping_schemas::stored::{SeriesTable, VantageHead, keys};
use cloudping_stream_processor::{ALLOWED_LATENESS_US, Processor};
use cloudping_testkit::MemoryStore;
use cloudping_testkit::bench_report::{Bar, BenchReport};
use cloudping_windows::{Columns, Panes, Places, StoredPane, StoredPanes, Windows};
use serde_json::{Value, json};

use crate::case;
use crate::generator::{Deliveries, SMALL, START_US, Shape};
use crate::path::{Batches, END, SHARD};
use crate::settings::Settings;
use crate::usage::process_cpu_seconds;

/// The window that stands alone.
const ONE: Rolling = Rolling::Hour;
/// Minutes that a punctual round can change, and some more.
const RECENT_US: i64 = 6 * 60_000_000;
/// Reading takes many times as long as the path: of so many samples only.
const SAMPLES_READ: u64 = 2_000_000;
/// Samples of a series in a day pane and in an hour pane before the events.
const OF_A_PANE: u32 = 5_000;

/// Compares all windows with one: both as they are kept, brought up to date each minute; and, for information, as they are read, each
/// minute all series of all vantage points, which the query service does only for whom somebody asks.
///
/// # Errors
/// If a run fails.
pub fn judge(report: &mut BenchReport, settings: &Settings) -> Result<(), Box<dyn Error>> {
    let ns = |how: &str, which: &str, samples: u64| -> Result<f64, Box<dyn Error>> {
        let answer = case::run(&["windows", how, which, &samples.to_string()])?;
        Ok(case::number(&answer, "cpu_seconds")? * 1e9 / case::number(&answer, "samples")?)
    };
    let least = |which: &str| -> Result<f64, Box<dyn Error>> {
        let runs = (0..settings.runs).map(|_| ns("kept", which, settings.samples));
        runs.reduce(|least, next| Ok(least?.min(next?))).ok_or("no run was asked for")?
    };
    let (one, six) = (least(ONE.name())?, least("six")?);
    report.plain(format!("34x34: a sample's cost, {} kept", ONE.name()), one, "ns");
    report.plain("34x34: a sample's cost, six windows kept", six, "ns");
    report.judged("34x34: six windows kept over one", six / one, "", Bar::AtMost(1.5));
    let samples = settings.samples.min(SAMPLES_READ);
    let none = ns("read", "none", samples)?;
    for window in Rolling::ALL {
        let reading = (ns("read", window.name(), samples)? - none) * SMALL.samples_a_minute();
        report.plain(format!("34x34: reading {} of a series", window.name()), reading / 1e3, "us");
    }
    Ok(())
}

/// One run, in a process of its own.
///
/// # Errors
/// If the processor fails or an item cannot be read.
pub fn child(how: &str, which: &str, samples: u64) -> Result<Value, Box<dyn Error>> {
    let windows = match (which, Rolling::from_name(which)) {
        ("none", _) => vec![],
        ("six", _) => Rolling::ALL.to_vec(),
        (_, Some(one)) => vec![one],
        (_, None) => return Err(format!("no such window: {which:?}").into()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = Arc::new(MemoryStore::new());
    let mut processor = Processor::new(store.clone());
    let mut readers = Readers::new(SMALL, &windows);
    let shard = ShardId(SHARD.into());
    let mut batches = Batches::new(SMALL, samples);
    let (mut seconds, mut minute) = (0.0, UtcMicros(0));
    for batch in batches.by_ref() {
        let now = UtcMicros(batch.arrived_us);
        let before = process_cpu_seconds();
        runtime.block_on(processor.process_batch(&shard, &batch.records, now))?;
        if !windows.is_empty() && Pane::Minute.start_of(now) > minute {
            minute = Pane::Minute.start_of(now);
            runtime.block_on(readers.read(store.as_ref(), &windows, how == "read", now))?;
        }
        seconds += process_cpu_seconds() - before;
    }
    Ok(json!({ "samples": batches.truth().delivered, "cpu_seconds": seconds }))
}

/// The readers of all vantage points.
struct Readers {
    of: BTreeMap<VantageId, Reader>,
}

#[derive(Default)]
struct Reader {
    version: u64,
    places: Places,
    panes: Panes,
    windows: Windows,
}

impl Readers {
    /// Readers that have read the windows once before the first event.
    fn new(shape: Shape, windows: &[Rolling]) -> Self {
        let values: Vec<u32> = (0..OF_A_PANE).map(|at| 70_000 + at).collect();
        let summary = SeriesSummary::from_sorted(&values, Counts::default());
        let mut columns = Columns::default();
        (0..shape.targets as u32).for_each(|place| columns.push(place, summary.clone()));
        // As the processor will have it when it has seen the first round.
        let start = UtcMicros(START_US);
        let folded_until = Pane::Hour.start_of(start - ALLOWED_LATENESS_US);
        let hours_folded_until = Pane::Day.start_of(folded_until);
        let before = |end: UtcMicros, pane: Pane, count: i64| -> Arc<StoredPanes> {
            let pane = |ago| StoredPane::packed(end - ago * pane.micros(), 1, &columns);
            Arc::new((1..=count).map(|ago| (pane(ago).start(), pane(ago))).collect())
        };
        let panes = Panes {
            hours: before(folded_until, Pane::Hour, 48),
            days: before(hours_folded_until, Pane::Day, 365),
            folded_until,
            hours_folded_until,
            ..Panes::default()
        };
        let reader = |vantage| {
            let mut reader = Reader { panes: panes.clone(), ..Reader::default() };
            for window in windows {
                black_box(reader.windows.series(*window, &reader.panes, start));
            }
            (vantage, reader)
        };
        Self { of: Deliveries::new(shape, 1).vantage_index().into_keys().map(reader).collect() }
    }

    /// Reads what has changed, and brings the windows up to date or merges them too.
    async fn read(
        &mut self,
        store: &MemoryStore,
        windows: &[Rolling],
        merged: bool,
        now: UtcMicros,
    ) -> Result<(), Box<dyn Error>> {
        for (key, head) in store.list(keys::HEADS, ""..END).await? {
            let vantage = VantageId::new(&key.sort)?;
            let reader = self.of.get_mut(&vantage).ok_or("a vantage point that was not generated")?;
            if head.version != reader.version {
                reader.version = head.version;
                reader.refresh(store, &vantage, &VantageHead::decode(&head.value)?, now).await?;
            }
            for window in windows {
                match merged {
                    true => drop(black_box(reader.windows.series(*window, &reader.panes, now))),
                    false => reader.windows.advance(*window, &reader.panes, now),
                }
            }
        }
        Ok(())
    }
}

impl Reader {
    async fn refresh(
        &mut self,
        store: &MemoryStore,
        vantage: &VantageId,
        head: &VantageHead,
        now: UtcMicros,
    ) -> Result<(), Box<dyn Error>> {
        let folded = head.folded_until != self.panes.folded_until;
        self.panes.folded_until = head.folded_until;
        self.panes.hours_folded_until = head.hours_folded_until;
        let sizes: &[Pane] = if folded { &Pane::ALL } else { &[Pane::Minute] };
        for size in sizes {
            let from = if folded { UtcMicros(0) } else { now - RECENT_US };
            let items = store.list(&keys::panes(vantage, *size), &*keys::pane_start(from)..END).await?;
            for (key, item) in items {
                let start = UtcMicros(key.sort.parse()?);
                let known = self.panes_of(*size).get(&start);
                if known.is_none_or(|known| known.version() != item.version) {
                    let columns = self.columns(store, vantage, &item).await?;
                    let pane = StoredPane::new(start, item.version, columns);
                    Arc::make_mut(self.panes_of(*size)).insert(start, pane);
                }
            }
        }
        Ok(())
    }

    fn panes_of(&mut self, size: Pane) -> &mut Arc<StoredPanes> {
        match size {
            Pane::Minute => &mut self.panes.minutes,
            Pane::Hour => &mut self.panes.hours,
            Pane::Day => &mut self.panes.days,
        }
    }

    async fn columns(
        &mut self,
        store: &MemoryStore,
        vantage: &VantageId,
        item: &Item,
    ) -> Result<Columns, Box<dyn Error>> {
        if let Ok((_, columns)) = self.places.read(&item.value) {
            return Ok(columns);
        }
        let table =
            store.get(&Key::new(keys::SERIES, vantage.as_str())).await?.ok_or("a vantage point without series")?;
        self.places.learn(&SeriesTable::decode(&table.value)?);
        Ok(self.places.read(&item.value)?.1)
    }
}
