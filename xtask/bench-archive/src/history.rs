//! A month and a year: what the rollups save, and what more data costs.

use std::sync::Arc;
use std::time::Duration;

use cloudping_batch_rollup::{Archiver, CompactOptions, Compactor, Rollup, Table, Tables};
use cloudping_testkit::bench_report::{Bar, BenchReport};
use serde_json::Value;

use crate::generator::{GeneratedLog, PAIRS, START, World};
use crate::service::Ours;
use crate::settings::Settings;
use crate::{Result, peer, sizes, usage};

const DAY: Duration = Duration::from_secs(86_400);
/// Long enough after the last sample for everything to be closed.
const CLOSED_AFTER_US: i64 = 2 * 86_400_000_000;
/// So long after the start every day of every history here is over.
const LONG_AFTER_US: i64 = 1_000 * 86_400_000_000;
/// Runs of each of our statements; the least time counts.
const RUNS: u32 = 31;
/// A year of a sample an hour in each series.
const YEAR_INTERVAL: Duration = Duration::from_secs(3_600);

/// p50 and p99 of every pair and hour of 30 days, from the rollups and from the samples.
///
/// # Errors
/// When a step fails or the answers differ.
pub async fn judge_month(report: &mut BenchReport, settings: &Settings) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tables = Tables::in_directory(folder.path());
    let interval = (30 * DAY).div_f64((settings.rows / PAIRS).max(1) as f64);
    let log = Arc::new(GeneratedLog::new(World::new(interval)?));
    fill(&log, &tables, 30 * DAY).await?;
    let before = usage::process();
    roll_up(&tables).await?;
    let spent = usage::process().saturating_sub(before).as_secs_f64();
    let files = sizes::files(&tables, Table::Samples).await?;
    let rows = sizes::sizes(&files)?.rows;
    report.plain("samples rolled up in a CPU second, hours and days", rows as f64 / spent, "");

    // Summed in both, so that printing 832,000 rows is in neither time.
    let ours = Ours::over(folder.path())?;
    let (mine, quick) = ours
        .time("select count(*) as n, sum(p50_us) as p50, sum(p99_us) as p99 from rollup_1h where received > 0", RUNS)
        .await?;
    let exact = "select source, target, date_trunc('hour', ts) as hour, quantile_cont(rtt_us, 0.5) as p50, \
                 quantile_cont(rtt_us, 0.99) as p99 from samples where outcome = 'answered' group by all";
    let summed = format!("select count(*), sum(p50), sum(p99) from ({exact})");
    let (theirs, slow) = peer::ask(&settings.python, &files, &summed, 1)?;
    let off = greatest_difference(&mine, &theirs, &["n", "p50", "p99"])?;
    report.plain("30 days by pair and hour: p50 and p99 from rollups", quick.as_secs_f64() * 1e3, "ms");
    report.plain("30 days by pair and hour: the same by DuckDB from samples", slow.as_secs_f64() * 1e3, "ms");
    let ratio = quick.as_secs_f64() / slow.as_secs_f64();
    settings.judged(report, "30 days by pair and hour: ours over DuckDB's time", ratio, "", Bar::AtMost(0.01));
    report.judged("30 days by pair and hour: sums off by", off * 100.0, "%", Bar::AtMost(0.1));

    let source = log.world().ids().next().ok_or("a world without regions")?;
    let columns =
        format!("from rollup_1h where received > 0 and source = '{source}' and hour < '2026-01-04T00:00:00Z'");
    let mine = ours.ask(&format!("select p50_us as p50, p99_us as p99 {columns} order by target, hour")).await?;
    let theirs = format!(
        "select p50, p99 from ({exact}) where source = '{source}' and hour < '2026-01-04T00:00:00Z' order by target, hour"
    );
    let (theirs, _) = peer::ask(&settings.python, &files, &theirs, 1)?;
    let off = greatest_difference(&mine, &theirs, &["p50", "p99"])?;
    report.plain("30 days by pair and hour: rows compared one by one", mine.len() as f64, "");
    report.judged("30 days by pair and hour: a percentile off by at most", off * 100.0, "%", Bar::AtMost(0.1));
    Ok(())
}

/// One pair's year by day, and what the twelfth month costs a query of the sixth.
///
/// # Errors
/// When a step fails.
pub async fn judge_year(report: &mut BenchReport, settings: &Settings) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tables = Tables::in_directory(folder.path());
    let log = Arc::new(GeneratedLog::new(World::new(YEAR_INTERVAL)?));
    fill(&log, &tables, 334 * DAY).await?;
    roll_up(&tables).await?;
    // As upkeep does within minutes of each rollup.
    compact(&tables, 334 * DAY).await?;
    let ids: Vec<&str> = log.world().ids().take(2).collect();
    let [source, target] = ids[..] else { return Err("a world of less than two regions".into()) };
    let fixed = [
        format!(
            "select date_trunc('hour', ts) as hour, count(*) as n, max(rtt_us) as most from samples where source = '{source}' \
             and target = '{target}' and ts >= '2026-06-01T00:00:00Z' and ts < '2026-06-08T00:00:00Z' group by 1 order by 1"
        ),
        "select source, target, max(p99_us) as most from rollup_1h where hour >= '2026-06-01T00:00:00Z' \
         and hour < '2026-06-08T00:00:00Z' group by 1, 2 order by 1, 2"
            .to_owned(),
    ];
    let before = time_all(folder.path(), &fixed).await?;
    fill(&log, &tables, 365 * DAY).await?;
    roll_up(&tables).await?;
    compact(&tables, 365 * DAY).await?;
    let after = time_all(folder.path(), &fixed).await?;
    for (name, (before, after)) in
        ["one pair's samples", "every pair's hours"].into_iter().zip(before.iter().zip(&after))
    {
        if before.0 != after.0 {
            return Err(format!("a week in June, {name}: another answer once December is there").into());
        }
        let more = after.1.as_secs_f64() / before.1.as_secs_f64() - 1.0;
        report.plain(format!("a week in June, {name}"), after.1.as_secs_f64() * 1e3, "ms");
        settings.judged(
            report,
            &format!("a week in June, {name}: one more month costs"),
            more * 100.0,
            "%",
            Bar::AtMost(2.0),
        );
    }
    let ours = Ours::over(folder.path())?;
    let by_day = format!(
        "select day, p50_us, p99_us from rollup_1d where source = '{source}' and target = '{target}' \
         and day >= '2026-01-01' and day < '2027-01-01' order by day"
    );
    let (days, time) = ours.time(&by_day, RUNS).await?;
    if days.len() != 365 {
        return Err(format!("a pair's year by day has {} days, expected 365", days.len()).into());
    }
    report.judged("one pair's year by day, warm", time.as_secs_f64() * 1e3, "ms", Bar::AtMost(20.0));
    Ok(())
}

/// Archives up to `end`, and compacts.
async fn fill(log: &Arc<GeneratedLog>, tables: &Tables, end: Duration) -> Result<()> {
    log.until(end);
    Archiver::new(Arc::clone(log) as _, tables.clone()).run_once().await?;
    compact(tables, end).await
}

async fn compact(tables: &Tables, end: Duration) -> Result<()> {
    let now = START + (i64::try_from(end.as_micros())? + CLOSED_AFTER_US);
    Compactor::new(tables.clone()).run_once(now, &CompactOptions::default(), &()).await?;
    Ok(())
}

async fn roll_up(tables: &Tables) -> Result<()> {
    Rollup::new(tables.clone()).run_once(START + LONG_AFTER_US).await?;
    Ok(())
}

async fn time_all(folder: &std::path::Path, statements: &[String]) -> Result<Vec<(Vec<Value>, Duration)>> {
    let ours = Ours::over(folder)?;
    let mut timed = Vec::new();
    for statement in statements {
        timed.push(ours.time(statement, RUNS).await?);
    }
    Ok(timed)
}

/// The greatest relative difference between our rows and DuckDB's, in the same order.
fn greatest_difference(mine: &[Value], theirs: &[Value], columns: &[&str]) -> Result<f64> {
    if mine.len() != theirs.len() {
        return Err(format!("{} rows, DuckDB has {}", mine.len(), theirs.len()).into());
    }
    let mut greatest: f64 = 0.0;
    for (mine, theirs) in mine.iter().zip(theirs) {
        for (place, column) in columns.iter().enumerate() {
            let (a, b) = (mine[place].as_f64(), theirs[place].as_f64());
            let (Some(a), Some(b)) = (a, b) else {
                return Err(format!("{column} is {} and {}, expected two numbers", mine[place], theirs[place]).into());
            };
            greatest = greatest.max((a - b).abs() / b.abs().max(f64::MIN_POSITIVE));
        }
    }
    Ok(greatest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_relative_and_missing_numbers_are_no_agreement() {
        let mine = [json!([100.0, 5]), json!([50.0, 5])];
        let off = greatest_difference(&mine, &[json!([100.0, 5]), json!([40.0, 5])], &["a", "b"]).unwrap();
        assert!((off - 0.25).abs() < 1e-12, "{off}");
        assert!(greatest_difference(&mine, &[json!([100.0, 5])], &["a"]).is_err());
        assert!(greatest_difference(&mine[..1], &[json!([null, 5])], &["a"]).is_err());
    }
}
