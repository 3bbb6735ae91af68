//! Exact quantiles: one aggregate under the names that users know.

use std::any::Any;
use std::fmt::Debug;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Float64Builder, ListBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int32Type};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use super::one_group::OneGroup;
use super::values::{Float, Group, Key, Whole, pack, quantile};

/// Which arguments a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The values and any number of quantiles; a list of results.
    Many,
    /// The values and a quantile, which WITHIN GROUP can take; what follows (a number of centroids) has no effect.
    One,
    /// The values only: their median.
    Median,
}

/// An exact quantile, or several.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Quantiles {
    name: &'static str,
    aliases: Vec<String>,
    kind: Kind,
    signature: Signature,
}

/// The function of several quantiles.
pub(super) fn many() -> Quantiles {
    Quantiles::new("quantiles", &[], Kind::Many)
}

/// The functions under all their names.
pub(super) fn all() -> [Quantiles; 5] {
    [
        many(),
        Quantiles::new("percentile_cont", &["quantile_cont"], Kind::One),
        Quantiles::new("approx_percentile_cont", &[], Kind::One),
        Quantiles::new("median", &[], Kind::Median),
        Quantiles::new("approx_median", &[], Kind::Median),
    ]
}

impl Quantiles {
    fn new(name: &'static str, aliases: &[&str], kind: Kind) -> Self {
        let aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
        Self { name, aliases, kind, signature: Signature::user_defined(Volatility::Immutable) }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    fn one_group(&self, args: &AccumulatorArgs<'_>, slides: bool) -> Result<Box<dyn Accumulator>> {
        let wanted = self.wanted(args)?;
        Ok(match args.expr_fields[0].data_type() {
            DataType::Int32 => Box::new(OneGroup::new(Groups::<Whole>::new(wanted), slides)),
            _ => Box::new(OneGroup::new(Groups::<Float>::new(wanted), slides)),
        })
    }

    fn wanted(&self, args: &AccumulatorArgs<'_>) -> Result<Wanted> {
        let descending = args.order_bys.first().is_some_and(|order| order.options.descending);
        let quantiles = match self.kind {
            Kind::Median => vec![0.5],
            Kind::Many => {
                args.exprs[1..].iter().map(|expr| literal(self.name, expr.as_ref())).collect::<Result<_>>()?
            }
            Kind::One => {
                let q = literal(self.name, args.exprs[1].as_ref())?;
                vec![if descending { 1.0 - q } else { q }]
            }
        };
        Ok(Wanted { quantiles, list: self.kind == Kind::Many, distinct: args.is_distinct })
    }
}

/// A quantile that is written out in the statement.
fn literal(function: &str, expr: &dyn datafusion::physical_plan::PhysicalExpr) -> Result<f64> {
    let found = (expr as &dyn Any).downcast_ref::<Literal>().map(Literal::value);
    in_range(function, found)
}

/// A quantile, if it is a number from 0 to 1.
pub(super) fn in_range(function: &str, value: Option<&ScalarValue>) -> Result<f64> {
    match value.map(|value| value.cast_to(&DataType::Float64)) {
        Some(Ok(ScalarValue::Float64(Some(q)))) if (0.0..=1.0).contains(&q) => Ok(q),
        _ => plan_err!("{function}: expected a quantile that is a number from 0 to 1, such as 0.99"),
    }
}

impl AggregateUDFImpl for Quantiles {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let fits = match self.kind {
            Kind::Many => given.len() >= 2,
            Kind::One => (2..=3).contains(&given.len()),
            Kind::Median => given.len() == 1,
        };
        if !fits {
            return plan_err!("{}: expected {}", self.name, self.kind.arguments());
        }
        let mut wanted = vec![DataType::Float64; given.len()];
        wanted[0] = match &given[0] {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
            number if number.is_numeric() || number.is_null() => DataType::Float64,
            other => return plan_err!("{}: expected numbers, found {other}", self.name),
        };
        Ok(wanted)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Many => DataType::new_list(DataType::Float64, true),
            _ => DataType::Float64,
        })
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "values"), DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.one_group(&args, false)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.one_group(&args, true)
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let wanted = self.wanted(&args)?;
        Ok(match args.expr_fields[0].data_type() {
            DataType::Int32 => Box::new(Groups::<Whole>::new(wanted)),
            _ => Box::new(Groups::<Float>::new(wanted)),
        })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn supports_within_group_clause(&self) -> bool {
        self.kind == Kind::One
    }
}

impl Kind {
    fn arguments(self) -> &'static str {
        match self {
            Self::Many => "the values and at least one quantile, such as (rtt_us, 0.5, 0.99)",
            Self::One => "a quantile and the values, such as (0.99) WITHIN GROUP (ORDER BY rtt_us), or (rtt_us, 0.99)",
            Self::Median => "the values only",
        }
    }
}

/// What is to be made of the values.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) quantiles: Vec<f64>,
    pub(super) list: bool,
    pub(super) distinct: bool,
}

impl Wanted {
    /// The results of groups, each given as its values in ascending order.
    pub(super) fn array<K: Key, V: AsRef<[K]>>(
        &self,
        groups: impl ExactSizeIterator<Item = Result<V>>,
    ) -> Result<ArrayRef> {
        let mut flat = Float64Builder::with_capacity(groups.len() * self.quantiles.len());
        if !self.list {
            for group in groups {
                flat.append_option(quantile(group?.as_ref(), self.quantiles[0]));
            }
            return Ok(Arc::new(flat.finish()));
        }
        let mut lists = ListBuilder::new(flat);
        for group in groups {
            let group = group?;
            let ascending = group.as_ref();
            for &q in &self.quantiles {
                lists.values().append_option(quantile(ascending, q));
            }
            lists.append(!ascending.is_empty());
        }
        Ok(Arc::new(lists.finish()))
    }

    pub(super) fn ascending<K: Key>(&self, group: Group<K>) -> Result<Vec<K>> {
        group.ascending(self.distinct).ok_or_else(broken)
    }
}

/// A state that no stage wrote.
pub(super) fn broken() -> DataFusionError {
    exec_datafusion_err!("quantiles: a state that is none")
}

/// The arrays whose numbers become keys.
pub(super) trait Column: Key {
    fn of(array: &ArrayRef, at: std::ops::Range<usize>) -> impl ExactSizeIterator<Item = Self>;
}

impl Column for Whole {
    fn of(array: &ArrayRef, at: std::ops::Range<usize>) -> impl ExactSizeIterator<Item = Self> {
        array.as_primitive::<Int32Type>().values()[at].iter().copied().map(Self::from)
    }
}

impl Column for Float {
    fn of(array: &ArrayRef, at: std::ops::Range<usize>) -> impl ExactSizeIterator<Item = Self> {
        array.as_primitive::<Float64Type>().values()[at].iter().copied().map(Self::from)
    }
}

/// The values of each group.
pub(super) struct Groups<K> {
    pub(super) wanted: Wanted,
    pub(super) groups: Vec<Group<K>>,
    /// Memory behind them.
    pub(super) bytes: usize,
    /// What evaluation needs on top: groups are unpacked one after another, so the largest counts.
    pub(super) bytes_to_settle: usize,
}

impl<K: Column> Groups<K> {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, groups: Vec::new(), bytes: 0, bytes_to_settle: 0 }
    }

    pub(super) fn grow(&mut self, total: usize) {
        self.groups.resize_with(total, Group::default);
    }

    pub(super) fn change<R>(&mut self, group: usize, change: impl FnOnce(&mut Group<K>) -> R) -> R {
        let group = &mut self.groups[group];
        let before = group.bytes();
        let result = change(group);
        self.bytes = self.bytes + group.bytes() - before;
        self.bytes_to_settle = self.bytes_to_settle.max(group.bytes_to_settle());
        result
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Group<K>> {
        let taken = emit_to.take_needed(&mut self.groups);
        self.bytes -= taken.iter().map(Group::bytes).sum::<usize>();
        if self.groups.is_empty() {
            self.bytes_to_settle = 0;
        }
        taken
    }
}

/// The stretches of equal group numbers.
fn stretches(groups: &[usize]) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let mut start = 0;
    groups.chunk_by(|a, b| a == b).map(move |stretch| {
        let range = start..start + stretch.len();
        start = range.end;
        (stretch[0], range)
    })
}

/// Which rows count: those that are not null and pass the filter.
pub(super) fn counted(values: &ArrayRef, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let passed = filter.map(|filter| {
        let passed = filter.nulls().map_or_else(|| filter.values().clone(), |nulls| filter.values() & nulls.inner());
        NullBuffer::new(passed)
    });
    NullBuffer::union(values.nulls(), passed.as_ref())
}

impl<K: Column> GroupsAccumulator for Groups<K> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total);
        let counted = counted(&values[0], filter);
        for (group, rows) in stretches(group_indices) {
            let start = rows.start;
            let column = K::of(&values[0], rows);
            self.change(group, |group| match &counted {
                None => group.extend(column),
                Some(counted) => group.extend_if(column, |at| counted.is_valid(start + at)),
            });
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = self.take(emit_to);
        self.wanted.array(groups.into_iter().map(|group| self.wanted.ascending(group)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.take(emit_to);
        let mut state = BinaryBuilder::with_capacity(groups.len(), 0);
        let mut packed = Vec::new();
        for group in groups {
            packed.clear();
            pack(&self.wanted.ascending(group)?, &mut packed);
            state.append_value(&packed);
        }
        Ok(vec![Arc::new(state.finish())])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total: usize) -> Result<()> {
        self.grow(total);
        let packs: &BinaryArray = values[0].as_binary();
        for (row, &group) in group_indices.iter().enumerate() {
            if packs.is_valid(row) {
                self.change(group, |group| group.extend_packed(packs.value(row)));
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let counted = counted(&values[0], filter);
        let mut state = BinaryBuilder::new();
        let mut packed = Vec::new();
        for (row, key) in K::of(&values[0], 0..values[0].len()).enumerate() {
            packed.clear();
            if counted.as_ref().is_none_or(|counted| counted.is_valid(row)) {
                pack(&[key], &mut packed);
            }
            state.append_value(&packed);
        }
        Ok(vec![Arc::new(state.finish())])
    }

    fn size(&self) -> usize {
        self.bytes + self.bytes_to_settle + self.groups.capacity() * size_of::<Group<K>>()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int32Array};

    use super::*;

    fn groups(quantiles: &[f64]) -> Groups<Whole> {
        Groups::new(Wanted { quantiles: quantiles.to_vec(), list: false, distinct: false })
    }

    fn numbers(array: &ArrayRef) -> Vec<Option<f64>> {
        let array: &Float64Array = array.as_primitive();
        array.iter().collect()
    }

    #[test]
    fn what_is_null_or_filtered_does_not_count() {
        let mut groups = groups(&[0.5]);
        let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(-10), Some(5)]));
        let filter = BooleanArray::from(vec![Some(true), Some(true), Some(false), Some(true), None]);
        groups.update_batch(&[Arc::clone(&values)], &[0, 0, 0, 1, 1], Some(&filter), 3).unwrap();
        assert_eq!(numbers(&groups.evaluate(EmitTo::All).unwrap()), [Some(1.0), Some(-10.0), None]);
        assert_eq!(groups.bytes, 0);
        groups.update_batch(&[values], &[0, 0, 0, 1, 1], None, 2).unwrap();
        assert!(groups.size() >= 16);
        assert_eq!(numbers(&groups.evaluate(EmitTo::All).unwrap()), [Some(2.0), Some(-2.5)]);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let (mut first, mut second, mut last) = (groups(&[0.9]), groups(&[0.9]), groups(&[0.9]));
        let column = |values: Vec<i32>| -> ArrayRef { Arc::new(Int32Array::from(values)) };
        first.update_batch(&[column((0..50).collect())], &[0; 50], None, 1).unwrap();
        second.update_batch(&[column((50..101).rev().collect())], &[0; 51], None, 1).unwrap();
        for part in [&mut first, &mut second] {
            let state = part.state(EmitTo::All).unwrap();
            last.merge_batch(&state, &[1], 2).unwrap();
        }
        let rows = last.convert_to_state(&[column(vec![7, 9])], None).unwrap();
        last.merge_batch(&rows, &[0, 0], 2).unwrap();
        let found = numbers(&last.evaluate(EmitTo::All).unwrap());
        assert_eq!((found[0].map(|p90| (p90 * 10.0).round()), found[1]), (Some(88.0), Some(90.0)));
    }

    #[test]
    fn what_unpacking_needs_is_counted_before() {
        let column: ArrayRef = Arc::new(Int32Array::from((0..100_000).collect::<Vec<_>>()));
        let (mut part, mut grouped, mut whole) = (groups(&[0.5]), groups(&[0.5]), OneGroup::new(groups(&[0.5]), true));
        part.update_batch(&[column], &[0; 100_000], None, 1).unwrap();
        let state = part.state(EmitTo::All).unwrap();
        whole.merge_batch(&state).unwrap();
        let before = whole.size();
        assert!(before >= 400_000, "{before} bytes: four for each value");
        assert_eq!(whole.evaluate().unwrap(), ScalarValue::Float64(Some(49_999.5)));
        assert!(whole.size() <= before, "{} bytes, expected at most {before}", whole.size());
        grouped.merge_batch(&state, &[0], 2).unwrap();
        grouped.merge_batch(&state, &[1], 2).unwrap();
        assert!(grouped.size() >= 400_000, "{} bytes: one group at a time is unpacked", grouped.size());
        grouped.evaluate(EmitTo::All).unwrap();
        assert!(grouped.size() < 1_000, "{} bytes", grouped.size());
    }
}
