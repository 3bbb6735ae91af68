//! What a region has of a producer, or should have: the same type for both, so that a plan is their difference.

use std::collections::BTreeMap;

/// Tags by their keys.
pub type Tags = BTreeMap<String, String>;

/// The names of a producer's parts, the same in each region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The Lambda function, and the rule of EventBridge that invokes it.
    pub producer: String,
}

impl Names {
    /// Those of the deployment `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { producer: format!("{name}-producer") }
    }

    /// The log that Lambda writes to.
    #[must_use]
    pub fn log_group(&self) -> String {
        format!("/aws/lambda/{}", self.producer)
    }
}

/// A producer's parts in one region. A part that is not there is `None`; without any it is [`Producer::default`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Producer {
    /// Its log.
    pub log: Option<LogGroup>,
    /// The program.
    pub function: Option<Function>,
    /// How often Lambda repeats an invocation that failed; Lambda's own rule where nothing says it.
    pub retries: Option<i32>,
    /// What invokes it.
    pub rule: Option<Rule>,
    /// That the rule may do so: the statement of our own id, whatever it says.
    pub permission: Option<Permission>,
    /// What the rule invokes, by the targets' ids.
    pub targets: BTreeMap<String, Target>,
}

/// A log group of CloudWatch Logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogGroup {
    /// Days that its lines are kept; for ever where nothing says it.
    pub retention_days: Option<i32>,
    /// Its tags.
    pub tags: Tags,
}

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Function {
    /// The SHA-256 of its package, in base64 as Lambda says it.
    pub code_sha256: String,
    /// `x86_64` or `arm64`. It changes with the code.
    pub architecture: String,
    /// How it runs.
    pub configuration: Configuration,
    /// Its tags.
    pub tags: Tags,
}

/// How a function runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    /// Lambda's runtime.
    pub runtime: String,
    /// What the runtime starts.
    pub handler: String,
    /// The ARN of its role.
    pub role: String,
    /// Its memory, MiB.
    pub memory_mib: i32,
    /// How long an invocation may take, seconds.
    pub timeout_s: i32,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
}

/// A rule of EventBridge's default bus.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// When it fires.
    pub schedule: String,
    /// Whether it does.
    pub enabled: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A statement of a function's policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permission {
    /// Who may invoke: a service.
    pub principal: String,
    /// What it may.
    pub action: String,
    /// In whose name: the rule's ARN.
    pub source_arn: String,
}

/// A target of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The function's ARN.
    pub arn: String,
    /// How often EventBridge repeats an invocation that failed; its own rule where nothing says it.
    pub retries: Option<i32>,
}
