//! What is wrong with a row that is left out.

use std::fmt;

/// The most characters of a field that a message shows.
const SHOWN: usize = 60;

/// Why a row is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field, as the file names it.
    pub(super) field: String,
    /// What it holds.
    pub(super) found: String,
    /// What it may hold.
    pub(super) expected: String,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, found: impl fmt::Display, expected: impl Into<String>) -> Self {
        let found = found.to_string();
        let found = match found.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &found[..end]),
            None => found,
        };
        Self { field: field.into(), found, expected: expected.into() }
    }
}

/// A row that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The file.
    pub file: String,
    /// The line on which the row begins, from 1; of a compressed file, once it is unpacked.
    pub line: u64,
    /// The field that is wrong, as the file names it.
    pub field: String,
    /// What it holds.
    pub found: String,
    /// What it may hold.
    pub expected: String,
}

impl BadRow {
    pub(super) fn new(file: &str, line: u64, fault: Fault) -> Self {
        let Fault { field, found, expected } = fault;
        Self { file: file.to_owned(), line, field, found, expected }
    }
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, field, found, expected } = self;
        write!(f, "{file}:{line}: {field} is {found:?}, expected {expected}")
    }
}
