//! The file of rules: TOML. Reading it is pure; every error names the rule, the field and what was expected.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use cloudping_model::{Protocol, Rolling};
use cloudping_ports::Secret;
use glob::Pattern;
use serde::Deserialize;

use super::rule::{Destination, Measure, Rule};
use super::state::{Policy, Side};
use crate::statistic::Statistic;

const MAX_RULES: usize = 200;
const MAX_DESTINATIONS: usize = 16;
/// The largest file.
pub(crate) const MAX_BYTES: u64 = 1 << 20;
const WEEK: Duration = Duration::from_secs(7 * 86_400);
const REPEATS: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(30 * 86_400);
const DEFAULT_CLEAR_FOR: Duration = Duration::from_secs(60);
const DEFAULT_NO_DATA: Duration = Duration::from_secs(120);

/// Why a text is no file of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlertFileError {
    /// It cannot be read.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the operating system says.
        reason: String,
    },
    /// Not the TOML that is expected; the message names line and field.
    #[error("{file}: {message}")]
    Toml {
        /// The file.
        file: String,
        /// What the TOML reader says.
        message: String,
    },
    /// There are too many rules.
    #[error("{file}: {found} rules, expected at most {MAX_RULES}")]
    TooMany {
        /// The file.
        file: String,
        /// How many.
        found: usize,
    },
    /// A field of a rule holds what it must not.
    #[error("{file}: rule {rule:?}: {field} is {found}, expected {expected}")]
    Field {
        /// The file.
        file: String,
        /// The rule's name.
        rule: String,
        /// Which field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
}

/// What the surroundings offer to a file.
pub(crate) struct Offered<'a> {
    /// Looks an environment variable up.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Whether anybody can be told at an address.
    pub(crate) takes: &'a dyn Fn(&str) -> bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    source: Option<String>,
    target: Option<String>,
    provider: Option<String>,
    protocol: Option<String>,
    statistic: String,
    above: Option<f64>,
    below: Option<f64>,
    clear: Option<f64>,
    window: Option<String>,
    #[serde(rename = "for")]
    hold: Option<String>,
    clear_for: Option<String>,
    repeat: Option<String>,
    no_data_for: Option<String>,
    min_count: Option<u64>,
    #[serde(default)]
    notify: Vec<Addressee>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an address, or { to = ADDRESS, secret_env = NAME }")]
enum Addressee {
    Plain(String),
    Signed(Signed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    to: String,
    secret_env: Option<String>,
}

/// A field's name, what it holds, what was expected.
type Fault = (&'static str, String, String);

/// Reads a file's text; `file` is its name, for errors.
pub(crate) fn parse(file: &str, text: &str, offered: &Offered) -> Result<Vec<Rule>, AlertFileError> {
    let rows: File = toml::from_str(text)
        .map_err(|error| AlertFileError::Toml { file: file.to_owned(), message: error.to_string() })?;
    if rows.rule.len() > MAX_RULES {
        return Err(AlertFileError::TooMany { file: file.to_owned(), found: rows.rule.len() });
    }
    let mut names = HashSet::new();
    let mut rules = Vec::new();
    for (number, table) in rows.rule.into_iter().enumerate() {
        let row = row(table, number).map_err(|message| AlertFileError::Toml { file: file.to_owned(), message })?;
        let rule = row.rule(offered).and_then(|rule| match names.insert(rule.name.clone()) {
            true => Ok(rule),
            false => Err(("name", format!("{:?} twice", rule.name), "another name for each rule".to_owned())),
        });
        let (file, name) = (file.to_owned(), row.name.clone());
        rules.push(rule.map_err(|(field, found, expected)| AlertFileError::Field {
            file,
            rule: name,
            field,
            found,
            expected,
        })?);
    }
    Ok(rules)
}

/// A rule's fields; what is wrong with their kinds is told with its name, which the TOML reader does not.
fn row(table: toml::Table, number: usize) -> Result<Row, String> {
    let name = table.get("name").and_then(toml::Value::as_str);
    let name = name.map_or_else(|| format!("rule number {}", number + 1), |name| format!("rule {name:?}"));
    table
        .try_into()
        .map_err(|error: toml::de::Error| format!("{name}: {}", error.to_string().trim().replace('\n', ", ")))
}

impl Row {
    fn rule(&self, offered: &Offered) -> Result<Rule, Fault> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(allowed) {
            let expected = "1 to 64 letters, digits, spaces and . _ -";
            return Err(("name", format!("{:?}", self.name), expected.to_owned()));
        }
        let (protocol, window) = (self.protocol.as_deref(), self.window.as_deref());
        let measure = self.measure()?;
        let rule = Rule {
            name: self.name.clone(),
            source: pattern("source", self.source.as_deref())?,
            target: pattern("target", self.target.as_deref())?,
            provider: self.provider.clone(),
            protocol: word("protocol", protocol.unwrap_or("tcp"), Protocol::from_name, "tcp, tls, https, icmp or udp")?,
            window: word("window", window.unwrap_or("5m"), Rolling::from_name, "5m, 1h, 1d, 7d, 30d or 365d")?,
            measure,
            min_count: self.min_count,
            policy: self.policy(measure)?,
            notify: self.destinations(offered)?,
        };
        if measure == Measure::Step && !matches!(rule.window, Rolling::FiveMinutes | Rolling::Hour) {
            return Err(("window", format!("{:?}", rule.window.name()), "5m or 1h for a step".to_owned()));
        }
        Ok(rule)
    }

    fn measure(&self) -> Result<Measure, Fault> {
        let of = |text: &str| match text {
            "loss" => Some(Measure::Loss),
            "step" => Some(Measure::Step),
            other => Statistic::parse(other).map(Measure::Latency),
        };
        word("statistic", &self.statistic, of, &format!("{}, or loss, or step", Statistic::EXPECTED))
    }

    fn policy(&self, measure: Measure) -> Result<Policy, Fault> {
        let (field, side, threshold) = match (self.above, self.below) {
            (Some(above), None) => ("above", Side::Above, above),
            (None, Some(below)) => ("below", Side::Below, below),
            (Some(_), Some(_)) => return Err(("below", "given with above".to_owned(), "one of the two".to_owned())),
            (None, None) => return Err(("above", "missing".to_owned(), "a threshold, above or below".to_owned())),
        };
        let most = if measure == Measure::Loss { 1.0 } else { 60_000.0 };
        let unit = if measure == Measure::Loss { "a share of the probes, 0 to 1" } else { "milliseconds, 0 to 60000" };
        let clear = self.clear.unwrap_or(threshold);
        for (field, number) in [(field, threshold), ("clear", clear)] {
            if !(0.0..=most).contains(&number) {
                return Err((field, number.to_string(), unit.to_owned()));
            }
        }
        let (good, expected) = match side {
            Side::Above => (clear <= threshold, "at most above"),
            Side::Below => (clear >= threshold, "at least below"),
        };
        if !good {
            return Err(("clear", clear.to_string(), format!("{expected}, {threshold}")));
        }
        let whole_week = Duration::ZERO..=WEEK;
        Ok(Policy {
            side,
            threshold,
            clear,
            for_us: time("for", self.hold.as_deref(), &whole_week)?.unwrap_or(0),
            clear_for_us: time("clear_for", self.clear_for.as_deref(), &whole_week)?
                .unwrap_or_else(|| micros(DEFAULT_CLEAR_FOR)),
            repeat_us: time("repeat", self.repeat.as_deref(), &REPEATS)?,
            no_data_us: time("no_data_for", self.no_data_for.as_deref(), &whole_week)?
                .unwrap_or_else(|| micros(DEFAULT_NO_DATA)),
        })
    }

    fn destinations(&self, offered: &Offered) -> Result<Vec<Destination>, Fault> {
        if self.notify.len() > MAX_DESTINATIONS {
            return Err(("notify", format!("{} addresses", self.notify.len()), format!("at most {MAX_DESTINATIONS}")));
        }
        let mut destinations: Vec<Destination> = Vec::new();
        for addressee in &self.notify {
            let (to, secret_env) = match addressee {
                Addressee::Plain(to) => (to, None),
                Addressee::Signed(Signed { to, secret_env }) => (to, secret_env.as_ref()),
            };
            if !(offered.takes)(to) {
                let expected =
                    "an address such as https://example.com/hook, without a password (on AWS also an SNS topic's ARN)";
                return Err(("notify", format!("{to:?}"), expected.to_owned()));
            }
            if destinations.iter().any(|other| other.to == *to) {
                return Err(("notify", format!("{to:?} twice"), "each address once".to_owned()));
            }
            let secret = secret_env.map(|name| match (offered.variable)(name).filter(|secret| !secret.is_empty()) {
                Some(secret) => Ok((name.clone(), Secret(secret))),
                None => Err(("secret_env", format!("{name:?}"), "an environment variable that is set".to_owned())),
            });
            destinations.push(Destination { to: to.clone(), secret: secret.transpose()? });
        }
        Ok(destinations)
    }
}

fn pattern(field: &'static str, text: Option<&str>) -> Result<Pattern, Fault> {
    let text = text.unwrap_or("*");
    let of = |text: &str| Pattern::new(text).ok().filter(|_| (1..=128).contains(&text.len()));
    word(field, text, of, "an id or a pattern such as eu-*")
}

fn word<T>(field: &'static str, text: &str, of: impl Fn(&str) -> Option<T>, expected: &str) -> Result<T, Fault> {
    of(text).ok_or_else(|| (field, format!("{text:?}"), expected.to_owned()))
}

fn time(field: &'static str, text: Option<&str>, bounds: &RangeInclusive<Duration>) -> Result<Option<i64>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let read = humantime::parse_duration(text).ok().filter(|time| bounds.contains(time));
    let shown = |time: &Duration| humantime::format_duration(*time).to_string();
    let expected = || format!("a time from {} to {}, such as 5m", shown(bounds.start()), shown(bounds.end()));
    read.map(|time| Some(micros(time))).ok_or_else(|| (field, format!("{text:?}"), expected()))
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
