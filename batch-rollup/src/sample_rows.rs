//! Rounds as rows of the table of samples.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::error::ArrowError;
use cloudping_model::{Gap, Round, Sample};
use cloudping_schemas::tables::{self, Origin};

use crate::hours::date_of;

/// One row a sample, sorted by (source, target, ts), the order within a file that makes files smallest and a pair's queries quickest. What is
/// missing before a round stands at its first sample.
///
/// # Errors
/// [`ArrowError`] when the rows are not of the table's schema, which no round can cause.
pub(crate) fn sample_rows(rounds: &[Round], origin: Origin) -> Result<RecordBatch, ArrowError> {
    let mut rows: Vec<(&Round, &Sample)> =
        rounds.iter().flat_map(|round| round.samples.iter().map(move |sample| (round, sample))).collect();
    rows.sort_by_cached_key(|(round, sample)| {
        let ids = (round.id.vantage.clone(), sample.target.clone());
        (ids, round.sent_at(sample), round.id.epoch, round.id.number)
    });
    RecordBatch::try_new(tables::samples(), columns(&rows, origin))
}

fn columns(rows: &[(&Round, &Sample)], origin: Origin) -> Vec<ArrayRef> {
    let texts = |text: fn(&Round, &Sample) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(round, sample)| text(round, sample))))
    };
    let numbers = |number: fn(&Sample) -> Option<u32>| -> ArrayRef {
        let values = rows.iter().map(|(_, sample)| number(sample).map(u32::cast_signed));
        Arc::new(Int32Array::from_iter(values))
    };
    let identities = |number: fn(&Round) -> u64| -> ArrayRef {
        let values = rows.iter().map(|(round, _)| number(round).cast_signed());
        Arc::new(Int64Array::from_iter_values(values))
    };
    let times = || rows.iter().map(|(round, sample)| round.sent_at(sample));
    let addresses = rows.iter().map(|(_, sample)| sample.address.map(|address| address.to_string()));
    let gaps = |number: fn(Gap) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter(rows.iter().map(|(round, sample)| gap_before(round, sample).map(number))))
    };
    let reasons = rows.iter().map(|(round, sample)| gap_before(round, sample).map(|gap| gap.reason.name()));
    vec![
        Arc::new(Date32Array::from_iter_values(times().map(date_of))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(times().map(|at| at.0)).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(round, _)| round.id.vantage.as_str()))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, sample)| sample.target.as_str()))),
        texts(|_, sample| sample.protocol.name()),
        numbers(|sample| Some(u32::from(sample.family.number()))),
        texts(|_, sample| sample.outcome.name()),
        numbers(|sample| sample.rtt_us),
        numbers(|sample| sample.connect_us),
        numbers(|sample| Some(sample.retransmits)),
        Arc::new(StringArray::from_iter(addresses)),
        identities(|round| round.id.epoch),
        identities(|round| round.id.number),
        Arc::new(StringArray::from_iter(rows.iter().map(|_| origin.stored()))),
        Arc::new(StringArray::from_iter(reasons)),
        gaps(|gap| gap.rounds.cast_signed()),
        gaps(|gap| gap.micros),
    ]
}

fn gap_before(round: &Round, sample: &Sample) -> Option<Gap> {
    round.gap.filter(|_| round.samples.first().is_some_and(|first| std::ptr::eq(first, sample)))
}
