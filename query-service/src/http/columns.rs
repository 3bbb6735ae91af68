//! Columns of answers that are tables.

use arrow::datatypes::{DataType, Field, TimeUnit};

/// An id or a word; there is always one.
pub(in crate::http) fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

/// A text, or none.
pub(in crate::http) fn optional_text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

/// A whole number; there is always one.
pub(in crate::http) fn count(name: &str) -> Field {
    Field::new(name, DataType::UInt64, false)
}

/// A measured number, or none.
pub(in crate::http) fn number(name: &str) -> Field {
    Field::new(name, DataType::Float64, true)
}

/// Yes or no.
pub(in crate::http) fn flag(name: &str) -> Field {
    Field::new(name, DataType::Boolean, false)
}

/// A moment in UTC, or none.
pub(in crate::http) fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)
}
