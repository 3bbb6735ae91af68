//! A queue that gives its items back in the order of their times, and in the order of arrival among equals.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Items waiting for a time, in nanoseconds of any one clock.
#[derive(Debug)]
pub(crate) struct DelayQueue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    arrivals: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: u64,
    arrival: u64,
    item: T,
}

impl<T> Entry<T> {
    fn order(&self) -> (u64, u64) {
        (self.at, self.arrival)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl<T> DelayQueue<T> {
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), arrivals: 0 }
    }

    pub fn push(&mut self, at: u64, item: T) {
        self.heap.push(Reverse(Entry { at, arrival: self.arrivals, item }));
        self.arrivals += 1;
    }

    /// The earliest time in the queue.
    pub fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes the earliest item if its time has come.
    pub fn pop_due(&mut self, now: u64) -> Option<T> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.item)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_leaves_early() {
        let mut queue = DelayQueue::new();
        queue.push(10, 'x');
        assert_eq!(queue.pop_due(9), None);
        assert_eq!(queue.pop_due(10), Some('x'));
        assert_eq!(queue.next_at(), None);
    }

    proptest! {
        /// Against a stable sort, which is what the queue must amount to.
        #[test]
        fn like_a_stable_sort(times in proptest::collection::vec(0u64..20, 0..100), now in 0u64..20) {
            let mut queue = DelayQueue::new();
            for (item, &at) in times.iter().enumerate() {
                queue.push(at, item);
            }
            let mut expected: Vec<usize> = (0..times.len()).filter(|&item| times[item] <= now).collect();
            expected.sort_by_key(|&item| times[item]);
            let popped: Vec<usize> = std::iter::from_fn(|| queue.pop_due(now)).collect();
            prop_assert_eq!(&popped, &expected);
            prop_assert_eq!(queue.len(), times.len() - expected.len());
        }
    }
}
