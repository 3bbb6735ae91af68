//! The rounds come back out of the table, and rounds from elsewhere into it once.

use std::collections::BTreeMap;

use cloudping_batch_rollup::hours::date_of;
use cloudping_batch_rollup::replay::{SampleRounds, recompute_rollups};
use cloudping_batch_rollup::{AppendReport, Appender, Archiver, Rollup, Table, Tables};
use cloudping_model::{Gap, GapReason, Round, RoundId, UtcMicros};
use cloudping_schemas::tables::Origin;
use datafusion::prelude::SessionContext;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::operations::create::CreateBuilder;
use futures::TryStreamExt;

use crate::common::contract::{SMALL, log_of};
use crate::common::*;

const DAY: i64 = 24 * HOUR;

fn place() -> (tempfile::TempDir, Tables) {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    (directory, tables)
}

/// All rounds of the table, in the order in which they come.
async fn read_back(tables: &Tables, origins: &[Origin]) -> Vec<Round> {
    let samples = SampleRounds::open(tables, origins).await.unwrap().unwrap();
    let mut rounds = Vec::new();
    for date in samples.days().unwrap().into_keys() {
        let day: Vec<Vec<Round>> = samples.of_day(date).await.unwrap().try_collect().await.unwrap();
        rounds.extend(day.into_iter().flatten());
    }
    rounds
}

/// A round as the table can tell of it: it starts with its first probe.
fn as_kept(round: &Round) -> Round {
    let mut kept = round.clone();
    kept.samples.sort_by_key(|sample| sample.offset_us);
    let first = kept.samples[0].offset_us;
    kept.started_at = kept.started_at + i64::from(first);
    kept.samples.iter_mut().for_each(|sample| sample.offset_us -= first);
    kept
}

fn by_id(rounds: &[Round]) -> BTreeMap<RoundId, Round> {
    rounds.iter().map(|round| (round.id.clone(), round.clone())).collect()
}

#[tokio::test]
async fn rounds_come_back_once_in_their_order_also_over_midnight() {
    let (_directory, tables) = place();
    let midnight = TEN + 14 * HOUR;
    let mut original = rounds(20, midnight - 90 * SECOND, 40, 5);
    for (round, reason) in original.iter_mut().step_by(9).zip(GapReason::ALL.into_iter().cycle()) {
        round.gap = Some(Gap { reason, rounds: 7, micros: -1_234_567 });
        // The gap stands at the sample that the producer lists first, which need not be the one that left first.
        round.samples.reverse();
    }
    // One that takes nine minutes, over midnight.
    original[3].samples[0].offset_us = 540_000_000;
    Archiver::with_options(log_of(&original).await, tables.clone(), SMALL).run_once().await.unwrap();
    let back = read_back(&tables, &[Origin::Measured]).await;
    assert_eq!(back.len(), original.len());
    let kept: Vec<Round> = original.iter().map(as_kept).collect();
    assert_eq!(by_id(&back), by_id(&kept));
    for vantage in REGIONS {
        let times: Vec<UtcMicros> =
            (back.iter()).filter(|round| round.id.vantage.as_str() == vantage).map(|round| round.started_at).collect();
        assert_eq!(times.len(), 40);
        assert!(times.is_sorted(), "{vantage}");
    }
}

#[tokio::test]
async fn rounds_from_elsewhere_take_effect_once_and_do_not_come_back() {
    let (_directory, tables) = place();
    let (measured, foreign) = (rounds(21, TEN, 10, 10), rounds(22, TEN, 30, 60));
    Archiver::new(log_of(&measured).await, tables.clone()).run_once().await.unwrap();
    let appender = Appender::new(tables.clone());
    let rows = 3 * foreign.len() as u64;
    let new = AppendReport { rounds: foreign.len() as u64, rows, duplicates: 0, commits: 0 };
    assert_eq!(appender.would_append(foreign.clone(), Origin::Csv).await.unwrap(), new);
    let twice: Vec<Round> = foreign[..50].iter().chain(&foreign).cloned().collect();
    let report = appender.append(twice, Origin::Csv).await.unwrap();
    assert_eq!(report, AppendReport { duplicates: 50, commits: 1, ..new });
    let again = appender.append(foreign.clone(), Origin::Csv).await.unwrap();
    assert_eq!(again, AppendReport { duplicates: foreign.len() as u64, ..AppendReport::default() });
    let all: Vec<Round> = measured.iter().chain(&foreign).cloned().collect();
    assert_eq!(stored_rows(&tables).await, expected_rows(&all));
    let back = read_back(&tables, &[Origin::Measured, Origin::Simulated]).await;
    assert_eq!(back.len(), measured.len());
    assert_eq!(read_back(&tables, &[Origin::Csv]).await.len(), foreign.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appenders_and_archivers_that_race_take_turns() {
    let (_directory, tables) = place();
    let (measured, foreign) = (rounds(23, TEN, 20, 10), rounds(24, TEN + DAY, 20, 10));
    let archiver = Archiver::with_options(log_of(&measured).await, tables.clone(), SMALL);
    let append = |tables: Tables| {
        let foreign = foreign.clone();
        async move {
            for part in foreign.chunks(16) {
                Appender::new(tables.clone()).append(part.to_vec(), Origin::RipeAtlas).await.unwrap();
            }
        }
    };
    let (one, other) = (tokio::spawn(append(tables.clone())), tokio::spawn(append(tables.clone())));
    archiver.run_once().await.unwrap();
    one.await.unwrap();
    other.await.unwrap();
    let all: Vec<Round> = measured.iter().chain(&foreign).cloned().collect();
    assert_eq!(stored_rows(&tables).await, expected_rows(&all));
}

#[tokio::test]
async fn no_table_is_no_rounds() {
    let (directory, tables) = place();
    assert!(SampleRounds::open(&tables, &[Origin::Measured]).await.unwrap().is_none());
    let report = Appender::new(tables.clone()).would_append(rounds(25, TEN, 1, 1), Origin::Csv).await.unwrap();
    assert_eq!((report.rounds, report.duplicates), (4, 0));
    assert!(tables.open(Table::Samples).await.unwrap().is_none(), "looking makes no table");
    let archiver = Archiver::new(log_of(&rounds(25, TEN, 1, 1)).await, tables.clone());
    assert!(archiver.reached().await.unwrap().is_empty());
    for place in [tables, Tables::at(&format!("file://{}", directory.path().display()))] {
        for table in Table::ALL {
            assert!(place.open(table).await.unwrap().is_none());
        }
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nor a folder");
}

#[tokio::test]
async fn the_newest_day_is_of_the_wanted_rows_and_not_after_today() {
    let (_directory, tables) = place();
    let today = date_of(UtcMicros(TEN));
    Archiver::new(log_of(&rounds(27, TEN - 3 * DAY, 2, 10)).await, tables.clone()).run_once().await.unwrap();
    Appender::new(tables.clone()).append(rounds(28, TEN + 900 * DAY, 2, 10), Origin::Csv).await.unwrap();
    let newest = async |origins: &[Origin], today| {
        SampleRounds::open(&tables, origins).await.unwrap().unwrap().newest_day(today).await.unwrap()
    };
    assert_eq!(newest(&[Origin::Measured, Origin::Simulated], today).await, Some(today - 3));
    assert_eq!(newest(&[Origin::Measured], today - 7).await, Some(today - 7));
    assert_eq!(newest(&[Origin::Csv], today).await, Some(today));
    assert_eq!(newest(&[Origin::RipeAtlas], today).await, None);
}

#[tokio::test]
async fn a_table_of_an_older_release_is_read_as_it_is() {
    let (_directory, tables) = place();
    let since = ["origin", "gap_reason", "gap_rounds", "gap_us"];
    let all: StructType = Table::Samples.schema().as_ref().try_into_kernel().unwrap();
    CreateBuilder::new()
        .with_location(tables.uri(Table::Samples))
        .with_table_name(Table::Samples.name())
        .with_columns(all.fields().filter(|field| !since.contains(&field.name().as_str())).cloned())
        .with_partition_columns(Table::Samples.partition())
        .await
        .unwrap();
    let open = tables.open(Table::Samples).await.unwrap().unwrap();
    let session = SessionContext::new();
    let rows = "SELECT DATE '2026-03-01' AS date, arrow_cast('2026-03-01T10:00:00Z', 'Timestamp(Microsecond, Some(\"UTC\"))') AS ts, 'eu-west-1' AS source, \
                'us-east-1' AS target, 'tcp' AS protocol, CAST(4 AS INT) AS family, 'answered' AS outcome, \
                CAST(7 AS INT) AS rtt_us, CAST(NULL AS INT) AS connect_us, CAST(0 AS INT) AS retransmits, \
                CAST(NULL AS VARCHAR) AS address, 1 AS epoch, 2 AS round";
    let rows = session.sql(rows).await.unwrap().collect().await.unwrap();
    open.write(rows).await.unwrap();
    assert_eq!(read_back(&tables, &[Origin::Measured]).await.len(), 1);
    assert_eq!(read_back(&tables, &[Origin::Csv]).await.len(), 0);
    let open = tables.open(Table::Samples).await.unwrap().unwrap();
    assert_eq!(open.version(), Some(1), "reading adds no columns");
}

#[tokio::test]
async fn rollups_are_computed_anew_and_comes_out_the_same() {
    let (_directory, tables) = place();
    Archiver::new(log_of(&rounds(26, TEN - HOUR, 30, 300)).await, tables.clone()).run_once().await.unwrap();
    let rollup = Rollup::new(tables.clone());
    let first = rollup.run_once(UtcMicros(TEN + 72 * HOUR)).await.unwrap();
    assert_eq!(rollup.run_once(UtcMicros(TEN + 72 * HOUR)).await.unwrap().hours, 0);
    let query = "SELECT * FROM rollup_1h ORDER BY source, target, family, hour";
    let before = sql(&tables, query).await;
    recompute_rollups(&tables, UtcMicros(0)).await.unwrap();
    assert_eq!(sql(&tables, query).await, before, "what is there stays until it is computed");
    let second = rollup.run_once(UtcMicros(TEN + 72 * HOUR)).await.unwrap();
    assert_eq!((second.hours, second.days, second.rows), (first.hours, first.days, first.rows));
    assert!(second.days > 0, "days are computed anew, too");
    assert_eq!(sql(&tables, query).await, before);
    // All but the first hour; of the days the one that they lie in.
    recompute_rollups(&tables, UtcMicros(TEN)).await.unwrap();
    let since = rollup.run_once(UtcMicros(TEN + 72 * HOUR)).await.unwrap();
    assert_eq!((since.hours, since.days), (first.hours - 1, 1));
    assert!(since.hours > 0);
    assert_eq!(sql(&tables, query).await, before);
    assert_eq!(rollup.run_once(UtcMicros(TEN + 72 * HOUR)).await.unwrap().commits, 0, "nothing is left over");
}
