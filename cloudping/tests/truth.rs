//! The whole pipeline on the planet against what the planet really did: latency, loss, an outage and a route change; and
//! the same Parquet files read by DuckDB.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::planet::{
    AFTER, BEFORE, LOSSY, REROUTED, cell, cells, loss_is_binomial, medians_are_true, near,
    outage_is_loss_and_no_latency, rows_are_marked_as_simulated, true_ms, world,
};
use support::{REGIONS, Server};

#[test]
fn the_view_is_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("scenario.toml");
    std::fs::write(&scenario, BEFORE).unwrap();
    let data = dir.path().join("data");
    let file = scenario.to_str().unwrap();
    let arguments = ["--regions", REGIONS, "--scenario", file, "--interval", "250ms", "--archive-every", "2s"];
    let server = Server::start(&data, &arguments);

    std::thread::sleep(Duration::from_secs(20));
    let before = cells(&server, "p50");
    medians_are_true(&before, &world(BEFORE), &[]);
    loss_is_binomial(cell(&before, LOSSY), 0.3);
    let unharmed: f64 = (before.iter())
        .filter(|(pair, _)| (pair.0.as_str(), pair.1.as_str()) != LOSSY)
        .map(|(_, found)| found["lost"].as_f64().unwrap())
        .sum();
    assert!(unharmed <= 2.0, "{unharmed} probes lost on links that lose none");

    std::fs::write(&scenario, AFTER).unwrap();
    std::thread::sleep(Duration::from_secs(20));
    let after = cells(&server, "p50");
    medians_are_true(&after, &world(BEFORE), &[REROUTED]);
    near(cell(&cells(&server, "p5"), REROUTED), true_ms(&world(BEFORE), REROUTED), "the old route");
    // Well within what came by the new route: higher up are the hiccups of this machine.
    near(cell(&cells(&server, "p75"), REROUTED), true_ms(&world(AFTER), REROUTED), "the new route");
    outage_is_loss_and_no_latency(&server, &before);
    loss_is_binomial(cell(&after, LOSSY), 0.3);

    rows_are_marked_as_simulated(&server);
    the_target_that_moved_was_followed(&server);
    duckdb_agrees(&server, &data);
    server.stop();
}

/// One target has two addresses, the later one in every sample since; the others have one.
fn the_target_that_moved_was_followed(server: &Server) {
    let found =
        server.sql("select target, count(distinct address) as n from samples group by target order by n desc, target");
    let rows = found["rows"].as_array().unwrap();
    assert_eq!((&rows[0][0], &rows[0][1]), (&Value::from(REROUTED.1), &Value::from(2)), "{found}");
    assert!(rows[1..].iter().all(|row| row[1] == 1), "{found}");
    let newest = "select distinct last_value(address) over (partition by source order by ts
        rows between unbounded preceding and unbounded following) from samples where target = 'ap-south-1'";
    let newest = server.sql(newest);
    assert_eq!(newest["row_count"], 1, "{newest}");
    assert!(newest["rows"][0][0].as_str().unwrap().starts_with("10.2.128."), "{newest}");
}

/// Per pair: rows, sum, exact median; from both engines, over the samples that were surely archived before now: others of the same moments
/// come with the rounds that are still under way, and with those of shards that are archived after.
fn duckdb_agrees(server: &Server, data: &Path) {
    let newest = server.sql("select cast(max(ts) - interval '10 seconds' as varchar) from samples");
    let newest = newest["rows"][0][0].as_str().unwrap().trim_end_matches('Z').replace('T', " ");
    let approximate = server
        .sql("select source, target, approx_percentile_cont(rtt_us, 0.5) as p50 from samples group by source, target");
    assert_eq!(approximate["row_count"], 132, "{approximate}");
    let query = |median: &str, from: &str| {
        format!(
            "select source, target, count(*), sum(rtt_us), {median} from {from} where ts <= timestamp '{newest}' group by source, target order by source, target"
        )
    };
    let ours = server.sql(&query("percentile_cont(cast(rtt_us as double), 0.5)", "samples"));
    let Some(python) = std::env::var_os("CLOUDPING_TEST_PYTHON") else {
        eprintln!("NOT COMPARED WITH DUCKDB: set CLOUDPING_TEST_PYTHON, as `cargo xtask test` does");
        return;
    };
    let files = format!("read_parquet('{}/tables/samples/**/*.parquet')", data.display());
    let program = "import duckdb, json, sys; duckdb.sql(\"set timezone='UTC'\"); print(json.dumps(duckdb.sql(sys.argv[1]).fetchall(), default=str))";
    let theirs = query("quantile_cont(rtt_us, 0.5)", &files)
        .replace("timestamp '", "timestamptz '")
        .replace("' group", "+00' group");
    let output = Command::new(python).args(["-c", program, &theirs]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Vec<Value>> = serde_json::from_slice(&output.stdout).unwrap();
    let ours = ours["rows"].as_array().unwrap();
    assert_eq!(ours.len(), 132);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.as_array().unwrap()[..2], theirs[..2]);
        for column in 2..5 {
            let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
            assert_eq!(number(&ours[column]), number(&theirs[column]), "{ours} against {theirs:?}");
        }
    }
}
