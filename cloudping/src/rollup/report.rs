//! What a command did, as JSON or as a small table.

use clap::Args;
use cloudping_agent::cli::Format;
use cloudping_agent::failure::Failure;
use cloudping_agent::output;
use serde_json::{Map, Value};

/// How to print.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl OutputArgs {
    /// Whether to print JSON.
    pub fn is_json(&self) -> bool {
        output::chosen(self.output) == Format::Json
    }

    /// Prints counts by their names, in JSON with `dry_run` beside them where that is something to know.
    pub fn counts(&self, counts: &[(&str, u64)], dry_run: Option<bool>) -> Result<(), Failure> {
        if self.is_json() {
            return output::json(&object(counts, dry_run));
        }
        let rows = counts.iter().map(|(name, count)| vec![name.replace('_', " "), thousands(*count)]);
        let header = if dry_run == Some(true) { "what would be done" } else { "what was done" };
        output::print(output::table(&[header, ""], rows.collect(), 1))
    }
}

fn object(counts: &[(&str, u64)], dry_run: Option<bool>) -> Value {
    let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count)));
    let dry_run = dry_run.map(|dry_run| ("dry_run".to_owned(), Value::from(dry_run)));
    Value::Object(Map::from_iter(dry_run.into_iter().chain(counts)))
}

/// A count for people.
pub fn thousands(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_numbers_by_their_names() {
        let counts = [("hours", 2), ("rows_written", 1_234)];
        assert_eq!(object(&counts, None).to_string(), r#"{"hours":2,"rows_written":1234}"#);
        assert_eq!(object(&counts, Some(true))["dry_run"], true);
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
