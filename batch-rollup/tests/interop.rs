//! Another engine, DuckDB, reads the same files and finds the same numbers.

mod common;

use std::process::Command;

use cloudping_batch_rollup::{Archiver, Rollup, Table, Tables};
use common::*;
use serde_json::Value;

const SCRIPT: &str = r#"
import json, sys, duckdb
samples, rollup = json.loads(sys.argv[1])
def rows(sql, files):
    return duckdb.execute(sql, [files]).fetchall()
print(json.dumps({
    "samples": rows("""
        SELECT source, target, count(*), sum(rtt_us), sum(connect_us), quantile_cont(rtt_us, 0.5), count(DISTINCT (epoch, round)), sum(epoch_us(ts) % 1000000007)::BIGINT, count(address)
        FROM read_parquet(?, hive_partitioning = true) GROUP BY 1, 2 ORDER BY 1, 2""", samples),
    "rollup": rows("""
        SELECT source, target, sum(sent), sum(received), sum(p50_us)
        FROM read_parquet(?, hive_partitioning = true) GROUP BY 1, 2 ORDER BY 1, 2""", rollup),
    "digests": rows("SELECT lower(hex(digest)) FROM read_parquet(?, hive_partitioning = true) ORDER BY source, target, family, hour", rollup),
}, default=float))
"#;

async fn files(tables: &Tables, table: Table) -> Vec<String> {
    open(tables, table).await.get_file_uris().unwrap().collect()
}

fn same(found: &[Value], wanted: &[Option<f64>], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        let (found, wanted) = (found.as_f64().unwrap(), wanted.unwrap());
        assert!((found - wanted).abs() <= 1e-9 * wanted.abs(), "{what}: {found} {wanted}");
    }
}

#[tokio::test]
async fn duckdb_finds_the_same_numbers() {
    let Some(python) = std::env::var_os("CLOUDPING_TEST_PYTHON") else {
        eprintln!("SKIPPED: DuckDB was not asked. Set CLOUDPING_TEST_PYTHON to a python with the package duckdb.");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    let log = std::sync::Arc::new(cloudping_testkit::MemoryLog::default());
    for part in 0..3 {
        append(&log, &rounds(part, TEN + 13 * HOUR + part.cast_signed() * 1_800 * SECOND, 900, 2)).await;
        Archiver::new(log.clone(), tables.clone()).run_once().await.unwrap();
        Rollup::new(tables.clone()).run_once().await.unwrap();
    }
    let files = [files(&tables, Table::Samples).await, files(&tables, Table::Rollup1h).await];
    let answer =
        Command::new(python).args(["-c", SCRIPT]).arg(serde_json::to_string(&files).unwrap()).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    compare(
        &tables,
        &answer["samples"],
        "SELECT source, target, count(*) AS n, sum(rtt_us) AS rtt, sum(connect_us) AS connect, percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(rtt_us AS DOUBLE)) AS p50, \
         count(DISTINCT struct(epoch, round)) AS rounds, sum(arrow_cast(arrow_cast(ts, 'Timestamp(Microsecond, None)'), 'Int64') % 1000000007) AS times, count(address) AS addresses \
         FROM samples GROUP BY source, target ORDER BY source, target",
    )
    .await;
    compare(
        &tables,
        &answer["rollup"],
        "SELECT source, target, sum(sent) AS sent, sum(received) AS received, sum(p50_us) AS p50 \
         FROM rollup_1h GROUP BY source, target ORDER BY source, target",
    )
    .await;
    let ours = sql(&tables, "SELECT digest FROM rollup_1h ORDER BY source, target, family, hour").await;
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ours: Vec<Value> = bytes(&ours, "digest").into_iter().map(|digest| vec![digest.map(hex)].into()).collect();
    assert_eq!(answer["digests"], Value::Array(ours));
}

async fn compare(tables: &Tables, duckdb: &Value, query: &str) {
    let ours = sql(tables, query).await;
    let theirs: Vec<&Vec<Value>> = duckdb.as_array().unwrap().iter().map(|row| row.as_array().unwrap()).collect();
    assert_eq!(theirs.len(), 12);
    for (at, field) in ours.schema().fields().iter().enumerate() {
        let column: Vec<Value> = theirs.iter().map(|row| row[at].clone()).collect();
        if at < 2 {
            let names: Vec<Option<String>> = column.iter().map(|name| name.as_str().map(str::to_owned)).collect();
            assert_eq!(texts(&ours, field.name()), names);
        } else {
            same(&column, &floats(&ours, field.name()), field.name());
        }
    }
}
