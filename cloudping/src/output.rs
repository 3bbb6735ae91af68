//! Tables in a terminal, JSON in a pipe.

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::cli::Format;
use crate::failure::Failure;

/// The format asked for, or the one that suits where standard output goes.
pub fn chosen(asked: Option<Format>) -> Format {
    let fitting = || match io::stdout().is_terminal() {
        true => Format::Table,
        false => Format::Json,
    };
    asked.unwrap_or_else(fitting)
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

/// Prints JSON.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    print(text.map_err(|error| Failure::runtime(format!("cannot write JSON: {error}")))?)
}

/// Milliseconds with two decimals, or a dash.
pub fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

/// A share as percent with two decimals.
pub fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}
