//! The table of the live store.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use cloudping_ports::StoreError;

use crate::dynamo_store::failed;

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// A table is there after some seconds.
const MOST_LOOKS: u32 = 300;
/// The attribute that says when a row expires, in seconds since 1970.
const EXPIRY: &str = "e";

/// Makes the table of a [`DynamoStore`](crate::DynamoStore), paid by request, unless there is one of that name, and has DynamoDB
/// delete what expires; returns when it can be used.
///
/// # Errors
/// [`StoreError`] when it cannot be made, or is not ready after a minute.
pub async fn create_table_if_absent(client: &Client, table: &str) -> Result<(), StoreError> {
    let request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    let request = request.set_key_schema(Some(vec![key("p", KeyType::Hash)?, key("s", KeyType::Range)?]));
    let request = request.set_attribute_definitions(Some(vec![attribute("p")?, attribute("s")?]));
    match request.send().await {
        Ok(_) => {}
        Err(error) if matches!(error.as_service_error(), Some(CreateTableError::ResourceInUseException(_))) => {}
        Err(error) => return Err(failed(error)),
    }
    for _ in 0..MOST_LOOKS {
        let answer = client.describe_table().table_name(table).send().await.map_err(failed)?;
        if answer.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
            return expire_rows(client, table).await;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err(StoreError(format!("DynamoDB: the table {table} is not active after a minute").into()))
}

/// Switches the deletion of expired rows on, unless it is.
async fn expire_rows(client: &Client, table: &str) -> Result<(), StoreError> {
    if rows_expire(client, table).await? {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder().attribute_name(EXPIRY).enabled(true);
    let specification = specification.build().map_err(failed)?;
    let request = client.update_time_to_live().table_name(table).time_to_live_specification(specification);
    match request.send().await {
        Ok(_) => Ok(()),
        // Another one may have done it meanwhile, which is refused as a second change in a short time.
        Err(error) => {
            if rows_expire(client, table).await? {
                Ok(())
            } else {
                Err(failed(error))
            }
        }
    }
}

async fn rows_expire(client: &Client, table: &str) -> Result<bool, StoreError> {
    let answer = client.describe_time_to_live().table_name(table).send().await.map_err(failed)?;
    let Some(found) = answer.time_to_live_description else { return Ok(false) };
    let on = matches!(found.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
    match found.attribute_name.as_deref() {
        Some(other) if on && other != EXPIRY => {
            let text = format!("DynamoDB: rows of {table} expire by attribute {other:?}, expected {EXPIRY:?}");
            Err(StoreError(text.into()))
        }
        _ => Ok(on),
    }
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, StoreError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(failed)
}

fn attribute(name: &str) -> Result<AttributeDefinition, StoreError> {
    let definition = AttributeDefinition::builder().attribute_name(name);
    definition.attribute_type(ScalarAttributeType::S).build().map_err(failed)
}
