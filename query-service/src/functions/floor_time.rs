//! `date_trunc` and `date_bin` for times in UTC, where a second, an hour and a day have one length: a remainder instead of a calendar, and mostly
//! not even that, since neighbours tend to fall into the same bucket. Whatever else is asked goes to DataFusion's own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowTimestampType, DataType, FieldRef, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType,
    TimestampNanosecondType,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::datetime;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// One of the two functions: DataFusion's with a way round it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct FloorTime {
    inner: Arc<ScalarUDF>,
    bucket: Bucket,
}

/// How the first argument says the length of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Bucket {
    /// By a word.
    Word,
    /// By an interval.
    Interval,
}

/// Both.
pub(super) fn both() -> [FloorTime; 2] {
    [
        FloorTime { inner: datetime::date_trunc(), bucket: Bucket::Word },
        FloorTime { inner: datetime::date_bin(), bucket: Bucket::Interval },
    ]
}

impl Bucket {
    /// The length in ns; `None` where it is not the same for all, or not written out.
    fn nanos(self, argument: &ColumnarValue) -> Option<i64> {
        let ColumnarValue::Scalar(scalar) = argument else {
            return None;
        };
        match (self, scalar) {
            (Self::Word, scalar) => match scalar.try_as_str()??.to_ascii_lowercase().as_str() {
                "second" => Some(1_000_000_000),
                "minute" => Some(60_000_000_000),
                "hour" => Some(3_600_000_000_000),
                "day" => Some(86_400_000_000_000),
                _ => None,
            },
            (Self::Interval, ScalarValue::IntervalMonthDayNano(Some(interval))) => {
                let (months, days, nanos) = IntervalMonthDayNanoType::to_parts(*interval);
                let whole = i64::from(days).checked_mul(86_400_000_000_000)?.checked_add(nanos)?;
                (months == 0 && whole > 0).then_some(whole)
            }
            _ => None,
        }
    }
}

/// The times as starts of their buckets; `None` where it takes more than a remainder.
fn floored(array: &ArrayRef, nanos: i64) -> Option<ArrayRef> {
    let DataType::Timestamp(unit, Some(zone)) = array.data_type() else {
        return None;
    };
    if !matches!(zone.as_ref(), "UTC" | "+00:00" | "Z") {
        return None;
    }
    Some(match unit {
        TimeUnit::Microsecond if nanos % 1_000 == 0 => {
            Arc::new(starts::<TimestampMicrosecondType>(array, nanos / 1_000, zone))
        }
        TimeUnit::Nanosecond => Arc::new(starts::<TimestampNanosecondType>(array, nanos, zone)),
        _ => return None,
    })
}

fn starts<T: ArrowTimestampType>(array: &ArrayRef, length: i64, zone: &Arc<str>) -> PrimitiveArray<T> {
    let times: &PrimitiveArray<T> = array.as_primitive();
    let mut start = 0;
    let starts = times.values().iter().map(|&time| {
        if !(0..length).contains(&time.wrapping_sub(start)) {
            // Wraps only for what is null, or older than any clock.
            start = time.wrapping_sub(time.rem_euclid(length));
        }
        start
    });
    PrimitiveArray::new(starts.collect::<Vec<_>>().into(), times.nulls().cloned()).with_timezone(Arc::clone(zone))
}

impl ScalarUDFImpl for FloorTime {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [bucket, ColumnarValue::Array(times)] = arguments.args.as_slice()
            && let Some(nanos) = self.bucket.nanos(bucket)
            && let Some(starts) = floored(times, nanos)
        {
            return Ok(ColumnarValue::Array(starts));
        }
        self.inner.invoke_with_args(arguments)
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(arguments, context)
    }

    fn preimage(&self, arguments: &[Expr], value: &Expr, context: &SimplifyContext) -> Result<PreimageResult> {
        self.inner.inner().preimage(arguments, value, context)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{TimestampMicrosecondArray, TimestampNanosecondArray};
    use arrow::datatypes::{Field, IntervalMonthDayNano};
    use datafusion::common::config::ConfigOptions;
    use proptest::prelude::*;

    use super::*;

    /// What a function makes of times, by the shortcut and by DataFusion alone.
    fn both_ways(which: usize, bucket: ScalarValue, times: ArrayRef) -> (ArrayRef, ArrayRef) {
        let rows = times.len();
        let call = |function: &ScalarUDF| {
            let args = vec![ColumnarValue::Scalar(bucket.clone()), ColumnarValue::Array(Arc::clone(&times))];
            let arg_fields: Vec<FieldRef> =
                args.iter().map(|arg| Arc::new(Field::new("x", arg.data_type(), true))).collect();
            let return_field = Arc::clone(&arg_fields[1]);
            let config_options = Arc::new(ConfigOptions::new());
            let arguments = ScalarFunctionArgs { args, arg_fields, number_rows: rows, return_field, config_options };
            function.invoke_with_args(arguments).unwrap().into_array(rows).unwrap()
        };
        let [trunc, bin] = both();
        let ours = if which == 0 { trunc } else { bin };
        let inner = Arc::clone(&ours.inner);
        (call(&ScalarUDF::from(ours)), call(&inner))
    }

    proptest! {
        #[test]
        fn the_shortcut_is_datafusions_answer(
            times in prop::collection::vec(prop::option::of(-4_000_000_000_000_000_i64..4_000_000_000_000_000), 1..50),
            word in prop::sample::select(vec!["second", "MINUTE", "hour", "day", "week", "month"]),
            seconds in 1_i64..200_000,
        ) {
            let micros: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC"));
            let (ours, theirs) = both_ways(0, ScalarValue::from(word), micros);
            prop_assert_eq!(&ours, &theirs);
            let nanos: TimestampNanosecondArray = times.iter().map(|time| time.map(|micros| micros * 1_000)).collect();
            let interval = IntervalMonthDayNano::new(0, 0, seconds * 1_000_000_000);
            let interval = ScalarValue::IntervalMonthDayNano(Some(interval));
            let (ours, theirs) = both_ways(1, interval, Arc::new(nanos.with_timezone("UTC")));
            prop_assert_eq!(&ours, &theirs);
        }
    }
}
