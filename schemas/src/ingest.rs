//! How rounds come in over HTTPS from vantage points that cannot write to the log themselves: the signed request and its answers.
//!
//! A request is `POST` [`PATH`] with a body of rounds ([`write_body`], [`Rounds`]) and four headers: who measured
//! ([`VANTAGE_HEADER`]), the public key ([`KEY_HEADER`], 32 bytes), when it was signed ([`TIME_HEADER`], µs since 1970 in decimal
//! digits) and an Ed25519 signature ([`SIGNATURE_HEADER`], 64 bytes) over [`signed_text`]. Keys and signatures are base64 for URLs,
//! unpadded (RFC 4648, section 5). No cryptography is done here.

use std::fmt;
use std::str::FromStr;

use cloudping_model::{UtcMicros, VantageId};
use prost::encoding::{decode_varint, encode_varint};
use serde::{Deserialize, Serialize};

/// Where requests go.
pub const PATH: &str = "/v1/rounds";
/// The media type of a body.
pub const CONTENT_TYPE: &str = "application/vnd.cloudping.rounds";
/// The header that names the vantage point.
pub const VANTAGE_HEADER: &str = "cloudping-vantage";
/// The header with the public key.
pub const KEY_HEADER: &str = "cloudping-key";
/// The header that says when the request was signed.
pub const TIME_HEADER: &str = "cloudping-time";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "cloudping-signature";

/// What a signature covers. Its first line keeps it from meaning anything elsewhere; a vantage point's id has no line ends, so that no
/// two requests have one text.
#[must_use]
pub fn signed_text(vantage: &VantageId, time: UtcMicros, body_sha256: [u8; 32]) -> String {
    let (time, body) = (time.0, Hex(&body_sha256));
    format!("cloudping ingest 1\nPOST {PATH}\nvantage {vantage}\ntime {time}\nsha-256 {body}\n")
}

/// A request's body: each round's bytes as [`crate::event::encode`] gives them, after their number (varint).
#[must_use]
pub fn write_body<'a>(rounds: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    for round in rounds {
        encode_varint(round.len() as u64, &mut body);
        body.extend_from_slice(round);
    }
    body
}

/// Why a body cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A round's length is no varint.
    #[error("the length of round {round} cannot be read, expected a varint")]
    Length {
        /// Which round, from 0.
        round: usize,
    },
    /// The body ends before the round does.
    #[error("round {round} has {declared} bytes by its length, but only {left} follow")]
    Truncated {
        /// Which round, from 0.
        round: usize,
        /// Its length as it is said.
        declared: u64,
        /// The bytes that are there.
        left: usize,
    },
}

/// The rounds of a body, one after the other. Nothing follows an error.
#[derive(Debug, Clone)]
pub struct Rounds<'a> {
    rest: &'a [u8],
    next: usize,
}

impl<'a> Rounds<'a> {
    /// The rounds of this body.
    #[must_use]
    pub fn of(body: &'a [u8]) -> Self {
        Self { rest: body, next: 0 }
    }

    fn take(&mut self) -> Result<&'a [u8], BodyError> {
        let round = self.next;
        let mut rest = self.rest;
        let declared = decode_varint(&mut rest).map_err(|_| BodyError::Length { round })?;
        let length = usize::try_from(declared).unwrap_or(usize::MAX);
        let truncated = BodyError::Truncated { round, declared, left: rest.len() };
        let (taken, rest) = rest.split_at_checked(length).ok_or(truncated)?;
        (self.rest, self.next) = (rest, round + 1);
        Ok(taken)
    }
}

impl<'a> Iterator for Rounds<'a> {
    type Item = Result<&'a [u8], BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = self.take();
        if taken.is_err() {
            self.rest = &[];
        }
        Some(taken)
    }
}

/// The SHA-256 of a public key: all that is kept of it where requests are checked. As text 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Hex(&self.0))
    }
}

/// A text is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fingerprint {0:?}: expected 64 digits out of 0-9 and a-f")]
pub struct FingerprintError(String);

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || FingerprintError(text.to_owned());
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let digits: Vec<u8> = text.bytes().map(|byte| digit(&byte)).collect::<Option<_>>().ok_or_else(wrong)?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        let whole = digits.len() == 64;
        bytes.try_into().ok().filter(|_| whole).map(Self).ok_or_else(wrong)
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The answer to a request whose rounds are all in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// How many there were.
    pub accepted: u64,
}

/// The answer to any other request, by RFC 9457 (`application/problem+json`). Unless it says `accepted`, nothing of the request was
/// written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IngestProblem {
    /// `about:blank`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// What is wrong, for programs: one word of a fixed set.
    pub code: String,
    /// Which round of the body is wrong, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
    /// The header, or the field of the round by its name in proto/event.proto, that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What may stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Rounds of the request that are in the log: the log failed at the next. Sending all of them again is safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<u64>,
    /// The door's clock, µs since 1970, where the sender's is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door_time_us: Option<i64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_signed_text_is_what_it_always_was() {
        let vantage = VantageId::new("us-gov-west-1").unwrap();
        let text = signed_text(&vantage, UtcMicros(1_767_225_600_000_000), [0xab; 32]);
        let digits = "ab".repeat(32);
        assert_eq!(
            text,
            format!(
                "cloudping ingest 1\nPOST /v1/rounds\nvantage us-gov-west-1\ntime 1767225600000000\nsha-256 {digits}\n"
            )
        );
    }

    #[test]
    fn fingerprints_are_read_as_they_are_written() {
        let fingerprint = Fingerprint(std::array::from_fn(|at| at as u8 * 7));
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        for bad in ["", "ab", &"g".repeat(64), &"A".repeat(64), &"a".repeat(63), &"a".repeat(66)] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(FingerprintError(bad.to_owned())));
        }
    }

    #[test]
    fn a_body_that_is_cut_off_names_the_round() {
        let body = write_body([b"first".as_slice(), b"second"]);
        let cut: Vec<_> = Rounds::of(&body[..body.len() - 1]).collect();
        assert_eq!(cut, [Ok(b"first".as_slice()), Err(BodyError::Truncated { round: 1, declared: 6, left: 5 })]);
        assert_eq!(Rounds::of(&[0x80]).next(), Some(Err(BodyError::Length { round: 0 })));
    }

    proptest! {
        #[test]
        fn bodies_come_back(rounds in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..9)) {
            let body = write_body(rounds.iter().map(Vec::as_slice));
            let read: Result<Vec<_>, _> = Rounds::of(&body).collect();
            prop_assert_eq!(read.unwrap(), rounds);
        }

        #[test]
        fn any_bytes_are_read_to_an_end(body in proptest::collection::vec(any::<u8>(), 0..99)) {
            let read: Vec<_> = Rounds::of(&body).collect();
            prop_assert!(read.len() <= body.len());
            let broken = read.iter().position(Result::is_err);
            prop_assert!(broken.is_none_or(|at| at + 1 == read.len()));
        }
    }
}
