//! A scenario: what differs from plain geography, written as TOML.
//!
//! ```toml
//! [defaults]              # every key may be left out
//! route_factor = 1.5      # fibre length over great-circle distance, 1 to 10
//! floor_ms = 0.5          # the part of the RTT that does not depend on distance, 0 to 1000
//! jitter_ms = 0.2         # mean of the exponential jitter on top of the RTT, 0 to 10000
//! loss = 0.001            # probability that a forward packet is lost, 0 to 1
//!
//! [[link]]                # any number; a later entry wins, key by key
//! source = "eu-west-1"    # a region id or "*"
//! target = "*"            # a region id or "*"
//! symmetric = true        # also the way back (default true)
//! rtt_ms = 80.0           # replaces the RTT from geography, 0 to 10000
//! extra_ms = 12.5         # added to the RTT, 0 to 10000
//! jitter_ms = 1.0
//! loss = 0.5
//! down = false            # true: nothing gets through
//!
//! [[move]]                # any number
//! target = "ap-south-1"   # a region id or "*": its name has its second address now
//! ```
//!
//! A scenario is always applied to plain geography, never to an earlier scenario: an empty one undoes all.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

/// A parsed scenario; see the module for its format.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scenario {
    pub(crate) defaults: Defaults,
    pub(crate) rules: Vec<Rule>,
    /// Targets that are at their second address.
    pub(crate) moves: Vec<End>,
}

/// What holds for every link unless a rule says otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Defaults {
    pub route_factor: f64,
    pub floor_ms: f64,
    pub jitter_ms: f64,
    pub loss: f64,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            route_factor: crate::geography::DEFAULT_ROUTE_FACTOR,
            floor_ms: crate::geography::DEFAULT_FLOOR_MS,
            jitter_ms: 0.0,
            loss: 0.0,
        }
    }
}

/// One `[[link]]` entry. `None` leaves a property as earlier entries made it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    pub source: End,
    pub target: End,
    pub symmetric: bool,
    pub rtt_ms: Option<f64>,
    pub extra_ms: Option<f64>,
    pub jitter_ms: Option<f64>,
    pub loss: Option<f64>,
    pub down: Option<bool>,
}

/// One end of a rule: `None` is every region. The line is kept for errors found later.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    pub id: Option<String>,
    pub line: usize,
}

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("cannot read scenario {}: {source}", path.display())]
    Read {
        /// The file asked for.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What is wrong in a file.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<ScenarioError>,
    },
    /// Not TOML, an unknown or missing field, or a value of the wrong type.
    #[error("scenario line {line}: {message}")]
    Syntax {
        /// Line of the offending text, from 1.
        line: usize,
        /// What is wrong, with the field's name.
        message: String,
    },
    /// A number outside its range.
    #[error("scenario line {line}: {field} is {value}, but must be {expected}")]
    OutOfRange {
        /// Line of the value, from 1.
        line: usize,
        /// The field's name.
        field: &'static str,
        /// The value found.
        value: f64,
        /// The range that is accepted.
        expected: &'static str,
    },
    /// A region id that the world does not have.
    #[error("scenario line {line}: {field} names the region \"{id}\", which this world does not have")]
    UnknownRegion {
        /// Line of the id, from 1.
        line: usize,
        /// `source` or `target`.
        field: &'static str,
        /// The id as written.
        id: String,
    },
}

impl ScenarioError {
    /// The same error, saying in which file.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        Self::InFile { path: path.to_owned(), source: Box::new(self) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default)]
    defaults: DefaultsText,
    #[serde(default, rename = "link")]
    links: Vec<LinkText>,
    #[serde(default, rename = "move")]
    moves: Vec<MoveText>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DefaultsText {
    route_factor: Option<Spanned<f64>>,
    floor_ms: Option<Spanned<f64>>,
    jitter_ms: Option<Spanned<f64>>,
    loss: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveText {
    target: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkText {
    source: Spanned<String>,
    target: Spanned<String>,
    #[serde(default = "yes")]
    symmetric: bool,
    rtt_ms: Option<Spanned<f64>>,
    extra_ms: Option<Spanned<f64>>,
    jitter_ms: Option<Spanned<f64>>,
    loss: Option<Spanned<f64>>,
    down: Option<bool>,
}

fn yes() -> bool {
    true
}

impl Scenario {
    /// Parses the TOML text of a scenario.
    ///
    /// # Errors
    /// [`ScenarioError::Syntax`] or [`ScenarioError::OutOfRange`], with the line. Whether region ids exist is known only
    /// to a world: see [`World::with`](crate::World::with).
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let file: FileText = toml::from_str(text).map_err(|error| ScenarioError::Syntax {
            line: error.span().map_or(1, |span| line_at(text, span.start)),
            message: error.message().to_owned(),
        })?;
        let lines = Lines(text);
        Ok(Self {
            defaults: lines.defaults(&file.defaults)?,
            rules: file.links.iter().map(|link| lines.rule(link)).collect::<Result<_, _>>()?,
            moves: file.moves.iter().map(|moved| lines.end(&moved.target)).collect(),
        })
    }

    /// Reads and parses a scenario file.
    ///
    /// # Errors
    /// [`ScenarioError::Read`], and those of [`Scenario::parse`] as [`ScenarioError::InFile`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ScenarioError> {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).map_err(|source| ScenarioError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|error| error.in_file(path))
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// The text that spans point into.
struct Lines<'a>(&'a str);

const MILLISECONDS: (f64, f64, &str) = (0.0, 10_000.0, "0 to 10000 (milliseconds)");
const PROBABILITY: (f64, f64, &str) = (0.0, 1.0, "0 to 1 (a probability)");
const ROUTE_FACTOR: (f64, f64, &str) = (1.0, 10.0, "1 to 10 (fibre length over distance)");
const FLOOR: (f64, f64, &str) = (0.0, 1_000.0, "0 to 1000 (milliseconds)");

impl Lines<'_> {
    fn defaults(&self, text: &DefaultsText) -> Result<Defaults, ScenarioError> {
        let default = Defaults::default();
        Ok(Defaults {
            route_factor: self
                .number("route_factor", &text.route_factor, ROUTE_FACTOR)?
                .unwrap_or(default.route_factor),
            floor_ms: self.number("floor_ms", &text.floor_ms, FLOOR)?.unwrap_or(default.floor_ms),
            jitter_ms: self.number("jitter_ms", &text.jitter_ms, MILLISECONDS)?.unwrap_or(default.jitter_ms),
            loss: self.number("loss", &text.loss, PROBABILITY)?.unwrap_or(default.loss),
        })
    }

    fn rule(&self, text: &LinkText) -> Result<Rule, ScenarioError> {
        Ok(Rule {
            source: self.end(&text.source),
            target: self.end(&text.target),
            symmetric: text.symmetric,
            rtt_ms: self.number("rtt_ms", &text.rtt_ms, MILLISECONDS)?,
            extra_ms: self.number("extra_ms", &text.extra_ms, MILLISECONDS)?,
            jitter_ms: self.number("jitter_ms", &text.jitter_ms, MILLISECONDS)?,
            loss: self.number("loss", &text.loss, PROBABILITY)?,
            down: text.down,
        })
    }

    fn end(&self, id: &Spanned<String>) -> End {
        End { id: (id.get_ref() != "*").then(|| id.get_ref().clone()), line: line_at(self.0, id.span().start) }
    }

    fn number(
        &self,
        field: &'static str,
        value: &Option<Spanned<f64>>,
        (low, high, expected): (f64, f64, &'static str),
    ) -> Result<Option<f64>, ScenarioError> {
        let Some(spanned) = value else {
            return Ok(None);
        };
        let value = *spanned.get_ref();
        if (low..=high).contains(&value) {
            return Ok(Some(value));
        }
        Err(ScenarioError::OutOfRange { line: line_at(self.0, spanned.span().start), field, value, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Scenario::parse(text).expect_err("must be refused").to_string()
    }

    #[test]
    fn empty_is_plain_geography() {
        assert_eq!(Scenario::parse("").expect("valid"), Scenario::default());
    }

    #[test]
    fn every_field() {
        let scenario = Scenario::parse(
            r#"
            [defaults]
            route_factor = 1.4
            floor_ms = 1
            jitter_ms = 0.25
            loss = 0.001
            [[link]]
            source = "a"
            target = "*"
            symmetric = false
            rtt_ms = 80
            extra_ms = 12.5
            jitter_ms = 1.0
            loss = 0.5
            down = true
            [[move]]
            target = "b"
            "#,
        )
        .expect("valid");
        let defaults = Defaults { route_factor: 1.4, floor_ms: 1.0, jitter_ms: 0.25, loss: 0.001 };
        assert_eq!(scenario.defaults, defaults);
        let rule = Rule {
            source: End { id: Some("a".into()), line: 8 },
            target: End { id: None, line: 9 },
            symmetric: false,
            rtt_ms: Some(80.0),
            extra_ms: Some(12.5),
            jitter_ms: Some(1.0),
            loss: Some(0.5),
            down: Some(true),
        };
        assert_eq!(scenario.rules, [rule]);
        assert_eq!(scenario.moves, [End { id: Some("b".into()), line: 17 }]);
    }

    #[test]
    fn unknown_field_is_named_with_its_line() {
        let message = error("[defaults]\njitter_ms = 1\njiter = 2\n");
        assert!(message.contains("line 3") && message.contains("`jiter`"), "{message}");
    }

    #[test]
    fn missing_field_is_named_with_its_line() {
        let message = error("\n[[link]]\nsource = \"a\"\n");
        assert!(message.contains("line 2") && message.contains("`target`"), "{message}");
    }

    #[test]
    fn wrong_type_has_its_line() {
        let message = error("[[link]]\nsource = \"a\"\ntarget = \"b\"\nrtt_ms = \"fast\"\n");
        assert!(message.contains("line 4") && message.contains("fast"), "{message}");
    }

    #[test]
    fn ranges_are_checked() {
        for (text, line, field) in [
            ("[defaults]\nloss = 1.5", 2, "loss"),
            ("[defaults]\n\nroute_factor = 0.5", 3, "route_factor"),
            ("[[link]]\nsource=\"*\"\ntarget=\"*\"\nrtt_ms = -1", 4, "rtt_ms"),
            ("[[link]]\nsource=\"*\"\ntarget=\"*\"\nloss = nan", 4, "loss"),
            ("[[link]]\nsource=\"*\"\ntarget=\"*\"\nextra_ms = inf", 4, "extra_ms"),
        ] {
            let message = error(text);
            let expected = format!("scenario line {line}: {field} is ");
            assert!(message.starts_with(&expected), "{message}");
        }
    }

    #[test]
    fn unreadable_file_is_named() {
        let message = Scenario::load("/nonexistent/world.toml").expect_err("missing").to_string();
        assert!(message.contains("/nonexistent/world.toml"), "{message}");
    }
}
