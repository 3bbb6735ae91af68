//! What DynamoDB charges for what [`DynamoStore`](crate::DynamoStore) does, in request units, computed from the sizes of the items alone.
//!
//! By the [price list](https://aws.amazon.com/dynamodb/pricing/on-demand/): a transactional write takes two units for each KB begun of
//! the larger of what is stored and what is written, row by row; also a delete, a check and one that is refused. A consistent read
//! takes one unit for each 4 KB begun: of one row, or of all rows that a query finds. What expires is deleted for nothing.

use cloudping_ports::{Change, Key, Write};

use crate::dynamo_rows::{parts_of, rows_of};

const WRITE_UNIT_BYTES: usize = 1024;
const UNITS_OF_A_TRANSACTION: usize = 2;
const READ_UNIT_BYTES: usize = 4096;

/// Write request units of a commit. `stored` says how many bytes the value under a key has; `None` where there is none.
#[must_use]
pub fn write_units(writes: &[Write], stored: impl Fn(&Key) -> Option<usize>) -> u64 {
    let units = |bytes: usize| UNITS_OF_A_TRANSACTION * bytes.div_ceil(WRITE_UNIT_BYTES).max(1);
    let of_write = |write: &Write| {
        let key = &write.key;
        let before = stored(key).map_or_else(Vec::new, |length| rows_of(key, length));
        let (after, parts) = match &write.change {
            Change::Put(value) => (rows_of(key, value.len()), parts_of(key, value.len())),
            Change::Delete => (Vec::new(), 0),
            Change::Check => return units(before.first().copied().unwrap_or(0)),
        };
        let rows = before.len().max(after.len()).max(1);
        let row = |nth: usize| before.get(nth).max(after.get(nth)).copied().unwrap_or(0);
        // With more parts stored than known of, the first attempt is refused.
        let refused = if before.len() > parts + 1 { units(row(0)) } else { 0 };
        refused + (0..rows).map(|nth| units(row(nth))).sum::<usize>()
    };
    writes.iter().map(of_write).sum::<usize>() as u64
}

/// Read request units of a get, of a value of so many bytes; `None` where there is none.
#[must_use]
pub fn get_units(key: &Key, stored: Option<usize>) -> u64 {
    let rows = stored.map_or_else(Vec::new, |length| rows_of(key, length));
    let (own, parts) = rows.split_first().map_or((0, &[][..]), |(own, parts)| (*own, parts));
    read_units(own) + if parts.is_empty() { 0 } else { read_units(parts.iter().sum()) }
}

/// Read request units of a list that finds values of so many bytes.
#[must_use]
pub fn list_units<'a>(found: impl IntoIterator<Item = (&'a Key, usize)>) -> u64 {
    let (mut own, mut parts) = (0, 0);
    for (key, length) in found {
        let rows = rows_of(key, length);
        own += rows[0];
        parts += rows[1..].iter().sum::<usize>();
    }
    read_units(own) + if parts == 0 { 0 } else { read_units(parts) }
}

/// What the item takes of the table's storage, bytes: DynamoDB charges each row 100 more than its attributes have.
#[must_use]
pub fn stored_bytes(key: &Key, length: usize) -> u64 {
    rows_of(key, length).iter().map(|bytes| bytes + 100).sum::<usize>() as u64
}

fn read_units(bytes: usize) -> u64 {
    bytes.div_ceil(READ_UNIT_BYTES).max(1) as u64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cloudping_ports::Expect;

    use super::*;

    fn write(change: Change) -> Write {
        Write { key: Key::new("p", "s"), expect: Expect::Version(1), change }
    }

    fn put(bytes: usize) -> Write {
        write(Change::Put(Bytes::from(vec![0; bytes])))
    }

    #[test]
    fn a_write_costs_two_units_for_each_kilobyte_of_the_larger() {
        let units = |write: Write, stored: Option<usize>| write_units(&[write], |_| stored);
        // 24 bytes of names, key, version and expiry.
        for (write, stored, expected) in [
            (put(1000), None, 2),
            (put(1001), None, 4),
            (put(1), Some(2000), 4),
            (put(3000), Some(2000), 6),
            (write(Change::Delete), Some(2000), 4),
            (write(Change::Delete), None, 2),
            (write(Change::Check), Some(2001), 4),
            (write(Change::Check), None, 2),
        ] {
            assert_eq!(units(write.clone(), stored), expected, "{write:?} on {stored:?}");
        }
        assert_eq!(write_units(&[put(1000), put(1000)], |_| None), 4);
    }

    #[test]
    fn parts_cost_what_they_hold() {
        let units = |write: Write, stored: Option<usize>| write_units(&[write], |_| stored);
        // 390 KB and 128 KB, each with a few bytes more, and the row itself.
        let large = 518 * 1024;
        assert_eq!(units(put(large), None), 2 * (391 + 129 + 1));
        assert_eq!(units(put(large), Some(large)), 2 * (391 + 129 + 1), "known to have as many parts");
        assert_eq!(units(put(1), Some(large)), 2 * (391 + 129 + 1) + 2, "refused once");
        assert_eq!(get_units(&Key::new("p", "s"), Some(large)), 1 + 130);
    }

    #[test]
    fn a_list_is_charged_as_a_whole_and_a_get_by_itself() {
        let key = Key::new("p", "s");
        assert_eq!((get_units(&key, None), get_units(&key, Some(4072)), get_units(&key, Some(4073))), (1, 1, 2));
        assert_eq!(list_units([]), 1);
        assert_eq!(list_units((0..8).map(|_| (&key, 488))), 1);
        assert_eq!(list_units((0..9).map(|_| (&key, 488))), 2);
        assert_eq!(stored_bytes(&key, 76), 200);
    }
}
