//! Rows of samples, sorted by round, folded into rounds.

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::error::ArrowError;
use cloudping_model::{
    Family, Gap, GapReason, IdError, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId,
};

/// The columns that a round is made of, in the order that [`RoundFold::push`] takes them.
pub(super) const INPUT: [&str; 15] = [
    "source",
    "target",
    "protocol",
    "outcome",
    "address",
    "gap_reason",
    "epoch",
    "round",
    "ts",
    "gap_rounds",
    "gap_us",
    "family",
    "rtt_us",
    "connect_us",
    "retransmits",
];
/// By which of them the rows must be sorted: a vantage point's rounds come in the order in which it made them.
pub(super) const ORDER: [&str; 4] = ["source", "epoch", "round", "ts"];

/// Why rows make no round.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// A column has another type.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// A name is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A column holds what it must not.
    #[error("{column} is {found:?}, expected {expected}")]
    Value {
        /// The column.
        column: &'static str,
        /// What it holds.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
}

/// Folds rows that come sorted by [`ORDER`] into rounds, and gives those that start within a range of time.
pub(super) struct RoundFold {
    starts: Range<UtcMicros>,
    running: Option<Round>,
    vantages: HashMap<String, VantageId>,
    targets: HashMap<String, TargetId>,
}

impl RoundFold {
    pub(super) fn new(starts: Range<UtcMicros>) -> Self {
        Self { starts, running: None, vantages: HashMap::new(), targets: HashMap::new() }
    }

    /// Takes rows in the columns of [`INPUT`]; gives the rounds that are whole with them.
    ///
    /// # Errors
    /// [`RowError`].
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<Vec<Round>, RowError> {
        let rows = Rows::of(batch)?;
        let mut whole = Vec::new();
        for row in 0..batch.num_rows() {
            let (source, epoch, number) = (rows.text[0].value(row), rows.epoch.value(row), rows.round.value(row));
            let same = |id: &RoundId| {
                id.number == number.cast_unsigned()
                    && id.epoch == epoch.cast_unsigned()
                    && id.vantage.as_str() == source
            };
            if !self.running.as_ref().is_some_and(|round| same(&round.id)) {
                whole.extend(self.end());
                let vantage = named(&mut self.vantages, source, VantageId::new)?;
                let id = RoundId { vantage, epoch: epoch.cast_unsigned(), number: number.cast_unsigned() };
                let started_at = UtcMicros(rows.ts.value(row));
                self.running = Some(Round { id, started_at, gap: None, samples: Vec::new() });
            }
            let target = named(&mut self.targets, rows.text[1].value(row), TargetId::new)?;
            if let Some(round) = &mut self.running {
                round.samples.push(rows.sample(row, target, round.started_at)?);
                // It stands at the sample that the producer listed first, whichever left first.
                round.gap = round.gap.or(rows.gap(row)?);
            }
        }
        Ok(whole)
    }

    /// The last round: no rows follow.
    pub(super) fn end(&mut self) -> Option<Round> {
        self.running.take().filter(|round| self.starts.contains(&round.started_at))
    }
}

/// An identifier, made once of each text.
fn named<I: Clone>(
    known: &mut HashMap<String, I>,
    text: &str,
    new: fn(&str) -> Result<I, IdError>,
) -> Result<I, IdError> {
    if let Some(id) = known.get(text) {
        return Ok(id.clone());
    }
    let id = new(text)?;
    known.insert(text.to_owned(), id.clone());
    Ok(id)
}

/// A batch's columns.
struct Rows {
    /// Source, target, protocol, outcome, address, reason of the gap.
    text: [StringArray; 6],
    epoch: Int64Array,
    round: Int64Array,
    ts: Int64Array,
    gap_rounds: Int64Array,
    gap_us: Int64Array,
    family: Int32Array,
    rtt_us: Int32Array,
    connect_us: Int32Array,
    retransmits: Int32Array,
}

impl Rows {
    fn of(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let column = |at: usize, kind: DataType| -> Result<ArrayRef, ArrowError> { cast(batch.column(at), &kind) };
        let text = |at| Ok::<_, ArrowError>(column(at, DataType::Utf8)?.as_string::<i32>().clone());
        let long = |at| Ok::<_, ArrowError>(column(at, DataType::Int64)?.as_primitive::<Int64Type>().clone());
        let int = |at| Ok::<_, ArrowError>(column(at, DataType::Int32)?.as_primitive::<Int32Type>().clone());
        Ok(Self {
            text: [text(0)?, text(1)?, text(2)?, text(3)?, text(4)?, text(5)?],
            epoch: long(6)?,
            round: long(7)?,
            ts: long(8)?,
            gap_rounds: long(9)?,
            gap_us: long(10)?,
            family: int(11)?,
            rtt_us: int(12)?,
            connect_us: int(13)?,
            retransmits: int(14)?,
        })
    }

    fn sample(&self, row: usize, target: TargetId, started_at: UtcMicros) -> Result<Sample, RowError> {
        let offset = self.ts.value(row) - started_at.0;
        let (protocol, outcome, family) = (self.text[2].value(row), self.text[3].value(row), self.family.value(row));
        let micros = |column: &Int32Array| column.is_valid(row).then(|| column.value(row).cast_unsigned());
        let address = self.text[4].is_valid(row).then(|| self.text[4].value(row));
        Ok(Sample {
            target,
            offset_us: u32::try_from(offset)
                .map_err(|_| wrong("ts", offset, "at most an hour after its round's first"))?,
            protocol: Protocol::from_name(protocol)
                .ok_or_else(|| wrong("protocol", protocol, "tcp, tls, https, icmp or udp"))?,
            outcome: outcome_of(outcome).ok_or_else(|| wrong("outcome", outcome, "one of the event's"))?,
            rtt_us: micros(&self.rtt_us),
            connect_us: micros(&self.connect_us),
            retransmits: self.retransmits.value(row).cast_unsigned(),
            family: match family {
                4 => Family::V4,
                6 => Family::V6,
                _ => return Err(wrong("family", family, "4 or 6")),
            },
            address: address
                .map(|text| text.parse().map_err(|_| wrong("address", text, "an IP address")))
                .transpose()?,
        })
    }

    fn gap(&self, row: usize) -> Result<Option<Gap>, RowError> {
        if self.text[5].is_null(row) {
            return Ok(None);
        }
        let name = self.text[5].value(row);
        let reason = GapReason::ALL.into_iter().find(|reason| reason.name() == name);
        let reason = reason.ok_or_else(|| wrong("gap_reason", name, "one of the event's"))?;
        let rounds = self.gap_rounds.value(row).cast_unsigned();
        Ok(Some(Gap { reason, rounds, micros: self.gap_us.value(row) }))
    }
}

fn outcome_of(name: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)
}

fn wrong(column: &'static str, found: impl ToString, expected: &'static str) -> RowError {
    RowError::Value { column, found: found.to_string(), expected }
}
