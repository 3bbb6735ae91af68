//! An event log behind an ingest door.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cloudping_model::UtcMicros;
use cloudping_ports::{EventLog, LogError, Record, SequenceNumber, Shard, ShardId};
use cloudping_schemas::ingest::{
    Accepted, CONTENT_TYPE, IngestProblem, KEY_HEADER, PATH, SIGNATURE_HEADER, TIME_HEADER, VANTAGE_HEADER,
    signed_text, write_body,
};
use ring::digest::{SHA256, digest};
use ureq::Agent;
use ureq::http::{StatusCode, Uri};
use ureq::tls::TlsConfig;

use crate::authorities::Authorities;
use crate::key::Key;

/// How long a request may take, from the look-up of the name to the end of the answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// The longest answer that is read.
const MOST_ANSWER: u64 = 64 << 10;

/// Why a round did not get through the door.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The address of the door is none.
    #[error(
        "the ingest door's address {address:?}: expected https://HOST, or http:// for a door on the way without TLS"
    )]
    Address {
        /// As it was given.
        address: String,
    },
    /// The door refused it.
    #[error("the ingest door refused a round: {} {}: {}", .0.status, .0.code, .0.detail)]
    Refused(Box<IngestProblem>),
    /// Something that is no ingest door answered.
    #[error("{address} answered {status}, expected an ingest door")]
    NoDoor {
        /// Where.
        address: String,
        /// The HTTP status.
        status: u16,
    },
    /// There was no answer.
    #[error("the ingest door cannot be reached: {0}")]
    Unreachable(#[from] ureq::Error),
    /// The sending panicked.
    #[error("sending a round failed: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    /// A key signs for its own vantage point only.
    #[error("the key is of {key}, and the round of {round}")]
    OtherVantage {
        /// Whose the key is.
        key: String,
        /// Whose the round is.
        round: String,
    },
    /// What is behind a door cannot be seen.
    #[error("an ingest door takes rounds and gives none: the log is read where it is")]
    WriteOnly,
}

impl DoorError {
    /// Whether the same round, signed anew, may well be taken later without anybody doing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.status >= 500 || matches!(problem.status, 408 | 409 | 429),
            Self::NoDoor { status, .. } => *status >= 500 || *status == 429,
            Self::Unreachable(_) | Self::Panicked(_) => true,
            Self::Address { .. } | Self::OtherVantage { .. } | Self::WriteOnly => false,
        }
    }

    /// Whether the door refused what stands in the round, so that no key, clock or setting would ever get it through. Only a door can
    /// say so, in its own words: a proxy before it may refuse for reasons of its own.
    #[must_use]
    pub fn concerns_the_round(&self) -> bool {
        let Self::Refused(problem) = self else { return false };
        match problem.code.as_str() {
            // A newer door takes it. The rounds behind it have its version, so it keeps back none that would be taken.
            "schema" => problem.field.as_deref() != Some("schema_version"),
            // It is too old, or was measured by a clock that ran ahead: then its time would be wrong whenever it came.
            "round_time" => true,
            // It is sent alone, so nothing smaller can be tried.
            "too_large" => true,
            // The key is that of the vantage point whose rounds these are: else nothing is sent.
            "other_vantage" => true,
            _ => false,
        }
    }
}

impl From<DoorError> for LogError {
    fn from(error: DoorError) -> Self {
        if error.concerns_the_round() { Self::Refused(Box::new(error)) } else { Self::Backend(Box::new(error)) }
    }
}

/// A signed request, for whatever sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The headers that a door asks for.
    pub headers: [(&'static str, String); 5],
    /// The rounds.
    pub body: Vec<u8>,
}

impl Request {
    /// A request with these rounds, signed at this time. No two requests of a key may have one time.
    #[must_use]
    pub fn sign<'a>(key: &Key, rounds: impl IntoIterator<Item = &'a [u8]>, time: UtcMicros) -> Self {
        let body = write_body(rounds);
        let sha256 = digest(&SHA256, &body);
        let sha256 = sha256.as_ref().try_into().expect("a SHA-256 has 32 bytes");
        let signature = key.sign(signed_text(key.vantage(), time, sha256).as_bytes());
        let headers = [
            ("content-type", CONTENT_TYPE.to_owned()),
            (VANTAGE_HEADER, key.vantage().as_str().to_owned()),
            (KEY_HEADER, URL_SAFE_NO_PAD.encode(key.public())),
            (TIME_HEADER, time.0.to_string()),
            (SIGNATURE_HEADER, URL_SAFE_NO_PAD.encode(signature)),
        ];
        Self { headers, body }
    }
}

/// Beyond this a clock was set back, µs: less is a tie of requests that were signed at once.
const SAME_CLOCK_US: i64 = 1_000_000;

/// How often it is told that a door will not take rounds by itself, µs.
const TOLD_EVERY_US: i64 = 300_000_000;

/// The event log as a vantage point outside sees it: rounds are appended through an ingest door, and nothing can be read.
#[derive(Debug, Clone)]
pub struct DoorLog {
    address: String,
    key: Arc<Key>,
    clock: fn() -> UtcMicros,
    /// When the last request was signed.
    signed: Arc<AtomicI64>,
    /// When it was told last that this will not pass by itself.
    told: Arc<AtomicI64>,
    agent: Agent,
}

fn agent(tls: TlsConfig) -> Agent {
    // A redirect would take the signed request elsewhere.
    let config =
        Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(REQUEST_LIMIT));
    config.tls_config(tls).build().into()
}

impl DoorLog {
    /// The log behind the door at an address such as `https://ingest.example.com`.
    ///
    /// # Errors
    /// [`DoorError::Address`].
    pub fn new(address: &str, key: Key, clock: fn() -> UtcMicros) -> Result<Self, DoorError> {
        let wrong = || DoorError::Address { address: address.to_owned() };
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() || uri.query().is_some() {
            return Err(wrong());
        }
        let address = format!("{}{PATH}", address.trim_end_matches('/'));
        let (signed, told) = (Arc::default(), Arc::new(AtomicI64::new(i64::MIN / 2)));
        Ok(Self { address, key: Arc::new(key), clock, signed, told, agent: agent(TlsConfig::default()) })
    }

    /// The same, believing also a door whose certificate is of one of these authorities.
    #[must_use]
    pub fn believing(self, authorities: &Authorities) -> Self {
        Self { agent: agent(authorities.tls()), ..self }
    }

    /// Whether it was not told for a while: rounds are tried again every few seconds, for as long as nobody does anything.
    fn is_news(&self) -> bool {
        let now = (self.clock)().0;
        let due = |last: i64| ((now - last).abs() >= TOLD_EVERY_US).then_some(now);
        self.told.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }

    /// Now, or just after the last request: the door takes a time once. A clock that was set back is believed.
    fn time(&self) -> UtcMicros {
        let now = (self.clock)().0;
        let next = |last: i64| if (0..SAME_CLOCK_US).contains(&(last - now)) { last + 1 } else { now };
        let later = |last: i64| Some(next(last));
        let last = self.signed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).unwrap_or_else(|last| last);
        UtcMicros(next(last))
    }

    /// Sends a round and waits until the door has it in the log. Blocks.
    fn send(&self, round: &[u8]) -> Result<(), DoorError> {
        let (status, text) = self.post([round])?;
        self.judge(status, &text)
    }

    /// Asks the door, without a round, whether it would take one that this key signs at this time. Blocks.
    ///
    /// # Errors
    /// Why it would not.
    pub fn knock(&self) -> Result<(), DoorError> {
        let (status, text) = self.post([])?;
        match self.judge(status, &text) {
            // What a door misses last: it has believed the key, the time and the signature before.
            Err(DoorError::Refused(problem)) if problem.code == "body" && problem.field.as_deref() == Some("body") => {
                Ok(())
            }
            judged => judged,
        }
    }

    fn post<'a>(&self, rounds: impl IntoIterator<Item = &'a [u8]>) -> Result<(StatusCode, Vec<u8>), DoorError> {
        let request = Request::sign(&self.key, rounds, self.time());
        let post = request
            .headers
            .iter()
            .fold(self.agent.post(&self.address), |post, (name, value)| post.header(*name, value));
        let mut answer = post.send(&request.body[..])?;
        let text = answer.body_mut().with_config().limit(MOST_ANSWER).read_to_vec()?;
        Ok((answer.status(), text))
    }

    /// A status alone proves nothing: a captive portal answers everything with 200, and the round would be gone.
    fn judge(&self, status: StatusCode, text: &[u8]) -> Result<(), DoorError> {
        if status == StatusCode::OK && serde_json::from_slice(text).is_ok_and(|Accepted { accepted }| accepted == 1) {
            return Ok(());
        }
        Err(match serde_json::from_slice(text) {
            Ok(problem) => DoorError::Refused(Box::new(problem)),
            Err(_) => DoorError::NoDoor { address: self.address.clone(), status: status.as_u16() },
        })
    }
}

#[async_trait]
impl EventLog for DoorLog {
    async fn append(&self, partition_key: &str, data: Bytes) -> Result<(), LogError> {
        if partition_key != self.key.vantage().as_str() {
            let (key, round) = (self.key.vantage().to_string(), partition_key.to_owned());
            return Err(DoorError::OtherVantage { key, round }.into());
        }
        let door = self.clone();
        let sent = tokio::task::spawn_blocking(move || door.send(&data)).await.map_err(DoorError::Panicked)?;
        if let Err(error) = &sent
            && !error.may_pass()
            && !error.concerns_the_round()
            && self.is_news()
        {
            tracing::error!(%error, "this will not pass by itself");
        }
        Ok(sent?)
    }

    async fn shards(&self) -> Result<Vec<Shard>, LogError> {
        Err(DoorError::WriteOnly.into())
    }

    async fn read(&self, _: &ShardId, _: Option<&SequenceNumber>, _: usize) -> Result<Vec<Record>, LogError> {
        Err(DoorError::WriteOnly.into())
    }
}

#[cfg(test)]
mod tests {
    use cloudping_model::VantageId;

    use super::*;

    fn key() -> Key {
        Key::from_seed(VantageId::new("a").unwrap(), [7; 32])
    }

    #[test]
    fn no_two_requests_have_one_time() {
        let log = DoorLog::new("http://127.0.0.1:1", key(), || UtcMicros(5)).unwrap();
        let other = log.clone();
        assert_eq!([log.time(), other.time(), log.time()], [UtcMicros(5), UtcMicros(6), UtcMicros(7)]);
    }

    #[test]
    fn a_clock_that_was_set_back_is_believed() {
        let log = DoorLog::new("http://127.0.0.1:1", key(), || UtcMicros(5)).unwrap();
        log.signed.store(86_400_000_000, Ordering::Relaxed);
        assert_eq!([log.time(), log.time()], [UtcMicros(5), UtcMicros(6)]);
    }

    #[test]
    fn what_does_not_pass_is_told_every_five_minutes() {
        let log = DoorLog::new("http://127.0.0.1:1", key(), || UtcMicros(1_000_000_000)).unwrap();
        assert!(log.is_news() && !log.clone().is_news());
        log.told.fetch_sub(TOLD_EVERY_US - 1, Ordering::Relaxed);
        assert!(!log.is_news());
        log.told.fetch_sub(1, Ordering::Relaxed);
        assert!(log.is_news());
    }

    #[test]
    fn an_address_is_checked_before_anything_is_sent() {
        for bad in ["", "ingest.example.com", "ftp://a", "https://", "https://a/?b", "kinesis"] {
            let error = DoorLog::new(bad, key(), || UtcMicros(0)).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}: expected https://HOST")), "{error}");
        }
        let log = DoorLog::new("https://ingest.example.com/", key(), || UtcMicros(0)).unwrap();
        assert_eq!(log.address, "https://ingest.example.com/v1/rounds");
    }

    #[tokio::test]
    async fn it_takes_its_own_rounds_only_and_gives_none() {
        let log = DoorLog::new("http://127.0.0.1:1", key(), || UtcMicros(0)).unwrap();
        let error = log.append("b", Bytes::new()).await.unwrap_err().to_string();
        assert_eq!(error, "event log: the key is of a, and the round of b");
        assert!(log.shards().await.is_err());
        assert!(log.read(&ShardId("0".to_owned()), None, 1).await.is_err());
    }

    #[test]
    fn only_a_door_can_say_that_a_round_is_in_the_log() {
        let log = DoorLog::new("https://a", key(), || UtcMicros(0)).unwrap();
        assert!(log.judge(StatusCode::OK, br#"{"accepted":1}"#).is_ok());
        for text in ["", "<html>Welcome</html>", "{}", r#"{"accepted":0}"#] {
            let error = log.judge(StatusCode::OK, text.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, "https://a/v1/rounds answered 200, expected an ingest door");
        }
        assert!(log.judge(StatusCode::BAD_GATEWAY, br#"{"accepted":1}"#).unwrap_err().may_pass());
    }

    #[test]
    fn what_may_pass_by_itself_is_told_from_what_may_not() {
        let refused = |status| DoorError::Refused(Box::new(IngestProblem { status, ..IngestProblem::default() }));
        let passes = |status| refused(status).may_pass();
        assert_eq!([429, 503, 409].map(passes), [true; 3]);
        assert_eq!([400, 401, 403, 413, 422].map(passes), [false; 5]);
    }

    #[test]
    fn only_what_stands_in_a_round_is_refused_for_good() {
        let log = DoorLog::new("https://a", key(), || UtcMicros(0)).unwrap();
        let judged = |status: u16, code: &str, field: Option<&str>| {
            let problem = IngestProblem {
                status,
                code: code.to_owned(),
                field: field.map(str::to_owned),
                ..IngestProblem::default()
            };
            let answer = serde_json::to_vec(&problem).unwrap();
            LogError::from(log.judge(StatusCode::from_u16(status).unwrap(), &answer).unwrap_err())
        };
        let round = [
            (422, "schema", Some("targets")),
            (422, "round_time", Some("started_at_us")),
            (413, "too_large", Some("round")),
            (403, "other_vantage", Some("vantage_id")),
        ];
        for (status, code, field) in round {
            let error = judged(status, code, field);
            assert!(matches!(error, LogError::Refused(_)), "{code}: {error:?}");
            assert!(error.to_string().contains(&format!("{status} {code}")), "{error}");
        }
        let circumstances = [
            (422, "schema", Some("schema_version")),
            (400, "header", None),
            (401, "clock", None),
            (401, "unauthorized", None),
            (403, "forbidden", None),
            (408, "too_slow", None),
            (409, "replayed", None),
            (429, "too_many", None),
            (503, "log", None),
        ];
        for (status, code, field) in circumstances {
            let error = judged(status, code, field);
            assert!(matches!(error, LogError::Backend(_)), "{code}: {error:?}");
        }
        let proxy = log.judge(StatusCode::PAYLOAD_TOO_LARGE, b"<html>too large</html>").unwrap_err();
        assert!(matches!(LogError::from(proxy), LogError::Backend(_)));
    }
}
