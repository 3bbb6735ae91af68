//! Rows of the table as items; the bytes of large ones are gathered from their parts.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::{Bytes, BytesMut};
use cloudping_ports::{Item, Key, StoreError};

use crate::dynamo_rows::part_sort;
use crate::dynamo_store::failed;

pub(crate) type Attributes = HashMap<String, AttributeValue>;
/// Parts by their sort keys.
pub(crate) type Parts = HashMap<String, Item>;

/// A row that is an item, or stands for one.
#[derive(Debug)]
pub(crate) struct Row {
    /// The item's key.
    pub key: Key,
    /// The item's version.
    pub version: u64,
    /// Its bytes, or where they are.
    pub body: Body,
    /// Whether DynamoDB deletes it some day.
    pub expires: bool,
}

/// Where an item's bytes are.
#[derive(Debug)]
pub(crate) enum Body {
    /// In the row.
    Whole(Bytes),
    /// In so many parts.
    Parts(usize),
}

impl Row {
    /// A row as it comes.
    ///
    /// # Errors
    /// [`StoreError`], naming the row, when it is none of ours.
    pub fn read(mut attributes: Attributes) -> Result<Self, StoreError> {
        let mut take = |name: &str| attributes.remove(name);
        let (Some(AttributeValue::S(partition)), Some(AttributeValue::S(sort))) = (take("p"), take("s")) else {
            return Err(StoreError("DynamoDB: a row without p or s, expected two strings".into()));
        };
        let key = Key { partition, sort };
        let number = |value: Option<AttributeValue>| match value {
            Some(AttributeValue::N(digits)) => digits.parse::<u64>().ok(),
            _ => None,
        };
        let (version, parts, expires) = (number(take("v")), number(take("n")), take("e").is_some());
        let body = match (take("d"), parts.and_then(|count| usize::try_from(count).ok())) {
            (Some(AttributeValue::B(bytes)), None) => Some(Body::Whole(Bytes::from(bytes.into_inner()))),
            (None, Some(count)) => Some(Body::Parts(count)),
            _ => None,
        };
        match (version, body) {
            (Some(version), Some(body)) => Ok(Self { key, version, body, expires }),
            _ => {
                let expected = "expected a number v, and either bytes d or a number n";
                Err(StoreError(format!("DynamoDB: {key:?} is no item, {expected}").into()))
            }
        }
    }

    /// The item; `None` when the parts are not all of its version.
    pub fn item(&self, parts: &Parts) -> Option<Item> {
        let count = match &self.body {
            Body::Whole(bytes) => return Some(Item { version: self.version, value: bytes.clone() }),
            Body::Parts(count) => *count,
        };
        let mut value = BytesMut::new();
        for number in 0..count {
            let part = parts.get(&part_sort(&self.key.sort, number))?;
            if part.version != self.version {
                return None;
            }
            value.extend_from_slice(&part.value);
        }
        Some(Item { version: self.version, value: value.freeze() })
    }

    /// The sort keys of the first and the last part, if there are any.
    pub fn parts(&self) -> Option<(String, String)> {
        match self.body {
            Body::Parts(count) if count > 0 => {
                Some((part_sort(&self.key.sort, 0), part_sort(&self.key.sort, count - 1)))
            }
            _ => None,
        }
    }
}

/// All rows that a query finds, page by page.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn query(request: QueryFluentBuilder) -> Result<Vec<Row>, StoreError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let page = request.clone().set_exclusive_start_key(next).send().await.map_err(failed)?;
        for attributes in page.items.unwrap_or_default() {
            found.push(Row::read(attributes)?);
        }
        next = page.last_evaluated_key;
        if next.is_none() {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;

    use super::*;

    fn row(attributes: &[(&str, AttributeValue)]) -> Result<Row, StoreError> {
        Row::read(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn number(digits: &str) -> AttributeValue {
        AttributeValue::N(digits.to_owned())
    }

    #[test]
    fn a_row_that_is_none_of_ours_is_named() {
        let key = [("p", text("heads")), ("s", text("v1"))];
        let [p, s] = key.clone();
        let bytes = ("d", AttributeValue::B(Blob::new("x")));
        for rest in [vec![("v", number("7"))], vec![bytes.clone()], vec![("v", text("7")), bytes.clone()]] {
            let error = row(&[&key[..], &rest].concat()).unwrap_err().to_string();
            assert!(error.contains("heads") && error.contains("expected a number v"), "{error}");
        }
        let whole = row(&[p, s.clone(), ("v", number("7")), bytes]).unwrap();
        let item = whole.item(&Parts::new());
        assert_eq!((whole.key, whole.expires), (Key::new("heads", "v1"), false));
        assert_eq!(item, Some(Item { version: 7, value: Bytes::from("x") }));
        assert!(row(&[s]).unwrap_err().to_string().contains("without p or s"));
    }

    #[test]
    fn parts_make_an_item_only_if_all_are_of_its_version() {
        let split = [("p", text("p")), ("s", text("s")), ("v", number("7")), ("n", number("2")), ("e", number("9"))];
        let split = row(&split).unwrap();
        assert!(split.expires);
        assert_eq!(split.parts(), Some(("s#000".to_owned(), "s#001".to_owned())));
        let part = |version, value: &'static str| Item { version, value: Bytes::from(value) };
        let parts = |first, second| [("s#000".to_owned(), part(first, "on")), ("s#001".to_owned(), part(second, "e"))];
        assert_eq!(split.item(&Parts::from(parts(7, 7))), Some(part(7, "one")));
        for (first, second) in [(6, 7), (7, 8)] {
            assert_eq!(split.item(&Parts::from(parts(first, second))), None);
        }
        assert_eq!(split.item(&Parts::from_iter(parts(7, 7).into_iter().take(1))), None);
    }
}
