//! AWS by its standard settings: profile, region, `AWS_ENDPOINT_URL_*`.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use cloudping_agent::failure::Failure;

use crate::cli::AwsArgs;

/// The folder in the bucket unless another is named.
const DEFAULT_PREFIX: &str = "tables";
/// A service that has not answered an attempt by then is not there for it.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Where on AWS everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The Kinesis data stream.
    pub stream: String,
    /// The DynamoDB table.
    pub table: String,
    /// The S3 bucket.
    pub bucket: String,
    /// The folder in it, without slashes at its ends; empty for the bucket's root.
    pub prefix: String,
}

impl Places {
    /// What the command line names.
    ///
    /// # Errors
    /// When one of them is left out or empty.
    pub fn new(args: &AwsArgs) -> Result<Self, Failure> {
        let named = |name: &str, value: &Option<String>| match value.as_deref().map(str::trim) {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            _ => Err(Failure::setting(format!("--aws: expected a name with --{name}"))),
        };
        let prefix = args.prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
        Ok(Self {
            stream: named("stream", &args.stream)?,
            table: named("table", &args.table)?,
            bucket: named("bucket", &args.bucket)?,
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }

    /// The folder of the tables, as `s3://BUCKET/PREFIX`.
    pub fn archive_url(&self) -> String {
        format!("s3://{}", self.object(""))
    }

    /// The key of an object in the folder.
    pub fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    fn object(&self, name: &str) -> String {
        format!("{}/{}", self.bucket, self.key(name)).trim_end_matches('/').to_owned()
    }
}

/// A client of each service.
#[derive(Debug, Clone)]
pub struct Clients {
    /// What they were made from.
    pub config: SdkConfig,
    /// The stream's.
    pub kinesis: aws_sdk_kinesis::Client,
    /// The table's.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The bucket's.
    pub s3: aws_sdk_s3::Client,
    /// That of topics.
    pub sns: aws_sdk_sns::Client,
}

impl Clients {
    /// By the environment and the profile.
    pub async fn from_settings() -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build();
        let config = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await;
        Self {
            kinesis: aws_sdk_kinesis::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            s3: cloudping_backend_aws::s3_client(&config),
            sns: aws_sdk_sns::Client::new(&config),
            config,
        }
    }
}

/// What a service said, or what kept it from saying anything, in one line.
pub fn told<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match (error.code(), error.message(), error.raw_response()) {
        (Some(code), Some(message), _) => format!("{code}: {message}"),
        (Some(code), None, _) => code.to_owned(),
        (None, Some(message), _) => message.to_owned(),
        // An answer to HEAD has no room for words.
        (None, None, Some(answer)) => format!("HTTP status {}", answer.status()),
        (None, None, None) => innermost(error),
    }
}

/// The cause of the causes: the SDK's own message is "dispatch failure".
pub fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(prefix: Option<&str>) -> Places {
        let name = |name: &str| Some(name.to_owned());
        let (stream, table, bucket) = (name("events"), name("live"), name("archive"));
        Places::new(&AwsArgs { aws: true, stream, table, bucket, prefix: prefix.map(str::to_owned) }).unwrap()
    }

    #[test]
    fn the_folder_may_be_written_with_slashes_or_left_out() {
        assert_eq!(places(None).archive_url(), "s3://archive/tables");
        assert_eq!(places(Some("/a/b/")).archive_url(), "s3://archive/a/b");
        assert_eq!(
            (places(Some("/a/b/")).key("network"), places(Some("")).key("network")),
            ("a/b/network".to_owned(), "network".to_owned())
        );
        assert_eq!(places(Some("/")).archive_url(), "s3://archive");
    }

    #[test]
    fn an_empty_name_is_none() {
        let args = AwsArgs { aws: true, stream: Some(" ".to_owned()), table: None, bucket: None, prefix: None };
        assert!(Places::new(&args).unwrap_err().to_string().contains("--stream"));
    }
}
