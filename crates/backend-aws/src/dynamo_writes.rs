//! Writes as DynamoDB takes them.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use cloudping_ports::{Change, CommitError, Expect, Key, Write};

/// DynamoDB's limit for an item, names and values of all attributes together, bytes.
const MOST_ITEM_BYTES: usize = 400 * 1024;
/// DynamoDB's limit for the items of a transaction together, bytes.
const MOST_COMMIT_BYTES: usize = 4 * 1024 * 1024;
/// Four names of one letter, and the most that a version takes.
const OVERHEAD_BYTES: usize = 4 + 11;
/// DynamoDB's limits for a partition key and a sort key, bytes.
const MOST_KEY_BYTES: (usize, usize) = (2048, 1024);

/// Checks what DynamoDB would refuse in words that name no item.
///
/// # Errors
/// [`CommitError::Invalid`] when a key is empty or too long, or an item or the whole commit too large.
pub fn check_sizes(writes: &[Write]) -> Result<(), CommitError> {
    let mut total = 0;
    for Write { key, change, .. } in writes {
        let (partition, sort) = (key.partition.len(), key.sort.len());
        let fits = |length, most| (1..=most).contains(&length);
        if !fits(partition, MOST_KEY_BYTES.0) || !fits(sort, MOST_KEY_BYTES.1) {
            let expected = "expected a partition of 1 to 2048 bytes and a sort key of 1 to 1024";
            return Err(CommitError::Invalid(format!("{key:?}: {expected}")));
        }
        let Change::Put(value) = change else { continue };
        let bytes = OVERHEAD_BYTES + partition + sort + value.len();
        if bytes > MOST_ITEM_BYTES {
            let expected = format!("expected {MOST_ITEM_BYTES} at the most (400 KB, DynamoDB's limit for an item)");
            return Err(CommitError::Invalid(format!("{key:?} takes {bytes} bytes, {expected}")));
        }
        total += bytes;
    }
    if total > MOST_COMMIT_BYTES {
        let expected = format!("expected {MOST_COMMIT_BYTES} at the most (4 MB, DynamoDB's limit for a transaction)");
        return Err(CommitError::Invalid(format!("a commit of {total} bytes, {expected}")));
    }
    Ok(())
}

/// A write as one part of a transaction.
///
/// # Errors
/// Never in a tested build: when a field that DynamoDB requires is left out.
pub fn transact_item(table: &str, write: &Write) -> Result<TransactWriteItem, BuildError> {
    let (condition, values) = condition(write.expect);
    let item = TransactWriteItem::builder();
    let item = match &write.change {
        Change::Put(value) => {
            let version = AttributeValue::N(write.expect.next_version().to_string());
            let mut attributes = place(&write.key);
            attributes.insert("v".to_owned(), version);
            attributes.insert("d".to_owned(), AttributeValue::B(Blob::new(value.as_ref())));
            let put = Put::builder().table_name(table).set_item(Some(attributes));
            item.put(put.condition_expression(condition).set_expression_attribute_values(values).build()?)
        }
        Change::Delete => {
            let delete = Delete::builder().table_name(table).set_key(Some(place(&write.key)));
            item.delete(delete.condition_expression(condition).set_expression_attribute_values(values).build()?)
        }
        Change::Check => {
            let check = ConditionCheck::builder().table_name(table).set_key(Some(place(&write.key)));
            item.condition_check(check.condition_expression(condition).set_expression_attribute_values(values).build()?)
        }
    };
    Ok(item.build())
}

fn place(key: &Key) -> HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([("p".to_owned(), text(&key.partition)), ("s".to_owned(), text(&key.sort))])
}

fn condition(expect: Expect) -> (&'static str, Option<HashMap<String, AttributeValue>>) {
    match expect {
        Expect::Absent => ("attribute_not_exists(p)", None),
        Expect::Version(version) => {
            let version = AttributeValue::N(version.to_string());
            ("v = :expected", Some(HashMap::from([(":expected".to_owned(), version)])))
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn put(key: Key, bytes: usize) -> Write {
        Write { key, expect: Expect::Absent, change: Change::Put(Bytes::from(vec![0; bytes])) }
    }

    fn refusal(writes: &[Write]) -> String {
        check_sizes(writes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_too_large_is_named_with_its_limit() {
        let most = MOST_ITEM_BYTES - OVERHEAD_BYTES - 2;
        assert!(check_sizes(&[put(Key::new("p", "s"), most)]).is_ok());
        let refused = refusal(&[put(Key::new("p", "s"), 1), put(Key::new("p", "t"), most + 1)]);
        assert!(
            refused.contains(r#"sort: "t" } takes 409601 bytes, expected 409600 at the most (400 KB"#),
            "{refused}"
        );
        let many: Vec<Write> = (0..11).map(|n| put(Key::new("p", format!("{n:02}")), 390_000)).collect();
        assert!(check_sizes(&many[..10]).is_ok());
        assert!(refusal(&many).contains("a commit of 4290198 bytes, expected 4194304"), "{}", refusal(&many));
    }

    #[test]
    fn keys_that_dynamodb_does_not_take_are_named() {
        for key in [Key::new("", "s"), Key::new("p", ""), Key::new("p", "s".repeat(1025))] {
            assert!(refusal(&[put(key.clone(), 1)]).contains(&format!("{key:?}: expected a partition of 1 to")));
        }
    }
}
