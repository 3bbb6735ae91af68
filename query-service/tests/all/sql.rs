//! The SQL door: answers, refusals, bounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::*;
use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::FieldRef;
use axum::body::Body;
use axum::http::Request;
use cloudping_schemas::tables;
use serde_json::{Value, json};

#[tokio::test]
async fn before_the_first_commit_tables_are_empty() {
    let world = World::new();
    let answer = world.sql("select count(*) as n from samples").await.ok();
    assert_eq!(answer["columns"], json!([{"name": "n", "type": "Int64"}]));
    assert_eq!(
        (&answer["rows"], &answer["row_count"], &answer["truncated"]),
        (&json!([[0]]), &json!(1), &json!(false))
    );
    assert!(answer["elapsed_ms"].is_u64());
    let described = world.sql("describe rollup_1h").await.ok();
    assert_eq!(described["row_count"], tables::rollup_1h().fields().len());
}

#[tokio::test]
async fn the_regions_are_the_catalogues_until_the_archive_has_them() {
    let world = World::new();
    let found = async || {
        let rows = "select id, provider, latitude > 30, status, first_ts from regions where id = 'us-east-1'";
        world.sql(rows).await.ok()["rows"].clone()
    };
    assert_eq!(found().await, json!([["us-east-1", "aws", true, null, null]]));
    let schema = tables::regions();
    let column = |field: &FieldRef| -> ArrayRef {
        match field.name().as_str() {
            "id" => Arc::new(StringArray::from(vec!["us-east-1"])),
            "status" => Arc::new(StringArray::from(vec!["ENABLED_BY_DEFAULT"])),
            "first_ts" => Arc::new(TimestampMicrosecondArray::from(vec![NOON.0]).with_timezone("UTC")),
            _ => new_null_array(field.data_type(), 1),
        }
    };
    let row = RecordBatch::try_new(Arc::clone(&schema), schema.fields().iter().map(column).collect()).unwrap();
    world.append(tables::REGIONS, row).await;
    let first = "2026-01-02T12:00:00.000000+00:00";
    assert_eq!(found().await, json!([["us-east-1", null, null, "ENABLED_BY_DEFAULT", first]]));
}

#[tokio::test]
async fn sql_sees_each_commit() {
    let world = archived().await;
    let count = async || world.sql("select count(*) from samples").await.ok()["rows"][0][0].clone();
    assert_eq!(count().await, 124);
    world.archive_samples(&[answered(NOW, 1)]).await;
    assert_eq!(count().await, 125);
}

#[tokio::test]
async fn sql_answers_with_types() {
    let world = archived().await;
    let query = "select date, min(ts) as first, source, approx_percentile_cont(0.5) within group (order by rtt_us) as p50, \
        avg(rtt_us) as mean, max(rtt_us) > 1 as big, null as nothing, array_agg(distinct outcome order by outcome) as outcomes \
        from samples group by date, source";
    let answer = world.sql(query).await.ok();
    let row = answer["rows"][0].as_array().unwrap();
    assert_eq!(row[..3], [json!("2026-01-01"), json!("2026-01-01T12:00:00.000000+00:00"), json!("us-east-1")]);
    assert!((15_900.0..=16_000.0).contains(&row[3].as_f64().unwrap()), "{row:?}");
    assert_eq!(
        row[4..],
        [json!(15_950.0), json!(true), Value::Null, json!(["answered", "not_sent", "retransmitted", "timeout"])]
    );
    let types: Vec<_> =
        answer["columns"].as_array().unwrap().iter().map(|column| column["type"].as_str().unwrap()).collect();
    assert_eq!(types[..5], ["Date32", "Timestamp(µs, \"UTC\")", "Utf8", "Float64", "Float64"]);
}

#[tokio::test]
async fn the_tables_have_the_documented_types() {
    let world = archived().await;
    world.append(tables::ROLLUP_1H, rollup(NOON, "a", "b", &[1])).await;
    for (table, schema) in [
        ("samples", tables::samples()),
        ("rollup_1h", tables::rollup_1h()),
        ("rollup_1d", tables::rollup_1d()),
        ("changes", tables::changes()),
        ("regions", tables::regions()),
    ] {
        let described = world.sql(&format!("describe {table}")).await.ok();
        for row in described["rows"].as_array().unwrap() {
            let field = schema.field_with_name(row[0].as_str().unwrap()).unwrap();
            assert_eq!(row[1], field.data_type().to_string(), "{table}: {row}");
        }
        assert_eq!(described["row_count"], schema.fields().len());
    }
}

/// Round-trip times of 10.0 to 21.9 ms in steps of 0.1 ms, and one row each that has none.
#[tokio::test]
async fn percentiles_are_exact_under_every_name() {
    let world = archived().await;
    let rows = async |query: &str| world.sql(query).await.ok()["rows"].clone();
    let all = "select percentile_cont(0.5) within group (order by rtt_us), approx_percentile_cont(0.99) within group (order by rtt_us), \
        quantile_cont(rtt_us, 0.99), percentile_cont(0.01) within group (order by rtt_us desc), median(rtt_us), approx_median(rtt_us), \
        quantiles(rtt_us, 0, 0.25, 1), percentile_cont(0.5) within group (order by rtt_us) filter (where rtt_us < 11000), \
        median(distinct rtt_us / 6000), median(rtt_us / 1000.0) from samples";
    let p99 = 21_781.0;
    let quartiles = json!([10_000.0, 12_975.0, 21_900.0]);
    let expected = json!([15_950.0, p99, p99, p99, 15_950.0, 15_950.0, quartiles, 10_450.0, 2.0, 15.95]);
    assert_eq!(rows(all).await, json!([expected]));
    let grouped = "select source, outcome, count(*), median(rtt_us) as p50, max(rtt_us), quantile_cont(rtt_us, 0.99) as p99 from samples \
        group by source, outcome having median(rtt_us) is not null or outcome = 'timeout' order by p50 nulls last";
    let expected =
        json!([["us-east-1", "answered", 121, 15_950.0, 21_900, p99], ["us-east-1", "timeout", 1, null, null, null]]);
    assert_eq!(rows(grouped).await, expected);
    let sliding = "select median(rtt_us) over (order by ts rows between 2 preceding and current row) from samples \
        where rtt_us is not null order by ts limit 4";
    assert_eq!(rows(sliding).await, json!([[10_000.0], [10_050.0], [10_100.0], [10_200.0]]));
    assert_eq!(
        rows("select median(rtt_us), quantiles(rtt_us, 0.5) from samples where false").await,
        json!([[null, null]])
    );
    let binned = "select date_trunc('minute', ts) as minute, date_bin(interval '1 minute', ts) = date_trunc('minute', ts), \
        median(rtt_us) from samples where rtt_us is not null group by 1, 2 order by 1";
    let found = rows(binned).await;
    assert_eq!((&found[0][1], &found[0][2], &found[1][2]), (&json!(true), &json!(12_950.0), &json!(18_950.0)));
    for (mistake, part) in [
        ("select percentile_cont(1.5) within group (order by rtt_us) from samples", "a number from 0 to 1"),
        ("select quantiles(rtt_us) from samples", "at least one quantile"),
        ("select median(source) from samples", "expected numbers"),
    ] {
        let detail = world.sql(mistake).await.problem(400);
        assert!(detail.contains(part), "{mistake}: {detail}");
    }
}

#[tokio::test]
async fn digests_of_the_rollups_merge() {
    let world = World::new();
    for (hour, rtts_us) in [(1, [10_000; 90].as_slice()), (2, &[20_000; 9]), (3, &[30_000])] {
        world.append(tables::ROLLUP_1H, rollup(NOON - hour * HOUR, "a", "b", rtts_us)).await;
    }
    let query = "select digest_quantile(d, 0.5), digest_quantile(d, 0.95), digest_quantile(d, 1), digest_quantile(null, 0.5) \
        from (select digest_merge(digest) as d from rollup_1h where date >= '2026-01-01' group by source, target)";
    assert_eq!(world.sql(query).await.ok()["rows"], json!([[10_000.0, 20_000.0, 30_000.0, null]]));
    assert_eq!(
        world.sql("select digest_merge(digest) is null from rollup_1h where false").await.ok()["rows"],
        json!([[true]])
    );
    let detail = world.sql("select digest_quantile(arrow_cast('x', 'Binary'), 0.5) from rollup_1h").await.problem(400);
    assert!(detail.contains("digest"), "{detail}");
}

#[tokio::test]
async fn sql_as_csv_and_by_get() {
    let world = archived().await;
    let path =
        "/api/v1/sql?format=csv&q=select%20id,name,latitude,status%20from%20regions%20order%20by%20id%20limit%201";
    let answer = world.get(path).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(answer.header("cloudping-truncated"), "false");
    assert!(answer.body.starts_with("id,name,latitude,status\r\n"), "{}", answer.body);
    assert_eq!(answer.body.lines().count(), 2);
    world.get("/api/v1/sql").await.problem(400);
    let text =
        Request::post("/api/v1/sql").header("content-type", "application/json").body(Body::from("{\"sql\":\"x\"}"));
    let detail = world.ask(text.unwrap()).await.problem(422);
    assert!(detail.contains("unknown field `sql`"), "{detail}");
}

/// Whatever is not reading, or reads anything but the tables.
const HOSTILE: [&str; 41] = [
    "",
    "nonsense",
    "insert into samples select * from samples",
    "update samples set rtt_us = 1",
    "delete from samples",
    "truncate table samples",
    "merge into samples using regions on true when matched then delete",
    "drop table samples",
    "alter table samples add column x int",
    "create table t as select 1",
    "create view v as select 1",
    "create schema s",
    "create external table t stored as csv location '/etc/passwd'",
    "create function f(double) returns double return $1",
    "select 1 into t",
    "with x as (select 1) insert into samples select * from x",
    "copy samples to '/tmp/stolen.parquet'",
    "copy (select 1) to '/tmp/stolen.csv'",
    "set datafusion.execution.batch_size = 1",
    "reset datafusion.execution.batch_size",
    "show all",
    "show tables",
    "show functions",
    "explain select 1",
    "explain analyze select * from samples",
    "begin",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
    "use cloudping",
    "select 1; select 2",
    "select 1; drop table samples",
    "select * from information_schema.routines",
    "select * from information_schema.df_settings",
    "select * from '/etc/passwd'",
    "select * from 'file:///etc/passwd'",
    "select * from read_csv('/etc/passwd')",
    "select * from parquet_metadata('/etc/passwd')",
    "select version()",
    "select repeat('x', 1000000000)",
    "select @@hostname",
];

#[tokio::test]
async fn hostile_statements_are_refused() {
    let world = archived().await;
    for statement in HOSTILE {
        let answer = world.sql(statement).await;
        assert_eq!(answer.status, 400, "{statement}: {}", answer.body);
        let detail = answer.problem(400);
        assert!(!detail.is_empty() && !detail.contains("/tables"), "{statement}: {detail}");
    }
    assert!(!std::path::Path::new("/tmp/stolen.csv").exists());
    assert_eq!(world.sql("select count(*) from samples").await.ok()["rows"], json!([[124]]));
}

#[tokio::test]
async fn a_mistake_is_explained() {
    let world = archived().await;
    let detail = world.sql("select rtt from samples").await.problem(400);
    assert!(detail.contains("rtt") && detail.contains("rtt_us"), "{detail}");
    let detail = world.sql("selec 1").await.problem(400);
    assert!(detail.to_lowercase().contains("expected"), "{detail}");
    let detail = world.sql("select 1 / 0").await.problem(400);
    assert!(detail.to_lowercase().contains("divide by zero"), "{detail}");
    assert!(world.sql("delete from samples").await.problem(400).contains("only one reading statement"));
}

#[tokio::test]
async fn long_answers_are_cut_and_say_so() {
    let world = World::with(now, |settings| settings.sql.rows = 1000);
    let answer = world.sql("select value from generate_series(1, 1001)").await.ok();
    assert_eq!((&answer["row_count"], &answer["truncated"]), (&json!(1000), &json!(true)));
    assert_eq!(answer["rows"].as_array().unwrap().len(), 1000);
    let answer = world.sql("select value from generate_series(1, 1000)").await.ok();
    assert_eq!((&answer["row_count"], &answer["truncated"]), (&json!(1000), &json!(false)));

    let world = World::with(now, |settings| settings.sql.result_bytes = 10_000);
    let answer = world.sql("select value from generate_series(1, 100000)").await;
    assert!((10_000..10_200).contains(&answer.body.len()), "{}", answer.body.len());
    assert_eq!(answer.ok()["truncated"], true);
}

/// Far more rows than can be counted in the time.
const ENDLESS: &str = "select count(*) from generate_series(1, 10000000) a, generate_series(1, 10000000) b where a.value % 7 < b.value % 11";

#[tokio::test]
async fn a_slow_statement_is_stopped() {
    let world = World::with(now, |settings| settings.sql.wall_time = Duration::from_millis(300));
    let detail = world.sql(ENDLESS).await.problem(422);
    assert!(detail.contains("ran for more than 0.3 s") && detail.contains("rollup_1h"), "{detail}");
    // Its place and its threads are free again.
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.sql("select 1").await.ok();
}

#[tokio::test]
async fn a_greedy_statement_is_stopped() {
    let world = World::with(now, |settings| settings.sql.memory_bytes = 4 << 20);
    for statement in [
        "select value, count(*) from generate_series(1, 3000000) group by value order by 2",
        "select sum(value) over () from generate_series(1, 1000000)",
    ] {
        let detail = world.sql(statement).await.problem(422);
        assert!(detail.contains("more memory"), "{statement}: {detail}");
    }
    world.sql("select sum(value) over () from generate_series(1, 1000)").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_few_and_a_dropped_request_frees_its_own() {
    let world = World::with(now, |settings| settings.sql.concurrency = 1);
    let running = async { world.sql(ENDLESS).await };
    tokio::pin!(running);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut running).await.is_err());
    let busy = world.sql("select 1").await;
    assert_eq!(busy.header("retry-after"), "1");
    assert!(busy.problem(429).contains("1 statements are running"));
    // A live answer is not delayed.
    let started = Instant::now();
    world.get("/api/v1/matrix").await.ok();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_request_is_cancelled() {
    let world = World::with(now, |settings| settings.sql.concurrency = 1);
    let dropped = tokio::time::timeout(Duration::from_millis(300), world.sql(ENDLESS)).await;
    assert!(dropped.is_err());
    let started = Instant::now();
    while world.sql("select 1").await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(10), "the statement still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Planning recurses, and cannot be stopped halfway: what may be asked must be planned within the stack and soon.
#[tokio::test]
async fn deep_statements_neither_overflow_the_stack_nor_block() {
    let world = World::new();
    let chain = |first: &str, more: &str, times: usize| first.to_owned() + &more.repeat(times);
    for statement in [
        chain("select 1", "+1", 998),
        chain("select length(id)", "+length(id)", 380) + " from regions",
        chain("select id", "||id", 950) + " from regions",
        chain("select 1", " union select 1", 600),
        chain("select 1 where true", " or true", 990),
        chain("select * from regions where id in ('a'", ",'a'", 980) + ")",
        format!("select {}1{}", "(".repeat(900), ")".repeat(900)),
        chain("select ", "not ", 1900) + "true",
        chain("select ", "case when true then ", 450),
        chain("select ", "cast(", 45) + "1",
        chain("select ", "interval ", 45) + "1",
        chain("select ", "exists (select ", 20) + "1",
        chain("select * from ", "(", 40) + "regions",
        chain("select * from ", "(", 40) + "regions" + &")".repeat(40),
        chain("select * from regions where ", "(", 40) + "1" + &" in (select 1)) ".repeat(40),
        chain("", "with x as (", 20) + "select 1",
    ] {
        let started = Instant::now();
        let answer = world.sql(&statement).await;
        let start = &statement[..60];
        println!("{start}: {} in {:?}", answer.status, started.elapsed());
        assert!(
            [200, 400].contains(&answer.status.as_u16()),
            "{start}: {}",
            &answer.body[..200.min(answer.body.len())]
        );
        assert!(started.elapsed() < Duration::from_secs(20), "{start}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn long_statements_are_refused() {
    let world = World::new();
    world.sql(&format!("select 1 {}", " ".repeat(16_000))).await.ok();
    let detail = world.sql(&" ".repeat((16 << 10) + 1)).await.problem(413);
    assert!(detail.contains("longer than 16384 bytes"), "{detail}");
    let detail = world.sql(&format!("select 1{}", "+1".repeat(1000))).await.problem(413);
    assert!(detail.contains("more than 2000 words and signs"), "{detail}");
}

#[tokio::test]
async fn a_table_that_cannot_be_read_shows_no_paths() {
    let world = archived().await;
    for entry in std::fs::read_dir(world.folder.path().join("tables/samples")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("date=") {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
    let detail = world.sql("select sum(rtt_us) from samples").await.problem(500);
    assert!(detail.contains("file samples/date=2026-01-01/") && detail.contains("is missing"), "{detail}");
    assert!(!detail.contains(&*world.folder.path().to_string_lossy()), "{detail}");
}
