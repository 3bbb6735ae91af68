//! What one client has set. Only `statement_timeout` has an effect: an answer's form is fixed (UTC, ISO dates, UTF-8), so that it
//! means the same whoever asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use pgwire::api::ClientInfo;
use tokio::sync::Notify;

use crate::running::Entered;

/// Settings that a client may name, and their sizes.
const NAMES: usize = 64;
const NAME_BYTES: usize = 64;
const VALUE_BYTES: usize = 256;

/// The version of PostgreSQL whose protocol and catalogue are spoken.
pub const SERVER_VERSION: &str = "16.6";

/// What is told at the start, and by `SHOW`. A client cannot change these.
pub const FIXED: [(&str, &str); 10] = [
    ("server_version", SERVER_VERSION),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("integer_datetimes", "on"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("standard_conforming_strings", "on"),
    ("default_transaction_read_only", "on"),
    ("is_superuser", "off"),
];

/// More that is asked by `SHOW` and `current_setting`.
const SHOWN: [(&str, &str); 14] = [
    ("server_version_num", "160006"),
    ("transaction_read_only", "on"),
    ("transaction_isolation", "read committed"),
    ("default_transaction_isolation", "read committed"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("in_hot_standby", "off"),
    ("bytea_output", "hex"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("extra_float_digits", "1"),
    ("search_path", "public"),
    ("application_name", ""),
    ("statement_timeout", "0"),
];

/// The value of a setting that no client has set.
pub fn default_of(name: &str) -> Option<&'static str> {
    let known = FIXED.iter().chain(SHOWN.iter());
    known.clone().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// One connection's state. No `Debug`: it holds a key.
#[derive(Default)]
pub struct Session {
    settings: Mutex<BTreeMap<String, String>>,
    /// The names of its prepared statements.
    statements: Mutex<BTreeSet<String>>,
    /// Told to end the statement under way.
    pub cancel: Arc<Notify>,
    entered: OnceLock<Entered>,
    /// What it showed at the door.
    key: OnceLock<String>,
}

impl Session {
    /// That of a client.
    pub fn of(client: &impl ClientInfo) -> Arc<Self> {
        client.session_extensions().get_or_insert_with(Self::default)
    }

    /// Keeps the connection's place among those that can be cancelled for as long as it lasts.
    pub fn keep(&self, entered: Entered) {
        let _ = self.entered.set(entered);
    }

    /// Sets something, or forgets what was set; `all` forgets everything.
    ///
    /// # Errors
    /// When the client keeps more than there is room for, or a time that is none.
    pub fn set(&self, name: &str, value: Option<&str>) -> Result<(), String> {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(value) = value else {
            match name {
                "all" => settings.clear(),
                _ => drop(settings.remove(name)),
            }
            return Ok(());
        };
        if name == "statement_timeout" {
            duration(value).ok_or_else(|| format!("statement_timeout {value:?}: expected such as 5s, 500ms or 500"))?;
        }
        if name == "client_encoding" && !matches!(value.to_uppercase().as_str(), "UTF8" | "UTF-8" | "UNICODE") {
            return Err(format!("client_encoding {value:?}: expected UTF8"));
        }
        let has_room = settings.len() < NAMES || settings.contains_key(name);
        if !has_room || name.len() > NAME_BYTES || value.len() > VALUE_BYTES {
            return Err(format!("a client may keep {NAMES} settings, with {VALUE_BYTES} bytes each"));
        }
        settings.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// The value of a setting: what cannot be changed first, then what the client has set.
    pub fn get(&self, name: &str) -> Option<String> {
        if let Some((_, value)) = FIXED.iter().find(|(fixed, _)| fixed.eq_ignore_ascii_case(name)) {
            return Some((*value).to_owned());
        }
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.get(name).cloned().or_else(|| default_of(name).map(str::to_owned))
    }

    /// Every setting with its value.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        let names = FIXED.iter().chain(SHOWN.iter()).map(|(name, _)| *name);
        names.map(|name| (name, self.get(name).unwrap_or_default())).collect()
    }

    /// How long a statement of this client may run, if the client wants less than is allowed.
    pub fn statement_timeout(&self) -> Option<Duration> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.get("statement_timeout").and_then(|value| duration(value)).filter(|time| !time.is_zero())
    }

    /// Notes a prepared statement's name; false when there are as many as there may be.
    pub fn prepared(&self, name: &str, most: usize) -> bool {
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = statements.len() < most || statements.contains(name);
        if has_room {
            statements.insert(name.to_owned());
        }
        has_room
    }

    /// Forgets a prepared statement's name, or all of them; what was forgotten.
    pub fn forget(&self, name: Option<&str>) -> BTreeSet<String> {
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        match name {
            Some(name) => statements.take(name).into_iter().collect(),
            None => std::mem::take(&mut *statements),
        }
    }

    /// Keeps the key that was shown, for the statements to come.
    pub fn keep_key(&self, key: &str) {
        let _ = self.key.set(key.to_owned());
    }

    /// The key that was shown.
    pub fn key(&self) -> Option<&str> {
        self.key.get().map(String::as_str)
    }
}

/// PostgreSQL's times: a number, in milliseconds unless it says otherwise.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let milliseconds = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_of_milliseconds_unless_it_says_otherwise() {
        for (text, expected) in [("500", Some(500)), ("5s", Some(5_000)), ("2 min", Some(120_000)), ("0", Some(0))] {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        }
        for wrong in ["", "s", "-1", "5 weeks", "99999999999999999999", "18446744073709551615d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_form_of_answers_cannot_be_changed() {
        let session = Session::default();
        session.set("timezone", Some("Europe/Berlin")).unwrap();
        session.set("application_name", Some("x")).unwrap();
        assert_eq!(session.get("TimeZone").as_deref(), Some("UTC"));
        assert_eq!(session.get("application_name").as_deref(), Some("x"));
        session.set("all", None).unwrap();
        assert_eq!(session.get("application_name").as_deref(), Some(""));
        assert_eq!(session.get("no_such_setting"), None);
        assert!(session.set("client_encoding", Some("latin1")).unwrap_err().contains("expected UTF8"));
    }

    #[test]
    fn a_timeout_of_nought_is_none() {
        let session = Session::default();
        assert_eq!(session.statement_timeout(), None);
        session.set("statement_timeout", Some("250ms")).unwrap();
        assert_eq!(session.statement_timeout(), Some(Duration::from_millis(250)));
        session.set("statement_timeout", Some("0")).unwrap();
        assert_eq!(session.statement_timeout(), None);
        assert!(session.set("statement_timeout", Some("soon")).unwrap_err().contains("expected such as 5s"));
    }

    #[test]
    fn what_a_client_keeps_is_bounded() {
        let session = Session::default();
        for number in 0..NAMES {
            session.set(&format!("a.b{number}"), Some("1")).unwrap();
        }
        assert!(session.set("one.more", Some("1")).is_err());
        session.set("a.b0", Some("2")).unwrap();
        assert!(session.set("a.b0", Some(&"x".repeat(VALUE_BYTES + 1))).is_err());
        assert!(session.prepared("a", 2) && session.prepared("b", 2) && !session.prepared("c", 2));
        assert!(session.prepared("a", 2));
        assert_eq!(session.forget(Some("a")).len(), 1);
        assert!(session.prepared("c", 2));
        assert_eq!(session.forget(None).len(), 2);
    }
}
