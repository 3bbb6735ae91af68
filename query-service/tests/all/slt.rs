//! SQL behaviour in the files `slt/*.slt`, in the format of sqllogictest: `query TYPES [rowsort]`, `----` and the rows; `statement error` and a
//! part of the message. What is read here is the part of the format that the files use, so that other runners can read them too.

use std::path::Path;

use crate::common::*;
use cloudping_model::Family;
use cloudping_schemas::stored::LedgerHour;
use cloudping_schemas::tables;
use serde_json::Value;

/// What a record of a file expects.
enum Expected {
    /// The rows, each with its values separated by blanks; whether their order does not matter.
    Rows { types: String, rows: Vec<String>, sorted: bool },
    /// An error that has this in its text.
    Error(String),
}

struct Record {
    line: usize,
    sql: String,
    expected: Expected,
}

fn records(text: &str) -> Vec<Record> {
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#'));
    let mut records = Vec::new();
    while let Some((head, line)) = lines.next() {
        if head.is_empty() {
            continue;
        }
        let body: Vec<&str> = lines.by_ref().map(|(line, _)| line).take_while(|line| !line.is_empty()).collect();
        let words: Vec<&str> = head.split(' ').collect();
        let split = body.iter().position(|line| *line == "----");
        let (sql, rows) =
            (body[..split.unwrap_or(body.len())].join("\n"), &body[split.map_or(body.len(), |at| at + 1)..]);
        let expected = match words.as_slice() {
            ["query", types, sort @ ..] => {
                let rows = rows.iter().map(|row| (*row).to_owned()).collect();
                Expected::Rows { types: (*types).to_owned(), rows, sorted: sort == ["rowsort"] }
            }
            ["statement", "error", part @ ..] => Expected::Error(part.join(" ")),
            _ => panic!("line {line}: {head:?}, expected query or statement error"),
        };
        records.push(Record { line, sql, expected });
    }
    records
}

/// A value as the files write it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The letter of a type: T text and all that is written as text, I whole number, R other number, B boolean, ? everything else.
fn letter(data_type: &str) -> char {
    match data_type {
        "Int8" | "Int16" | "Int32" | "Int64" | "UInt8" | "UInt16" | "UInt32" | "UInt64" => 'I',
        "Float32" | "Float64" => 'R',
        "Boolean" => 'B',
        other if other.starts_with("List") || other == "Null" => '?',
        _ => 'T',
    }
}

impl Record {
    /// What is wrong with the answer.
    async fn fault(&self, world: &World) -> Result<(), String> {
        let answer = world.sql(&self.sql).await;
        let (types, rows, sorted) = match &self.expected {
            Expected::Error(part) if answer.status.is_client_error() && answer.body.contains(part.as_str()) => {
                return Ok(());
            }
            Expected::Error(part) => return Err(format!("expected an error with {part:?}, found {}", answer.body)),
            Expected::Rows { .. } if answer.status != 200 => return Err(answer.body),
            Expected::Rows { types, rows, sorted } => (types, rows, *sorted),
        };
        let answer = answer.json();
        let columns = answer["columns"].as_array().unwrap();
        let letters: String = columns.iter().map(|column| letter(column["type"].as_str().unwrap())).collect();
        let row = |row: &Value| row.as_array().unwrap().iter().map(shown).collect::<Vec<_>>().join(" ");
        let mut found: Vec<String> = answer["rows"].as_array().unwrap().iter().map(row).collect();
        let mut wanted = rows.clone();
        if sorted {
            found.sort();
            wanted.sort();
        }
        if &letters != types || found != wanted {
            return Err(format!("expected {types} {wanted:#?}, found {letters} {found:#?}"));
        }
        Ok(())
    }
}

/// The world that the files speak of: `archived()`, four hours of rollups, a day, a live view and a ledger.
async fn world() -> World {
    let world = archived().await;
    for (hour, rtts_us) in [(1, [10_000; 90].as_slice()), (2, &[20_000; 9]), (3, &[30_000])] {
        world.append(tables::ROLLUP_1H, rollup(NOON - hour * HOUR, "us-east-1", "eu-west-1", rtts_us)).await;
    }
    world.append(tables::ROLLUP_1H, rollup(NOON - HOUR, "us-east-1", "elsewhere", &[1, 2, 3, 4])).await;
    world
        .append(tables::ROLLUP_1D, rollup_day(NOON.floor(DAY) - DAY, "us-east-1", "eu-west-1", &[10_000, 20_000]))
        .await;
    for (source, target) in [("us-east-1", "eu-west-1"), ("eu-west-1", "us-east-1")] {
        let start = NOW.floor(MINUTE);
        let mut pane = pane_of(start, target, Family::V4, &[68_410; 30], 2);
        pane.series.extend(pane_of(start, target, Family::V6, &[], 3).series);
        world.pane(source, cloudping_model::Pane::Minute, &pane).await;
        let mut head = head_at(NOW - SECOND, NOON);
        let counts = LedgerHour {
            start: NOON,
            rounds: 10,
            sent: 300,
            received: 290,
            lost: 10,
            not_sent: 20,
            ..Default::default()
        };
        head.ledger.push(counts);
        world.head(source, &head).await;
    }
    world.service.refresh(NOW).await.unwrap();
    world
}

#[tokio::test]
async fn sql_behaves_as_the_files_say() {
    let world = world().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/slt");
    let (mut checked, mut faults) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        for record in records(&std::fs::read_to_string(&path).unwrap()) {
            if let Err(fault) = record.fault(&world).await {
                faults.push(format!("{}:{}: {}\n{fault}\n", path.display(), record.line, record.sql));
            }
            checked += 1;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(checked >= 90, "only {checked} records were found");
}

#[test]
fn files_are_read_as_written() {
    let found =
        records("# comment\nquery IT rowsort\nselect 1,\n'a'\n----\n1 a\n\nstatement error no such\nselect x\n");
    assert_eq!((found[0].line, found[0].sql.as_str(), found.len()), (2, "select 1,\n'a'", 2));
    assert!(
        matches!(&found[0].expected, Expected::Rows { types, rows, sorted: true } if types == "IT" && rows == &["1 a"])
    );
    assert!(matches!(&found[1].expected, Expected::Error(part) if part == "no such"));
}
