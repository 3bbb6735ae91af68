//! Runs the real processor, and a reader, over the rounds of one vantage point. All vantage points are alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudping_backend_aws::dynamo_units::{list_units, stored_bytes};
use cloudping_model::{Pane, Rolling, UtcMicros, VantageId};
use cloudping_ports::{Key, Record, SequenceNumber, ShardId};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_schemas::stored::{VantageHead, keys};
use cloudping_stream_processor::Processor;

use crate::assumptions::Deployment;
use crate::metered::{Meter, Metered};
use crate::reader::Reader;
use crate::rounds::{Producer, Sent};

/// 2026-01-05T00:00:00Z.
const START: UtcMicros = UtcMicros(1_767_571_200_000_000);
const SECOND_US: i64 = 1_000_000;
const READ_UNIT_BYTES: u64 = 4_096;
const DAY_US: i64 = 86_400 * SECOND_US;
/// Days at a round a minute before anything is measured: until the head remembers as many epochs as it ever will (256, of two hours each).
const AGEING_DAYS: i64 = 22;
/// Days at the deployment's rate before the one that is measured: until the ledger holds as many hours as it ever will.
const SETTLING_DAYS: i64 = 3;

/// What one vantage point does in a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Request units of the processor, without those of its checkpoints.
    pub processed: Meter,
    /// Request units of the query service, without those of listing all heads.
    pub viewed: Meter,
    /// Read request units of listing the heads of all vantage points once.
    pub heads_listed: u64,
    /// Bytes of a round, mean.
    pub round_bytes: f64,
    /// Bytes of storage that the items take which are there after a year.
    pub stored_bytes: f64,
    /// Bytes of the head.
    pub head_bytes: u64,
    /// Write units of one vantage point in each window of the day, in their order.
    pub written: Vec<u64>,
    /// Read units of the processor and of the query service, likewise.
    pub read: Vec<u64>,
    /// Read units of a year of days of one vantage point.
    pub year_of_days: u64,
}

struct Simulation {
    store: Arc<Metered>,
    processor: Processor,
    producer: Producer,
    reader: Reader,
    vantage: VantageId,
    underway: Vec<Sent>,
    sequence: u64,
    sent: (u64, u64),
    viewed: Meter,
    /// Units written and read, by window.
    windows: Vec<(u64, u64)>,
}

/// Counts the last of some days.
///
/// # Errors
/// When an item cannot be written or read.
pub async fn run(deployment: &Deployment) -> Result<Counted, Box<dyn std::error::Error>> {
    let mut simulation = Simulation::new(deployment)?;
    let settled = START + AGEING_DAYS * DAY_US;
    let measured = settled + SETTLING_DAYS * DAY_US;
    simulation.advance(START, settled, (60, 60)).await?;
    let (interval_s, window_s) = (i64::from(deployment.interval_s), i64::from(deployment.window_s));
    simulation.advance(settled, measured, (interval_s, window_s)).await?;
    let before = simulation.store.meter();
    (simulation.viewed, simulation.sent) = (Meter::default(), (0, 0));
    simulation.windows.clear();
    simulation.advance(measured, measured + DAY_US, (interval_s, window_s)).await?;
    Ok(simulation.counted(deployment, &before, measured))
}

impl Simulation {
    fn new(deployment: &Deployment) -> Result<Self, Box<dyn std::error::Error>> {
        let catalogue = Catalogue::built_in()?;
        let producer = Producer::new(deployment, &catalogue)?;
        if producer.targets() != deployment.targets as usize {
            return Err(
                format!("the catalogue has {} targets, expected {}", producer.targets(), deployment.targets).into()
            );
        }
        let (store, vantage) = (Arc::new(Metered::default()), producer.vantage().clone());
        // As the functions run it: DynamoDB deletes what expires.
        let processor = Processor::new(Arc::clone(&store) as _).without_deletes();
        let reader = Reader::new(vantage.clone());
        let (underway, viewed, windows) = (Vec::new(), Meter::default(), Vec::new());
        Ok(Self { store, processor, producer, reader, vantage, underway, sequence: 0, sent: (0, 0), viewed, windows })
    }

    /// Rounds that start in the stretch; batches and readings, one each window.
    async fn advance(
        &mut self,
        from: UtcMicros,
        until: UtcMicros,
        (interval_s, window_s): (i64, i64),
    ) -> Result<(), Box<dyn std::error::Error>> {
        let (mut next, mut now) = (from, from);
        while now < until {
            now = now + window_s * SECOND_US;
            while next < now.min(until) {
                let sent = self.producer.round(next);
                self.sent = (self.sent.0 + 1, self.sent.1 + sent.record.len() as u64);
                self.underway.push(sent);
                next = next + interval_s * SECOND_US;
            }
            let before = self.store.meter();
            self.batch(now).await?;
            let Meter { written, read } = self.store.meter().less(&before);
            // One checkpoint is written for all vantage points.
            let units = |by_kind: BTreeMap<String, u64>| {
                by_kind.into_iter().filter(|(kind, _)| kind != keys::CHECKPOINTS).map(|(_, units)| units).sum()
            };
            self.windows.push((units(written), units(read)));
        }
        Ok(())
    }

    /// What has arrived becomes a batch, after which the view is refreshed.
    async fn batch(&mut self, now: UtcMicros) -> Result<(), Box<dyn std::error::Error>> {
        let mut arrived: Vec<Sent> = self.underway.extract_if(.., |sent| sent.arrives <= now).collect();
        if arrived.is_empty() {
            return Ok(());
        }
        arrived.sort_by_key(|sent| sent.arrives);
        let mut record = |sent: Sent| {
            self.sequence += 1;
            Record { sequence: SequenceNumber::from(self.sequence), data: sent.record }
        };
        let records: Vec<Record> = arrived.into_iter().map(&mut record).collect();
        self.processor.process_batch(&ShardId("shardId-000000000000".to_owned()), &records, now).await?;
        let before = self.store.meter();
        let key = Key::new(keys::HEADS, self.vantage.as_str());
        // Not charged: `Counted::heads_listed` is.
        let head = self.store.peek(&key).await?.ok_or("no head after a batch")?;
        let read = (head.version, VantageHead::decode(&head.value)?);
        self.reader.read(self.store.as_ref(), read, now).await?;
        self.viewed = std::mem::take(&mut self.viewed).plus(self.store.meter().less(&before));
        Ok(())
    }

    fn counted(self, deployment: &Deployment, before: &Meter, day: UtcMicros) -> Counted {
        let mut processed = self.store.meter().less(before).less(&self.viewed);
        for units in [&mut processed.written, &mut processed.read] {
            units.remove(keys::CHECKPOINTS);
        }
        let head = Key::new(keys::HEADS, self.vantage.as_str());
        let head_bytes = self.store.length(&head);
        let heads = (0..deployment.regions).map(|_| (&head, head_bytes));
        Counted {
            processed,
            viewed: self.viewed,
            heads_listed: list_units(heads),
            round_bytes: self.sent.1 as f64 / self.sent.0.max(1) as f64,
            stored_bytes: stored_after_a_year(&self.store, day) + stored_bytes(&head, head_bytes) as f64,
            head_bytes: head_bytes as u64,
            written: self.windows.iter().map(|window| window.0).collect(),
            read: self.windows.iter().map(|window| window.1).collect(),
            year_of_days: year_of_days(&self.store),
        }
    }
}

/// Read units of a year of days, by the mean size of those that are there.
fn year_of_days(store: &Metered) -> u64 {
    let (count, bytes) = store.stored(&format!("panes/{}", Pane::Day.name()), "");
    bytes * Rolling::Year.panes().unsigned_abs() / count.max(1) / READ_UNIT_BYTES
}

/// Panes by their mean size of the measured day, each kept until it expires; and what is there once.
fn stored_after_a_year(store: &Metered, day: UtcMicros) -> f64 {
    let panes = Pane::ALL.map(|pane| {
        // The day pane of the measured day is not made before the next.
        let from = if pane == Pane::Day { day - DAY_US } else { day };
        let kind = format!("panes/{}", pane.name());
        let (count, bytes) = store.stored(&kind, &keys::pane_start(from));
        let expires = keys::expires_at(&format!("{kind}/any"), &keys::pane_start(UtcMicros(0))).unwrap_or(0);
        let kept = (expires * SECOND_US / pane.micros()) as f64;
        kept * bytes as f64 / count.max(1) as f64
    });
    let others = [keys::SERIES, keys::WATCHES, keys::REGIMES].map(|kind| store.stored(kind, "").1 as f64);
    panes.iter().chain(&others).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short simulation, of what takes a day in the program.
    async fn counted(interval_s: u32, window_s: u32) -> Counted {
        let deployment = Deployment { interval_s, window_s, ..Deployment::example() };
        let mut simulation = Simulation::new(&deployment).unwrap();
        let pace = (i64::from(interval_s), i64::from(window_s));
        let middle = START + 3 * 3_600 * SECOND_US;
        simulation.advance(START, middle, pace).await.unwrap();
        let before = simulation.store.meter();
        simulation.viewed = Meter::default();
        simulation.advance(middle, middle + 1_800 * SECOND_US, pace).await.unwrap();
        simulation.counted(&deployment, &before, middle)
    }

    #[tokio::test]
    async fn longer_windows_write_less_often() {
        let [often, seldom] = [counted(10, 10).await, counted(10, 60).await];
        let written = |counted: &Counted| counted.processed.written.values().sum::<u64>();
        assert!(written(&often) > 2 * written(&seldom), "{often:?}\n{seldom:?}");
        assert!(!often.processed.written.contains_key(keys::CHECKPOINTS));
        assert_eq!(often.round_bytes, seldom.round_bytes);
        // 180 batches in half an hour, each of which changes a head below 1 KB: two units for each.
        assert_eq!(often.processed.written[keys::HEADS], 2 * 180);
        assert!(often.viewed.written.values().all(|units| *units == 0), "a reader writes nothing");
        assert!(often.viewed.read[keys::HEADS] >= 180, "{:?}", often.viewed);
    }
}
