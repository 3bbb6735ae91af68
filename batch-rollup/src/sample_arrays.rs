//! Samples in columns as a batch of the table of samples.

use std::iter::repeat_n;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::error::ArrowError;
use cloudping_model::{Gap, Outcome, UtcMicros};
use cloudping_schemas::tables::{self, Origin};

use crate::hours::date_of;
use crate::sample_rows::{NONE, SampleColumns, Series};

/// The samples that are not left out, in the order of a file. Texts are dictionaries, of which the table's schema says what they stand for.
///
/// # Errors
/// [`ArrowError`] when the columns are not the table's, which no sample can cause.
pub(crate) fn sample_arrays(samples: &SampleColumns, origin: Origin) -> Result<RecordBatch, ArrowError> {
    let (order, runs) = samples.order();
    let arrays = Ordered { samples, order, runs }.arrays(origin)?;
    let fields: Vec<Field> = (tables::samples().fields().iter().zip(&arrays))
        .map(|(field, array)| field.as_ref().clone().with_data_type(array.data_type().clone()))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

struct Ordered<'a> {
    samples: &'a SampleColumns,
    order: Vec<u32>,
    runs: Vec<(Series, usize)>,
}

impl Ordered<'_> {
    fn arrays(&self, origin: Origin) -> Result<Vec<ArrayRef>, ArrowError> {
        let samples = self.samples;
        let at = self.gather(&samples.at);
        let protocols = cloudping_model::Protocol::ALL.map(|protocol| protocol.name());
        Ok(vec![
            Arc::new(Date32Array::from_iter_values(at.iter().map(|at| date_of(UtcMicros(*at))))),
            Arc::new(TimestampMicrosecondArray::new(at.into(), None).with_timezone("UTC")),
            self.by_series(|series| series.source as i32, samples.sources.texts())?,
            self.by_series(|series| series.target as i32, samples.targets.texts())?,
            self.by_series(|series| series.protocol as i32, &protocols)?,
            self.families(),
            self.outcomes()?,
            Arc::new(Int32Array::from_iter(
                self.values(&samples.rtt_us).map(|rtt| (rtt > 0).then_some(rtt.cast_signed())),
            )),
            Arc::new(Int32Array::from_iter(
                self.values(&samples.connect_us).map(|connect| connect.map(u32::cast_signed)),
            )),
            Arc::new(Int32Array::from_iter_values(self.values(&samples.retransmits).map(u32::cast_signed))),
            self.addresses()?,
            self.identities(|round| samples.rounds[round as usize].epoch),
            self.identities(|round| samples.rounds[round as usize].number),
            self.origins(origin)?,
            self.gaps(&DataType::Utf8, |gaps| {
                Arc::new(gaps.map(|gap| gap.map(|gap| gap.reason.name())).collect::<StringArray>())
            }),
            self.gaps(&DataType::Int64, |gaps| {
                Arc::new(gaps.map(|gap| gap.map(|gap| gap.rounds.cast_signed())).collect::<Int64Array>())
            }),
            self.gaps(&DataType::Int64, |gaps| {
                Arc::new(gaps.map(|gap| gap.map(|gap| gap.micros)).collect::<Int64Array>())
            }),
        ])
    }

    fn values<T: Copy>(&self, column: &[T]) -> impl Iterator<Item = T> {
        self.order.iter().map(|sample| column[*sample as usize])
    }

    fn gather<T: Copy>(&self, column: &[T]) -> Vec<T> {
        self.values(column).collect()
    }

    fn by_series(&self, key: impl Fn(&Series) -> i32, texts: &[impl AsRef<str>]) -> Result<ArrayRef, ArrowError> {
        let mut keys = Vec::with_capacity(self.order.len());
        for (series, rows) in &self.runs {
            keys.extend(repeat_n(key(series), *rows));
        }
        dictionary(keys.into(), texts)
    }

    fn families(&self) -> ArrayRef {
        let mut families = Vec::with_capacity(self.order.len());
        for (series, rows) in &self.runs {
            families.extend(repeat_n(i32::from(series.family.number()), *rows));
        }
        Arc::new(Int32Array::from(families))
    }

    fn outcomes(&self) -> Result<ArrayRef, ArrowError> {
        let keys = self.values(&self.samples.outcome).map(|outcome| outcome as i32);
        dictionary(Int32Array::from_iter_values(keys), &Outcome::ALL.map(Outcome::name))
    }

    fn addresses(&self) -> Result<ArrayRef, ArrowError> {
        let keys = self.values(&self.samples.address).map(|address| (address != NONE).then_some(address.cast_signed()));
        let texts: Vec<String> = self.samples.addresses.iter().map(ToString::to_string).collect();
        dictionary(Int32Array::from_iter(keys), &texts)
    }

    fn identities(&self, number: impl Fn(u32) -> u64) -> ArrayRef {
        let numbers = self.values(&self.samples.of_round).map(|round| number(round).cast_signed());
        Arc::new(Int64Array::from_iter_values(numbers))
    }

    fn origins(&self, origin: Origin) -> Result<ArrayRef, ArrowError> {
        let rows = self.order.len();
        match origin.stored() {
            None => Ok(new_null_array(&DataType::Utf8, rows)),
            Some(text) => dictionary(vec![0; rows].into(), &[text]),
        }
    }

    /// A column of the gaps, each at its round's first sample.
    fn gaps(
        &self,
        data_type: &DataType,
        column: impl Fn(&mut dyn Iterator<Item = Option<Gap>>) -> ArrayRef,
    ) -> ArrayRef {
        if self.samples.live_rounds().all(|round| round.gap.is_none()) {
            return new_null_array(data_type, self.order.len());
        }
        let before = |sample: &u32| {
            let sample = *sample as usize;
            let round = &self.samples.rounds[self.samples.of_round[sample] as usize];
            round.gap.filter(|_| round.samples.start == sample)
        };
        column(&mut self.order.iter().map(before))
    }
}

fn dictionary(keys: Int32Array, texts: &[impl AsRef<str>]) -> Result<ArrayRef, ArrowError> {
    let texts = StringArray::from_iter_values(texts);
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(texts))?))
}
