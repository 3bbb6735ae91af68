//! What the UDP gateway and its destinations say to each other: a batch of datagrams goes out, an answer with replies comes back, both
//! as JSON. The shapes are Proxylity's, so that functions written for it work behind our gateway unchanged.
//!
//! `Data` is text in one of four formatters. A datagram that a destination's formatter cannot write goes out in base64, and its message
//! says so ([`Formatter::write_or_base64`]). A reply is read in the formatter of the message that it answers.

mod formatter;

pub use formatter::{FormatError, Formatter, FormatterError};

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use cloudping_model::UtcMicros;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// Datagrams on their way to a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Batch<'a> {
    /// In the order in which they were received.
    pub messages: Vec<Message<'a>>,
}

/// A datagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message<'a> {
    /// Names the datagram within its batch; a reply goes to the sender of the datagram whose tag it bears.
    pub tag: Cow<'a, str>,
    /// Who sent it.
    pub remote: Remote,
    /// Where it was received.
    pub local: Local<'a>,
    /// When it was received. Written in milliseconds.
    #[serde(with = "moment")]
    pub received_at: UtcMicros,
    /// The region in which it was received.
    pub ingress_region: Cow<'a, str>,
    /// How `data` is to be read.
    #[serde(default)]
    pub formatter: Formatter,
    /// The payload as text.
    pub data: Cow<'a, str>,
}

/// The sender of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Remote {
    /// Its address.
    pub ip_address: IpAddr,
    /// Its port.
    pub port: u16,
}

/// The listener of a datagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Local<'a> {
    /// The domain name that senders know it by.
    pub domain: Cow<'a, str>,
    /// Its port.
    pub port: u16,
}

/// What a destination returns for a batch: any number of replies, also none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer<'a> {
    /// In the order in which they are to be sent. `null` among them is passed over, `null` in place of all of them is none.
    #[serde(default, deserialize_with = "replies")]
    pub replies: Vec<Reply<'a>>,
}

/// A datagram that goes back to a sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Reply<'a> {
    /// The tag of the message that it answers.
    pub tag: Cow<'a, str>,
    /// When it was made. Nothing hangs on it, so a text that is no time is read as none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_moment")]
    pub generated_at: Option<UtcMicros>,
    /// The payload as text, in the formatter of the message that it answers.
    pub data: Cow<'a, str>,
}

/// Why bytes are no answer.
#[derive(Debug, thiserror::Error)]
#[error("the destination's answer: {0}, expected {{\"Replies\":[{{\"Tag\":\"…\",\"Data\":\"…\"}}]}} or null")]
pub struct AnswerError(#[from] serde_json::Error);

impl Answer<'static> {
    /// Reads what a destination returned. A bare `null`, and no bytes at all, are an answer without replies.
    ///
    /// # Errors
    /// [`AnswerError`] where it is no JSON of this shape.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        Ok(serde_json::from_slice::<Option<Self>>(body)?.unwrap_or_default())
    }
}

fn replies<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Reply<'static>>, D::Error> {
    let entries = Option::<Vec<Option<Reply<'static>>>>::deserialize(from)?;
    Ok(entries.into_iter().flatten().flatten().collect())
}

/// The years that RFC 3339 can write.
fn writable(moment: &DateTime<Utc>) -> bool {
    (0..=9_999).contains(&moment.year())
}

fn read_moment(text: &str) -> Option<UtcMicros> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    writable(&moment).then(|| UtcMicros(moment.timestamp_micros()))
}

/// A time by RFC 3339.
mod moment {
    use super::*;

    pub(super) fn serialize<S: Serializer>(moment: &UtcMicros, to: S) -> Result<S::Ok, S::Error> {
        let moment = DateTime::from_timestamp_micros(moment.0)
            .filter(writable)
            .ok_or_else(|| ser::Error::custom(format!("time {moment:?}: expected one of the years 0 to 9999")))?;
        to.serialize_str(&moment.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UtcMicros, D::Error> {
        let text = String::deserialize(from)?;
        read_moment(&text).ok_or_else(|| {
            let expected = "a time by RFC 3339 such as 2026-03-11T14:23:01.412Z";
            de::Error::invalid_value(de::Unexpected::Str(&text), &expected)
        })
    }
}

/// A time by RFC 3339 that may be absent.
mod optional_moment {
    use super::*;

    pub(super) fn serialize<S: Serializer>(moment: &Option<UtcMicros>, to: S) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => moment::serialize(moment, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<UtcMicros>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.as_deref().and_then(read_moment))
    }
}

#[cfg(test)]
mod tests;
