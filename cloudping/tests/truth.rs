//! The whole pipeline on the planet against what the planet really did: latency, loss, an outage and a route change; and
//! the same Parquet files read by DuckDB.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloudping_planet::scenario::Scenario;
use cloudping_planet::{Place, World};
use cloudping_schemas::catalogue::Catalogue;
use serde_json::Value;
use support::{REGIONS, Server};

/// One lossy pair from the start.
const BEFORE: &str = r#"
[[link]]
source = "eu-west-1"
target = "sa-east-1"
symmetric = false
loss = 0.3
"#;

/// Then an outage, and a detour of 30 ms.
const AFTER: &str = r#"
[[link]]
source = "eu-west-1"
target = "sa-east-1"
symmetric = false
loss = 0.3

[[link]]
source = "us-east-1"
target = "ap-south-1"
symmetric = false
extra_ms = 30.0

[[link]]
source = "me-south-1"
target = "af-south-1"
symmetric = false
down = true
"#;

const LOSSY: (&str, &str) = ("eu-west-1", "sa-east-1");
const REROUTED: (&str, &str) = ("us-east-1", "ap-south-1");
const DOWN: (&str, &str) = ("me-south-1", "af-south-1");

type Cells = BTreeMap<(String, String), Value>;

fn world(scenario: &str) -> World {
    let catalogue = Catalogue::built_in().unwrap();
    let ids: Vec<&str> = REGIONS.split(',').collect();
    let places: Vec<Place> = (catalogue.regions().iter())
        .filter(|region| ids.contains(&region.id.as_str()))
        .map(|region| Place { id: region.id.clone(), latitude: region.latitude, longitude: region.longitude })
        .collect();
    assert_eq!(places.len(), 12);
    World::from_places(&places).with(&Scenario::parse(scenario).unwrap()).unwrap()
}

fn true_ms(world: &World, (source, target): (&str, &str)) -> f64 {
    world.link(source, target).unwrap().rtt.as_secs_f64() * 1_000.0
}

fn cells(server: &Server, percentile: &str) -> Cells {
    let matrix = server.get(&format!("/api/v1/matrix?percentile={percentile}&window=5m"));
    assert_eq!(matrix["simulated"], true);
    let cells = matrix["cells"].as_array().unwrap().clone();
    let text = |cell: &Value, field: &str| cell[field].as_str().unwrap().to_owned();
    cells.into_iter().map(|cell| ((text(&cell, "source"), text(&cell, "target")), cell)).collect()
}

fn cell<'a>(cells: &'a Cells, (source, target): (&str, &str)) -> &'a Value {
    &cells[&(source.to_owned(), target.to_owned())]
}

fn near(found: &Value, truth: f64, what: &str) {
    let found = found["rtt_ms"].as_f64().unwrap_or_else(|| panic!("{what}: no latency in {found}"));
    assert!((found - truth).abs() <= 0.5, "{what}: {found} ms, in truth {truth} ms");
}

/// Every pair but `except` within 0.5 ms of the truth at the median.
fn medians_are_true(cells: &Cells, world: &World, except: &[(&str, &str)]) {
    assert_eq!(cells.len(), 12 * 11);
    for ((source, target), found) in cells {
        let pair = (source.as_str(), target.as_str());
        if !except.contains(&pair) {
            near(found, true_ms(world, pair), &format!("p50 {source} -> {target}"));
        }
    }
}

/// Four standard deviations of the binomial distribution, and one probe for the edges.
fn loss_is_binomial(found: &Value, probability: f64) {
    let (sent, lost) = (found["sent"].as_f64().unwrap(), found["lost"].as_f64().unwrap());
    let bound = 4.0 * (sent * probability * (1.0 - probability)).sqrt() + 1.0;
    assert!((lost - sent * probability).abs() <= bound, "{lost} of {sent} lost, expected a share of {probability}");
}

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
    near(cell(&cells(&server, "p95"), REROUTED), true_ms(&world(AFTER), REROUTED), "the new route");
    outage_is_loss_and_no_latency(&server, &before);
    loss_is_binomial(cell(&after, LOSSY), 0.3);

    duckdb_agrees(&server, &data);
    server.stop();
}

fn outage_is_loss_and_no_latency(server: &Server, before: &Cells) {
    let worst = cells(server, "max");
    let found = cell(&worst, DOWN);
    let lost = found["lost"].as_u64().unwrap();
    assert!(lost >= 50, "an outage of 20 s at 4 probes a second: only {lost} lost");
    let received = found["sent"].as_u64().unwrap() - lost;
    assert_eq!(found["count"].as_u64().unwrap(), received);
    let slowest = found["rtt_ms"].as_f64().unwrap();
    let usual = cell(before, DOWN)["rtt_ms"].as_f64().unwrap();
    assert!(slowest < usual + 100.0, "the outage shows as a latency of {slowest} ms");
    let outcomes = server.sql(&format!(
        "select outcome, count(*) n from samples where source = '{}' and target = '{}' and outcome <> 'answered' group by outcome",
        DOWN.0, DOWN.1
    ));
    let kinds: Vec<&str> = (outcomes["rows"].as_array().unwrap().iter()).map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(kinds, ["timeout"], "{outcomes}");
}

/// Per pair: rows, sum, exact median; from both engines, over the samples that were archived before now.
fn duckdb_agrees(server: &Server, data: &Path) {
    let newest = server.sql("select cast(max(ts) as varchar) from samples");
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
