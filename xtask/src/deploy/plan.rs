//! What is to be done for a deployment, decided from its settings alone.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Failure, Result};

/// CloudFront's firewall is there and nowhere else.
const EDGE_REGION: &str = "us-east-1";
/// The account of the committed settings, which is none.
const NO_ACCOUNT: &str = "000000000000";

/// What of the settings, once `cdk/settings.ts` has checked them, decides what is done.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// What stacks are named after.
    pub name: String,
    /// The 12 digits.
    pub account: String,
    home_region: String,
    /// As Lambda calls it.
    pub architecture: String,
    producers: Producers,
    serving: Serving,
    rollup: Rollup,
    ingest: Option<Value>,
    region_manager: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct Producers {
    regions: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Serving {
    size: String,
    requests_per5_minutes: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Rollup {
    size: String,
}

impl Settings {
    /// Reads what `scripts/settings.ts` printed.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json)
            .map_err(|error| Failure::new(format!("settings: {error}, expected those of cdk/settings.ts")))
    }

    /// # Errors
    /// When no account was put into the settings yet.
    pub fn require_account(&self, file: &Path) -> Result<()> {
        if self.account != NO_ACCOUNT {
            return Ok(());
        }
        let file = file.display();
        Err(Failure::usage(format!("{file}: account is {NO_ACCOUNT}, which is none: expected the 12 digits of yours")))
    }

    /// Every region in which there will be a stack, the home region first.
    pub fn regions(&self) -> Vec<String> {
        let edge = self.serving.requests_per5_minutes.map(|_| EDGE_REGION.to_owned());
        let mut regions = vec![self.home_region.clone()];
        for region in self.producer_stacks().iter().cloned().chain(edge) {
            if !regions.contains(&region) {
                regions.push(region);
            }
        }
        regions
    }

    /// The regions that get their producer by a stack: none where the region manager sees to it.
    fn producer_stacks(&self) -> &[String] {
        if self.region_manager.is_some() { &[] } else { &self.producers.regions }
    }

    /// The programs that are deployed, as `cargo xtask package` calls them.
    pub fn programs(&self) -> Vec<&'static str> {
        let mut programs = vec!["producer", "stream-processor", "batch-rollup", "query-service"];
        programs.extend(self.ingest.as_ref().map(|_| "ingest-door"));
        programs.extend(self.region_manager.as_ref().map(|_| "region-manager"));
        programs
    }

    /// Whether the archive's upkeep runs as tasks.
    pub fn has_upkeep(&self) -> bool {
        self.rollup.size == "large"
    }

    fn has_containers(&self) -> bool {
        self.has_upkeep() || self.serving.size == "large"
    }

    /// The stacks that `destroy` removes, those first that need others: all but the one of the record.
    pub fn removed(&self) -> Vec<String> {
        let producers = self.producer_stacks().iter().map(|region| format!("producer-{region}"));
        let manager = self.region_manager.as_ref().map(|_| "region-manager".to_owned());
        let edge = self.serving.requests_per5_minutes.map(|_| "edge".to_owned());
        let ingest = self.ingest.as_ref().map(|_| "ingest".to_owned());
        let parts = |names: &'static [&str]| names.iter().map(|name| (*name).to_owned());
        let all = producers
            .chain(manager)
            .chain(parts(&["observability"]))
            .chain(ingest)
            .chain(parts(&["analytics", "serving"]));
        let all = all.chain(edge).chain(parts(&["pipeline", "network"]));
        all.map(|part| format!("{}-{part}", self.name)).collect()
    }
}

/// # Errors
/// What is missing on this machine beside Node, which was looked for already, and what `cargo xtask package` installs by itself.
pub fn require_tools(settings: &Settings, is_present: fn(&str) -> bool) -> Result<()> {
    if settings.has_containers() && !is_present("docker") {
        return Err(Failure::usage(
            "docker is not installed: images of a large service or rollup are built with it; or choose `\"size\": \"small\"` in the settings",
        ));
    }
    Ok(())
}

/// The environments that are still to be prepared, as `cdk bootstrap` wants them.
pub fn environments(settings: &Settings, bootstrapped: &[String]) -> Vec<String> {
    let missing = settings.regions().into_iter().filter(|region| !bootstrapped.contains(region));
    missing.map(|region| format!("aws://{}/{region}", settings.account)).collect()
}

/// What to do about environments that are not prepared.
pub fn not_bootstrapped(missing: &[String], profile: Option<&str>) -> Failure {
    let profile = profile.map_or(String::new(), |name| format!("AWS_PROFILE={name} "));
    Failure::usage(format!(
        "{} regions are not prepared for the CDK (a bucket for programs and roles that deploy): add --bootstrap, or run\n  \
         (cd cdk && {profile}npx cdk --app '' bootstrap {})",
        missing.len(),
        missing.join(" ")
    ))
}

/// What stands at the end of a deployment: every output, and what to look at.
///
/// # Errors
/// When the CDK's file of outputs is no such file.
pub fn next_steps(settings: &Settings, outputs: &str) -> Result<String> {
    let stacks: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(outputs)
        .map_err(|error| Failure::new(format!("cdk-outputs.json: {error}, expected outputs by stack")))?;
    // The others are what stacks take from each other.
    let own = stacks.iter().flat_map(|(stack, outputs)| outputs.iter().map(move |(name, value)| (stack, name, value)));
    let own = own.filter(|(_, name, _)| !name.starts_with("Exports"));
    let lines: Vec<String> = own.map(|(stack, name, value)| format!("  {stack}: {name} = {value}")).collect();
    let name = &settings.name;
    let serving = stacks.get(&format!("{name}-serving")).and_then(|outputs| outputs.get("Address"));
    let address = serving.map_or("ADDRESS", String::as_str);
    Ok(format!(
        "\n{}\n\nin a quarter of an hour, not before:\n  curl -s {address}/healthz               # ok\n  \
         curl -s '{address}/api/v1/coverage'     # probes due, sent, received and counted\n  \
         {address}                               # the dashboard\n\
         some alarms ring until then; docs/deploy.md says which, and what to look at when others do",
        lines.join("\n")
    ))
}

/// What `destroy` leaves.
pub fn left_over(settings: &Settings) -> String {
    let name = &settings.name;
    format!(
        "\nleft is what cannot be measured again, and is paid for: the stack {name}-state with its stream, table and buckets;\n\
         in each region CDKToolkit, which other deployments may use; stacks {name}-producer-* of regions that the settings no longer name.\n\
         docs/deploy.md (Destroy) says how to remove these"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(size: &str, requests: Option<u64>, ingest: Option<Value>) -> Settings {
        let json = json!({
            "name": "cp", "account": "123456789012", "homeRegion": "eu-west-1", "architecture": "arm64",
            "producers": { "regions": ["us-west-2", "eu-west-1"] },
            "serving": { "size": size, "requestsPer5Minutes": requests },
            "rollup": { "size": "small" }, "ingest": ingest,
        });
        Settings::parse(&json.to_string()).expect("settings")
    }

    #[test]
    fn regions_and_stacks_follow_from_the_settings() {
        let small = settings("small", None, None);
        assert_eq!(small.regions(), ["eu-west-1", "us-west-2"]);
        assert_eq!(small.programs(), ["producer", "stream-processor", "batch-rollup", "query-service"]);
        let order = "cp-producer-us-west-2 cp-producer-eu-west-1 cp-observability cp-analytics cp-serving cp-pipeline cp-network";
        assert_eq!(small.removed().join(" "), order);
        let large = settings("large", Some(5_000), Some(json!({})));
        assert_eq!(large.regions(), ["eu-west-1", "us-west-2", "us-east-1"]);
        assert_eq!(large.programs().last(), Some(&"ingest-door"));
        assert_eq!(large.removed()[2..6].join(" "), "cp-observability cp-ingest cp-analytics cp-serving");
        let managed = Settings { region_manager: Some(json!({})), ..small.clone() };
        assert_eq!((managed.regions().len(), managed.programs().last()), (1, Some(&"region-manager")));
        assert_eq!(managed.removed()[..2].join(" "), "cp-region-manager cp-observability");
        assert!(large.removed().iter().chain(&small.removed()).all(|stack| !stack.ends_with("-state")));
    }

    #[test]
    fn what_is_missing_is_said_with_its_remedy() {
        let small = settings("small", None, None);
        assert!(require_tools(&small, |_| false).is_ok(), "a small one has no images");
        let failure = require_tools(&settings("large", None, None), |_| false).expect_err("no docker");
        assert!(failure.to_string().starts_with("docker is not installed"), "{failure}");
        let missing = environments(&small, &["eu-west-1".to_owned()]);
        assert_eq!(missing, ["aws://123456789012/us-west-2"]);
        let failure = not_bootstrapped(&missing, Some("work")).to_string();
        let command = "(cd cdk && AWS_PROFILE=work npx cdk --app '' bootstrap aws://123456789012/us-west-2)";
        assert!(failure.contains("--bootstrap") && failure.ends_with(command), "{failure}");
        assert!(environments(&small, &small.regions()).is_empty());
    }

    #[test]
    fn no_account_and_another_account_are_refused() {
        let mut none = settings("small", None, None);
        none.account = NO_ACCOUNT.to_owned();
        let failure = none.require_account(Path::new("s.json")).expect_err("no account");
        assert!(failure.to_string().starts_with("s.json: account is 000000000000, which is none"), "{failure}");
        let own = |account: &str| super::super::Account {
            account: account.into(),
            arn: "arn".into(),
            bootstrapped: Vec::new(),
        };
        assert!(own("123456789012").require(&settings("small", None, None)).is_ok());
        let failure = own("210987654321").require(&settings("small", None, None)).expect_err("another").to_string();
        assert!(failure.contains("210987654321") && failure.contains("--profile"), "{failure}");
    }

    #[test]
    fn the_end_of_a_deployment_names_its_address() {
        let outputs = json!({
            "cp-serving": { "Address": "https://d1.cloudfront.net", "EdgeName": "d1.cloudfront.net" },
            "cp-state": { "ExportsOutputRefLive": "cp-live" },
        });
        let text = next_steps(&settings("small", None, None), &outputs.to_string()).expect("outputs");
        assert!(text.contains("cp-serving: Address = https://d1.cloudfront.net\n"), "{text}");
        assert!(
            text.contains("curl -s https://d1.cloudfront.net/healthz") && !text.contains("ExportsOutput"),
            "{text}"
        );
        assert!(next_steps(&settings("small", None, None), "[]").is_err());
        assert!(left_over(&settings("small", None, None)).contains("cp-state"));
    }
}
