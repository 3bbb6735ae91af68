//! Percentiles from the rollups' digests: `digest_quantile(digest_merge(digest), 0.99)`.

use std::hash::{Hash, Hasher};
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

/// A number out of a digest: null where one of the arguments is, or where the digest is empty.
#[derive(Debug)]
pub(super) struct OfDigest {
    name: &'static str,
    of: fn(&LatencyDigest, f64) -> Result<Option<f64>>,
    signature: Signature,
}

/// - `digest_quantile(digest, q)`: the quantile of a digest, in its values' unit (µs).
/// - `digest_cdf(digest, x)`: the share of a digest's values that are at most `x`, in the values' unit.
pub(super) fn scalars() -> [OfDigest; 2] {
    let signature = Signature::exact(vec![DataType::Binary, DataType::Float64], Volatility::Immutable);
    let of = |name, of| OfDigest { name, of, signature: signature.clone() };
    [of("digest_quantile", quantile), of("digest_cdf", share)]
}

// The name says it all.
impl PartialEq for OfDigest {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OfDigest {}

impl Hash for OfDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for OfDigest {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (digests, numbers) = (arrays[0].as_binary::<i32>(), arrays[1].as_primitive::<Float64Type>());
        let of_row = |row: usize| match digests.is_null(row) || numbers.is_null(row) {
            true => Ok(None),
            false => (self.of)(&decode(digests.value(row))?, numbers.value(row)),
        };
        let found: Float64Array = (0..digests.len()).map(of_row).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

fn quantile(digest: &LatencyDigest, q: f64) -> Result<Option<f64>> {
    if !(0.0..=1.0).contains(&q) {
        return Err(exec_datafusion_err!("digest_quantile: {q}, expected a number from 0 to 1"));
    }
    Ok(digest.quantile(q))
}

fn share(digest: &LatencyDigest, x: f64) -> Result<Option<f64>> {
    if x.is_nan() {
        return Err(exec_datafusion_err!("digest_cdf: NaN, expected a number"));
    }
    Ok(cdf(digest, x))
}

/// The share of values that are at most `x`: how many ranks have such a value, by the same estimates as the quantiles.
fn cdf(digest: &LatencyDigest, x: f64) -> Option<f64> {
    let (count, least, most) = (digest.count(), digest.min_us()?, digest.max_us()?);
    if x < f64::from(least) {
        return Some(0.0);
    }
    if x >= f64::from(most) {
        return Some(1.0);
    }
    // The least rank whose value is above x is in `low + 1 ..= high`; values are whole, which undoes the rounding of the rank.
    let (mut low, mut high) = (0, count - 1);
    while high - low > 1 {
        let rank = low + (high - low) / 2;
        let value = digest.quantile(rank as f64 / (count - 1) as f64)?.round();
        if value <= x { low = rank } else { high = rank }
    }
    Some((low + 1) as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_values() {
        let digest: LatencyDigest = (0..100_u32).map(|at| 10_000 + at * 10).collect();
        for (x, share) in [
            (0.0, 0.0),
            (9_999.9, 0.0),
            (10_000.0, 0.01),
            (10_005.0, 0.01),
            (10_490.0, 0.5),
            (10_989.0, 0.99),
            (1e9, 1.0),
        ] {
            assert_eq!(cdf(&digest, x), Some(share), "{x}");
        }
        assert_eq!(cdf(&LatencyDigest::new(), 1.0), None);
        assert_eq!(cdf(&[7].into_iter().collect(), 7.0), Some(1.0));
        assert_eq!(cdf(&[7].into_iter().collect(), 6.9), Some(0.0));
    }

    #[test]
    fn shares_of_a_sketch_undo_its_quantiles() {
        let digest: LatencyDigest = (0..50_000_u32).map(|at| 1_000 + (at * 7_919) % 50_000).collect();
        assert!(!digest.is_exact());
        for q in [0.01, 0.25, 0.5, 0.9, 0.999] {
            let share = cdf(&digest, digest.quantile(q).unwrap()).unwrap();
            assert!((share - q).abs() < 1e-3, "{q}: {share}");
        }
    }
}
