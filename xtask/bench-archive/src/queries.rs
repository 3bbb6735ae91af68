//! Eight questions that users ask of the raw samples: our service beside DuckDB and ClickHouse over the very same files.
//!
//! Equal answers first: a percentile is exact everywhere. Then the time of each, two threads everywhere; ours includes its answer as JSON. The bar
//! is on the geometric mean of our time over that of the faster of the two.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cloudping_testkit::bench_report::{Bar, BenchReport};
use serde_json::{Value, json};

use crate::Result;
use crate::service::Ours;
use crate::settings::Settings;

const PEERS: &str = include_str!("queries.py");
/// Runs after a first one.
const RUNS: u32 = 3;
/// How far numbers that are computed in another order may be apart, relatively.
const ROUNDING: f64 = 1e-9;

/// The questions, each by its name: ours, DuckDB's and ClickHouse's words, told apart by comment lines.
const QUESTIONS: [(&str, &str); 8] = [
    ("p50 and p99 of every pair by hour of a day", include_str!("../queries/1-pairs-by-hour.sql")),
    ("p50, p90 and p99 of every pair", include_str!("../queries/2-pairs.sql")),
    ("loss of every pair by hour", include_str!("../queries/3-loss-by-hour.sql")),
    ("p50 and p99 of a pair by 5 minutes", include_str!("../queries/4-one-pair-by-5-minutes.sql")),
    ("mean, least and most of every source by hour", include_str!("../queries/5-sources-by-hour.sql")),
    ("histogram of a pair", include_str!("../queries/6-histogram-of-a-pair.sql")),
    ("20 worst tails", include_str!("../queries/7-worst-tails.sql")),
    ("samples and rounds of every source by day", include_str!("../queries/8-rounds-by-day.sql")),
];

/// One question in three dialects.
struct Question {
    name: &'static str,
    ours: String,
    duckdb: String,
    clickhouse: String,
}

impl Question {
    /// The words of a file, with a pair and a date that the tables hold.
    fn read(name: &'static str, text: &str, [source, target, date]: &[String; 3]) -> Result<Self> {
        let text = text.replace("{source}", source).replace("{target}", target).replace("{date}", date);
        let part = |engine: &str| -> Result<String> {
            let (_, rest) = text.split_once(&format!("-- {engine}\n")).ok_or(format!("{name}: no -- {engine}"))?;
            Ok(rest.split("\n-- ").next().unwrap_or(rest).trim().to_owned())
        };
        Ok(Self { name, ours: part("ours")?, duckdb: part("duckdb")?, clickhouse: part("clickhouse")? })
    }
}

/// Asks the questions of the tables in `folder`, whose samples are in `files`.
///
/// # Errors
/// When an engine cannot be asked, or their answers differ.
pub async fn judge(report: &mut BenchReport, settings: &Settings, folder: &Path, files: &[PathBuf]) -> Result<()> {
    let ours = Ours::over(folder)?;
    let names = names(&ours).await?;
    let read = |(name, text): (&'static str, &str)| Question::read(name, text, &names);
    let questions = QUESTIONS.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    let peers = peers(&settings.python, files, &questions)?;
    let mut logarithms = 0.0;
    for (question, peers) in questions.iter().zip(&peers) {
        let (rows, time) = ours.time(&question.ours, RUNS).await?;
        let mut fastest = f64::INFINITY;
        report.plain(format!("{}: ours", question.name), time.as_secs_f64() * 1e3, "ms");
        for engine in ["duckdb", "clickhouse"] {
            let peer = &peers[engine];
            same(&rows, &peer["rows"]).map_err(|found| format!("{}, {engine}: {found}", question.name))?;
            let seconds = peer["seconds"].as_f64().ok_or("a peer without a time")?;
            report.plain(format!("{}: {engine}", question.name), seconds * 1e3, "ms");
            fastest = fastest.min(seconds);
        }
        logarithms += (time.as_secs_f64() / fastest).ln();
    }
    let mean = (logarithms / questions.len() as f64).exp();
    let figure = "raw samples: ours over the faster of DuckDB and ClickHouse, geometric mean";
    settings.judged(report, figure, mean, "", Bar::AtMost(1.0));
    Ok(())
}

/// A source, a target and a date of the samples.
async fn names(ours: &Ours) -> Result<[String; 3]> {
    let rows = ours.ask("select source, target, cast(date as varchar) from samples limit 1").await?;
    let text = |at: usize| rows.first().and_then(|row| row[at].as_str()).map(str::to_owned);
    match (text(0), text(1), text(2)) {
        (Some(source), Some(target), Some(date)) => Ok([source, target, date]),
        _ => Err("there are no samples".into()),
    }
}

fn peers(python: &Path, files: &[PathBuf], questions: &[Question]) -> Result<Vec<Value>> {
    let mut child = Command::new(python).args(["-c", PEERS]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let asked = questions.iter().map(|question| json!({"duckdb": question.duckdb, "clickhouse": question.clickhouse}));
    let request = json!({"files": files, "questions": asked.collect::<Vec<_>>(), "runs": RUNS});
    let mut input = child.stdin.take().ok_or("the peers have no input")?;
    input.write_all(request.to_string().as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("DuckDB and ClickHouse: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Says where two answers differ.
fn same(ours: &[Value], theirs: &Value) -> std::result::Result<(), String> {
    let theirs = theirs.as_array().ok_or("no rows")?;
    if ours.len() != theirs.len() {
        return Err(format!("{} rows, ours has {}", theirs.len(), ours.len()));
    }
    for (row, (mine, other)) in ours.iter().zip(theirs).enumerate() {
        let (Some(mine), Some(other)) = (mine.as_array(), other.as_array()) else {
            return Err(format!("row {row} is no list"));
        };
        if mine.len() != other.len() || !mine.iter().zip(other).all(|(mine, other)| cell(mine) == cell(other)) {
            return Err(format!("row {row} is {other:?}, ours {mine:?}"));
        }
    }
    Ok(())
}

/// A value in a form that all write alike.
#[derive(Debug)]
enum Cell {
    Number(f64),
    Text(String),
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => (one - two).abs() <= ROUNDING * one.abs().max(two.abs()),
            (Self::Text(one), Self::Text(two)) => one == two,
            _ => false,
        }
    }
}

/// ClickHouse writes whole numbers of 64 bits as text; times differ in what stands between and after day and second.
fn cell(value: &Value) -> Cell {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.parse::<f64>() {
        Ok(number) => Cell::Number(number),
        Err(_) if text.len() >= 19 && text.as_bytes()[4] == b'-' && text.as_bytes()[13] == b':' => {
            Cell::Text(text[..19].replace('T', " "))
        }
        Err(_) => Cell::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_whatever_their_spelling() {
        let ours = [json!(["a", "2026-01-05T01:00:00.000000+00:00", 3, 0.1])];
        let theirs = json!([["a", "2026-01-05 01:00:00", "3", 0.1 + 1e-12]]);
        assert_eq!(same(&ours, &theirs), Ok(()));
        for other in
            [json!([]), json!([["b", "2026-01-05 01:00:00", 3, 0.1]]), json!([["a", "2026-01-05 02:00:00", 3, 0.1]])]
        {
            assert!(same(&ours, &other).is_err(), "{other}");
        }
        assert!(same(&ours, &json!([["a", "2026-01-05 01:00:00", 3, 0.1001]])).is_err());
    }

    #[test]
    fn every_question_has_three_dialects() {
        let names = ["a", "b", "2026-01-05"].map(str::to_owned);
        for (name, text) in QUESTIONS {
            let question = Question::read(name, text, &names).unwrap();
            for sql in [&question.ours, &question.duckdb, &question.clickhouse] {
                assert!(sql.contains("from samples") && !sql.contains("--") && !sql.contains('{'), "{sql}");
            }
        }
    }
}
