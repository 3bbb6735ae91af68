//! The bucket: how it comes to be, and links to what is in it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_s3::operation::create_bucket::CreateBucketError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint, CreateBucketConfiguration,
    ExpirationStatus, LifecycleRule, LifecycleRuleFilter, PublicAccessBlockConfiguration,
};

use crate::s3_objects::own_endpoint;

/// The region whose buckets are made without naming it.
const UNNAMED_REGION: &str = "us-east-1";
/// Parts of an upload that was cut off are paid for until somebody throws them away; no upload of ours takes a day.
const DAYS_OF_UNFINISHED_UPLOADS: i32 = 2;

/// Why a bucket cannot be used.
#[derive(Debug)]
pub struct S3Error {
    bucket: String,
    doing: &'static str,
    source: BoxError,
}

impl S3Error {
    pub(crate) fn new(bucket: &str, doing: &'static str, source: impl Into<BoxError>) -> Self {
        Self { bucket: bucket.to_owned(), doing, source: source.into() }
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The SDK's own message is "service error": what the service said is in the sources.
        write!(f, "S3: bucket {}: {}: {}", self.bucket, self.doing, DisplayErrorContext(&*self.source))
    }
}

impl Error for S3Error {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// A client of S3 by the standard AWS settings; an endpoint of one's own (`AWS_ENDPOINT_URL_S3`) is asked in path style, since
/// `bucket.127.0.0.1` is no host.
#[must_use]
pub fn s3_client(config: &SdkConfig) -> Client {
    Client::from_conf(Builder::from(config).force_path_style(own_endpoint(config).is_some()).build())
}

/// Makes a bucket in the client's region unless the account has it, closes it to the public, and has S3 throw away parts of uploads that were
/// never finished, unless the bucket has rules of its own. May be called again at any time.
///
/// Its objects are encrypted without being told: S3 does so with every new object (SSE-S3), or by the key that the bucket's owner chose.
/// A server that has no public access block (answers `NotImplemented`; SeaweedFS) is taken as it is.
///
/// # Errors
/// [`S3Error`], also when the name is taken by another account.
pub async fn create_bucket_if_absent(client: &Client, bucket: &str) -> Result<(), S3Error> {
    create(client, bucket).await?;
    close_to_the_public(client, bucket).await?;
    drop_unfinished_uploads(client, bucket).await
}

async fn create(client: &Client, bucket: &str) -> Result<(), S3Error> {
    let region = client.config().region().map(AsRef::as_ref).filter(|region| *region != UNNAMED_REGION);
    let place = region.map(|region| {
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build()
    });
    match client.create_bucket().bucket(bucket).set_create_bucket_configuration(place).send().await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.as_service_error(), Some(CreateBucketError::BucketAlreadyOwnedByYou(_))) => Ok(()),
        Err(error) => Err(S3Error::new(bucket, "create it", error)),
    }
}

async fn close_to_the_public(client: &Client, bucket: &str) -> Result<(), S3Error> {
    let all = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true);
    let request = client.put_public_access_block().bucket(bucket).public_access_block_configuration(all.build());
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("NotImplemented") => Ok(()),
        Err(error) => Err(S3Error::new(bucket, "close it to the public", error)),
    }
}

async fn drop_unfinished_uploads(client: &Client, bucket: &str) -> Result<(), S3Error> {
    match client.get_bucket_lifecycle_configuration().bucket(bucket).send().await {
        Ok(_) => return Ok(()),
        Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => {}
        Err(error) => return Err(S3Error::new(bucket, "read its lifecycle rules", error)),
    }
    let failed = |error: BoxError| S3Error::new(bucket, "set its lifecycle rules", error);
    let age = AbortIncompleteMultipartUpload::builder().days_after_initiation(DAYS_OF_UNFINISHED_UPLOADS).build();
    let rule = LifecycleRule::builder()
        .id("unfinished uploads")
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .status(ExpirationStatus::Enabled)
        .abort_incomplete_multipart_upload(age)
        .build();
    let rules = BucketLifecycleConfiguration::builder().rules(rule.map_err(|error| failed(error.into()))?).build();
    let rules = rules.map_err(|error| failed(error.into()))?;
    let request = client.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(rules);
    request.send().await.map(|_| ()).map_err(|error| failed(error.into()))
}

/// A link by which anyone may read one object, for so long (a week at the most, and no longer than the credentials that sign it last).
///
/// Whether the object is there is not asked.
///
/// # Errors
/// [`S3Error`] when the time is longer, or no credentials are found.
pub async fn presigned_get(client: &Client, bucket: &str, key: &str, lasts: Duration) -> Result<String, S3Error> {
    let failed = |error: BoxError| S3Error::new(bucket, "sign a link", error);
    let lasts = PresigningConfig::expires_in(lasts).map_err(|error| failed(error.into()))?;
    let signed = client.get_object().bucket(bucket).key(key).presigned(lasts).await;
    Ok(signed.map_err(|error| failed(error.into()))?.uri().to_owned())
}
