//! Whose numbers a store holds: the planet's and the world's must never be mixed, since nothing in the tables tells simulated
//! numbers from real ones. A store is marked at its first use, and refuses the other for ever.

use cloudping_agent::failure::Failure;

use std::io::ErrorKind;
use std::path::Path;

pub use cloudping_schemas::stored::{PLANET, WORLD};

/// The name of the mark in a data directory.
pub const FILE: &str = "network";

/// Marks a data directory as the planet's or the world's at its first use, and refuses the other.
///
/// # Errors
/// When it is marked as the other's, or cannot be read or written.
pub fn directory(data: &Path, network: &str) -> Result<(), Failure> {
    if is_marked(data, network)? {
        return Ok(());
    }
    let path = data.join(FILE);
    std::fs::write(&path, network).map_err(|error| unusable(&path, &error))
}

/// Whether a data directory is marked as the planet's or the world's; not, before its first use. Looking marks nothing.
///
/// # Errors
/// When it is marked as the other's, or cannot be read.
pub fn is_marked(data: &Path, network: &str) -> Result<bool, Failure> {
    let path = data.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(claimed) if claimed.trim() == network => Ok(true),
        Ok(claimed) => Err(Failure::setting(format!(
            "{} holds measurements of the {}, and the {network}'s must not be mixed with them; choose another directory with --data",
            data.display(),
            claimed.trim()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unusable(&path, &error)),
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::setting(format!("{}: {error}; choose another directory with --data", path.display()))
}
