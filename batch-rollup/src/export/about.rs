//! What lies beside the files so that people and programs understand them.

use std::fmt::Write;

use serde::Serialize;

use super::manifest::{Manifest, TableEntry};
use super::origins::{imported, is_own};
use super::{columns_in_markdown, croissant};
use crate::Table;

/// The licence in its own words, as Creative Commons publishes it.
const LICENSE_TEXT: &str = include_str!("CC-BY-4.0.txt");
/// What an export of simulated rows says first.
const SIMULATED: &str =
    "**Rows of these tables were measured on a simulated network: they say nothing about the world.**\n\n";
/// What an export says first of which it is not known.
const MAYBE_SIMULATED: &str = "**Whether these tables were measured on a simulated network is not known: nothing in them or in their archive says so.**\n\n";

/// Every document but the manifest: path and text.
pub(crate) fn documents(manifest: &Manifest) -> Vec<(&'static str, String)> {
    vec![
        ("LICENSE.txt", license(manifest)),
        ("dictionary.md", dictionary(manifest)),
        ("dictionary.json", json(&manifest.tables)),
        ("croissant.json", json(&croissant::metadata(manifest))),
        ("SHA256SUMS", sums(manifest)),
    ]
}

/// The licence; before it, what it does not hold for.
fn license(manifest: &Manifest) -> String {
    let imported = imported(&manifest.origins);
    if imported.is_empty() {
        return LICENSE_TEXT.to_owned();
    }
    let names = imported.join(", ");
    let notice = format!(
        "Rows of these origins (column `origin`) were imported from others: {names}.\nTheir own terms hold for them; no licence for them is given here.\n"
    );
    if manifest.origins.iter().any(|origin| is_own(origin)) {
        format!("{notice}\nFor all other rows the following licence holds.\n\n{LICENSE_TEXT}")
    } else {
        notice
    }
}

/// What the data are, in a sentence or two.
pub(crate) fn description(manifest: &Manifest) -> String {
    let imported = imported(&manifest.origins);
    let own = imported.is_empty() || manifest.origins.iter().any(|origin| is_own(origin));
    let mut text = "Network latency between cloud regions".to_owned();
    text.push_str(match manifest.simulated {
        _ if !own => ".",
        Some(true) => ", measured by TCP handshakes on a SIMULATED network: it says nothing about the world.",
        Some(false) => ", measured by TCP handshakes and timed by the kernel.",
        None => ". Whether it was measured on a simulated network is not known.",
    });
    if !imported.is_empty() {
        // Writing into a text cannot fail.
        let _ = write!(
            text,
            " Rows of other origins were measured by others, in ways of their own: {}.",
            imported.join(", ")
        );
    }
    text
}

/// JSON for people to read, with a line end.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("texts, numbers and lists are JSON");
    text.push('\n');
    text
}

/// The tables and their columns, in Markdown.
fn dictionary(manifest: &Manifest) -> String {
    let mut text = "# Network latency between cloud regions: data dictionary\n\n".to_owned();
    text.push_str(match manifest.simulated {
        Some(true) => SIMULATED,
        Some(false) => "",
        None => MAYBE_SIMULATED,
    });
    text.push_str(
        "Times are UTC, of microseconds; latencies are microseconds. A null latency is one that is not known: a lost probe is never a latency. The \
         column that a table's folders stand for is in no file: readers of hive partitions add it.\n\n",
    );
    text.push_str(&match imported(&manifest.origins).join(", ") {
        none if none.is_empty() => "Licence: CC BY 4.0 (`LICENSE.txt`). ".to_owned(),
        names => format!("Licence: by origin (`LICENSE.txt`); imported rows have their own terms: {names}. "),
    });
    text.push_str(
        "`manifest.json` tells each file's rows, time range, revision and SHA-256; `sha256sum --check SHA256SUMS` checks them.\n",
    );
    for table in &manifest.tables {
        text.push_str(&section(table));
    }
    text
}

fn section(entry: &TableEntry) -> String {
    let Some(table) = Table::ALL.into_iter().find(|table| table.name() == entry.name) else {
        return String::new();
    };
    let folders = match &entry.partition {
        Some(column) => format!(" Partitioned by `{column}`."),
        None => String::new(),
    };
    format!("\n## {}\n\n{}{folders}\n\n{}", entry.name, entry.description, columns_in_markdown(table))
}

/// As `sha256sum --check` reads it.
fn sums(manifest: &Manifest) -> String {
    let mut text = String::new();
    for file in manifest.files() {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "{}  {}", file.sha256, file.path);
    }
    text
}
