//! Writes as DynamoDB takes them.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use cloudping_ports::{Change, CommitError, Expect, Key, Write};

use crate::dynamo_rows::{check_rows, part_key, parts_of, split};
use crate::dynamo_store::{ExpiryRule, failed};

/// Expired rows are deleted one by one, in any order, mostly within two days (s): an item's parts must not go before its row.
const PARTS_OUTLAST_S: i64 = 7 * 86_400;

type Attributes = HashMap<String, AttributeValue>;

/// How commits are put into transactions.
#[derive(Debug, Clone)]
pub(crate) struct Transactions {
    /// The table.
    pub table: String,
    /// When items expire.
    pub expiry: Option<ExpiryRule>,
}

impl Transactions {
    /// A commit's transaction: one row a write, in their order, and after them the parts of large values, written and deleted.
    ///
    /// `held` says for each write of how many parts the stored item is known to be. The transaction is refused where an item has parts
    /// that it would leave behind; see [`parts_in_the_way`].
    ///
    /// # Errors
    /// [`CommitError::Invalid`] when there are too many rows.
    pub fn build(&self, writes: &[Write], held: &[usize]) -> Result<Vec<TransactWriteItem>, CommitError> {
        let (mut rows, mut parts) = (Vec::new(), Vec::new());
        for (write, &held) in writes.iter().zip(held) {
            self.add(write, held, &mut rows, &mut parts).map_err(failed)?;
        }
        check_rows(rows.len(), parts.len())?;
        rows.append(&mut parts);
        Ok(rows)
    }

    fn add(
        &self,
        write: &Write,
        held: usize,
        rows: &mut Vec<TransactWriteItem>,
        parts: &mut Vec<TransactWriteItem>,
    ) -> Result<(), BuildError> {
        let key = &write.key;
        let expires = self.expiry.and_then(|rule| rule(&key.partition, &key.sort));
        let version = write.expect.next_version();
        let count = match &write.change {
            Change::Put(value) => parts_of(key, value.len()),
            Change::Delete | Change::Check => 0,
        };
        if let Change::Put(value) = &write.change
            && count > 0
        {
            for (number, bytes) in split(value).enumerate() {
                let expires = expires.map(|at| at + PARTS_OUTLAST_S);
                let mut row = row(&part_key(key, number), version, expires);
                row.insert("d".to_owned(), AttributeValue::B(Blob::new(bytes)));
                let put = Put::builder().table_name(&self.table).set_item(Some(row)).build()?;
                parts.push(TransactWriteItem::builder().put(put).build());
            }
        }
        if write.change != Change::Check {
            for number in count..held {
                let delete = Delete::builder().table_name(&self.table).set_key(Some(place(&part_key(key, number))));
                parts.push(TransactWriteItem::builder().delete(delete.build()?).build());
            }
        }
        rows.push(self.row_of(write, count, held.max(count), expires)?);
        Ok(())
    }

    /// The write's own row. `left` is the most parts that the stored item may have.
    fn row_of(
        &self,
        write: &Write,
        count: usize,
        left: usize,
        expires: Option<i64>,
    ) -> Result<TransactWriteItem, BuildError> {
        let item = TransactWriteItem::builder();
        let tell = Some(ReturnValuesOnConditionCheckFailure::AllOld).filter(|_| write.expect != Expect::Absent);
        Ok(match &write.change {
            Change::Put(value) => {
                let mut row = row(&write.key, write.expect.next_version(), expires);
                match count {
                    0 => row.insert("d".to_owned(), AttributeValue::B(Blob::new(value.as_ref()))),
                    _ => row.insert("n".to_owned(), AttributeValue::N(count.to_string())),
                };
                let (condition, values) = condition(write.expect, Some(left));
                let put = Put::builder().table_name(&self.table).set_item(Some(row));
                let put = put.condition_expression(condition).set_expression_attribute_values(values);
                item.put(put.set_return_values_on_condition_check_failure(tell).build()?)
            }
            Change::Delete => {
                let (condition, values) = condition(write.expect, Some(left));
                let delete = Delete::builder().table_name(&self.table).set_key(Some(place(&write.key)));
                let delete = delete.condition_expression(condition).set_expression_attribute_values(values);
                item.delete(delete.set_return_values_on_condition_check_failure(tell).build()?)
            }
            Change::Check => {
                let (condition, values) = condition(write.expect, None);
                let check = ConditionCheck::builder().table_name(&self.table).set_key(Some(place(&write.key)));
                let check = check.condition_expression(condition).set_expression_attribute_values(values);
                item.condition_check(check.build()?)
            }
        }
        .build())
    }
}

/// How many parts the stored item has, where a write was refused for nothing else.
pub(crate) fn parts_in_the_way(write: &Write, reason: &CancellationReason) -> Option<usize> {
    let number = |name: &str| reason.item()?.get(name)?.as_n().ok()?.parse::<u64>().ok();
    let Expect::Version(expected) = write.expect else { return None };
    number("v").filter(|version| *version == expected)?;
    usize::try_from(number("n")?).ok()
}

fn row(key: &Key, version: u64, expires: Option<i64>) -> Attributes {
    let mut row = place(key);
    row.insert("v".to_owned(), AttributeValue::N(version.to_string()));
    row.extend(expires.map(|at| ("e".to_owned(), AttributeValue::N(at.to_string()))));
    row
}

/// A key's attributes.
pub(crate) fn place(key: &Key) -> Attributes {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([("p".to_owned(), text(&key.partition)), ("s".to_owned(), text(&key.sort))])
}

/// `left`: the most parts that the item may have, if that matters.
fn condition(expect: Expect, left: Option<usize>) -> (&'static str, Option<Attributes>) {
    let Expect::Version(version) = expect else {
        return ("attribute_not_exists(p)", None);
    };
    let mut values = HashMap::from([(":expected".to_owned(), AttributeValue::N(version.to_string()))]);
    let condition = match left {
        None => "v = :expected",
        Some(0) => "v = :expected AND attribute_not_exists(n)",
        Some(left) => {
            values.insert(":left".to_owned(), AttributeValue::N(left.to_string()));
            "v = :expected AND (attribute_not_exists(n) OR n <= :left)"
        }
    };
    (condition, Some(values))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn transaction(write: Write, held: usize) -> Vec<TransactWriteItem> {
        let expiry: ExpiryRule = |partition, _| (partition == "short").then_some(1_800_000_000);
        let transactions = Transactions { table: "t".to_owned(), expiry: Some(expiry) };
        transactions.build(&[write], &[held]).unwrap()
    }

    fn put(partition: &str, expect: Expect, bytes: usize) -> Write {
        Write { key: Key::new(partition, "s"), expect, change: Change::Put(Bytes::from(vec![7; bytes])) }
    }

    fn text(value: Option<&AttributeValue>) -> &str {
        match value {
            Some(AttributeValue::S(text) | AttributeValue::N(text)) => text,
            _ => "none",
        }
    }

    #[test]
    fn a_large_value_takes_the_place_of_a_larger_one() {
        let rows = transaction(put("short", Expect::Version(4), 500_000), 3);
        assert_eq!(rows.len(), 4, "the item, two parts, and the one that is left over");
        let own = rows[0].put().unwrap();
        assert_eq!((text(own.item().get("n")), text(own.item().get("v"))), ("2", "5"));
        assert!(!own.item().contains_key("d"));
        let condition = own.condition_expression().unwrap();
        assert_eq!(condition, "v = :expected AND (attribute_not_exists(n) OR n <= :left)");
        assert_eq!(text(own.expression_attribute_values().unwrap().get(":left")), "3");
        let part = rows[2].put().unwrap().item();
        let found = ["p", "s", "v", "e"].map(|name| text(part.get(name)));
        assert_eq!(found, ["short#parts", "s#001", "5", "1800604800"]);
        assert_eq!(text(own.item().get("e")), "1800000000");
        assert_eq!(text(rows[3].delete().unwrap().key().get("s")), "s#002");
    }

    #[test]
    fn ordinary_writes_are_one_row_and_know_of_no_parts() {
        let rows = transaction(put("long", Expect::Version(4), 5), 0);
        let [own] = &rows[..] else { panic!("{rows:?}") };
        let own = own.put().unwrap();
        assert_eq!(own.condition_expression(), Some("v = :expected AND attribute_not_exists(n)"));
        assert!(!own.item().contains_key("e") && !own.item().contains_key("n"), "{:?}", own.item());
        let check = Write { change: Change::Check, ..put("long", Expect::Version(4), 0) };
        let rows = transaction(check, 3);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0].condition_check().unwrap().condition_expression(), "v = :expected");
    }

    #[test]
    fn parts_are_in_the_way_only_of_the_expected_version() {
        let reason = |version: &str, parts: Option<&str>| {
            let number = |text: &str| AttributeValue::N(text.to_owned());
            let reason = CancellationReason::builder().code("ConditionalCheckFailed").item("v", number(version));
            parts.into_iter().fold(reason, |reason, parts| reason.item("n", number(parts))).build()
        };
        let write = put("p", Expect::Version(4), 5);
        assert_eq!(parts_in_the_way(&write, &reason("4", Some("2"))), Some(2));
        assert_eq!(parts_in_the_way(&write, &reason("5", Some("2"))), None);
        assert_eq!(parts_in_the_way(&write, &reason("4", None)), None);
        assert_eq!(parts_in_the_way(&put("p", Expect::Absent, 5), &reason("4", Some("2"))), None);
        assert_eq!(parts_in_the_way(&write, &CancellationReason::builder().build()), None);
    }
}
