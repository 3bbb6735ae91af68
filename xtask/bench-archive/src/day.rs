//! A day of 34 x 34 pairs at a round a second: how small, how fast, and how soon it answers.

use std::sync::Arc;
use std::time::Duration;

use cloudping_batch_rollup::{Archiver, CompactOptions, Compactor, Table, Tables};
use cloudping_testkit::bench_report::{Bar, BenchReport};

use crate::generator::{GeneratedLog, PAIRS, REGIONS, START, World};
use crate::settings::Settings;
use crate::{Result, entropy, queries, sizes, usage};

const SECOND: Duration = Duration::from_secs(1);
/// Archivers run this often in the day that is made.
const ARCHIVED_EVERY: Duration = Duration::from_secs(600);
/// Long enough after the last sample for everything to be closed.
const CLOSED_AFTER_US: i64 = 2 * 86_400_000_000;
/// What a measurement is, without how it was made.
const ESSENCE: [&str; 5] = ["ts", "source", "target", "rtt_us", "outcome"];

/// Archives the day as it goes on, compacts it, and looks at what is left.
///
/// # Errors
/// When a step fails.
pub async fn judge(report: &mut BenchReport, settings: &Settings) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tables = Tables::in_directory(folder.path());
    let length = SECOND * u32::try_from((settings.rows / PAIRS).max(1))?;
    let log = Arc::new(GeneratedLog::new(World::new(SECOND)?));
    information(report, &log, length);
    archive(report, settings, &log, &tables, length).await?;
    compact(report, settings, &tables, length).await?;
    let files = sizes::files(&tables, Table::Samples).await?;
    let left = sizes::sizes(&files)?;
    let columns: Vec<&str> = left.columns.keys().map(String::as_str).collect();
    for column in columns {
        report.plain(format!("bytes a sample: {column}"), left.per_row(&[column]), "B");
    }
    let essence = left.per_row(&ESSENCE);
    settings.judged(report, "bytes a sample: ts, source, target, rtt_us, outcome", essence, "B", Bar::AtMost(3.5));
    let all = left.bytes as f64 / left.rows as f64;
    settings.judged(report, "bytes a sample: every column, whole files", all, "B", Bar::AtMost(6.0));
    queries::judge(report, settings, folder.path(), &files).await
}

/// Archives in as many runs as there would be.
async fn archive(
    report: &mut BenchReport,
    settings: &Settings,
    log: &Arc<GeneratedLog>,
    tables: &Tables,
    length: Duration,
) -> Result<()> {
    let archiver = Archiver::new(Arc::clone(log) as _, tables.clone());
    let (mut rows, mut until, before) = (0, Duration::ZERO, usage::process());
    while until < length {
        until = (until + ARCHIVED_EVERY).min(length);
        log.until(until);
        rows += archiver.run_once().await?.rows;
    }
    let spent = usage::process().saturating_sub(before).saturating_sub(log.spent()).as_secs_f64();
    let expected = log.world().rounds_in(length) * PAIRS;
    if rows != expected {
        return Err(format!("{rows} samples were archived, expected {expected}").into());
    }
    settings.judged(report, "samples archived in a CPU second", rows as f64 / spent, "", Bar::AtLeast(1.5e6));
    report.plain("CPU time of making the events, not counted above", log.spent().as_secs_f64(), "s");
    Ok(())
}

async fn compact(report: &mut BenchReport, settings: &Settings, tables: &Tables, length: Duration) -> Result<()> {
    let before = usage::process();
    let now = START + (i64::try_from(length.as_micros())? + CLOSED_AFTER_US);
    let done = Compactor::new(tables.clone()).run_once(now, &CompactOptions::default(), &()).await?;
    let spent = usage::process().saturating_sub(before).as_secs_f64();
    settings.judged(report, "rows compacted in a CPU second", done.rows as f64 / spent, "", Bar::AtLeast(1e6));
    report.plain("rows that compaction wrote for one of the table", done.rows as f64 / (log_rows(length) as f64), "");
    report.plain("files before compaction", done.files_before as f64, "");
    report.plain("files after compaction", done.files_after as f64, "");
    Ok(())
}

fn log_rows(length: Duration) -> u64 {
    length.as_secs() * PAIRS
}

/// What there is to keep of the series of one vantage point, in bytes a sample.
fn information(report: &mut BenchReport, log: &GeneratedLog, length: Duration) {
    let rounds = log.world().rounds_in(length);
    let mut times = vec![Vec::new(); REGIONS];
    let mut latencies = vec![Vec::new(); REGIONS];
    let (mut outcomes, mut beyond) = (Vec::new(), Vec::new());
    let targets: Vec<&str> = log.world().ids().collect();
    for number in 0..rounds {
        let round = log.world().round(0, number);
        for sample in &round.samples {
            let Some(pair) = targets.iter().position(|target| *target == sample.target.as_str()) else { continue };
            times[pair].push(round.sent_at(sample).0);
            latencies[pair].extend(sample.rtt_us.map(i64::from));
            outcomes.push(i64::from(sample.rtt_us.is_some()));
            beyond
                .extend(sample.connect_us.zip(sample.rtt_us).map(|(connect, rtt)| i64::from(connect) - i64::from(rtt)));
        }
    }
    let deltas = times.iter().flat_map(|times| times.windows(2).map(|two| two[1] - two[0]));
    let time = entropy::bits(deltas) / 8.0;
    let latency = latencies.iter().map(|pair| entropy::bits(pair.iter().copied())).sum::<f64>() / REGIONS as f64 / 8.0;
    let outcome = entropy::bits(outcomes) / 8.0;
    report.plain("entropy: ts, of the time since the pair's sample before", time, "B");
    report.plain("entropy: rtt_us, given the pair", latency, "B");
    report.plain("entropy: outcome", outcome, "B");
    report.plain("entropy: connect_us, given rtt_us", entropy::bits(beyond) / 8.0, "B");
    report.plain("entropy: ts, source, target, rtt_us, outcome", time + latency + outcome, "B");
}
