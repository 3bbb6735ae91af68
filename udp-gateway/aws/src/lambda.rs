//! A Lambda function as a target: invoked with a batch, it answers with replies.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudping_udp_gateway::targets::{Delivery, Target, TargetError};

/// A function, its version or alias.
pub struct Function {
    client: Client,
    arn: String,
}

impl Function {
    /// The function of an ARN.
    pub fn new(config: &SdkConfig, arn: &str) -> Self {
        Self { client: Client::new(config), arn: arn.to_owned() }
    }
}

#[async_trait]
impl Target for Function {
    async fn deliver(&self, delivery: &Delivery) -> Result<Vec<u8>, TargetError> {
        // The payload is the batch and nothing else; a function that wants to know its id finds it in its client context.
        let context = serde_json::json!({ "custom": { "idempotency-key": &*delivery.id } });
        let invoked = self.client.invoke().function_name(&self.arn).invocation_type(InvocationType::RequestResponse);
        let invoked = invoked.client_context(STANDARD.encode(context.to_string())).payload(Blob::new(&*delivery.body));
        let answer = invoked.send().await.map_err(|error| super::failure(error, |raw| raw.status().as_u16()))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        match answer.function_error {
            None => Ok(payload),
            Some(kind) => {
                let text = String::from_utf8_lossy(&payload[..payload.len().min(300)]).into_owned();
                Err(TargetError::Unknown(format!("the function failed ({kind}): {text}")))
            }
        }
    }
}
