//! Tables in a terminal, JSON in a pipe.

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::cli::Format;
use crate::failure::Failure;

/// The format asked for, or the one that suits where standard output goes.
pub fn chosen(asked: Option<Format>) -> Format {
    fitting(asked, Format::Table, Format::Json)
}

/// What was asked for, or `terminal` or `pipe`, as standard output is one.
pub fn fitting<F>(asked: Option<F>, terminal: F, pipe: F) -> F {
    asked.unwrap_or_else(|| if io::stdout().is_terminal() { terminal } else { pipe })
}

/// A plain table with right-aligned columns from `numbers` on.
pub fn table(header: &[&str], rows: Vec<Vec<String>>, numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Prints text and a line end. A reader that has gone away (`| head`) is no error.
pub fn print(text: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::runtime(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints one line of many, at once; whether anybody still reads.
pub fn line(text: impl std::fmt::Display) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::runtime(format!("cannot write to standard output: {error}"))),
    }
}

/// Prints JSON.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    print(text.map_err(|error| Failure::runtime(format!("cannot write JSON: {error}")))?)
}

/// Fields as a line of CSV (RFC 4180), without its end.
pub fn csv<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |field: &str| match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    };
    fields.into_iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// Milliseconds with two decimals, or a dash.
pub fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

/// A share as percent with two decimals.
pub fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_it_must() {
        assert_eq!(csv(["a", "b, c", "d \"e\"", ""]), r#"a,"b, c","d ""e""","#);
    }
}
