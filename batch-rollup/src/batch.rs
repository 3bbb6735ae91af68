//! What one commit of the archive will hold: rounds and route changes from the log, each once.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use cloudping_model::{Family, Protocol, RouteChange, TargetId, UtcMicros, VantageId};
use cloudping_ports::{Record, SequenceNumber, ShardId};
use cloudping_schemas::event::{self, Columns, EventError, Head};

use crate::sample_rows::{NewSample, SampleColumns, Series};
use crate::stretches::Stretches;

/// What makes a route change one: source, target, protocol, family and minute. They order as the rows of their table.
pub(crate) type ChangeId = (String, String, &'static str, u8, UtcMicros);

/// The identity of a route change.
pub(crate) fn change_id(change: &RouteChange) -> ChangeId {
    let (source, target) = (change.vantage.as_str().to_owned(), change.target.as_str().to_owned());
    (source, target, change.protocol.name(), change.family.number(), change.minute)
}

/// Rounds and route changes to archive, and how far in each shard they reach.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    samples: SampleColumns,
    /// Each round's place in `samples`, by source, epoch and number.
    ids: HashMap<(u32, u64, u64), u32>,
    /// By source.
    dictionaries: Vec<Dictionary>,
    /// Used again for each event.
    columns: Columns,
    changes: BTreeMap<ChangeId, RouteChange>,
    /// The times of the first and the last sample.
    stretches: Stretches,
    reached: BTreeMap<ShardId, SequenceNumber>,
    records: u64,
    bytes: usize,
    duplicates: u64,
    unreadable: u64,
    rowless_gaps: u64,
}

/// The targets of a source's newest event: it nearly always names the same ones again.
#[derive(Debug, Default)]
struct Dictionary {
    names: Vec<u8>,
    targets: Vec<u32>,
}

impl Batch {
    /// Takes the next record of a shard. Whatever it holds, the batch reaches as far as it.
    ///
    /// # Errors
    /// [`EventError`] when the record is skipped for good; it is counted.
    pub(crate) fn take(&mut self, shard: &ShardId, record: &Record) -> Result<(), EventError> {
        self.records += 1;
        self.bytes += record.data.len();
        match self.reached.get_mut(shard) {
            Some(reached) => reached.clone_from(&record.sequence),
            None => drop(self.reached.insert(shard.clone(), record.sequence.clone())),
        }
        let taken = if event::is_change(&record.data) {
            event::decode_change(&record.data).map(|change| {
                // A change is told at least once, always in the same words.
                self.changes.entry(change_id(&change)).or_insert(change);
            })
        } else {
            self.take_round(&record.data)
        };
        taken.inspect_err(|_| self.unreadable += 1)
    }

    fn take_round(&mut self, bytes: &[u8]) -> Result<(), EventError> {
        let head = self.columns.read(bytes)?;
        let vantage = head.vantage_text();
        let source = match self.samples.sources.get(vantage) {
            Some(source) => source,
            None => self.samples.sources.id(VantageId::new(vantage)?.as_str()),
        };
        if self.dictionaries.len() <= source as usize {
            self.dictionaries.resize_with(source as usize + 1, Dictionary::default);
        }
        let dictionary = &mut self.dictionaries[source as usize];
        dictionary.learn(&head, &mut self.samples)?;
        let id = (source, head.epoch, head.number);
        if self.ids.contains_key(&id) {
            self.duplicates += 1;
            return Ok(());
        }
        self.ids.insert(id, self.samples.rounds.len() as u32);
        // Rows are of probes: there is none that it could stand at.
        self.rowless_gaps += u64::from(head.gap.is_some() && head.is_empty());
        self.samples.begin_round(head.epoch, head.number, head.gap);
        let mut span: Option<(UtcMicros, UtcMicros)> = None;
        for at in 0..head.len() {
            let sample = sample(&head, at, source, &dictionary.targets);
            let (first, last) = span.unwrap_or((sample.at, sample.at));
            span = Some((first.min(sample.at), last.max(sample.at)));
            self.samples.push(sample);
        }
        if let Some((first, last)) = span {
            self.stretches.add(first, last);
        }
        Ok(())
    }

    /// Leaves out a round, should the batch have it: the table holds it already.
    pub(crate) fn leave_out(&mut self, source: &str, epoch: u64, number: u64) {
        let place = self.samples.sources.get(source).and_then(|source| self.ids.get(&(source, epoch, number)));
        if let Some(place) = place {
            let round = &mut self.samples.rounds[*place as usize];
            self.duplicates += u64::from(!round.left_out);
            round.left_out = true;
        }
    }

    /// The samples, in the order of the log.
    pub(crate) fn samples(&self) -> &SampleColumns {
        &self.samples
    }

    /// The route changes.
    pub(crate) fn changes(&self) -> &BTreeMap<ChangeId, RouteChange> {
        &self.changes
    }

    /// Whether nothing was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How much the batch holds: samples or records, whichever are more, and the bytes of the records.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.samples.at.len().max(usize::try_from(self.records).unwrap_or(usize::MAX)), self.bytes)
    }

    /// The last record taken of each shard.
    pub(crate) fn reached(&self) -> &BTreeMap<ShardId, SequenceNumber> {
        &self.reached
    }

    /// How many records were taken, how many of them were rounds known already, and how many were unreadable.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.records, self.duplicates, self.unreadable)
    }

    /// How many rounds without a sample report a gap.
    pub(crate) fn rowless_gaps(&self) -> u64 {
        self.rowless_gaps
    }

    /// When the samples were sent.
    pub(crate) fn stretches(&self) -> Vec<(UtcMicros, UtcMicros)> {
        self.stretches.joined()
    }
}

impl Dictionary {
    /// Finds the places of an event's targets. Equal bytes are equal names.
    fn learn(&mut self, head: &Head<'_>, samples: &mut SampleColumns) -> Result<(), EventError> {
        if head.names().is_some_and(|names| names == self.names) {
            return Ok(());
        }
        self.names.clear();
        self.targets.clear();
        for target in head.targets() {
            let target = target?;
            self.targets.push(match samples.targets.get(target) {
                Some(place) => place,
                None => samples.targets.id(TargetId::new(target)?.as_str()),
            });
        }
        self.names.extend_from_slice(head.names().unwrap_or_default());
        Ok(())
    }
}

fn sample(head: &Head<'_>, at: usize, source: u32, targets: &[u32]) -> NewSample {
    let (protocol, family): (Protocol, Family) = (head.protocol(at), head.family(at));
    NewSample {
        series: Series { source, target: targets[head.target()[at] as usize], protocol, family },
        at: UtcMicros(head.started_at.0 + i64::from(head.offset_us()[at])),
        outcome: head.outcome(at),
        rtt_us: head.rtt_us()[at],
        connect_us: head.connect_us(at),
        retransmits: head.retransmits(at),
        address: head.address(at).and_then(address),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use cloudping_model::{Outcome, Round, RoundId, Sample};
    use cloudping_schemas::tables::Origin;

    use super::*;

    fn round(number: u64) -> Round {
        let sample = Sample {
            target: TargetId::new("b").unwrap(),
            offset_us: 7,
            protocol: Protocol::TcpConnect,
            outcome: Outcome::Answered,
            rtt_us: Some(1000),
            connect_us: Some(1100),
            retransmits: 0,
            family: Family::V4,
            address: None,
        };
        Round {
            id: RoundId { vantage: VantageId::new("a").unwrap(), epoch: 1, number },
            started_at: UtcMicros(1_000_000),
            gap: None,
            samples: vec![sample.clone(), Sample { offset_us: 3, ..sample }],
        }
    }

    fn take(batch: &mut Batch, sequence: u64, data: Vec<u8>) -> Result<(), EventError> {
        let record = Record { sequence: sequence.into(), data: data.into() };
        batch.take(&ShardId("s".to_owned()), &record)
    }

    #[test]
    fn each_round_is_kept_once_and_every_record_reached() {
        let mut batch = Batch::default();
        assert!(batch.is_empty());
        take(&mut batch, 1, event::encode(&round(0))).unwrap();
        take(&mut batch, 2, event::encode(&round(1))).unwrap();
        take(&mut batch, 3, event::encode(&round(0))).unwrap();
        take(&mut batch, 4, b"noise".to_vec()).unwrap_err();
        assert_eq!((batch.samples().live_rounds().count(), batch.samples().rows()), (2, 4));
        assert_eq!(batch.counts(), (4, 1, 1));
        assert_eq!(batch.reached()[&ShardId("s".to_owned())], 4.into());
        assert_eq!(batch.stretches(), [(UtcMicros(1_000_003), UtcMicros(1_000_007))]);
        batch.leave_out("a", 1, 1);
        batch.leave_out("a", 1, 1);
        batch.leave_out("a", 2, 0);
        batch.leave_out("b", 1, 0);
        assert_eq!((batch.samples().live_rounds().count(), batch.samples().rows()), (1, 2));
        assert_eq!(batch.counts(), (4, 2, 1));
    }

    #[test]
    fn a_round_without_a_valid_target_is_no_round() {
        let mut wrong = event::encode(&round(0));
        let at = wrong.windows(3).position(|bytes| bytes == [0x32, 1, b'b']).unwrap();
        wrong[at + 2] = b' ';
        assert!(event::decode(&wrong).is_err());
        let mut batch = Batch::default();
        take(&mut batch, 1, wrong).unwrap_err();
        take(&mut batch, 2, event::encode(&round(0))).unwrap();
        assert_eq!((batch.counts(), batch.samples().rows()), ((2, 0, 1), 2));
    }

    /// Every protocol, family and outcome; some twice at one moment, in no order.
    fn motley(random: &mut fastrand::Rng, number: u64) -> Round {
        let mut samples = Vec::new();
        for _ in 0..random.usize(0..40) {
            let outcome = Outcome::ALL[random.usize(0..8)];
            let rtt_us = (outcome == Outcome::Answered && random.bool()).then(|| random.u32(1..900));
            let address = match random.u8(0..3) {
                0 => None,
                1 => Some(IpAddr::from([10, 0, 0, random.u8(0..3)])),
                _ => Some(IpAddr::from([random.u16(0..3), 1, 2, 3, 4, 5, 6, 7])),
            };
            samples.push(Sample {
                target: TargetId::new(["b", "a", "c-1"][random.usize(0..3)]).unwrap(),
                offset_us: random.u32(0..50),
                protocol: Protocol::ALL[random.usize(0..5)],
                outcome,
                rtt_us,
                connect_us: random.bool().then(|| random.u32(0..1_000)),
                retransmits: random.u32(0..3),
                family: if random.bool() { Family::V4 } else { Family::V6 },
                address,
            });
        }
        let gap = random.bool().then_some(cloudping_model::Gap {
            reason: cloudping_model::GapReason::Overload,
            rounds: number,
            micros: -7,
        });
        let vantage = VantageId::new(["x", "m", "b"][random.usize(0..3)]).unwrap();
        Round { id: RoundId { vantage, epoch: 1, number }, started_at: UtcMicros(random.i64(0..200)), gap, samples }
    }

    #[test]
    fn events_read_as_columns_make_the_rows_of_their_rounds() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let rounds: Vec<Round> = (0..20).map(|number| motley(&mut random, number)).collect();
            let mut batch = Batch::default();
            for (round, sequence) in rounds.iter().zip(1..) {
                take(&mut batch, sequence, event::encode(round)).unwrap();
            }
            let found = crate::sample_arrays::sample_arrays(batch.samples(), Origin::Csv).unwrap();
            assert_eq!(texts(&found), expected(&rounds), "seed {seed}");
            let without_events = crate::sample_rows::sample_rows(&rounds, Origin::Csv).unwrap();
            assert_eq!(texts(&without_events), expected(&rounds), "seed {seed}");
        }
    }

    fn texts(rows: &arrow::array::RecordBatch) -> Vec<String> {
        let options = arrow::util::display::FormatOptions::default().with_null("-");
        let columns: Vec<_> = (rows.columns().iter())
            .map(|column| arrow::util::display::ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" ");
        (0..rows.num_rows()).map(row).collect()
    }

    fn expected(rounds: &[Round]) -> Vec<String> {
        let mut rows: Vec<(&Round, usize, &Sample)> = rounds
            .iter()
            .flat_map(|round| round.samples.iter().enumerate().map(move |(nth, sample)| (round, nth, sample)))
            .collect();
        rows.sort_by_key(|(round, nth, sample)| {
            let series = (&round.id.vantage, &sample.target, sample.protocol.name(), sample.family.number());
            (series, round.sent_at(sample), round.id.number, *nth)
        });
        rows.into_iter().map(|(round, nth, sample)| line(round, nth, sample)).collect()
    }

    fn line(round: &Round, nth: usize, sample: &Sample) -> String {
        let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
        let gap = round.gap.filter(|_| nth == 0);
        let micros = round.sent_at(sample).0;
        let fields = [
            "1970-01-01".to_owned(),
            // As Arrow prints it: nothing of a second that is whole.
            if micros == 0 { "1970-01-01T00:00:00Z".to_owned() } else { format!("1970-01-01T00:00:00.{micros:06}Z") },
            round.id.vantage.to_string(),
            sample.target.to_string(),
            sample.protocol.name().to_owned(),
            sample.family.number().to_string(),
            sample.outcome.name().to_owned(),
            number(sample.rtt_us),
            number(sample.connect_us),
            sample.retransmits.to_string(),
            sample.address.map_or("-".to_owned(), |address| address.to_string()),
            round.id.epoch.to_string(),
            round.id.number.to_string(),
            "csv".to_owned(),
            gap.map_or("-", |gap| gap.reason.name()).to_owned(),
            gap.map_or("-".to_owned(), |gap| gap.rounds.to_string()),
            gap.map_or("-".to_owned(), |gap| gap.micros.to_string()),
        ];
        fields.join(" ")
    }
}
