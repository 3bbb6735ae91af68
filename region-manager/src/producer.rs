//! What a region has of a producer, or should have: the same type for both, so that a plan is their difference.

use std::collections::BTreeMap;

use serde_json::Value;

/// Tags by their keys.
pub type Tags = BTreeMap<String, String>;

/// The names of a producer's parts, the same in each region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The Lambda function, and the rule of EventBridge that invokes it.
    pub producer: String,
    /// The alarm on the function. By the beginning of its name the home region knows whose it is.
    pub alarm: String,
    /// The rule that tells the home region of the alarm's changes. The home region has none, but one of another name that listens.
    pub report: String,
}

impl Names {
    /// Those of the deployment `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let of_producer = |what: &str| format!("{name}-producer{what}");
        Self { producer: of_producer(""), alarm: of_producer("-failing"), report: of_producer("-report") }
    }

    /// The rule of this sort.
    #[must_use]
    pub fn rule(&self, kind: RuleKind) -> &str {
        match kind {
            RuleKind::Schedule => &self.producer,
            RuleKind::Report => &self.report,
        }
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
    pub schedule: Option<Rule>,
    /// That the schedule may do so: the statement of our own id, whatever it says.
    pub permission: Option<Permission>,
    /// What says that it sends nothing.
    pub alarm: Option<Alarm>,
    /// What tells the home region of the alarm's changes: alarms reach topics of their own region only.
    pub report: Option<Rule>,
}

impl Producer {
    /// The rule of this sort.
    #[must_use]
    pub fn rule(&self, kind: RuleKind) -> Option<&Rule> {
        match kind {
            RuleKind::Schedule => self.schedule.as_ref(),
            RuleKind::Report => self.report.as_ref(),
        }
    }
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

/// The sorts of rules that a producer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// It invokes the function.
    Schedule,
    /// It hands the alarm's changes on.
    Report,
}

/// A rule of EventBridge's default bus.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// When it fires.
    pub fires: Fires,
    /// Whether it does.
    pub enabled: bool,
    /// Its tags.
    pub tags: Tags,
    /// What it invokes, by the targets' ids.
    pub targets: BTreeMap<String, Target>,
}

/// When a rule fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fires {
    /// By the clock: a schedule in EventBridge's words.
    By(String),
    /// At an event of this pattern: JSON without spaces, its fields in the order of their names.
    At(String),
}

impl Fires {
    /// At an event of this pattern.
    #[must_use]
    pub fn at(pattern: &Value) -> Self {
        let mut pattern = pattern.clone();
        pattern.sort_all_objects();
        Self::At(pattern.to_string())
    }
}

impl Default for Fires {
    fn default() -> Self {
        Self::By(String::new())
    }
}

/// An alarm of CloudWatch on one metric.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alarm {
    /// What it says to whoever reads it.
    pub description: String,
    /// The metric's namespace.
    pub namespace: String,
    /// The metric.
    pub metric: String,
    /// The metric's dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// What of the metric's values in a period counts.
    pub statistic: String,
    /// The period, seconds.
    pub period_s: i32,
    /// Periods that are looked at.
    pub periods: i32,
    /// What a period's value is compared with; `None` for one that is no whole number.
    pub threshold: Option<i32>,
    /// How it is compared.
    pub comparison: String,
    /// What a period without a value counts for.
    pub missing: String,
    /// Whether it tells anybody.
    pub acts: bool,
    /// Whom it tells when it goes off, is over, or has no data: nobody, unless others have said so.
    pub tells: [Vec<String>; 3],
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
    /// The ARN of the function, or of the home region's bus.
    pub arn: String,
    /// The ARN of the role in which EventBridge does it; none for a function, which says itself who may invoke it.
    pub role: Option<String>,
    /// How often EventBridge repeats what failed; its own rule where nothing says it.
    pub retries: Option<i32>,
}
