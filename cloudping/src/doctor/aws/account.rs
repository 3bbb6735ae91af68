//! Who asks, and in which region.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::ProvideCredentials;
use cloudping_agent::checks::finding::Finding;

use super::refusal::{Answer, Refusal};
use crate::aws::Clients;

/// Asking who one is, is a courtesy: everything else can be checked without the answer.
const IDENTITY_LIMIT: Duration = Duration::from_secs(5);

/// What the standard settings of AWS give.
#[derive(Debug)]
pub struct AccountFacts {
    /// The region.
    pub region: Option<String>,
    /// Where the credentials come from, and until when they are good.
    pub credentials: Result<Source, String>,
    /// The ARN of whose they are; `None` where there are none to ask with.
    pub identity: Option<Answer<String>>,
}

/// Where credentials come from.
#[derive(Debug)]
pub struct Source {
    /// In words.
    pub name: &'static str,
    /// As RFC 3339, where they end.
    pub until: Option<String>,
}

impl AccountFacts {
    /// Whether there is anything to ask the services with.
    pub fn can_ask(&self) -> bool {
        self.region.is_some() && self.credentials.is_ok()
    }
}

/// Reads the settings, and asks STS who that is.
pub async fn gather(clients: &Clients) -> AccountFacts {
    let credentials = match clients.config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.map_err(|error| crate::aws::innermost(&error)),
        None => Err("the settings have no source of any".to_owned()),
    };
    let region = clients.config.region().map(ToString::to_string);
    let identity = match (&region, &credentials) {
        (Some(_), Ok(_)) => Some(identity(clients).await),
        _ => None,
    };
    AccountFacts { region, credentials: credentials.map(|credentials| source(&credentials)), identity }
}

async fn identity(clients: &Clients) -> Answer<String> {
    let timeouts = TimeoutConfig::builder().operation_timeout(IDENTITY_LIMIT).build();
    let config = aws_sdk_sts::config::Builder::from(&clients.config);
    let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts).build();
    let answer = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await.map_err(Refusal::from)?;
    Ok(answer.arn.unwrap_or_else(|| "a caller without a name".to_owned()))
}

fn source(credentials: &Credentials) -> Source {
    use AwsCredentialFeature as F;
    // The last source is where the chain ended: a profile may name a role, and the role's credentials be of STS.
    let features = credentials.get_property::<Vec<F>>().and_then(|features| features.last());
    let name = match features {
        Some(F::CredentialsEnvVars) => "environment variables",
        Some(F::CredentialsEnvVarsStsWebIdToken | F::CredentialsStsAssumeRoleWebId) => {
            "a web identity token (IRSA, OIDC)"
        }
        Some(F::CredentialsStsAssumeRole | F::CredentialsProfileSourceProfile | F::CredentialsProfileNamedProvider) => {
            "an assumed role of the profile"
        }
        Some(F::CredentialsProfile) => "the profile",
        Some(F::CredentialsProfileSso | F::CredentialsSso) => "single sign-on",
        Some(F::CredentialsProfileProcess | F::CredentialsProcess) => "a process of the profile",
        Some(F::CredentialsHttp) => "the container's endpoint (ECS, EKS)",
        Some(F::CredentialsImds) => "the instance's role (IMDS)",
        Some(F::CredentialsProfileLogin | F::CredentialsLogin) => "`aws login`",
        _ => "a source without a name",
    };
    let until = credentials.expiry().map(|end| humantime::format_rfc3339_seconds(end).to_string());
    Source { name, until }
}

/// What to think of it.
pub fn judge(facts: &AccountFacts) -> Vec<Finding> {
    let mut findings = vec![region(facts.region.as_deref()), credentials(&facts.credentials)];
    findings.extend(facts.identity.as_ref().map(whose));
    findings
}

fn region(region: Option<&str>) -> Finding {
    const CHECK: &str = "region";
    match region {
        Some(region) => Finding::ok(CHECK, region),
        None => Finding::fail(CHECK, "none is set", "set AWS_REGION, or `region` in the profile (`aws configure`)"),
    }
}

fn credentials(credentials: &Result<Source, String>) -> Finding {
    const CHECK: &str = "credentials";
    match credentials {
        Ok(Source { name, until: Some(until) }) => Finding::ok(CHECK, format!("from {name}, good until {until}")),
        Ok(Source { name, until: None }) => Finding::ok(CHECK, format!("from {name}")),
        Err(error) => Finding::fail(
            CHECK,
            format!("none: {error}"),
            "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, log in with `aws sso login`, or run where a role is given",
        ),
    }
}

fn whose(identity: &Answer<String>) -> Finding {
    const CHECK: &str = "identity";
    match identity {
        Ok(arn) => Finding::ok(CHECK, arn),
        Err(refusal) => {
            let next = "nothing, if the checks below are well: asking needs no permission, but a way to STS";
            Finding::warn(CHECK, format!("STS did not say whose they are: {}", refusal.said), next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::refusal::{Kind, refusal};
    use super::*;
    use cloudping_agent::checks::finding::Status;

    fn facts() -> AccountFacts {
        AccountFacts {
            region: Some("eu-west-1".to_owned()),
            credentials: Ok(Source { name: "the profile", until: None }),
            identity: Some(Ok("arn:aws:iam::1:user/u".to_owned())),
        }
    }

    fn statuses(facts: &AccountFacts) -> Vec<Status> {
        judge(facts).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn region_and_credentials_are_needed_and_the_name_is_not() {
        assert!(facts().can_ask());
        assert_eq!(statuses(&facts()), [Status::Ok; 3]);
        let nowhere = AccountFacts { region: None, identity: None, ..facts() };
        assert_eq!((statuses(&nowhere), nowhere.can_ask()), (vec![Status::Fail, Status::Ok], false));
        let nobody = AccountFacts { credentials: Err("no providers".to_owned()), identity: None, ..facts() };
        assert_eq!((statuses(&nobody), nobody.can_ask()), (vec![Status::Ok, Status::Fail], false));
        let nameless = AccountFacts { identity: Some(Err(refusal(Kind::Unreachable))), ..facts() };
        assert_eq!(statuses(&nameless), [Status::Ok, Status::Ok, Status::Warn]);
    }

    #[test]
    fn the_source_of_credentials_is_told() {
        let mut credentials = Credentials::new("key", "secret", None, None, "test");
        assert_eq!(source(&credentials).name, "a source without a name");
        credentials.set_property(vec![AwsCredentialFeature::CredentialsImds]);
        assert_eq!(source(&credentials).name, "the instance's role (IMDS)");
    }
}
