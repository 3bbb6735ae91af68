//! Who may depend on whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::Violation;
use crate::failure::{Failure, Result};
use crate::project::{Dependency, Package, Project};
use crate::shell;

/// In a list of names: every package of this workspace.
const OURS: &str = "(ours)";
/// The thin packages in which a component meets the cloud.
const AWS_PACKAGES: &str = "*/aws";
const COMPONENTS: &[&str] = &[
    "cloudping-producers",
    "cloudping-stream-processor",
    "cloudping-batch-rollup",
    "cloudping-query-service",
    "cloudping-ingest-door",
    "cloudping-region-manager",
    "cloudping-udp-gateway",
];
const AWS_SDK: &[&str] = &["aws-config", "aws-credential-types", "aws-sdk-*", "aws-smithy-*", "aws-types"];
/// What only the binary's feature `aws` brings.
const BEHIND_THE_FEATURE: &[&str] =
    &["aws-config", "aws-credential-types", "aws-sdk-*", "aws-smithy-*", "aws-types", "cloudping-backend-aws"];
/// The binary that must be without it.
const BINARY: &str = "cloudping";

/// What a program is built from by default, whoever brings it, has none of `never`.
struct Build {
    package: &'static str,
    folder: &'static str,
    never: &'static [&'static str],
}

const BUILDS: [Build; 2] = [
    Build { package: BINARY, folder: "cloudping", never: BEHIND_THE_FEATURE },
    // It goes to any host, by slow lines too.
    Build {
        package: "cloudping-agent",
        folder: "agent",
        never: &["arrow-array", "aws-*", "datafusion*", "deltalake*", "lambda*", "parquet*", "cloudping-query-service"],
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kinds {
    /// Ordinary, build and dev-dependencies.
    All,
    /// What ends up in the product: ordinary and build dependencies.
    Shipped,
    /// What ends up in the product whatever its features.
    Always,
}

/// None of `who`, except for `but`, depends on any of `never`. Names may end in `*`; one that starts with `*/` is the end of
/// a package's folder.
struct Rule {
    who: &'static [&'static str],
    but: &'static [&'static str],
    kinds: Kinds,
    never: &'static [&'static str],
    expected: &'static str,
}

#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { who: COMPONENTS, but: &[], kinds: Kinds::All, never: COMPONENTS,
        expected: "components to meet in schemas and ports only" },
    Rule { who: &["cloudping-model"], but: &[], kinds: Kinds::Shipped, never: &[OURS],
        expected: "the model to know no other crate of ours" },
    Rule { who: &["cloudping-model", "cloudping-digest"], but: &[], kinds: Kinds::Shipped, never: &["serde*", "tokio*", "arrow*"],
        expected: "core types without serialisation, runtime or columns" },
    Rule { who: &["cloudping-planet"], but: &[], kinds: Kinds::Shipped, never: COMPONENTS,
        expected: "the planet to know nothing of what runs on it" },
    Rule { who: &["cloudping-planet"], but: &[], kinds: Kinds::Shipped, never: &["cloudping-schemas", "cloudping-ports", "cloudping-digest"],
        expected: "the planet to know nothing of the pipeline" },
    Rule { who: &["cloudping-ports"], but: &[], kinds: Kinds::All, never: &["cloudping-backend-*", "aws-*"],
        expected: "ports without a backend or an SDK" },
    Rule { who: &["*"], but: &["cloudping", "cloudping-cost", AWS_PACKAGES], kinds: Kinds::Shipped, never: &["cloudping-backend-*"],
        expected: "backends to be chosen by the binary (tests: dev-dependencies)" },
    Rule { who: &["*"], but: &["cloudping-backend-aws", BINARY, AWS_PACKAGES], kinds: Kinds::All, never: AWS_SDK,
        expected: "the AWS SDK in cloudping-backend-aws, aws packages and the binary's feature only" },
    Rule { who: &[BINARY], but: &[], kinds: Kinds::Always, never: BEHIND_THE_FEATURE,
        expected: "AWS to be optional there, behind the feature `aws`" },
    Rule { who: &["*"], but: &[], kinds: Kinds::All, never: &["xtask"],
        expected: "nothing to depend on the automation" },
];

/// Checks the manifests of the workspace against the rules, and the lock file for features that must stay off.
///
/// # Errors
/// When a manifest or the lock file cannot be read.
pub fn check(project: &Project) -> Result<Vec<Violation>> {
    let ours: Vec<&str> = project.packages.iter().map(|package| package.name.as_str()).collect();
    let mut violations = Vec::new();
    for package in &project.packages {
        let path = project.relative(&package.manifest_path);
        let manifest = read(&package.manifest_path, &path)?;
        for (dependency, expected) in broken(package, &ours) {
            let kind = dependency.kind.as_ref().map(|kind| format!("{kind}-")).unwrap_or_default();
            violations.push(Violation {
                path: path.clone(),
                line: line_of(&manifest, &dependency.name),
                what: format!("{} has {} as a {kind}dependency", package.name, dependency.name),
                expected: expected.to_owned(),
            });
        }
    }
    for build in &BUILDS {
        violations.extend(brought(build, &tree(project, build.package)?));
    }
    violations.extend(tdigest_feature(&read(&project.root.join("Cargo.lock"), "Cargo.lock")?)?);
    Ok(violations)
}

fn broken<'a>(package: &'a Package, ours: &[&str]) -> Vec<(&'a Dependency, &'static str)> {
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|rule| names(package, rule.who) && !names(package, rule.but)) {
        for dependency in &package.dependencies {
            let ships = dependency.kind.as_deref() != Some("dev");
            let concerned = match rule.kinds {
                Kinds::All => true,
                Kinds::Shipped => ships,
                Kinds::Always => ships && !dependency.optional,
            };
            let banned = rule.never.iter().any(|pattern| {
                if *pattern == OURS {
                    ours.contains(&dependency.name.as_str())
                } else {
                    matches(pattern, &dependency.name)
                }
            });
            // A package names itself to turn on features for its own tests.
            if banned && concerned && dependency.name != package.name {
                found.push((dependency, rule.expected));
            }
        }
    }
    found
}

/// All that a package is built from by default, one a line.
fn tree(project: &Project, package: &str) -> Result<String> {
    let mut tree = project.cargo();
    tree.args(["tree", "--package", package, "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    shell::capture(&mut tree)
}

/// What a tree has and must not, each once.
fn brought(build: &Build, tree: &str) -> Vec<Violation> {
    let Build { package, folder, never } = build;
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let banned = names.into_iter().filter(|name| never.iter().any(|pattern| matches(pattern, name)));
    let violation = |name| Violation {
        path: format!("{folder}/Cargo.toml"),
        line: 1,
        what: format!("{name} is in {package}'s default build"),
        expected: format!("none of it (`cargo tree --package {package} --invert {name}` shows who brings it)"),
    };
    banned.map(violation).collect()
}

fn names(package: &Package, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_prefix('*') {
        Some(ending) if ending.starts_with('/') => folder(&package.manifest_path).ends_with(ending),
        _ => matches(pattern, &package.name),
    })
}

fn folder(manifest: &Path) -> String {
    manifest.parent().unwrap_or(manifest).to_string_lossy().replace('\\', "/")
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// The line where a manifest names a dependency; the first one where it does so under another name.
fn line_of(manifest: &str, dependency: &str) -> usize {
    let starts = |line: &str| {
        let line = line.trim_start().trim_start_matches('"');
        line.strip_prefix(dependency)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_'))
    };
    manifest.lines().position(starts).map_or(1, |index| index + 1)
}

/// The `serde` feature of tdigest pins crates that nothing else can live with. The lock file lists an optional dependency only
/// once somebody has turned it on, whoever that is.
fn tdigest_feature(lock: &str) -> Result<Option<Violation>> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        #[serde(default)]
        dependencies: Vec<String>,
    }
    let parsed: Lock = toml::from_str(lock).map_err(|error| Failure::new(format!("Cargo.lock: {error}")))?;
    let serde = |locked: &Locked| locked.dependencies.iter().any(|name| name.starts_with("serde"));
    let on = parsed.package.iter().any(|locked| locked.name == "tdigest" && serde(locked));
    Ok(on.then(|| Violation {
        path: "Cargo.lock".to_owned(),
        line: lock.lines().position(|line| line == "name = \"tdigest\"").map_or(1, |index| index + 1),
        what: "tdigest is built with its serde feature".to_owned(),
        expected: "that feature off: it pins syn and proc-macro2".to_owned(),
    }))
}

fn read(path: &Path, shown: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Failure::io(shown, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, name: &str, dependencies: &[(&str, Option<&str>)], optional: bool) -> Package {
        Package {
            name: name.to_owned(),
            manifest_path: format!("/work/{folder}/Cargo.toml").into(),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: kind.map(str::to_owned), optional })
                .collect(),
            targets: Vec::new(),
        }
    }

    /// How many rules a package with one dependency breaks.
    fn count(folder: &str, name: &str, dependency: &str, kind: Option<&str>) -> usize {
        let ours = ["cloudping-model", "cloudping-ports", "cloudping-testkit", "cloudping-producers"];
        broken(&package(folder, name, &[(dependency, kind)], false), &ours).len()
    }

    #[test]
    fn components_do_not_meet_even_in_tests() {
        assert_eq!(count("producers", "cloudping-producers", "cloudping-query-service", None), 1);
        assert_eq!(count("producers", "cloudping-producers", "cloudping-query-service", Some("dev")), 1);
        assert_eq!(count("producers", "cloudping-producers", "cloudping-producers", Some("dev")), 0);
        assert_eq!(count("producers", "cloudping-producers", "cloudping-ports", None), 0);
        assert_eq!(count("producers/aws", "cloudping-producers-aws", "cloudping-producers", None), 0);
    }

    #[test]
    fn core_crates_stay_plain() {
        for banned in ["serde", "serde_json", "tokio", "tokio-stream", "arrow-array", "cloudping-ports"] {
            assert_eq!(count("crates/model", "cloudping-model", banned, None), 1, "{banned}");
            assert_eq!(count("crates/model", "cloudping-model", banned, Some("dev")), 0, "{banned}");
        }
        assert_eq!(count("crates/digest", "cloudping-digest", "serde", Some("build")), 1);
        assert_eq!(count("crates/digest", "cloudping-digest", "tdigest", None), 0);
        assert_eq!(count("crates/planet", "cloudping-planet", "cloudping-producers", None), 1);
        assert_eq!(count("crates/planet", "cloudping-planet", "cloudping-testkit", Some("dev")), 0);
        assert_eq!(count("crates/ports", "cloudping-ports", "aws-runtime", Some("dev")), 1);
    }

    #[test]
    fn backends_are_chosen_by_the_binary() {
        let local = "cloudping-backend-local";
        assert_eq!(count("cloudping", "cloudping", local, None), 0);
        assert_eq!(count("crates/testkit", "cloudping-testkit", local, None), 1);
        assert_eq!(count("crates/testkit", "cloudping-testkit", local, Some("dev")), 0);
        assert_eq!(count("crates/ports", "cloudping-ports", local, Some("dev")), 1);
        assert_eq!(count("stream-processor/aws", "cloudping-stream-aws", "cloudping-backend-aws", None), 0);
    }

    #[test]
    fn the_sdk_stays_in_its_corner() {
        assert_eq!(count("crates/backend-aws", "cloudping-backend-aws", "aws-sdk-kinesis", None), 0);
        assert_eq!(count("stream-processor/aws", "cloudping-stream-aws", "aws-config", None), 0);
        assert_eq!(count("cloudping", "cloudping", "aws-sdk-kinesis", None), 1);
        assert_eq!(count("cloudping", "cloudping", "cloudping-backend-aws", None), 1);
        let optional =
            package("cloudping", "cloudping", &[("aws-config", None), ("cloudping-backend-aws", None)], true);
        assert_eq!(broken(&optional, &[]), []);
        assert_eq!(count("batch-rollup", "cloudping-batch-rollup", "aws-config", Some("dev")), 1);
        assert_eq!(count("cloudping", "cloudping", "xtask", Some("dev")), 1);
    }

    #[test]
    fn the_sdk_in_the_default_build_is_named_once() {
        let tree = "cloudping v0.1.0 (/work/cloudping)\naws-lc-rs v1.0.0\naws-sdk-s3 v1.1.0\n\naws-sdk-s3 v1.1.0 (*)\n";
        let found = brought(&BUILDS[0], tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "aws-sdk-s3 is in cloudping's default build");
        let tree = "cloudping-agent v0.1.0 (/work/agent)\narrow-schema v59.3.0\ndatafusion-expr v55.2.0\n";
        let found = brought(&BUILDS[1], tree);
        assert_eq!((found.len(), found[0].path.as_str()), (1, "agent/Cargo.toml"));
    }

    #[test]
    fn the_line_of_a_dependency_is_found() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nserde_json = \"1\"\nserde.workspace = true\n";
        assert_eq!(line_of(manifest, "serde"), 5);
        assert_eq!(line_of(manifest, "serde_json"), 4);
        assert_eq!(line_of(manifest, "renamed"), 1);
    }

    #[test]
    fn the_feature_of_tdigest_shows_in_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"tdigest\"\nversion = \"1.0.1\"\n";
        assert_eq!(tdigest_feature(lock).expect("valid"), None);
        let with = format!("{lock}dependencies = [\n \"ordered-float\",\n \"serde\",\n]\n");
        let violation = tdigest_feature(&with).expect("valid").expect("the feature is on");
        assert_eq!((violation.path.as_str(), violation.line), ("Cargo.lock", 4));
        assert!(tdigest_feature("not toml").is_err());
    }
}
