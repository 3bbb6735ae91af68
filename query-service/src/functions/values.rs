//! The values of many groups, kept until their exact quantiles are asked for.
//!
//! Raw values are kept as integers whose order is the values' own. What one stage of an aggregation hands to the next is each group's
//! values in ascending order as LEB128 varints of their differences: about a byte for a round-trip time in µs.

use std::mem::{size_of, take};

/// A value as an integer of the same order.
pub(super) trait Key: Copy + Ord + Default + Send + Sync + 'static {
    /// What it stands for.
    fn number(self) -> f64;
    /// As the widest integer.
    fn wide(self) -> u64;
    /// From the widest integer.
    fn narrow(wide: u64) -> Self;
}

/// A whole number of 32 bits, its sign bit flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Whole(u32);

impl From<i32> for Whole {
    fn from(value: i32) -> Self {
        Self(value.cast_unsigned() ^ (1 << 31))
    }
}

impl Key for Whole {
    fn number(self) -> f64 {
        f64::from((self.0 ^ (1 << 31)).cast_signed())
    }

    fn wide(self) -> u64 {
        self.0.into()
    }

    fn narrow(wide: u64) -> Self {
        Self(wide as u32)
    }
}

/// A floating-point number by IEEE 754's total order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Float(u64);

impl From<f64> for Float {
    fn from(value: f64) -> Self {
        let bits = value.to_bits();
        Self(if bits >> 63 == 0 { bits ^ (1 << 63) } else { !bits })
    }
}

impl Key for Float {
    fn number(self) -> f64 {
        f64::from_bits(if self.0 >> 63 == 1 { self.0 ^ (1 << 63) } else { !self.0 })
    }

    fn wide(self) -> u64 {
        self.0
    }

    fn narrow(wide: u64) -> Self {
        Self(wide)
    }
}

/// Appends values in ascending order: their number, then the differences.
pub(super) fn pack<K: Key>(ascending: &[K], out: &mut Vec<u8>) {
    push_varint(ascending.len() as u64, out);
    let mut last = 0;
    for key in ascending {
        push_varint(key.wide() - last, out);
        last = key.wide();
    }
}

fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the values of every pack in `bytes`; `None` where they are no packs.
pub(super) fn unpack<K: Key>(mut bytes: &[u8], out: &mut Vec<K>) -> Option<()> {
    while !bytes.is_empty() {
        let count = take_varint(&mut bytes)?;
        let mut last = 0_u64;
        for _ in 0..count {
            last = last.checked_add(take_varint(&mut bytes)?)?;
            out.push(K::narrow(last));
        }
    }
    Some(())
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    if first < 0x80 {
        return Some(first.into());
    }
    let mut value = u64::from(first & 0x7f);
    for shift in (7..u64::BITS).step_by(7) {
        let (&next, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(next & 0x7f) << shift;
        if next < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The quantile `q` of ascending values, by linear interpolation between ranks: the definition of `cloudping_digest::linear_quantile`.
pub(super) fn quantile<K: Key>(ascending: &[K], q: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let rank = q * last as f64;
    let (below, above) = (ascending[rank.floor() as usize].number(), ascending[rank.ceil() as usize].number());
    // Equal neighbours may be infinite.
    Some(if below == above { below } else { below + (above - below) * rank.fract() })
}

/// So many values are put or taken one by one; more are worth a pass over all.
const FEW: usize = 64;

/// One group: values as they came, and packs of earlier stages.
#[derive(Debug, Default)]
pub(super) struct Group<K> {
    raw: Vec<K>,
    /// The first of `raw` that are in order already.
    sorted: usize,
    packed: Vec<u8>,
    /// Values in `packed`.
    packed_values: usize,
}

impl<K: Key> Group<K> {
    /// Memory behind it, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.raw.capacity() * size_of::<K>() + self.packed.capacity()
    }

    /// What [`Group::settle`] needs on top, in bytes: a value is larger than its share of a pack.
    pub(super) fn bytes_to_settle(&self) -> usize {
        self.packed_values * size_of::<K>()
    }

    /// Adds values.
    pub(super) fn extend(&mut self, values: impl ExactSizeIterator<Item = K>) {
        self.raw.extend(values);
    }

    /// Adds the values of which the test says so.
    pub(super) fn extend_if(&mut self, values: impl ExactSizeIterator<Item = K>, counts: impl Fn(usize) -> bool) {
        let start = self.raw.len();
        // Every value is written and only those that count move the end: no branch to guess.
        self.raw.resize(start + values.len(), K::default());
        let mut end = start;
        for (at, value) in values.enumerate() {
            self.raw[end] = value;
            end += usize::from(counts(at));
        }
        self.raw.truncate(end);
    }

    /// Adds a pack of an earlier stage, or nothing.
    pub(super) fn extend_packed(&mut self, pack: &[u8]) {
        let count = take_varint(&mut &*pack).and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        // A value takes a byte at least: a broken count reserves no more than that.
        self.packed_values += count.min(pack.len());
        self.packed.extend_from_slice(pack);
    }

    /// Takes away one occurrence of each value.
    pub(super) fn retract(&mut self, mut gone: Vec<K>) {
        self.sort();
        if gone.len() <= FEW {
            for value in gone {
                if let Ok(at) = self.raw.binary_search(&value) {
                    self.raw.remove(at);
                }
            }
        } else {
            gone.sort_unstable();
            let mut gone = gone.into_iter().peekable();
            self.raw.retain(|value| gone.next_if(|next| next == value).is_none());
        }
        self.sorted = self.raw.len();
    }

    /// Puts what came since the last time in its place.
    fn sort(&mut self) {
        if self.sorted == 0 || self.raw.len() - self.sorted > FEW {
            sort(&mut self.raw);
        } else {
            for end in self.sorted..self.raw.len() {
                let at = self.raw[..end].partition_point(|value| *value <= self.raw[end]);
                self.raw[at..=end].rotate_right(1);
            }
        }
        self.sorted = self.raw.len();
    }

    /// Unpacks the values and puts them in order, in place, and each but once if so asked; `None` where a pack is broken.
    pub(super) fn settle(&mut self, dedup: bool) -> Option<()> {
        if !self.packed.is_empty() {
            self.raw.reserve_exact(take(&mut self.packed_values));
            unpack(&take(&mut self.packed), &mut self.raw)?;
        }
        self.sort();
        if dedup {
            self.raw.dedup();
            self.sorted = self.raw.len();
        }
        Some(())
    }

    /// The values: in ascending order once settled.
    pub(super) fn values(&self) -> &[K] {
        &self.raw
    }

    /// The values in ascending order; `None` where a pack is broken.
    pub(super) fn ascending(mut self, distinct: bool) -> Option<Vec<K>> {
        self.settle(distinct)?;
        Some(self.raw)
    }
}

/// Values that are in order already, as one pack is, cost a glance.
fn sort<K: Key>(values: &mut [K]) {
    if !values.is_sorted() {
        values.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broken_packs_are_refused() {
        let mut packed = Vec::new();
        pack(&[Whole::from(5), Whole::from(300)], &mut packed);
        for cut in 1..packed.len() {
            assert_eq!(unpack::<Whole>(&packed[..cut], &mut Vec::new()), None, "{cut}");
        }
        assert_eq!(unpack::<Float>(&[1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], &mut Vec::new()), None);
    }

    proptest! {
        #[test]
        fn a_window_that_moves_keeps_its_values_in_order(
            steps in prop::collection::vec((prop::collection::vec(-50..50_i32, 0..100), 0..100_usize), 1..20),
        ) {
            let (mut group, mut expected) = (Group::<Whole>::default(), Vec::<i32>::new());
            for (came, gone) in steps {
                group.extend(came.iter().copied().map(Whole::from));
                expected.extend(came);
                group.settle(false).unwrap();
                // The oldest leave.
                let gone: Vec<i32> = expected.drain(..gone.min(expected.len())).collect();
                group.retract(gone.into_iter().map(Whole::from).collect());
                let mut ascending: Vec<Whole> = expected.iter().copied().map(Whole::from).collect();
                ascending.sort_unstable();
                prop_assert_eq!(group.values(), &ascending);
            }
        }

        #[test]
        fn packs_come_back_in_order(left in prop::collection::vec(any::<i32>(), 0..200), right in prop::collection::vec(any::<i32>(), 0..200)) {
            let mut group = Group::default();
            for part in [&left, &right] {
                let mut keys: Vec<Whole> = part.iter().copied().map(Whole::from).collect();
                keys.sort_unstable();
                let mut packed = Vec::new();
                pack(&keys, &mut packed);
                group.extend_packed(&packed);
            }
            let mut expected: Vec<f64> = left.iter().chain(&right).copied().map(f64::from).collect();
            expected.sort_by(f64::total_cmp);
            let found: Vec<f64> = group.ascending(false).unwrap().into_iter().map(Whole::number).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn floats_keep_their_order(left in any::<f64>(), right in any::<f64>()) {
            prop_assert_eq!(Float::from(left).cmp(&Float::from(right)), left.total_cmp(&right));
            prop_assert_eq!(Float::from(left).number().to_bits(), left.to_bits());
        }

        #[test]
        fn quantiles_are_those_of_the_digests(mut values in prop::collection::vec(0..i32::MAX, 1..300), q in 0.0..=1.0_f64) {
            values.sort_unstable();
            let keys: Vec<Whole> = values.iter().copied().map(Whole::from).collect();
            let plain: Vec<u32> = values.iter().map(|value| value.cast_unsigned()).collect();
            prop_assert_eq!(quantile(&keys, q), cloudping_digest::linear_quantile(&plain, q));
        }
    }
}
