//! A Kinesis data stream as a target: each batch is one record in the wire format. There are no replies.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use cloudping_udp_gateway::targets::{Delivery, Target, TargetError};

/// A stream.
pub struct Stream {
    client: Client,
    arn: String,
}

impl Stream {
    /// The stream of an ARN.
    pub fn new(config: &SdkConfig, arn: &str) -> Self {
        Self { client: Client::new(config), arn: arn.to_owned() }
    }
}

#[async_trait]
impl Target for Stream {
    async fn deliver(&self, delivery: &Delivery) -> Result<Vec<u8>, TargetError> {
        // By its id a batch goes to any shard: batches have no order among each other.
        let put = self.client.put_record().stream_arn(&self.arn).partition_key(&*delivery.id);
        let put = put.data(Blob::new(&*delivery.body)).send().await;
        put.map_err(|error| super::failure(error, |raw| raw.status().as_u16()))?;
        Ok(Vec::new())
    }
}
