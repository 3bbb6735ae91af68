//! An AWS account, by the SDK.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use cloudping_region_manager::{AccountRegion, Cloud, CloudError, Code, OptStatus, Producer, Settings, Step};

use crate::clients::Clients;
use crate::errors::told;

/// Tries of one request. Lambda takes 15 changes a second of an account's region, EventBridge fewer of some kinds: the SDK waits longer each time.
const TRIES: u32 = 8;
/// An answer that has not come by then is asked for again; creating a function carries the package.
const ATTEMPT: Duration = Duration::from_secs(60);
/// Where the account's own service is, whatever region the rest is about.
const ACCOUNT_REGION: &str = "us-east-1";

/// An account, by the settings of AWS. It repeats what is throttled or fails for a moment.
pub struct AwsCloud {
    account: aws_sdk_account::Client,
    config: SdkConfig,
    settings: Settings,
    code: Option<Code>,
    regions: Mutex<HashMap<String, Arc<Clients>>>,
}

impl AwsCloud {
    /// An account: `account` is its own service's client ([`account_client`]), `config` what the regions' clients are made from, and `code` what
    /// functions are made of.
    #[must_use]
    pub fn new(account: aws_sdk_account::Client, config: &SdkConfig, settings: Settings, code: Option<Code>) -> Self {
        Self { account, config: patient(config), settings, code, regions: Mutex::default() }
    }

    fn clients(&self, region: &str) -> Arc<Clients> {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Clients::new(&self.config, &self.settings, region));
        Arc::clone(regions.entry(region.to_owned()).or_insert_with(new))
    }
}

/// A client of the account's own service, which answers in one region only.
#[must_use]
pub fn account_client(config: &SdkConfig) -> aws_sdk_account::Client {
    let config = patient(config).to_builder().region(Region::new(ACCOUNT_REGION)).build();
    aws_sdk_account::Client::new(&config)
}

fn patient(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build();
    let retries = RetryConfig::standard().with_max_attempts(TRIES);
    config.to_builder().timeout_config(timeouts).retry_config(retries).build()
}

#[async_trait]
impl Cloud for AwsCloud {
    async fn regions(&self) -> Result<Vec<AccountRegion>, CloudError> {
        let pages = self.account.list_regions().into_paginator().items().send();
        let listed: Vec<_> = told("account:ListRegions", pages.collect::<Result<_, _>>().await)?;
        let region = |region: aws_sdk_account::types::Region| {
            let status = OptStatus::parse(region.region_opt_status?.as_str());
            Some(AccountRegion { id: region.region_name?, status })
        };
        Ok(listed.into_iter().filter_map(region).collect())
    }

    async fn enable(&self, region: &str) -> Result<(), CloudError> {
        told("account:EnableRegion", self.account.enable_region().region_name(region).send().await).map(drop)
    }

    async fn find(&self, region: &str) -> Result<Producer, CloudError> {
        self.clients(region).find().await
    }

    async fn apply(&self, region: &str, step: &Step) -> Result<(), CloudError> {
        self.clients(region).apply(step, self.code.as_ref()).await
    }
}
