//! The columns of the tables in words: the data dictionary's source is the tables' schemas.

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::Table;

/// A column as the dictionary has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type: string, int32, int64, float64, binary, date, or timestamp (microseconds, UTC).
    #[serde(rename = "type")]
    pub kind: String,
    /// Its unit, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it holds.
    pub comment: String,
}

/// The columns of a table, its partition's included.
#[must_use]
pub fn columns(table: Table) -> Vec<Column> {
    let schema = table.schema();
    let column = |field: &arrow::datatypes::FieldRef| Column {
        name: field.name().clone(),
        kind: kind(field.data_type()),
        unit: unit(field.name()).map(str::to_owned),
        nullable: field.is_nullable(),
        comment: field.metadata().get("comment").cloned().unwrap_or_default(),
    };
    schema.fields().iter().map(column).collect()
}

fn kind(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "string".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

fn unit(name: &str) -> Option<&'static str> {
    match name {
        "latitude" | "longitude" => Some("degrees"),
        _ if name.ends_with("_us") => Some("microseconds"),
        _ => None,
    }
}

/// The columns of a table in Markdown.
#[must_use]
pub fn columns_in_markdown(table: Table) -> String {
    let mut text = "| column | type | unit | null | what it holds |\n|---|---|---|---|---|\n".to_owned();
    for column in columns(table) {
        let null = if column.nullable { "yes" } else { "" };
        let Column { name, kind, unit, comment, .. } = column;
        text.push_str(&format!("| `{name}` | {kind} | {} | {null} | {comment} |\n", unit.unwrap_or_default()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_type_that_engines_know_and_says_what_it_holds() {
        let known = ["string", "int32", "int64", "float64", "binary", "date", "timestamp"];
        for column in Table::ALL.into_iter().flat_map(columns) {
            assert!(known.contains(&column.kind.as_str()), "{column:?}");
            assert!(!column.comment.is_empty(), "{column:?}");
            assert_eq!(column.name.ends_with("_us"), column.unit.as_deref() == Some("microseconds"), "{column:?}");
        }
    }

    /// The guide's part between its two marks is written from the schemas.
    #[test]
    fn the_guide_tells_every_column() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/archive.md");
        let guide = std::fs::read_to_string(&path).unwrap();
        let (start, end) = ("<!-- columns: ", "<!-- end of columns -->");
        let (before, rest) = guide.split_once(start).unwrap();
        let (mark, rest) = rest.split_once('\n').unwrap();
        let (found, after) = rest.split_once(end).unwrap();
        let mut wanted = String::new();
        for table in Table::ALL {
            let folders = table.partition().map(|column| format!(" Partitioned by `{column}`.")).unwrap_or_default();
            let (name, row, columns) = (table.name(), table.description(), columns_in_markdown(table));
            wanted.push_str(&format!("\n### {name}\n\n{row}{folders}\n\n{columns}"));
        }
        wanted.push('\n');
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{before}{start}{mark}\n{wanted}{end}{after}")).unwrap();
            return;
        }
        assert_eq!(found, wanted, "differs from the schemas; write it with UPDATE_GOLDEN=1");
    }
}
