//! What a client hands back to get the next page.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Place, Query};

/// Bytes of a query's SHA-256 that a cursor holds: enough to tell another query by mistake.
const FINGERPRINT_BYTES: usize = 8;
/// Longer texts are no cursors.
const MAX_LENGTH: usize = 2_048;

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Of the query that it belongs to.
    #[serde(rename = "q")]
    pub(crate) query: [u8; FINGERPRINT_BYTES],
    /// The range that the first page was of, microseconds since 1970: a range that ends now would else grow from page to page.
    #[serde(rename = "r")]
    pub(crate) range: (i64, i64),
    /// The last row that was told.
    #[serde(rename = "p")]
    pub(crate) place: Place,
    /// How many rows of that very place were told.
    #[serde(rename = "n")]
    pub(crate) told: usize,
}

/// Why a cursor is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadCursor {
    /// It is none.
    Malformed,
    /// It goes on with another query.
    OfAnotherQuery,
}

/// What tells a query from others.
pub(crate) fn fingerprint(query: &Query) -> [u8; FINGERPRINT_BYTES] {
    let mut hash = Sha256::new();
    for (name, value) in query {
        // With its length, so that no value can be read as the next name.
        hash.update(format!("{name}={}:{value};", value.len()));
    }
    let mut first = [0; FINGERPRINT_BYTES];
    first.copy_from_slice(&hash.finalize()[..FINGERPRINT_BYTES]);
    first
}

impl Cursor {
    /// As a text that means nothing to clients.
    pub(crate) fn text(&self) -> String {
        // Numbers and texts are always JSON.
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a cursor of this query.
    ///
    /// # Errors
    /// [`BadCursor`].
    pub(crate) fn read(text: &str, query: &Query) -> Result<Self, BadCursor> {
        let bytes = Some(text).filter(|text| text.len() <= MAX_LENGTH).map(|text| BASE64_URL_SAFE_NO_PAD.decode(text));
        let cursor: Option<Self> = bytes.and_then(Result::ok).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let cursor = cursor.ok_or(BadCursor::Malformed)?;
        if cursor.query == fingerprint(query) { Ok(cursor) } else { Err(BadCursor::OfAnotherQuery) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(source: &str, target: &str) -> Query {
        Query::from([("source", source.to_owned()), ("target", target.to_owned())])
    }

    #[test]
    fn a_cursor_is_read_for_its_own_query_only() {
        let place =
            Place { at: -5, target: "b".into(), protocol: "tcp".into(), family: 4, epoch: i64::MIN, round: i64::MAX };
        let cursor = Cursor { query: fingerprint(&query("a", "b")), range: (1, 2), place, told: 3 };
        let text = cursor.text();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
        assert_eq!(Cursor::read(&text, &query("a", "b")), Ok(cursor));
        assert_eq!(Cursor::read(&text, &query("a", "c")), Err(BadCursor::OfAnotherQuery));
        for bad in ["", "x", "!!!!", "e30", &text[1..], &text[..text.len() - 4], &"A".repeat(5_000)] {
            assert_eq!(Cursor::read(bad, &query("a", "b")), Err(BadCursor::Malformed), "{bad}");
        }
    }

    #[test]
    fn names_and_values_are_kept_apart() {
        assert_ne!(fingerprint(&query("a", "b")), fingerprint(&query("ab", "")));
        assert_ne!(fingerprint(&query("a;target=1:b", "")), fingerprint(&query("a", "b;target=0:")));
    }
}
