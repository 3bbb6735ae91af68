//! Settings from environment variables: all faults named at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What is wrong with a program's settings, a line for each variable: its name, what it holds, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Faults(pub Vec<String>);

/// Reads variables one after another, and keeps what is wrong with them to the end.
///
/// A variable that is there and empty counts as not given: deployment tools write such for what is left out.
pub struct Variables<F> {
    variable: F,
    faults: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// Variables by a look-up.
    #[must_use]
    pub fn new(variable: F) -> Self {
        Self { variable, faults: Vec::new() }
    }

    /// A variable that may be left out.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// A variable that must be given. `expected` says what, such as "the name of a stream". Without it there is a fault, and the answer is empty.
    pub fn required(&mut self, name: &str, expected: &str) -> String {
        self.given(name).unwrap_or_else(|| {
            self.fault(format!("{name} is missing, expected {expected}"));
            String::new()
        })
    }

    /// A whole number of a range, or the `default`. `what` names the numbers, such as "milliseconds".
    pub fn number<N>(&mut self, name: &str, default: N, range: RangeInclusive<N>, what: &str) -> N
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.given(name) else { return default };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (least, most) = range.into_inner();
                self.fault(format!("{name} is {text:?}, expected {what} from {least} to {most}"));
                default
            }
        }
    }

    /// What a variable's text means, or the `default`. `expected` says what was expected where it means nothing.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T, expected: &str) -> T {
        let Some(text) = self.given(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.fault(format!("{name} is {text:?}, expected {expected}"));
            default
        })
    }

    /// A folder of a bucket, without slashes at its ends, that means the same in a key and in an address.
    pub fn prefix(&mut self, name: &str, default: &str) -> String {
        let prefix = self.given(name).unwrap_or_else(|| default.to_owned());
        if !is_plain(&prefix) {
            let expected = "letters, digits, -, _, . and / with something on both sides";
            self.fault(format!("{name} is {prefix:?}, expected {expected}"));
        }
        prefix
    }

    /// Notes what else is wrong, naming the variable and what was expected.
    pub fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// The settings, if nothing was wrong.
    ///
    /// # Errors
    /// Everything that was.
    pub fn settings<S>(self, settings: S) -> Result<S, Faults> {
        if self.faults.is_empty() { Ok(settings) } else { Err(self.faults()) }
    }

    /// Everything that was wrong.
    #[must_use]
    pub fn faults(self) -> Faults {
        Faults(self.faults)
    }
}

/// A look-up in a list of names and values, for tests.
pub fn list<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

/// Whether a prefix means the same in a key and in an address.
fn is_plain(prefix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    prefix.split('/').all(|part| !["", ".", ".."].contains(&part) && part.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_has_its_default() {
        let mut variables = Variables::new(list(&[("EMPTY", "")]));
        assert_eq!((variables.given("EMPTY"), variables.given("ABSENT")), (None, None));
        assert_eq!(variables.number("EMPTY", 7, 1..=9, "a whole number"), 7);
        assert_eq!(variables.prefix("EMPTY", "tables"), "tables");
        assert_eq!(variables.parsed("EMPTY", 1.5, "a number"), 1.5);
        assert_eq!(variables.settings("all"), Ok("all"));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let given = [("ROUNDS", "0"), ("PREFIX", "/a"), ("PORT", "x")];
        let mut variables = Variables::new(list(&given));
        variables.required("STREAM", "the name of a stream");
        assert_eq!(variables.number("ROUNDS", 5, 1..=9, "a whole number"), 5);
        variables.prefix("PREFIX", "tables");
        assert_eq!(variables.parsed("PORT", 80_u16, "a port"), 80);
        let faults = variables.settings(()).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "STREAM is missing, expected the name of a stream; ROUNDS is \"0\", expected a whole number from 1 to 9; \
             PREFIX is \"/a\", expected letters, digits, -, _, . and / with something on both sides; \
             PORT is \"x\", expected a port"
        );
    }

    #[test]
    fn a_plain_prefix_has_something_between_its_slashes() {
        let odd = ["", "/a", "a/", "a//b", "..", "a/../b", "a b", "a%20b", "a?b"];
        assert_eq!(odd.map(is_plain), [false; 9]);
        assert!(is_plain("a/b_c-d.e"));
    }
}
