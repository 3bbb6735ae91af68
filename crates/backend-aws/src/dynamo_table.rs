//! The table of the live store.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
};
use cloudping_ports::StoreError;

use crate::dynamo_store::failed;

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// A table is there after some seconds.
const MOST_LOOKS: u32 = 300;

/// Makes the table of a [`DynamoStore`](crate::DynamoStore), paid by request, unless there is one of that name; returns when it
/// can be used.
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
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err(StoreError(format!("DynamoDB: the table {table} is not active after a minute").into()))
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, StoreError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(failed)
}

fn attribute(name: &str) -> Result<AttributeDefinition, StoreError> {
    let definition = AttributeDefinition::builder().attribute_name(name);
    definition.attribute_type(ScalarAttributeType::S).build().map_err(failed)
}
