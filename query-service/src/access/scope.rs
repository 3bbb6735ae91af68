//! What may be asked for, and what each address of the service asks for.

use std::fmt;
use std::str::FromStr;

use axum::http::Method;

/// A kind of question. Each has its scope in a key, and is light or heavy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The live view, and all else that is small.
    Read,
    /// SQL, by whatever door.
    Sql,
    /// What was: series, distributions, comparisons of two times.
    History,
    /// Samples and whole tables.
    Download,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Sql, Self::History, Self::Download];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Sql => "sql",
            Self::History => "history",
            Self::Download => "download",
        }
    }

    /// Whether one such request costs as much as hundreds of others: these have a budget of their own.
    #[must_use]
    pub fn is_heavy(self) -> bool {
        matches!(self, Self::Sql | Self::Download)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope, expected read, sql, history or download")]
pub struct NoScope(String);

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| NoScope(text.to_owned()))
    }
}

/// What a request over HTTP asks for; `None` for what is free for all: the page's own files, whether the service is well, and what a
/// browser asks before it asks.
pub(crate) fn needed(method: &Method, path: &str) -> Option<Scope> {
    if method == Method::OPTIONS {
        return None;
    }
    let mut parts = path.split('/').skip(1);
    let (first, second, third) = (parts.next()?, parts.next(), parts.next());
    match (first, second) {
        ("api", Some("v1")) => Some(match third {
            Some("sql") => Scope::Sql,
            Some("samples" | "exports") => Scope::Download,
            Some("series" | "distribution" | "diff") => Scope::History,
            _ => Scope::Read,
        }),
        ("history" | "query", _) | ("averages", Some(_)) => Some(Scope::History),
        ("api" | "latencies" | "averages" | "grid" | "status" | "regions" | "metrics", _) => Some(Scope::Read),
        _ => None,
    }
}

/// Whether this is an address of the API of CloudPing.co, whose clients know refusals in another form.
pub(crate) fn is_legacy(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    ["history", "query", "averages", "latencies", "grid", "status", "regions"].contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_asks_for_something_or_is_free() {
        for (path, scope) in [
            ("/api/v1/matrix", Some(Scope::Read)),
            ("/api/v1/stream", Some(Scope::Read)),
            ("/api/v1/badge/a/b.svg", Some(Scope::Read)),
            ("/api/v1/nothing", Some(Scope::Read)),
            ("/api", Some(Scope::Read)),
            ("/api/v1/sql", Some(Scope::Sql)),
            ("/api/v1/sql/", Some(Scope::Sql)),
            ("/api/v1/series", Some(Scope::History)),
            ("/api/v1/diff", Some(Scope::History)),
            ("/api/v1/samples", Some(Scope::Download)),
            ("/api/v1/exports/samples/2026.parquet", Some(Scope::Download)),
            ("/history", Some(Scope::History)),
            ("/query", Some(Scope::History)),
            ("/averages", Some(Scope::Read)),
            ("/averages/week/2", Some(Scope::History)),
            ("/latencies", Some(Scope::Read)),
            ("/metrics/latency", Some(Scope::Read)),
            ("/healthz", None),
            ("/", None),
            ("", None),
            ("/assets/index-1.js", None),
        ] {
            assert_eq!(needed(&Method::GET, path), scope, "{path}");
            assert_eq!(needed(&Method::OPTIONS, path), None);
        }
        assert!(is_legacy("/history") && is_legacy("/averages/day/1") && !is_legacy("/api/v1/regions"));
    }

    #[test]
    fn scopes_are_named() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
        }
        assert_eq!(
            "Read".parse::<Scope>().unwrap_err().to_string(),
            "\"Read\" is no scope, expected read, sql, history or download"
        );
    }
}
