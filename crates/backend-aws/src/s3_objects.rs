//! The objects of a bucket, as an [`ObjectStore`]: the storage in which the archive's tables lie.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_types::service_config::ServiceConfigKey;
use object_store::aws::{AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::{CredentialProvider, ObjectStore};
use tokio::sync::Mutex;

use crate::s3_bucket::S3Error;

/// Credentials that end within this time are fetched anew: a request may be retried for some minutes with those that it began with.
const BEFORE_EXPIRY: Duration = Duration::from_secs(300);
/// Credentials that do not say when they end are asked for again after this time, as the SDK's own clients do.
const KEPT_WITHOUT_EXPIRY: Duration = Duration::from_secs(900);

/// The objects of a bucket, by the standard AWS settings: region, credentials (renewed before they end), `AWS_ENDPOINT_URL_S3`.
///
/// A put "if absent" is S3's conditional write (`If-None-Match: *`): of any number at once one wins, and the others are told
/// [`AlreadyExists`](object_store::Error::AlreadyExists). Requests that meet a 5xx or whose answer is lost are repeated with backoff for up to
/// three minutes. So the one who won may be told that too, when its answer was lost: whoever puts must be able to tell its own work.
///
/// # Errors
/// [`S3Error`] when the settings name no region or no credentials, or no address can be formed of them. Nothing is sent yet.
pub async fn s3_objects(config: &SdkConfig, bucket: &str) -> Result<Arc<dyn ObjectStore>, S3Error> {
    let missing = |what: &str| S3Error::new(bucket, "read the AWS settings", format!("no {what}, expected one"));
    let region = config.region().ok_or_else(|| missing("region"))?.as_ref();
    let source = config.credentials_provider().ok_or_else(|| missing("provider of credentials"))?;
    let address = address(config, region, bucket).await?;
    let store = AmazonS3Builder::new()
        .with_region(region)
        .with_bucket_name(bucket)
        .with_allow_http(address.starts_with("http://"))
        .with_endpoint(address)
        // The address has the bucket in it, in whichever style.
        .with_virtual_hosted_style_request(true)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_credentials(Arc::new(Renewed { source, kept: Mutex::new(None) }))
        .build()
        .map_err(|error| S3Error::new(bucket, "make its client", error))?;
    Ok(Arc::new(store))
}

/// The endpoint that the settings name for S3, if they name one: as the SDK's own client finds it.
pub(crate) fn own_endpoint(config: &SdkConfig) -> Option<String> {
    let general = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let named = key.ok().and_then(|key| config.service_config()?.load_config(key));
    named.or_else(general)
}

/// Where the bucket's objects are, by the SDK's own rules: these know the partitions (`amazonaws.com.cn`) and which names may be part of a host.
async fn address(config: &SdkConfig, region: &str, bucket: &str) -> Result<String, S3Error> {
    let failed = |error| S3Error::new(bucket, "find its address", error);
    let own = own_endpoint(config);
    let params = Params::builder()
        .region(region)
        .bucket(bucket)
        .force_path_style(own.is_some())
        .set_endpoint(own)
        .set_use_fips(config.use_fips())
        .set_use_dual_stack(config.use_dual_stack())
        .build()
        .map_err(|error| failed(error.into()))?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.map_err(failed)?;
    Ok(endpoint.url().trim_end_matches('/').to_owned())
}

/// The SDK's credentials for `object_store`, kept until shortly before they end: a provider of the SDK asks its source each time.
#[derive(Debug)]
struct Renewed {
    source: SharedCredentialsProvider,
    /// Held while new ones are fetched, so that requests at the same time fetch them once.
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    credential: Arc<AwsCredential>,
    renew_at: SystemTime,
    ends_at: Option<SystemTime>,
}

impl Kept {
    fn new(credentials: &Credentials, now: SystemTime) -> Self {
        let ends_at = credentials.expiry();
        let renew_at = ends_at.map_or(now + KEPT_WITHOUT_EXPIRY, |end| end.checked_sub(BEFORE_EXPIRY).unwrap_or(now));
        let credential = AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        };
        Self { credential: Arc::new(credential), renew_at, ends_at }
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

#[async_trait]
impl CredentialProvider for Renewed {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let now = SystemTime::now();
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.renew_at) {
            return Ok(Arc::clone(&kept.credential));
        }
        match (self.source.provide_credentials().await, kept.as_ref()) {
            (Ok(credentials), _) => Ok(Arc::clone(&kept.insert(Kept::new(&credentials, now)).credential)),
            // Their source may be away for a moment; the old ones still serve.
            (Err(_), Some(old)) if old.is_valid(now) => Ok(Arc::clone(&old.credential)),
            (Err(error), _) => Err(object_store::Error::Unauthenticated {
                path: "the AWS credentials".to_owned(),
                source: Box::new(error),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future;

    use super::*;

    fn config(region: &'static str) -> SdkConfig {
        let builder = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        builder.region(Region::new(region)).build()
    }

    #[tokio::test]
    async fn the_address_knows_partitions_names_and_endpoints_of_ones_own() {
        for (region, bucket, expected) in [
            ("eu-west-1", "archive", "https://archive.s3.eu-west-1.amazonaws.com"),
            ("cn-north-1", "archive", "https://archive.s3.cn-north-1.amazonaws.com.cn"),
            ("eu-west-1", "with.dots", "https://s3.eu-west-1.amazonaws.com/with.dots"),
        ] {
            assert_eq!(address(&config(region), region, bucket).await.unwrap(), expected);
        }
        let own = config("eu-west-1").into_builder().endpoint_url("http://127.0.0.1:8333/").build();
        assert_eq!(address(&own, "eu-west-1", "archive").await.unwrap(), "http://127.0.0.1:8333/archive");
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let error = s3_objects(&config("eu-west-1"), "archive").await.unwrap_err().to_string();
        assert!(error.starts_with("S3: bucket archive: read the AWS settings: no provider of credentials"), "{error}");
    }

    /// Gives key after key, numbered, that last for so long; nothing from the third on.
    #[derive(Debug)]
    struct Source {
        lasts: Option<Duration>,
        asked: AtomicU64,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let nth = self.asked.fetch_add(1, Ordering::Relaxed);
            let ends = self.lasts.map(|lasts| SystemTime::now() + lasts);
            future::ProvideCredentials::ready(match nth {
                0 | 1 => Ok(Credentials::new(format!("key{nth}"), "secret", None, ends, "test")),
                _ => Err(CredentialsError::not_loaded("away")),
            })
        }
    }

    /// The keys of four requests; nothing of those that got none.
    async fn keys(lasts: Option<Duration>) -> Vec<Option<String>> {
        let source = SharedCredentialsProvider::new(Source { lasts, asked: AtomicU64::default() });
        let renewed = Renewed { source, kept: Mutex::new(None) };
        let mut keys = Vec::new();
        for _ in 0..4 {
            keys.push(renewed.get_credential().await.ok().map(|credential| credential.key_id.clone()));
        }
        keys
    }

    #[tokio::test]
    async fn credentials_are_kept_until_shortly_before_they_end() {
        let (first, second) = (Some("key0".to_owned()), Some("key1".to_owned()));
        assert_eq!(keys(None).await, vec![first.clone(); 4]);
        assert_eq!(keys(Some(Duration::from_secs(3_600))).await, vec![first.clone(); 4]);
        let ending = [first.clone(), second.clone(), second.clone(), second.clone()];
        assert_eq!(keys(Some(Duration::from_secs(60))).await, ending, "the last ones serve while none are given");
        assert_eq!(keys(Some(Duration::ZERO)).await, [first, second, None, None]);
    }
}
