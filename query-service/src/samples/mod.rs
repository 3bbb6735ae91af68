//! The rows of the table of samples as they are: page by page in one total order, or all of a range in one stream.
//!
//! The order is that of time, then of the series and the round. It is of the rows and not of the files, so a page goes on where the one before
//! it ended, whatever was compacted in between; rows that were archived later are in it where their times lie.

mod cursor;
mod read;

use std::collections::BTreeMap;

use cloudping_model::{Protocol, UtcMicros};

pub(crate) use cursor::{BadCursor, Cursor, fingerprint};
pub(crate) use read::{Page, all, page};

/// Which samples.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) source: String,
    /// `None`: all.
    pub(crate) target: Option<String>,
    /// `None`: all.
    pub(crate) protocol: Option<Protocol>,
    pub(crate) start: UtcMicros,
    /// Exclusive.
    pub(crate) end: UtcMicros,
    /// Whether the service shows a simulated network.
    pub(crate) simulated: bool,
}

/// The columns by which samples are in order, after their time, and whether each is a text.
const ORDER: [(&str, bool); 5] =
    [("target", true), ("protocol", true), ("family", false), ("epoch", false), ("round", false)];

/// Where a row is in the order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    /// Its time, microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) target: String,
    pub(crate) protocol: String,
    pub(crate) family: i64,
    pub(crate) epoch: i64,
    pub(crate) round: i64,
}

/// What makes a query: pages of one must not go on with those of another.
pub(crate) type Query = BTreeMap<&'static str, String>;
