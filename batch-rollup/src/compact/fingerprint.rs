//! What rows amount to, whatever their order: the proof that a merge lost and changed none.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::kernels::length::length;
use arrow::compute::{cast, sum};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;

/// The number of rows and, for each column, its nulls and the sum of its values (of a text: of its length), modulo 2^64. Floating-point values
/// are summed as their bits, so that the order cannot matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fingerprint {
    pub(crate) rows: u64,
    columns: Vec<(u64, i64)>,
}

impl Fingerprint {
    /// Adds a batch; all batches have the same columns.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.columns.resize(batch.num_columns(), (0, 0));
        self.rows += batch.num_rows() as u64;
        for ((nulls, total), column) in self.columns.iter_mut().zip(batch.columns()) {
            *nulls += column.null_count() as u64;
            *total = total.wrapping_add(sum_of(column)?);
        }
        Ok(())
    }
}

fn sum_of(column: &ArrayRef) -> Result<i64, ArrowError> {
    let numbers: Int64Array = match column.data_type() {
        DataType::Float64 => {
            let floats = column.as_primitive::<Float64Type>();
            Int64Array::new(floats.values().inner().clone().into(), floats.nulls().cloned())
        }
        DataType::Utf8 | DataType::Utf8View | DataType::Binary | DataType::BinaryView => {
            cast(&length(column)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone()
        }
        DataType::Date32 => {
            cast(&cast(column, &DataType::Int32)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone()
        }
        _ => cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
    };
    Ok(sum(&numbers).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, StringArray};

    use super::*;

    fn of(rows: &[(Option<i32>, &str, f64)]) -> Fingerprint {
        let mut all = Fingerprint::default();
        for part in rows.chunks(2) {
            let numbers: Int32Array = part.iter().map(|row| row.0).collect();
            let texts: StringArray = part.iter().map(|row| Some(row.1)).collect();
            let floats: Float64Array = part.iter().map(|row| Some(row.2)).collect();
            let columns: [(&str, ArrayRef); 3] =
                [("a", Arc::new(numbers)), ("b", Arc::new(texts)), ("c", Arc::new(floats))];
            all.add(
                &RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap(),
            )
            .unwrap();
        }
        all
    }

    #[test]
    fn the_order_does_not_matter_and_every_value_does() {
        let rows = [(Some(i32::MAX), "a", 0.1), (None, "bcd", 0.2), (Some(-3), "", 0.3)];
        let mut turned = rows;
        turned.reverse();
        assert_eq!(of(&rows), of(&turned));
        assert_eq!(of(&rows).rows, 3);
        assert_ne!(of(&rows), of(&rows[..2]), "a row is missing");
        for changed in [(Some(1), "bcd", 0.2), (None, "bc", 0.2), (None, "bcd", 0.2 + f64::EPSILON)] {
            assert_ne!(of(&rows), of(&[rows[0], changed, rows[2]]), "{changed:?}");
        }
    }
}
