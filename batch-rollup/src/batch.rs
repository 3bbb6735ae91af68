//! What one commit of the archive will hold: rounds from the log, each once.

use std::collections::{BTreeMap, HashSet};

use cloudping_model::{Round, RoundId, UtcMicros};
use cloudping_ports::{Record, SequenceNumber, ShardId};
use cloudping_schemas::event::{self, EventError};

/// Rounds to archive, and how far in each shard they reach.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    rounds: Vec<Round>,
    ids: HashSet<RoundId>,
    rows: usize,
    reached: BTreeMap<ShardId, SequenceNumber>,
    records: u64,
    duplicates: u64,
    unreadable: u64,
}

impl Batch {
    /// Takes the next record of a shard. Whatever it holds, the batch reaches as far as it. Route changes are passed over: they can be
    /// found again from the rounds.
    ///
    /// # Errors
    /// [`EventError`] when the record is skipped for good; it is counted.
    pub(crate) fn take(&mut self, shard: &ShardId, record: &Record) -> Result<(), EventError> {
        self.records += 1;
        self.reached.insert(shard.clone(), record.sequence.clone());
        if event::is_change(&record.data) {
            return Ok(());
        }
        let round = event::decode(&record.data).inspect_err(|_| self.unreadable += 1)?;
        if self.ids.insert(round.id.clone()) {
            self.rows += round.samples.len();
            self.rounds.push(round);
        } else {
            self.duplicates += 1;
        }
        Ok(())
    }

    /// Leaves out the rounds that the table holds already.
    pub(crate) fn drop_known(&mut self, known: &HashSet<RoundId>) {
        let before = self.rounds.len();
        self.rounds.retain(|round| !known.contains(&round.id));
        self.duplicates += (before - self.rounds.len()) as u64;
        self.rows = self.rounds.iter().map(|round| round.samples.len()).sum();
    }

    /// The rounds, in the order of the log.
    pub(crate) fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// How many rows the rounds make.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether nothing was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The last record taken of each shard.
    pub(crate) fn reached(&self) -> &BTreeMap<ShardId, SequenceNumber> {
        &self.reached
    }

    /// How many records were taken, how many of them were rounds known already, and how many were unreadable.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.records, self.duplicates, self.unreadable)
    }

    /// The times of the first and the last sample; `None` without any.
    pub(crate) fn span(&self) -> Option<(UtcMicros, UtcMicros)> {
        let times = || (self.rounds.iter()).flat_map(|round| round.samples.iter().map(|sample| round.sent_at(sample)));
        times().min().zip(times().max())
    }
}

#[cfg(test)]
mod tests {
    use cloudping_model::{Family, Outcome, Protocol, Sample, TargetId, VantageId};

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
        assert_eq!((batch.rounds().len(), batch.rows()), (2, 4));
        assert_eq!(batch.counts(), (4, 1, 1));
        assert_eq!(batch.reached()[&ShardId("s".to_owned())], 4.into());
        assert_eq!(batch.span(), Some((UtcMicros(1_000_003), UtcMicros(1_000_007))));
        batch.drop_known(&HashSet::from([round(1).id]));
        assert_eq!((batch.rounds().len(), batch.rows()), (1, 2));
        assert_eq!(batch.counts(), (4, 2, 1));
    }
}
