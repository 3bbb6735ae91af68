//! The live store in a DynamoDB table.
//!
//! An item's attributes: `p` and `s`, the key; `v`, its version; `d`, its bytes.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use cloudping_ports::{CommitError, Item, Key, LiveStore, StoreError, Write, check_shape};

use crate::dynamo_writes::{check_sizes, transact_item};

/// How often a commit that stood in another one's way, or came too fast, is tried.
const TRIES: u32 = 6;
/// Before a commit's second try it waits for up to this; before each further one for up to twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(25);

type Attributes = HashMap<String, AttributeValue>;

/// A failed call, with all that the service said: the SDK's own message is "service error".
#[derive(Debug)]
struct DynamoError(aws_sdk_dynamodb::Error);

impl fmt::Display for DynamoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DynamoDB: {}", DisplayErrorContext(&self.0))
    }
}

impl Error for DynamoError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

pub(crate) fn failed(error: impl Into<aws_sdk_dynamodb::Error>) -> StoreError {
    StoreError(Box::new(DynamoError(error.into())))
}

/// A [`LiveStore`] in a DynamoDB table: partition key `p` and sort key `s`, both strings.
///
/// The client retries failed calls by its own settings. A commit is always a transaction, also of a single write: only a
/// transaction carries a token by which DynamoDB knows a repeated request (for ten minutes), so that a commit whose answer was
/// lost is answered again as done. A conditional put would find its own first attempt and call it a conflict.
///
/// Limits, beyond which a commit is [`CommitError::Invalid`]: 400 KB an item, 4 MB a commit.
#[derive(Debug, Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
}

impl DynamoStore {
    /// The store in a table that exists (see [`create_table_if_absent`](crate::create_table_if_absent)).
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl LiveStore for DynamoStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.key("p", AttributeValue::S(key.partition.clone()));
        let answer = request.key("s", AttributeValue::S(key.sort.clone())).send().await.map_err(failed)?;
        answer.item.map(|attributes| read(attributes).map(|(_, item)| item)).transpose()
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        // DynamoDB refuses bounds in the wrong order.
        if sort.is_empty() {
            return Ok(Vec::new());
        }
        let request = self.client.query().table_name(&self.table).consistent_read(true);
        let request = request.expression_attribute_values(":p", AttributeValue::S(partition.to_owned()));
        let request = request.expression_attribute_values(":end", AttributeValue::S(sort.end.to_owned()));
        // It also refuses an empty bound, but no sort key is empty.
        let request = if sort.start.is_empty() {
            request.key_condition_expression("p = :p AND s < :end")
        } else {
            let start = AttributeValue::S(sort.start.to_owned());
            let request = request.expression_attribute_values(":start", start);
            request.key_condition_expression("p = :p AND s BETWEEN :start AND :end")
        };
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let page = request.clone().set_exclusive_start_key(next).send().await.map_err(failed)?;
            for attributes in page.items.unwrap_or_default() {
                found.push(read(attributes)?);
            }
            next = page.last_evaluated_key;
            if next.is_none() {
                break;
            }
        }
        // BETWEEN holds both of its bounds.
        found.pop_if(|(key, _)| key.sort == sort.end);
        Ok(found)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        check_shape(&writes)?;
        check_sizes(&writes)?;
        let items: Result<Vec<_>, _> = writes.iter().map(|write| transact_item(&self.table, write)).collect();
        let items = items.map_err(failed)?;
        let token = format!("{:032x}", fastrand::u128(..));
        let mut waits = (1..TRIES).map(|nth| FIRST_WAIT * (1 << (nth - 1)));
        loop {
            let request = self.client.transact_write_items().client_request_token(&token);
            let Err(error) = request.set_transact_items(Some(items.clone())).send().await else {
                return Ok(());
            };
            let refusal = error.as_service_error().map_or(Refusal::Failed, judge);
            if let Refusal::Conflict(nth) = refusal
                && let Some(write) = writes.get(nth)
            {
                return Err(CommitError::Conflict(write.key.clone()));
            }
            match waits.next() {
                Some(most) if refusal == Refusal::Busy => tokio::time::sleep(most.mul_f64(fastrand::f64())).await,
                _ => return Err(CommitError::Store(failed(error))),
            }
        }
    }
}

/// What a refused commit means.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// The expectation of the write at this place did not hold.
    Conflict(usize),
    /// Another commit is under way on the same items, or the table is asked too much.
    Busy,
    /// Anything else.
    Failed,
}

fn judge(error: &TransactWriteItemsError) -> Refusal {
    use TransactWriteItemsError as E;
    let canceled = match error {
        E::TransactionCanceledException(canceled) => canceled,
        E::TransactionInProgressException(_)
        | E::ProvisionedThroughputExceededException(_)
        | E::RequestLimitExceeded(_)
        | E::ThrottlingException(_) => return Refusal::Busy,
        _ => return Refusal::Failed,
    };
    let codes = || canceled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None"));
    if let Some(nth) = codes().position(|code| code == "ConditionalCheckFailed") {
        return Refusal::Conflict(nth);
    }
    let busy = |code| matches!(code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded");
    let mut wrong = codes().filter(|code| *code != "None").peekable();
    if wrong.peek().is_some() && wrong.all(busy) { Refusal::Busy } else { Refusal::Failed }
}

/// A key and its item from a row of the table.
fn read(mut attributes: Attributes) -> Result<(Key, Item), StoreError> {
    let mut take = |name: &str| attributes.remove(name);
    let (Some(AttributeValue::S(partition)), Some(AttributeValue::S(sort))) = (take("p"), take("s")) else {
        return Err(StoreError("DynamoDB: a row without p or s, expected two strings".into()));
    };
    let key = Key { partition, sort };
    let version = match take("v") {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    };
    match (version, take("d")) {
        (Some(version), Some(AttributeValue::B(bytes))) => {
            Ok((key, Item { version, value: Bytes::from(bytes.into_inner()) }))
        }
        _ => Err(StoreError(format!("DynamoDB: {key:?} has no number v or no bytes d, expected both").into())),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::{
        ResourceNotFoundException, TransactionCanceledException, TransactionInProgressException,
    };

    use super::*;

    fn canceled(codes: &[&str]) -> Refusal {
        let reasons = codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect();
        let error = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons)).build();
        judge(&TransactWriteItemsError::TransactionCanceledException(error))
    }

    #[test]
    fn a_refusal_is_told_by_its_reasons() {
        assert_eq!(canceled(&["None", "ConditionalCheckFailed"]), Refusal::Conflict(1));
        assert_eq!(canceled(&["TransactionConflict", "None", "ConditionalCheckFailed"]), Refusal::Conflict(2));
        assert_eq!(canceled(&["None", "TransactionConflict", "ThrottlingError"]), Refusal::Busy);
        assert_eq!(canceled(&["ValidationError", "TransactionConflict"]), Refusal::Failed);
        assert_eq!(canceled(&[]), Refusal::Failed);
        let in_progress = TransactionInProgressException::builder().build();
        assert_eq!(judge(&TransactWriteItemsError::TransactionInProgressException(in_progress)), Refusal::Busy);
        let no_table = ResourceNotFoundException::builder().build();
        assert_eq!(judge(&TransactWriteItemsError::ResourceNotFoundException(no_table)), Refusal::Failed);
    }

    #[test]
    fn a_row_that_is_none_of_ours_is_named() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut row = HashMap::from([("p".to_owned(), text("heads")), ("s".to_owned(), text("v1"))]);
        row.insert("v".to_owned(), AttributeValue::N("7".to_owned()));
        let error = read(row.clone()).unwrap_err().to_string();
        assert!(error.contains("heads") && error.contains("no bytes d"), "{error}");
        row.insert("d".to_owned(), AttributeValue::B(Blob::new("x")));
        let (key, item) = read(row.clone()).unwrap();
        assert_eq!((key, item.version, item.value), (Key::new("heads", "v1"), 7, Bytes::from("x")));
        row.remove("p");
        assert!(read(row).unwrap_err().to_string().contains("without p or s"));
    }
}
