//! Parameters of a request: each known, each at most once, every error named.

use axum::extract::Query;
use axum::http::Uri;

use cloudping_model::Protocol;

use super::problem::Failure;

/// The parameters of a query string.
pub(in crate::http) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string that may hold `allowed` parameters, each once.
    pub(in crate::http) fn read(uri: &Uri, allowed: &[&str]) -> Result<Self, Failure> {
        let params = Self::lenient(uri)?;
        for (at, (name, value)) in params.0.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                return Err(Failure::bad_request(format!(
                    "unknown parameter {name:?}, expected {}",
                    allowed.join(", ")
                )));
            }
            if params.0[..at].iter().any(|(other, _)| other == name) {
                return Err(Failure::bad_request(format!("{name} is given twice, expected once")));
            }
            if value.is_empty() {
                return Err(Failure::bad_request(format!("{name} is empty, expected a value, or no {name}")));
            }
        }
        Ok(params)
    }

    /// Reads a query string with whatever parameters.
    pub(in crate::http) fn lenient(uri: &Uri) -> Result<Self, Failure> {
        let pairs = Query::try_from_uri(uri).map_err(|error| Failure::bad_request(error.body_text()))?;
        Ok(Self(pairs.0))
    }

    pub(in crate::http) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(other, _)| other == name);
        pair.map(|(_, value)| value.as_str())
    }

    /// A parameter's value, or the default where it is not given.
    pub(in crate::http) fn parse<T>(
        &self,
        name: &str,
        default: T,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Failure> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        parse(text).ok_or_else(|| Failure::parameter(name, text, expected))
    }

    /// The protocol that is asked for by `protocol` (tcp).
    pub(in crate::http) fn protocol(&self) -> Result<Protocol, Failure> {
        self.parse("protocol", Protocol::TcpConnect, "tcp, tls, https, icmp or udp", Protocol::from_name)
    }

    /// The most rows of an answer, by `limit`: 1 to 1000.
    pub(in crate::http) fn limit(&self, default: usize) -> Result<usize, Failure> {
        let few = |text: &str| text.parse().ok().filter(|limit| (1..=1_000).contains(limit));
        self.parse("limit", default, "1 to 1000", few)
    }

    /// A parameter that must be given.
    pub(in crate::http) fn required(&self, name: &str, expected: &str) -> Result<&str, Failure> {
        let missing = || Failure::bad_request(format!("{name} is missing, expected {expected}"));
        self.get(name).filter(|text| !text.is_empty()).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Params, Failure> {
        Params::read(&format!("/x?{query}").parse().unwrap(), &["a", "format"])
    }

    #[test]
    fn unknown_and_repeated_parameters_are_named() {
        assert_eq!(read("a=1%2B").unwrap().get("a"), Some("1+"));
        assert_eq!(read("b=1").err().unwrap().detail, "unknown parameter \"b\", expected a, format");
        assert_eq!(read("a=1&a=2").err().unwrap().detail, "a is given twice, expected once");
        assert_eq!(read("a=").err().unwrap().detail, "a is empty, expected a value, or no a");
        assert_eq!(read("").unwrap().required("a", "an id").unwrap_err().detail, "a is missing, expected an id");
    }
}
