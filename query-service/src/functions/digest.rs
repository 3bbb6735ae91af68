//! Percentiles from the rollups' digests: `digest_quantile(digest_merge(digest), 0.99)`.

use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use cloudping_digest::{LatencyDigest, trino};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// Digests that wait to be merged at once: nearer to the truth, and faster, than one after another.
const MERGE_AT: usize = 256;
/// About what a digest takes, in bytes.
const DIGEST_BYTES: usize = 2_048;

fn decode(bytes: &[u8]) -> Result<LatencyDigest> {
    trino::from_trino_bytes(bytes).map_err(|error| exec_datafusion_err!("a digest that is none: {error}"))
}

/// `digest_merge(digest)`: one digest of many, in the same bytes. Null where there is none.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DigestMerge {
    signature: Signature,
}

impl DigestMerge {
    pub(super) fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Binary], Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for DigestMerge {
    fn name(&self) -> &str {
        "digest_merge"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Merging(Vec::new())))
    }
}

/// Digests, merged whenever they are many.
#[derive(Debug)]
struct Merging(Vec<LatencyDigest>);

impl Accumulator for Merging {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for bytes in values[0].as_binary::<i32>().iter().flatten() {
            self.0.push(decode(bytes)?);
            if self.0.len() == MERGE_AT {
                self.0 = vec![LatencyDigest::merge_many(&self.0)];
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let merged = (!self.0.is_empty()).then(|| trino::to_trino_bytes(&LatencyDigest::merge_many(&self.0)));
        Ok(ScalarValue::Binary(merged))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.len() * DIGEST_BYTES
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

/// `digest_quantile(digest, q)`: the quantile of a digest, in its values' unit (µs). Null where one of the two is, or where the digest is empty.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DigestQuantile {
    signature: Signature,
}

impl DigestQuantile {
    pub(super) fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Binary, DataType::Float64], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DigestQuantile {
    fn name(&self) -> &str {
        "digest_quantile"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (digests, qs) = (arrays[0].as_binary::<i32>(), arrays[1].as_primitive::<Float64Type>());
        let quantile = |row: usize| -> Result<Option<f64>> {
            if digests.is_null(row) || qs.is_null(row) {
                return Ok(None);
            }
            let q = qs.value(row);
            if !(0.0..=1.0).contains(&q) {
                return Err(exec_datafusion_err!("digest_quantile: {q}, expected a number from 0 to 1"));
            }
            Ok(decode(digests.value(row))?.quantile(q))
        };
        let quantiles: Float64Array = (0..digests.len()).map(quantile).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(quantiles)))
    }
}
