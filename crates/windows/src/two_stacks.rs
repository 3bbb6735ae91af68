//! The sum of what is in a queue, where summing has no inverse.
//!
//! What leaves a sum of digests cannot be taken out of it again. The two-stacks method needs no inverse: parts come in on one stack, the
//! *back*, which knows the sum of all that is on it; they leave from the other one, the *front*, which knows for each of its parts the
//! sum of that one and all younger ones on it. When the front is empty, the back is turned over onto it. The queue's sum is that of two
//! sums. (Folklore; described as "Two-Stacks" by Tangwongsan, Hirzel and Schneider, Low-Latency Sliding-Window Aggregation in Worst-Case
//! Constant Time, DEBS 2017.)
//!
//! Sums of digests are large, so the front keeps few of its n: every √n-th, and those above the highest of these that is still needed.
//! For that a part is merged three times on its way instead of twice: when it comes, when the stacks are turned over, and when
//! the sums between two kept ones are made.

/// What goes through a queue.
pub trait Part: Clone {
    /// Several together.
    type Sum;

    /// What the queue is ordered by, ascending from the oldest.
    fn order(&self) -> i64;

    /// Whether the other one, of the same order, holds the same.
    fn is_unchanged(&self, other: &Self) -> bool;

    /// What `before` (`None`: nothing) and the parts hold together. The order of the parts does not matter.
    fn sum(before: Option<&Self::Sum>, parts: &[Self]) -> Self::Sum;
}

fn same<P: Part>(a: &P, b: &P) -> bool {
    a.order() == b.order() && a.is_unchanged(b)
}

/// So many parts wait before they are merged into a sum: many at once cost little more than one.
const TOGETHER: usize = 20;

/// Parts that only ever become more, and their sum: of all but the youngest few, which wait.
#[derive(Debug)]
pub struct Growing<P: Part> {
    parts: Vec<P>,
    /// How many of the parts are in the sum.
    summed: usize,
    sum: Option<P::Sum>,
    changes: u64,
}

impl<P: Part> Default for Growing<P> {
    fn default() -> Self {
        Self { parts: Vec::new(), summed: 0, sum: None, changes: 0 }
    }
}

impl<P: Part> Growing<P> {
    /// Makes these its parts. Merges only new ones if those in the sum are as they were.
    pub fn set(&mut self, parts: &[P]) {
        let alike = parts.len() == self.parts.len() && self.parts.iter().zip(parts).all(|(a, b)| same(a, b));
        if alike {
            return;
        }
        self.changes += 1;
        let summed = &self.parts[..self.summed];
        if parts.len() < self.summed || !summed.iter().zip(parts).all(|(a, b)| same(a, b)) {
            (self.summed, self.sum) = (0, None);
        }
        self.parts = parts.to_vec();
        if self.pending().len() >= TOGETHER {
            self.sum = Some(P::sum(self.sum.as_ref(), self.pending()));
            self.summed = self.parts.len();
        }
    }

    /// The sum of all that do not wait; `None` without any.
    #[must_use]
    pub fn sum(&self) -> Option<&P::Sum> {
        self.sum.as_ref()
    }

    /// The parts that wait: they are not in the sum.
    #[must_use]
    pub fn pending(&self) -> &[P] {
        &self.parts[self.summed..]
    }

    /// Changes whenever the parts do.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }
}

/// A queue, and its sum.
#[derive(Debug)]
pub struct TwoStacks<P: Part> {
    /// The oldest part is the last.
    front: Vec<P>,
    /// How many parts, from the beginning of `front`, and their sum. Ascending; the last is the sum of the whole front.
    sums: Vec<(usize, P::Sum)>,
    back: Growing<P>,
    changes: u64,
}

impl<P: Part> Default for TwoStacks<P> {
    fn default() -> Self {
        Self { front: Vec::new(), sums: Vec::new(), back: Growing::default(), changes: 0 }
    }
}

impl<P: Part> TwoStacks<P> {
    /// Makes these the queue's parts, ascending. Cheap where old ones have left and new ones come; where another one has changed,
    /// its whole stack is summed anew.
    pub fn advance(&mut self, parts: &[P]) {
        let first = parts.first().map(Part::order);
        let gone = |part: &P| first.is_none_or(|first| part.order() < first);
        let held = self.front.len();
        while self.front.last().is_some_and(gone) {
            self.front.pop();
        }
        if self.front.is_empty() && self.back.parts.first().is_some_and(gone) {
            self.front = std::mem::take(&mut self.back).parts;
            self.front.retain(|part| !gone(part));
            self.front.reverse();
            self.sums.clear();
            self.changes += 1;
        }
        let kept = self.front.len();
        let in_front = self.front.iter().rev();
        if parts.len() < kept || !in_front.zip(parts).all(|(a, b)| same(a, b)) {
            self.front.clear();
        }
        if self.front.len() != held {
            self.changes += 1;
        }
        self.settle();
        self.back.set(&parts[self.front.len()..]);
    }

    /// Makes the sum of the whole front be there.
    fn settle(&mut self) {
        let n = self.front.len();
        while self.sums.last().is_some_and(|(count, _)| *count > n) {
            self.sums.pop();
        }
        let from = self.sums.last().map_or(0, |(count, _)| *count);
        let step = if from == 0 { n.isqrt().max(1) } else { 1 };
        let mut at = from;
        while at < n {
            let next = (at + step).min(n);
            let before = self.sums.last().map(|(_, sum)| sum);
            self.sums.push((next, P::sum(before, &self.front[at..next])));
            at = next;
        }
    }

    /// Two sums that together are that of the queue but for what is [pending](Self::pending): of its older and of its younger parts.
    #[must_use]
    pub fn sums(&self) -> [Option<&P::Sum>; 2] {
        [self.sums.last().map(|(_, sum)| sum), self.back.sum()]
    }

    /// The youngest parts, which are in no sum yet.
    #[must_use]
    pub fn pending(&self) -> &[P] {
        self.back.pending()
    }

    /// Changes whenever a sum does.
    #[must_use]
    pub fn changes(&self) -> (u64, u64) {
        (self.changes, self.back.changes())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use proptest::prelude::*;

    thread_local! {
        static MERGED: Cell<usize> = const { Cell::new(0) };
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Number {
        at: i64,
        value: u64,
    }

    impl Part for Number {
        type Sum = u64;

        fn order(&self) -> i64 {
            self.at
        }

        fn is_unchanged(&self, other: &Self) -> bool {
            self.value == other.value
        }

        fn sum(before: Option<&u64>, parts: &[Self]) -> u64 {
            MERGED.with(|merged| merged.set(merged.get() + parts.len()));
            before.copied().unwrap_or(0) + parts.iter().map(|part| part.value).sum::<u64>()
        }
    }

    fn total(stacks: &TwoStacks<Number>) -> u64 {
        let pending: u64 = stacks.pending().iter().map(|part| part.value).sum();
        stacks.sums().into_iter().flatten().sum::<u64>() + pending
    }

    proptest! {
        /// Whatever comes, goes or changes: the sum is that of the parts, and it is known when it is another one.
        #[test]
        fn the_sum_is_that_of_the_parts(
            values in prop::collection::vec(0u64..100, 1..80),
            steps in prop::collection::vec((0usize..80, 0usize..80, prop::option::of((0usize..80, 0u64..100))), 1..40),
        ) {
            let mut numbers: Vec<Number> =
                values.iter().zip(0i64..).map(|(value, at)| Number { at, value: *value }).collect();
            let mut stacks = TwoStacks::default();
            for (from, count, change) in steps {
                if let Some((at, value)) = change {
                    let at = at % numbers.len();
                    numbers[at].value = value;
                }
                let from = from.min(numbers.len());
                let until = (from + count).min(numbers.len());
                let before = (stacks.changes(), total(&stacks));
                stacks.advance(&numbers[from..until]);
                let expected: u64 = numbers[from..until].iter().map(|number| number.value).sum();
                prop_assert_eq!(total(&stacks), expected);
                prop_assert!(before.0 != stacks.changes() || before.1 == expected);
            }
        }
    }

    #[test]
    fn an_advance_costs_three_merges_and_the_front_keeps_few_sums() {
        const WIDTH: usize = 364;
        let numbers: Vec<Number> = (0..20_000).map(|at| Number { at, value: at as u64 }).collect();
        let mut stacks = TwoStacks::default();
        MERGED.with(|merged| merged.set(0));
        let mut most = 0;
        for from in 0..numbers.len() - WIDTH {
            stacks.advance(&numbers[from..from + WIDTH]);
            most = most.max(stacks.sums.len());
        }
        let merges = MERGED.with(Cell::get) as f64 / numbers.len() as f64;
        assert!(merges <= 3.0, "{merges} merges an advance");
        assert!(most <= 40, "{most} sums are kept");
    }
}
