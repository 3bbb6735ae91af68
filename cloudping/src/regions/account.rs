//! The account that the settings mean.

use cloudping_agent::failure::Failure;
use cloudping_region_manager::{Cloud, Code, Settings};

/// Opens it by the standard settings of AWS.
///
/// # Errors
/// When the credentials are missing, or of another account than the settings name.
#[cfg(feature = "aws")]
pub async fn open(settings: &Settings, code: Option<&Code>) -> Result<Box<dyn Cloud>, Failure> {
    use aws_config::{BehaviorVersion, Region};
    use cloudping_region_manager_aws::{AwsCloud, account_client};

    let home = Region::new(settings.home_region.clone());
    let config = aws_config::defaults(BehaviorVersion::latest()).region(home).load().await;
    let caller = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
    let caller = caller.map_err(|error| {
        let told = crate::aws::told(&error);
        Failure::setting(format!("sts:GetCallerIdentity: {told}; `cloudping doctor --aws` says what is missing"))
    })?;
    let account = caller.account().unwrap_or_default();
    if account != settings.account {
        let message =
            format!("the credentials are of account {account}, expected {} as in the settings", settings.account);
        return Err(Failure::setting(message));
    }
    Ok(Box::new(AwsCloud::new(account_client(&config), &config, settings.clone(), code.cloned())))
}

/// There is none without the SDK.
#[cfg(not(feature = "aws"))]
pub async fn open(_settings: &Settings, _code: Option<&Code>) -> Result<Box<dyn Cloud>, Failure> {
    Err(crate::failure::built_without_aws())
}
