//! How an item lies in the table.
//!
//! An item that fits into a row is one row: `p` and `s`, its key; `v`, its version; `d`, its bytes; and `e`, where it expires, the
//! second since 1970 from which DynamoDB may delete it. A larger item is a row without `d` whose `n` says in how many parts the bytes
//! are, and a row of the same `v` for each part, under the partition `{p}#parts` and the sort key `{s}#{nnn}`: a list of the
//! item's partition never meets them. All rows of an item are written in one transaction.

use cloudping_ports::{Change, CommitError, Key, Write};

/// What a partition of parts ends with.
const PARTS: &str = "#parts";
/// DynamoDB's limit for an item, names and values of all attributes together, bytes.
const MOST_ROW_BYTES: usize = 400 * 1024;
/// DynamoDB's limit for the items of a transaction together, bytes.
const MOST_COMMIT_BYTES: usize = 4 * 1024 * 1024;
/// DynamoDB's limit for the items of a transaction.
const MOST_ROWS: usize = 100;
/// The most of a value in one part: beside it the longest keys fit into a row.
const PART_BYTES: usize = 390 * 1024;
/// Five names of one letter, and the most that a version and an expiry take: two digits a byte, and one byte.
const OVERHEAD_BYTES: usize = 5 + 11 + 6;
/// DynamoDB's limits for a partition key and a sort key, bytes; those of parts must fit as well.
const MOST_KEY_BYTES: (usize, usize) = (2048 - PARTS.len(), 1024 - "#000".len());

/// In how many parts a value of so many bytes lies beside its row; 0 where it lies within.
pub(crate) fn parts_of(key: &Key, length: usize) -> usize {
    if row_bytes(key, length) > MOST_ROW_BYTES { length.div_ceil(PART_BYTES) } else { 0 }
}

/// The parts of a value, in order.
pub(crate) fn split(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.chunks(PART_BYTES)
}

/// Where a part lies.
pub(crate) fn part_key(key: &Key, number: usize) -> Key {
    Key::new(parts_partition(&key.partition), part_sort(&key.sort, number))
}

/// The partition of the parts of a partition's items.
pub(crate) fn parts_partition(partition: &str) -> String {
    format!("{partition}{PARTS}")
}

/// The sort key of an item's part.
pub(crate) fn part_sort(sort: &str, number: usize) -> String {
    format!("{sort}#{number:03}")
}

/// The bytes of each row of an item that lies in so many parts.
pub(crate) fn rows_of(key: &Key, length: usize) -> Vec<usize> {
    let parts = parts_of(key, length);
    if parts == 0 {
        return vec![row_bytes(key, length)];
    }
    let part = |number| {
        let bytes = PART_BYTES.min(length - number * PART_BYTES);
        row_bytes(&part_key(key, number), bytes)
    };
    std::iter::once(row_bytes(key, 0)).chain((0..parts).map(part)).collect()
}

fn row_bytes(key: &Key, length: usize) -> usize {
    OVERHEAD_BYTES + key.partition.len() + key.sort.len() + length
}

/// Checks what DynamoDB would refuse in words that name no item.
///
/// # Errors
/// [`CommitError::Invalid`] when a key is empty, too long or of the parts, or the whole commit too large.
pub(crate) fn check_sizes(writes: &[Write]) -> Result<(), CommitError> {
    let mut bytes = 0;
    for Write { key, change, .. } in writes {
        let fits = |text: &str, most| (1..=most).contains(&text.len());
        let (partition, sort) = MOST_KEY_BYTES;
        if !fits(&key.partition, partition) || !fits(&key.sort, sort) || key.partition.ends_with(PARTS) {
            let expected = format!("expected a partition of 1 to {partition} bytes that does not end with {PARTS}");
            return Err(CommitError::Invalid(format!("{key:?}: {expected}, and a sort key of 1 to {sort} bytes")));
        }
        if let Change::Put(value) = change {
            bytes += rows_of(key, value.len()).iter().sum::<usize>();
        }
    }
    if bytes > MOST_COMMIT_BYTES {
        let expected = format!("expected {MOST_COMMIT_BYTES} at the most (4 MB, DynamoDB's limit for a transaction)");
        return Err(CommitError::Invalid(format!("a commit of {bytes} bytes, {expected}")));
    }
    let parts = |write: &Write| match &write.change {
        Change::Put(value) => parts_of(&write.key, value.len()),
        Change::Delete | Change::Check => 0,
    };
    check_rows(writes.len(), writes.iter().map(parts).sum())
}

/// Checks how many rows a commit touches: one a write, and those of parts.
///
/// # Errors
/// [`CommitError::Invalid`] when there are too many.
pub(crate) fn check_rows(writes: usize, parts: usize) -> Result<(), CommitError> {
    if writes + parts <= MOST_ROWS {
        return Ok(());
    }
    let expected = format!("expected {MOST_ROWS} together at the most (DynamoDB's limit for a transaction)");
    Err(CommitError::Invalid(format!("a commit of {writes} writes and {parts} parts of large values, {expected}")))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cloudping_ports::Expect;

    use super::*;

    fn put(key: Key, bytes: usize) -> Write {
        Write { key, expect: Expect::Absent, change: Change::Put(Bytes::from(vec![0; bytes])) }
    }

    fn refusal(writes: &[Write]) -> String {
        check_sizes(writes).unwrap_err().to_string()
    }

    #[test]
    fn an_item_beyond_a_row_lies_in_parts() {
        let key = Key::new("p", "s");
        let most = MOST_ROW_BYTES - OVERHEAD_BYTES - 2;
        assert_eq!((parts_of(&key, 0), parts_of(&key, most), parts_of(&key, most + 1)), (0, 0, 2));
        assert_eq!((parts_of(&key, 2 * PART_BYTES), parts_of(&key, 2 * PART_BYTES + 1)), (2, 3));
        assert_eq!(rows_of(&key, most), [MOST_ROW_BYTES]);
        let rows = rows_of(&key, 2 * PART_BYTES + 7);
        let row = OVERHEAD_BYTES + "p#partss#000".len();
        assert_eq!(rows, [OVERHEAD_BYTES + 2, row + PART_BYTES, row + PART_BYTES, row + 7]);
        assert_eq!(part_key(&key, 12), Key::new("p#parts", "s#012"));
    }

    #[test]
    fn a_row_with_the_longest_key_holds_a_part() {
        let key = Key::new("p".repeat(MOST_KEY_BYTES.0), "s".repeat(MOST_KEY_BYTES.1));
        assert!(check_sizes(&[put(key.clone(), 500_000)]).is_ok());
        assert!(rows_of(&key, 500_000).iter().all(|bytes| *bytes <= MOST_ROW_BYTES));
    }

    #[test]
    fn what_is_too_large_is_named_with_its_limit() {
        let many = |count: usize, bytes| (0..count).map(|n| put(Key::new("p", format!("{n:02}")), bytes)).collect();
        let large: Vec<Write> = many(11, 390_000);
        assert!(check_sizes(&large[..10]).is_ok());
        assert!(refusal(&large).contains("a commit of 4290275 bytes, expected 4194304"), "{}", refusal(&large));
        let mut many: Vec<Write> = many(97, 1);
        many.push(put(Key::new("p", "large"), 500_000));
        assert!(check_sizes(&many).is_ok());
        many.push(put(Key::new("p", "other"), 1));
        assert!(refusal(&many).contains("99 writes and 2 parts of large values, expected 100 together"));
    }

    #[test]
    fn keys_that_cannot_be_are_named() {
        let long = Key::new("p", "s".repeat(1021));
        for key in [Key::new("", "s"), Key::new("p", ""), long, Key::new("p#parts", "s")] {
            assert!(refusal(&[put(key.clone(), 1)]).contains(&format!("{key:?}: expected a partition of 1 to 2042")));
        }
    }
}
