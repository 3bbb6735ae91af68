//! What the SQL door is asked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /api/v1/sql`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    /// One read-only statement.
    pub query: String,
    /// Values of its parameters `$1`, `$2` …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<SqlValue>,
}

/// The value of a parameter: a text, a number, a boolean or null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text, a number, a boolean or null as a parameter")]
pub enum SqlValue {
    /// Null.
    Null(()),
    /// True or false.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}
