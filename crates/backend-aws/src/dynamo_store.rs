//! The live store in a DynamoDB table; [`crate::dynamo_rows`] says how an item lies in it.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::AttributeValue;
use cloudping_ports::{CommitError, Item, Key, LiveStore, StoreError, Write, check_shape};

use crate::attempt_limit::with_attempt_limit;
use crate::dynamo_reads::{Parts, Row, query};
use crate::dynamo_rows::{check_sizes, parts_partition};
use crate::dynamo_writes::{Transactions, parts_in_the_way, place};

/// When the item under a partition and sort key expires, in seconds since 1970; `None` for one that stays.
pub type ExpiryRule = fn(partition: &str, sort: &str) -> Option<i64>;

/// How often a commit that stood in another one's way, or came too fast, is tried.
const TRIES: u32 = 6;
/// Before a commit's second try it waits for up to this; before each further one for up to twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// How often a commit is built anew because a stored item has more parts than was known.
const BUILDS: u32 = 4;
/// How often an item is read that others write at the same time, so that its parts are of another version than its row.
const READS: u32 = 16;
/// Before the second reading it waits for up to this, before each further one for a little longer.
const READ_WAIT: Duration = Duration::from_millis(5);

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
/// The client retries failed calls by its own settings, and those that are not answered within 10 s unless it has a limit of its own. A commit is always a transaction, also of a single write: only a
/// transaction carries a token by which DynamoDB knows a repeated request (for ten minutes), so that a commit whose answer was
/// lost is answered again as done. A conditional put would find its own first attempt and call it a conflict.
///
/// A value that does not fit into a row of 400 KB is kept in parts, read and written as if it were one. Only to delete it, or to put
/// one of fewer parts in its place, takes a second call.
///
/// Limits, beyond which a commit is [`CommitError::Invalid`]: 4 MB, and 100 writes and parts together. No partition ends with `#parts`.
#[derive(Debug, Clone)]
pub struct DynamoStore {
    client: Client,
    transactions: Transactions,
}

impl DynamoStore {
    /// The store in a table that exists (see [`create_table_if_absent`](crate::create_table_if_absent)). Nothing in it expires.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let transactions = Transactions { table: table.into(), expiry: None };
        Self { client: limited(client), transactions }
    }

    /// Has DynamoDB delete items, at no cost, some time (mostly within two days) after they expire by the rule. Until then they
    /// are items like all others: a reader must know itself what it no longer wants.
    #[must_use]
    pub fn with_expiry(mut self, rule: ExpiryRule) -> Self {
        self.transactions.expiry = Some(rule);
        self
    }

    fn query(&self, partition: &str) -> QueryFluentBuilder {
        let request = self.client.query().table_name(&self.transactions.table).consistent_read(true);
        request.expression_attribute_values(":p", AttributeValue::S(partition.to_owned()))
    }

    /// The parts of these rows of one partition.
    async fn parts(&self, partition: &str, rows: &[Row]) -> Result<Parts, StoreError> {
        let ends = || rows.iter().filter_map(Row::parts);
        let (Some(first), Some(last)) = (ends().map(|(first, _)| first).min(), ends().map(|(_, last)| last).max())
        else {
            return Ok(Parts::new());
        };
        // All in one query: of items between them that are not large there are no parts.
        let request = self.query(&parts_partition(partition));
        let request = request.key_condition_expression("p = :p AND s BETWEEN :first AND :last");
        let request = request.expression_attribute_values(":first", AttributeValue::S(first));
        let found = query(request.expression_attribute_values(":last", AttributeValue::S(last))).await?;
        let none = Parts::new();
        Ok(found.into_iter().filter_map(|row| Some((row.key.sort.clone(), row.item(&none)?))).collect())
    }

    /// Carries the writes out, or says which of the stored items have more parts than `held`.
    async fn transact(&self, writes: &[Write], held: &[usize]) -> Result<Option<Vec<(usize, usize)>>, CommitError> {
        let items = self.transactions.build(writes, held)?;
        let token = format!("{:032x}", fastrand::u128(..));
        let mut waits = (1..TRIES).map(|nth| FIRST_WAIT * (1 << (nth - 1)));
        loop {
            let request = self.client.transact_write_items().client_request_token(&token);
            let Err(error) = request.set_transact_items(Some(items.clone())).send().await else {
                return Ok(None);
            };
            match error.as_service_error().map_or(Refusal::Failed, |error| judge(error, writes)) {
                Refusal::Conflict(key) => return Err(CommitError::Conflict(key)),
                Refusal::Parts(found) => return Ok(Some(found)),
                Refusal::Busy => match waits.next() {
                    Some(most) => tokio::time::sleep(most.mul_f64(fastrand::f64())).await,
                    None => return Err(CommitError::Store(failed(error))),
                },
                Refusal::Failed => return Err(CommitError::Store(failed(error))),
            }
        }
    }
}

fn limited(client: Client) -> Client {
    let Some(timeouts) = with_attempt_limit(client.config().timeout_config()) else { return client };
    Client::from_conf(client.config().to_builder().timeout_config(timeouts).build())
}

#[async_trait]
impl LiveStore for DynamoStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let mut before = None;
        let mut unchanged = true;
        for nth in 1..=READS {
            let request = self.client.get_item().table_name(&self.transactions.table).consistent_read(true);
            let answer = request.set_key(Some(place(key))).send().await.map_err(failed)?;
            let Some(attributes) = answer.item else { return Ok(None) };
            let row = Row::read(attributes)?;
            let parts = self.parts(&key.partition, std::slice::from_ref(&row)).await?;
            if let Some(item) = row.item(&parts) {
                return Ok(Some(item));
            }
            unchanged &= before.replace(row.version).is_none_or(|version| version == row.version);
            if nth == READS && unchanged && row.expires {
                // Nobody writes it, and its parts are gone: it has expired, and its row is about to go.
                return Ok(None);
            }
            tokio::time::sleep((READ_WAIT * nth).mul_f64(fastrand::f64())).await;
        }
        Err(StoreError(
            format!("DynamoDB: {key:?} was read {READS} times, each time with parts of another version").into(),
        ))
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        // DynamoDB refuses bounds in the wrong order.
        if sort.is_empty() {
            return Ok(Vec::new());
        }
        let request = self.query(partition).expression_attribute_values(":end", AttributeValue::S(sort.end.to_owned()));
        // It also refuses an empty bound, but no sort key is empty.
        let request = if sort.start.is_empty() {
            request.key_condition_expression("p = :p AND s < :end")
        } else {
            let start = AttributeValue::S(sort.start.to_owned());
            let request = request.expression_attribute_values(":start", start);
            request.key_condition_expression("p = :p AND s BETWEEN :start AND :end")
        };
        let mut rows = query(request).await?;
        // BETWEEN holds both of its bounds.
        rows.pop_if(|row| row.key.sort == sort.end);
        let parts = self.parts(partition, &rows).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let item = match row.item(&parts) {
                Some(item) => Some(item),
                None => self.get(&row.key).await?,
            };
            found.extend(item.map(|item| (row.key, item)));
        }
        Ok(found)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        check_shape(&writes)?;
        check_sizes(&writes)?;
        let mut held = vec![0; writes.len()];
        for _ in 0..BUILDS {
            let Some(found) = self.transact(&writes, &held).await? else {
                return Ok(());
            };
            found.into_iter().for_each(|(nth, parts)| held[nth] = parts);
        }
        Err(CommitError::Store(StoreError(format!("DynamoDB: parts were in the way of {BUILDS} commits").into())))
    }
}

/// What a refused commit means.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// The expectation of the write for this key did not hold.
    Conflict(Key),
    /// All expectations held, but the items of the writes at these places have so many parts, which would be left behind.
    Parts(Vec<(usize, usize)>),
    /// Another commit is under way on the same items, or the table is asked too much.
    Busy,
    /// Anything else.
    Failed,
}

fn judge(error: &TransactWriteItemsError, writes: &[Write]) -> Refusal {
    use TransactWriteItemsError as E;
    let canceled = match error {
        E::TransactionCanceledException(canceled) => canceled,
        E::TransactionInProgressException(_)
        | E::ProvisionedThroughputExceededException(_)
        | E::RequestLimitExceeded(_)
        | E::ThrottlingException(_) => return Refusal::Busy,
        _ => return Refusal::Failed,
    };
    let mut parts = Vec::new();
    // Only the rows of the writes have conditions, and they come first.
    for (nth, (reason, write)) in canceled.cancellation_reasons().iter().zip(writes).enumerate() {
        if reason.code() == Some("ConditionalCheckFailed") {
            match parts_in_the_way(write, reason) {
                Some(count) => parts.push((nth, count)),
                None => return Refusal::Conflict(write.key.clone()),
            }
        }
    }
    if !parts.is_empty() {
        return Refusal::Parts(parts);
    }
    let codes = canceled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None"));
    let busy = |code| matches!(code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded");
    let mut wrong = codes.filter(|code| *code != "None").peekable();
    if wrong.peek().is_some() && wrong.all(busy) { Refusal::Busy } else { Refusal::Failed }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::{
        ResourceNotFoundException, TransactionCanceledException, TransactionInProgressException,
    };
    use cloudping_ports::{Change, Expect};

    use super::*;

    fn judged(error: &TransactWriteItemsError) -> Refusal {
        let write = |sort| Write { key: Key::new("p", sort), expect: Expect::Version(4), change: Change::Delete };
        judge(error, &["0", "1", "2"].map(write))
    }

    /// The reasons' codes; one of `parts` carries an item of the expected version in two parts.
    fn canceled(codes: &[&str]) -> Refusal {
        let reason = |code: &&str| match *code {
            "parts" => {
                let reason = CancellationReason::builder().code("ConditionalCheckFailed");
                let number = |digits: &str| AttributeValue::N(digits.to_owned());
                reason.item("v", number("4")).item("n", number("2")).build()
            }
            code => CancellationReason::builder().code(code).build(),
        };
        let reasons = codes.iter().map(reason).collect();
        let error = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons)).build();
        judged(&TransactWriteItemsError::TransactionCanceledException(error))
    }

    #[test]
    fn a_refusal_is_told_by_its_reasons() {
        let conflict = |sort| Refusal::Conflict(Key::new("p", sort));
        assert_eq!(canceled(&["None", "ConditionalCheckFailed"]), conflict("1"));
        assert_eq!(canceled(&["TransactionConflict", "None", "ConditionalCheckFailed"]), conflict("2"));
        assert_eq!(canceled(&["parts", "ConditionalCheckFailed", "None"]), conflict("1"), "not for its parts alone");
        assert_eq!(canceled(&["parts", "None", "parts"]), Refusal::Parts(vec![(0, 2), (2, 2)]));
        assert_eq!(canceled(&["None", "TransactionConflict", "ThrottlingError"]), Refusal::Busy);
        assert_eq!(canceled(&["ValidationError", "TransactionConflict"]), Refusal::Failed);
        assert_eq!(canceled(&[]), Refusal::Failed);
        let in_progress = TransactionInProgressException::builder().build();
        assert_eq!(judged(&TransactWriteItemsError::TransactionInProgressException(in_progress)), Refusal::Busy);
        let no_table = ResourceNotFoundException::builder().build();
        assert_eq!(judged(&TransactWriteItemsError::ResourceNotFoundException(no_table)), Refusal::Failed);
    }
}
