//! Quantiles of everything at once, and of windows.

use std::fmt::Debug;
use std::mem::{size_of, take};

use arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{Accumulator, GroupsAccumulator};

use super::quantiles::{Column, Groups, broken, counted};
use super::values::pack;

/// Larger windows move on in a bounded number of steps.
const WINDOW_ROWS: usize = 100_000;
/// The values of all steps of a larger window: a second or so of moving them in memory.
const WINDOW_MOVED: usize = 1_000_000_000;

/// The same for everything at once, and for windows that slide.
pub(super) struct OneGroup<K> {
    groups: Groups<K>,
    /// Values will leave it again.
    slides: bool,
    /// Values came or went since it was evaluated.
    changed: bool,
    /// It was evaluated before: it is a window.
    again: bool,
    /// The values of the large windows that it was evaluated for.
    moved: usize,
}

impl<K> OneGroup<K> {
    pub(super) fn new(groups: Groups<K>, slides: bool) -> Self {
        Self { groups, slides, changed: false, again: false, moved: 0 }
    }
}

impl<K: Column> OneGroup<K> {
    /// Refuses a large window that moves on in many small steps: each puts its values in their places among all others,
    /// and no time limit stops that within a batch.
    fn bound_work(&mut self) -> Result<()> {
        let rows = self.groups.groups[0].values().len();
        if take(&mut self.changed) && self.again && rows > WINDOW_ROWS {
            self.moved = self.moved.saturating_add(rows);
        }
        self.again = true;
        if self.moved > WINDOW_MOVED {
            return exec_err!(
                "quantiles: a window of more than {WINDOW_ROWS} rows moves on in too many steps: bound its frame, as in ROWS BETWEEN 3600 PRECEDING AND CURRENT ROW, or use GROUP BY date_bin"
            );
        }
        Ok(())
    }
}

impl<K> Debug for OneGroup<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneGroup").field("bytes", &self.groups.bytes).finish_non_exhaustive()
    }
}

impl<K: Column> Accumulator for OneGroup<K> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let counted = counted(&values[0], None);
        let column = K::of(&values[0], 0..values[0].len());
        self.groups.grow(1);
        self.changed = true;
        self.groups.change(0, |group| match &counted {
            None => group.extend(column),
            Some(counted) => group.extend_if(column, |at| counted.is_valid(at)),
        });
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let counted = counted(&values[0], None);
        let gone = K::of(&values[0], 0..values[0].len()).enumerate();
        let gone = gone.filter(|(at, _)| counted.as_ref().is_none_or(|counted| counted.is_valid(*at)));
        let gone = gone.map(|(_, key)| key).collect();
        self.groups.grow(1);
        self.changed = true;
        self.groups.change(0, |group| group.retract(gone));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.slides
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.groups.grow(1);
        // In place: a window asks again after more values, and goes on with these.
        self.bound_work()?;
        let dedup = self.groups.wanted.distinct && !self.slides;
        self.groups.change(0, |group| group.settle(dedup)).ok_or_else(broken)?;
        self.groups.bytes_to_settle = 0;
        let (wanted, ascending) = (&self.groups.wanted, self.groups.groups[0].values());
        let result = if wanted.distinct && self.slides {
            // How often a value is there still counts when it leaves the window.
            let mut once = ascending.to_vec();
            once.dedup();
            wanted.array(std::iter::once(Ok(once)))
        } else {
            wanted.array(std::iter::once(Ok(ascending)))
        };
        ScalarValue::try_from_array(&result?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.groups.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.groups.grow(1);
        let mut packed = Vec::new();
        pack(&self.groups.wanted.ascending(take(&mut self.groups.groups[0]))?, &mut packed);
        (self.groups.bytes, self.groups.bytes_to_settle) = (0, 0);
        Ok(vec![ScalarValue::Binary(Some(packed))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        if states.len() != 1 {
            return exec_err!("quantiles: {} states, expected 1", states.len());
        }
        self.changed = true;
        let groups = vec![0; states[0].len()];
        GroupsAccumulator::merge_batch(&mut self.groups, states, &groups, 1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int32Array;

    use super::*;
    use crate::functions::quantiles::Wanted;
    use crate::functions::values::Whole;

    fn groups(quantiles: &[f64]) -> Groups<Whole> {
        Groups::new(Wanted { quantiles: quantiles.to_vec(), list: false, distinct: false })
    }

    #[test]
    fn a_large_window_moves_in_few_steps() {
        let column = |count: usize| -> ArrayRef { Arc::new(Int32Array::from(vec![1; count])) };
        let window_of = |rows: usize| {
            let mut window = OneGroup::new(groups(&[0.5]), false);
            window.update_batch(&[column(rows)]).unwrap();
            window
        };
        let step = |window: &mut OneGroup<Whole>| {
            window.update_batch(&[column(1)]).unwrap();
            window.evaluate()
        };
        let mut large = window_of(WINDOW_ROWS);
        let refused = (0..=WINDOW_MOVED / WINDOW_ROWS).find_map(|_| step(&mut large).err()).unwrap().strip_backtrace();
        assert!(refused.contains("a window of more than 100000 rows moves on in too many steps"), "{refused}");
        // Rows of the same time are one step.
        let mut still = window_of(WINDOW_ROWS + 1);
        let mut small = window_of(10);
        for _ in 0..=WINDOW_MOVED / WINDOW_ROWS {
            assert_eq!(still.evaluate().unwrap(), ScalarValue::Float64(Some(1.0)));
            assert_eq!(step(&mut small).unwrap(), ScalarValue::Float64(Some(1.0)));
        }
    }

    #[test]
    fn a_window_slides() {
        let mut window = OneGroup::new(groups(&[0.5]), true);
        let column = |values: Vec<Option<i32>>| -> ArrayRef { Arc::new(Int32Array::from(values)) };
        window.update_batch(&[column(vec![Some(1), Some(1), None, Some(9)])]).unwrap();
        assert_eq!(window.evaluate().unwrap(), ScalarValue::Float64(Some(1.0)));
        window.retract_batch(&[column(vec![Some(1), None])]).unwrap();
        assert_eq!(window.evaluate().unwrap(), ScalarValue::Float64(Some(5.0)));
    }
}
