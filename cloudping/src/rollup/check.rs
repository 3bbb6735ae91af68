//! `cloudping rollup check`.

use std::ops::RangeInclusive;
use std::time::SystemTime;

use clap::Args;
use cloudping_agent::failure::Failure;
use cloudping_agent::{clock, output};
use cloudping_batch_rollup::hours::date_of;
use cloudping_batch_rollup::{Check, CheckReport, Difference};
use cloudping_model::UtcMicros;
use serde_json::{Value, json};

use super::place::PlaceArgs;
use super::report::{OutputArgs, thousands};
use super::{progress, to_the_end};

/// Differences that are shown to people.
const SHOWN: usize = 20;

/// Arguments of `rollup check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping rollup check
  cloudping rollup check --from 2026-03-01 --to 2026-03-31 --tables s3://my-cloudping/tables -o json

Computes each hour and day anew from its samples and holds every row of the rollups against it; reads the
footer of every file, and looks for rounds that are there twice.

The exit code is 0 when everything agrees, 1 when something does not or cannot be read, 2 when the
command line is wrong.")]
pub struct CheckArgs {
    /// The first day (UTC) [default: yesterday]
    #[arg(long, value_parser = day, value_name = "YYYY-MM-DD")]
    from: Option<i32>,
    /// The last day (UTC) [default: today]
    #[arg(long, value_parser = day, value_name = "YYYY-MM-DD")]
    to: Option<i32>,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Checks, prints what was found, and fails if that is any difference.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let days = days(args.from, args.to, date_of(clock::now()))?;
    let report = to_the_end(async {
        let check = Check::new(args.place.existing().await?);
        check.run(days, progress::shown().as_ref()).await.map_err(Failure::runtime)
    })?;
    if args.output.is_json() {
        output::json(&as_json(&report))?;
    } else {
        show(&report)?;
    }
    match report.differences {
        0 => Ok(()),
        many => Err(Failure::runtime(format!(
            "{} differences: what is wrong with a rollup only, `cloudping rollup replay` computes anew; a broken file wants its backup",
            thousands(many)
        ))),
    }
}

fn show(report: &CheckReport) -> Result<(), Failure> {
    let rows = report.told.iter().take(SHOWN).map(|difference| {
        let Difference { table, place, expected, found } = difference;
        vec![(*table).to_owned(), place.clone(), expected.clone(), found.clone()]
    });
    if report.differences > 0 {
        output::print(output::table(&["table", "where", "expected", "found"], rows.collect(), 4))?;
    }
    if let Some(more @ 1..) = report.differences.checked_sub(SHOWN as u64) {
        output::print(format_args!(
            "and {} more, of which -o json tells the first {}\n",
            thousands(more),
            report.told.len()
        ))?;
    }
    let CheckReport { files, samples, hours, days, rows, pending, .. } = report;
    let [files, samples, hours, days, rows] = [files, samples, hours, days, rows].map(|count| thousands(*count));
    output::print(format_args!(
        "checked: {files} files; {rows} rows of {hours} hours and {days} days, from {samples} samples"
    ))?;
    if *pending > 0 {
        let pending = thousands(*pending);
        output::print(format_args!(
            "not compared: {pending} windows (hours and days) that the next run of the rollup computes"
        ))?;
    }
    Ok(())
}

fn as_json(report: &CheckReport) -> Value {
    let CheckReport { files, samples, hours, days, rows, pending, differences, told } = report;
    let told = told.iter().map(|Difference { table, place, expected, found }| {
        json!({ "table": table, "where": place, "expected": expected, "found": found })
    });
    json!({
        "files": files,
        "samples": samples,
        "hours": hours,
        "days": days,
        "rows": rows,
        "pending": pending,
        "differences": differences,
        "told": told.collect::<Vec<_>>(),
    })
}

/// The days to check.
fn days(from: Option<i32>, to: Option<i32>, today: i32) -> Result<RangeInclusive<i32>, Failure> {
    let to = to.unwrap_or(today);
    let from = from.unwrap_or((today - 1).min(to));
    if from > to {
        return Err(Failure::setting("--from is after --to, expected the first day and then the last"));
    }
    Ok(from..=to)
}

/// A day in days since 1970-01-01.
fn day(text: &str) -> Result<i32, String> {
    let start = humantime::parse_rfc3339(&format!("{text}T00:00:00Z"));
    let since_1970 = start.ok().and_then(|start| start.duration_since(SystemTime::UNIX_EPOCH).ok());
    let micros = since_1970.and_then(|time| i64::try_from(time.as_micros()).ok());
    micros.map(|micros| date_of(UtcMicros(micros))).ok_or_else(|| "expected a day such as 2026-03-01".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_in_order() {
        assert_eq!((day("1970-01-02"), day("2026-03-01")), (Ok(1), Ok(20_513)));
        for wrong in ["", "2026-3-1", "2026-02-30", "yesterday", "2026-03-01T00:00:00Z"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
        let of = |from, to| days(from, to, 100).map_err(|failure| failure.to_string());
        assert_eq!((of(None, None), of(Some(7), None), of(None, Some(50))), (Ok(99..=100), Ok(7..=100), Ok(50..=50)));
        assert!(of(Some(9), Some(8)).unwrap_err().contains("--from is after --to"));
    }
}
