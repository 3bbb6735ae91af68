//! Where alerts stand, and what is still to be told of them: JSON, times in µs since 1970.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoredError;

const VERSION: u32 = 1;

/// Where one alert, of one rule and pair, stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    /// In one word.
    pub phase: AlertPhase,
    /// Since when it is in that phase.
    pub since_us: i64,
    /// Since when every value was beyond the threshold, while it is not firing.
    pub breach_since_us: Option<i64>,
    /// Since when every value was within the clear threshold, while it is firing.
    pub clear_since_us: Option<i64>,
    /// Since when nothing was measured.
    pub missing_since_us: Option<i64>,
    /// From the firing to the resolving, whatever comes between.
    pub episode: Option<AlertEpisode>,
}

/// One time that an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEpisode {
    /// When it began.
    pub fired_at_us: i64,
    /// When somebody was told last.
    pub notified_at_us: i64,
}

/// The word for where an alert stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertPhase {
    /// Within the threshold.
    #[default]
    Ok,
    /// Beyond it, but not for long enough yet.
    Pending,
    /// Beyond it, or not back for long enough.
    Firing,
    /// Nothing was measured for a while: nobody knows.
    NoData,
}

impl AlertPhase {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::NoData => "no_data",
        }
    }
}

/// A notice for one destination that has not taken it yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeItem {
    /// The same at every attempt.
    pub id: String,
    /// The rule that it is of.
    pub rule: String,
    /// Where it goes.
    pub to: String,
    /// The environment variable that holds the secret to sign it with.
    pub secret_env: Option<String>,
    /// A line for people.
    pub subject: String,
    /// JSON.
    pub body: String,
    /// When it was made.
    pub made_at_us: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before then it is tried again.
    pub next_at_us: i64,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    schema_version: u32,
    #[serde(flatten)]
    item: T,
}

impl AlertState {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        decode("alert", bytes)
    }
}

impl NoticeItem {
    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        decode("notice", bytes)
    }
}

fn encode(item: &impl Serialize) -> Vec<u8> {
    // Numbers and texts under keys that are texts: this cannot fail.
    serde_json::to_vec(&Versioned { schema_version: VERSION, item }).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(name: &'static str, bytes: &[u8]) -> Result<T, StoredError> {
    let wrong = |field, found: String, expected| StoredError::Field { item: name, field, found, expected };
    let read: Result<Versioned<T>, _> = serde_json::from_slice(bytes);
    let read = read.map_err(|error| wrong("JSON", error.to_string(), "the fields of an item"))?;
    match read.schema_version {
        VERSION => Ok(read.item),
        other => Err(wrong("schema_version", other.to_string(), "1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_stays_readable() {
        let state = AlertState {
            phase: AlertPhase::NoData,
            since_us: 5,
            missing_since_us: Some(3),
            episode: Some(AlertEpisode { fired_at_us: 1, notified_at_us: 2 }),
            ..AlertState::default()
        };
        let bytes = r#"{"schema_version":1,"phase":"no_data","since_us":5,"breach_since_us":null,"clear_since_us":null,"missing_since_us":3,"episode":{"fired_at_us":1,"notified_at_us":2}}"#;
        assert_eq!(String::from_utf8(state.encode()).unwrap(), bytes);
        assert_eq!(AlertState::decode(bytes.as_bytes()).unwrap(), state);
        let notice = r#"{"schema_version":1,"id":"1-slow-0","rule":"slow","to":"https://a.example/b","secret_env":"HOOK","subject":"x","body":"{}","made_at_us":7,"attempts":2,"next_at_us":9}"#;
        let item = NoticeItem::decode(notice.as_bytes()).unwrap();
        assert_eq!((item.attempts, item.secret_env.as_deref()), (2, Some("HOOK")));
        assert_eq!(String::from_utf8(item.encode()).unwrap(), notice);
    }

    #[test]
    fn what_is_no_item_is_named() {
        let newer = bytes_with_version(2);
        let error = AlertState::decode(&newer).unwrap_err().to_string();
        assert_eq!(error, "stored alert: schema_version is 2, expected 1");
        assert!(NoticeItem::decode(b"{}").unwrap_err().to_string().starts_with("stored notice: JSON is missing field"));
    }

    fn bytes_with_version(version: u32) -> Vec<u8> {
        let text = String::from_utf8(AlertState::default().encode()).unwrap();
        text.replace("\"schema_version\":1", &format!("\"schema_version\":{version}")).into_bytes()
    }
}
