//! Why a request is not let in.

use std::time::Duration;

use axum::http::HeaderValue;

use super::scope::Scope;

/// Why a request is not let in. Its text is for the client; no key stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What is asked for is not open to all.
    #[error("this needs a key with the scope {0}: send it as Authorization: Bearer cp_… or as x-api-key")]
    KeyNeeded(Scope),
    /// What was sent is no key's text.
    #[error("what was sent is no key: expected cp_ and 72 hex digits, as `cloudping key create` shows it")]
    Malformed,
    /// There is no such key.
    #[error("the key is not known here")]
    Unknown,
    /// It was revoked.
    #[error("the key was revoked")]
    Revoked,
    /// Its time is over.
    #[error("the key has expired")]
    Expired,
    /// It is good, for something else.
    #[error("the key has no scope {needs}: its scopes are {has}")]
    Scope {
        /// What was asked for.
        needs: Scope,
        /// The scopes that the key has.
        has: String,
    },
    /// Too many requests in a short time.
    #[error("{} requests come too fast: wait {} s{}", if *.heavy { "heavy" } else { "light" }, seconds(*.wait), if *.keyed { "" } else { ", or ask with a key" })]
    TooFast {
        /// Whether it was a heavy one.
        heavy: bool,
        /// Whether it was asked with a key.
        keyed: bool,
        /// When one will be let in.
        wait: Duration,
        /// What the budget is, for a header.
        policy: HeaderValue,
    },
    /// Too many keys that are none, from one address.
    #[error("too many keys that are not known came from here: wait {} s", seconds(*.0))]
    Doubtful(Duration),
    /// The key has made as many requests as it may on one day.
    #[error("the key has made its {most} requests of this day (UTC): the next one begins in {} s", seconds(*.wait))]
    Requests {
        /// How many.
        most: u64,
        /// When the day ends.
        wait: Duration,
    },
    /// The key's SQL has run for as long as it may on one day.
    #[error("the SQL of this key has run for its {most} s of this day (UTC): the next one begins in {} s", seconds(*.wait))]
    SqlSeconds {
        /// How long, s.
        most: u64,
        /// When the day ends.
        wait: Duration,
    },
    /// The key cannot be looked up now.
    #[error("keys cannot be looked up now: try again in a moment")]
    Unavailable,
}

/// What a refusal is to a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who asks is not known: 401.
    Unauthenticated,
    /// Who asks may not: 403.
    Forbidden,
    /// Later: 429.
    TooMany,
    /// The service cannot tell: 503.
    Unavailable,
}

impl Refusal {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::KeyNeeded(_) | Self::Malformed | Self::Unknown | Self::Revoked | Self::Expired => {
                Kind::Unauthenticated
            }
            Self::Scope { .. } => Kind::Forbidden,
            Self::TooFast { .. } | Self::Doubtful(_) | Self::Requests { .. } | Self::SqlSeconds { .. } => Kind::TooMany,
            Self::Unavailable => Kind::Unavailable,
        }
    }

    /// When it makes sense to ask again, in whole seconds, where it does.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooFast { wait, .. }
            | Self::Requests { wait, .. }
            | Self::SqlSeconds { wait, .. }
            | Self::Doubtful(wait) => Some(seconds(*wait)),
            Self::Unavailable => Some(1),
            _ => None,
        }
    }
}

/// Whole seconds after which the time is over.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
