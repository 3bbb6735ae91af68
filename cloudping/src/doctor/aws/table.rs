//! The table: there, of the right shape, readable, and kept small and safe by DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, KeyType, PointInTimeRecoveryStatus, Put, TableDescription, TableStatus,
    TimeToLiveStatus, TransactWriteItem,
};
use cloudping_agent::checks::finding::Finding;

use super::permission::Arns;
use super::refusal::{Answer, Call, Refusal, Tried};
use crate::aws::{Clients, Places};

/// The partition of what is written as a trial.
const DOCTOR: &str = "doctor";
/// The attribute that holds when an item may go.
const EXPIRY: &str = "e";
/// What a table must have.
const KEYS: &str = "p (partition key) and s (sort key), both strings";

/// What DynamoDB says of the table.
#[derive(Debug)]
pub struct TableFacts {
    /// `DescribeTable`.
    pub description: Answer<Description>,
    /// The attribute by which items expire, if any, by `DescribeTimeToLive`.
    pub expiry: Answer<Option<String>>,
    /// Whether any moment of the last weeks can be restored, by `DescribeContinuousBackups`.
    pub backups: Answer<bool>,
    /// `GetItem`.
    pub got: Answer<()>,
    /// `Query`.
    pub listed: Answer<()>,
    /// Each part of a commit, in a transaction of its own; `None` when it was not to be tried.
    pub written: Option<[Tried; 3]>,
}

/// The table's description.
#[derive(Debug, Clone)]
pub struct Description {
    /// Whether it can be used.
    pub usable: bool,
    /// Its status, in DynamoDB's words.
    pub status: String,
    /// Whether its keys are ours.
    pub keys: bool,
    /// Items, as of some hours ago.
    pub items: i64,
}

/// Asks DynamoDB; writes only if `write`.
pub async fn gather(clients: &Clients, places: &Places, write: bool) -> TableFacts {
    let (client, table) = (&clients.dynamodb, &places.table);
    let described = client.describe_table().table_name(table).send().await.map_err(Refusal::from);
    let description = described.and_then(|answer| {
        answer.table.as_ref().map(description).ok_or_else(|| Refusal::other("an answer without a description"))
    });
    let expiry = client.describe_time_to_live().table_name(table).send().await.map_err(Refusal::from);
    let backups = client.describe_continuous_backups().table_name(table).send().await.map_err(Refusal::from);
    let get = client.get_item().table_name(table).set_key(Some(key())).consistent_read(true);
    let query = client.query().table_name(table).consistent_read(true).limit(1);
    let query = query.key_condition_expression("p = :p").expression_attribute_values(":p", text(DOCTOR));
    let there = !description.as_ref().is_err_and(Refusal::is_absence);
    TableFacts {
        description,
        expiry: expiry.map(|answer| {
            let on = |status| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling);
            let described =
                answer.time_to_live_description.filter(|ttl| ttl.time_to_live_status.clone().is_some_and(on));
            described.and_then(|ttl| ttl.attribute_name)
        }),
        backups: backups.map(|answer| {
            let recovery = answer.continuous_backups_description.and_then(|d| d.point_in_time_recovery_description);
            recovery.and_then(|d| d.point_in_time_recovery_status) == Some(PointInTimeRecoveryStatus::Enabled)
        }),
        got: get.send().await.map(|_| ()).map_err(Refusal::from),
        listed: query.send().await.map(|_| ()).map_err(Refusal::from),
        written: if write && there { Some(write_and_delete(client, table).await) } else { None },
    }
}

fn description(table: &TableDescription) -> Description {
    let is = |name: &str, kind: KeyType| {
        let key = table.key_schema().iter().any(|key| key.attribute_name == name && key.key_type == kind);
        let mut attributes = table.attribute_definitions().iter();
        key && attributes.any(|attribute| attribute.attribute_name == name && attribute.attribute_type.as_str() == "S")
    };
    let status = table.table_status().map_or("unknown", TableStatus::as_str);
    Description {
        usable: matches!(table.table_status(), Some(TableStatus::Active | TableStatus::Updating)),
        status: status.to_owned(),
        keys: is("p", KeyType::Hash) && is("s", KeyType::Range),
        items: table.item_count().unwrap_or(0),
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn key() -> HashMap<String, AttributeValue> {
    let name = format!("trial-{}", std::process::id());
    HashMap::from([("p".to_owned(), text(DOCTOR)), ("s".to_owned(), text(&name))])
}

/// All that a commit does: puts under a condition, checks another item, deletes. One by one, since a transaction names but one part that is denied.
async fn write_and_delete(client: &Client, table: &str) -> [Tried; 3] {
    const ABSENT: &str = "attribute_not_exists(p)";
    let mut other = key();
    other.insert("s".to_owned(), text("never written"));
    let put = Put::builder().table_name(table).set_item(Some(key())).condition_expression(ABSENT);
    let check = ConditionCheck::builder().table_name(table).set_key(Some(other)).condition_expression(ABSENT);
    let delete = Delete::builder().table_name(table).set_key(Some(key()));
    let item = TransactWriteItem::builder;
    [
        ("dynamodb:PutItem", transact(client, put.build().map(|put| item().put(put).build())).await),
        (
            "dynamodb:ConditionCheckItem",
            transact(client, check.build().map(|check| item().condition_check(check).build())).await,
        ),
        ("dynamodb:DeleteItem", transact(client, delete.build().map(|delete| item().delete(delete).build())).await),
    ]
}

async fn transact(client: &Client, item: Result<TransactWriteItem, BuildError>) -> Answer<()> {
    let item = item.map_err(|error| Refusal::other(error.to_string()))?;
    client.transact_write_items().transact_items(item).send().await.map(|_| ()).map_err(Refusal::from)
}

/// What to think of it.
pub fn judge(table: &str, facts: &TableFacts, arns: &Arns) -> Vec<Finding> {
    let on = format!("table {table}");
    let make = "make it with `cloudping up --aws … --create`";
    let call = |check, action| Call { check, action, on: &on, make, arns };
    let mut findings = match &facts.description {
        Ok(description) => judge_description(table, description).into(),
        Err(refusal) => vec![call("table", "dynamodb:DescribeTable").refused(refusal)],
    };
    if facts.description.as_ref().is_err_and(Refusal::is_absence) {
        return findings;
    }
    let reads: [Tried; 2] = [("dynamodb:GetItem", facts.got.clone()), ("dynamodb:Query", facts.listed.clone())];
    findings.extend(call("table reads", "").tried(&reads, "its items can be read and listed"));
    findings.extend(match &facts.written {
        None => vec![Finding::warn("table writes", "not tried", "--write tries, with an item that it deletes again")],
        Some(tried) => {
            call("table writes", "").tried(tried, "an item was put on a condition, one was checked, and one deleted")
        }
    });
    findings.push(judge_expiry(table, &facts.expiry, call("table expiry", "dynamodb:DescribeTimeToLive")));
    findings.push(judge_backups(table, &facts.backups, call("table backups", "dynamodb:DescribeContinuousBackups")));
    findings
}

fn judge_description(table: &str, description: &Description) -> [Finding; 2] {
    let Description { usable, status, keys, items } = description;
    let found = format!("{table} is {status}, with {items} items by DynamoDB's last count");
    [
        match usable {
            true => Finding::ok("table", found),
            false => Finding::fail("table", found, "wait until it is ACTIVE, or choose another with --table"),
        },
        match keys {
            true => Finding::ok("table keys", KEYS),
            false => Finding::fail(
                "table keys",
                format!("not {KEYS}: it was made for something else"),
                "choose another with --table",
            ),
        },
    ]
}

fn judge_expiry(table: &str, expiry: &Answer<Option<String>>, call: Call<'_>) -> Finding {
    let next = format!(
        "`aws dynamodb update-time-to-live --table-name {table} --time-to-live-specification Enabled=true,AttributeName={EXPIRY}`"
    );
    match expiry {
        Ok(Some(attribute)) if attribute == EXPIRY => {
            Finding::ok(call.check, format!("DynamoDB deletes what is past its time, attribute {EXPIRY}"))
        }
        Ok(Some(attribute)) => {
            let found = format!("by the attribute {attribute}, and not {EXPIRY}: the table grows for ever");
            Finding::warn(call.check, found, next)
        }
        Ok(None) => Finding::warn(
            call.check,
            format!("not by the attribute {EXPIRY}: what nobody deletes stays for ever"),
            next,
        ),
        Err(refusal) => optional(call, refusal),
    }
}

fn judge_backups(table: &str, backups: &Answer<bool>, call: Call<'_>) -> Finding {
    match backups {
        Ok(true) => Finding::ok(call.check, "any moment of the last weeks can be restored"),
        Ok(false) => Finding::warn(
            call.check,
            "point-in-time recovery is off: whoever deletes the table deletes the live view; the archive stays",
            format!(
                "`aws dynamodb update-continuous-backups --table-name {table} --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true`"
            ),
        ),
        Err(refusal) => optional(call, refusal),
    }
}

/// A question that `up` never asks: not to be allowed it is no failure.
fn optional(call: Call<'_>, refusal: &Refusal) -> Finding {
    call.refused(refusal).lenient()
}

#[cfg(test)]
mod tests {
    use super::super::refusal::{Kind, arns, refusal};
    use super::*;
    use cloudping_agent::checks::finding::Status;

    fn well() -> Description {
        Description { usable: true, status: "ACTIVE".to_owned(), keys: true, items: 7 }
    }

    fn facts() -> TableFacts {
        TableFacts {
            description: Ok(well()),
            expiry: Ok(Some("e".to_owned())),
            backups: Ok(true),
            got: Ok(()),
            listed: Ok(()),
            written: Some(written([Ok(()), Ok(()), Ok(())])),
        }
    }

    fn written(answers: [Answer<()>; 3]) -> [Tried; 3] {
        let [put, check, delete] = answers;
        [("dynamodb:PutItem", put), ("dynamodb:ConditionCheckItem", check), ("dynamodb:DeleteItem", delete)]
    }

    fn not_ok(facts: &TableFacts) -> Vec<(&'static str, Status, String)> {
        let judged = judge("live", facts, &arns()).into_iter().filter(|finding| finding.status != Status::Ok);
        judged.map(|finding| (finding.check, finding.status, finding.next.unwrap())).collect()
    }

    fn only(facts: &TableFacts) -> (&'static str, Status, String) {
        let [one] = <[_; 1]>::try_from(not_ok(facts)).unwrap();
        one
    }

    #[test]
    fn a_table_that_is_well_and_one_that_is_not_there() {
        assert_eq!(not_ok(&facts()), []);
        let (check, status, next) = only(&TableFacts { description: Err(refusal(Kind::NotThere)), ..facts() });
        assert!(check == "table" && status == Status::Fail && next.contains("--create"), "{next}");
    }

    #[test]
    fn another_shape_fails_and_a_lack_of_comfort_warns() {
        let described = |description| only(&TableFacts { description: Ok(description), ..facts() });
        assert_eq!(described(Description { keys: false, ..well() }).0, "table keys");
        let creating = described(Description { usable: false, status: "CREATING".to_owned(), ..well() });
        assert_eq!((creating.0, creating.1), ("table", Status::Fail));
        for expiry in [None, Some("ttl".to_owned())] {
            let (check, status, next) = only(&TableFacts { expiry: Ok(expiry), ..facts() });
            assert!(check == "table expiry" && status == Status::Warn && next.contains("AttributeName=e"), "{next}");
        }
        let (check, status, next) = only(&TableFacts { backups: Ok(false), ..facts() });
        assert!(check == "table backups" && status == Status::Warn && next.contains("update-continuous-backups"));
    }

    #[test]
    fn each_permission_is_named() {
        let denied = || refusal(Kind::Denied);
        let (_, status, next) = only(&TableFacts { got: Err(denied()), ..facts() });
        assert!(status == Status::Fail && next.contains("dynamodb:GetItem"), "{next}");
        let (_, status, next) = only(&TableFacts { listed: Err(denied()), ..facts() });
        assert!(status == Status::Fail && next.contains("dynamodb:Query"), "{next}");
        let checking = Some(written([Ok(()), Err(denied()), Ok(())]));
        let (_, status, next) = only(&TableFacts { written: checking, ..facts() });
        assert!(status == Status::Fail && next.starts_with("allow dynamodb:ConditionCheckItem on arn:"), "{next}");
        let all = Some(written([Err(denied()), Err(denied()), Err(denied())]));
        let all = not_ok(&TableFacts { written: all, got: Err(denied()), listed: Err(denied()), ..facts() });
        let named: Vec<&str> = all.iter().map(|(_, _, next)| next.split(' ').nth(1).unwrap()).collect();
        let actions = ["GetItem", "Query", "PutItem", "ConditionCheckItem", "DeleteItem"];
        assert_eq!(named, actions.map(|action| format!("dynamodb:{action}")));
        let (_, status, next) = only(&TableFacts { expiry: Err(denied()), ..facts() });
        assert!(status == Status::Warn && next.contains("dynamodb:DescribeTimeToLive"), "{next}");
        let (_, status, next) = only(&TableFacts { backups: Err(denied()), ..facts() });
        assert!(status == Status::Warn && next.contains("dynamodb:DescribeContinuousBackups"), "{next}");
    }
}
