//! What the planet does in these tests, and how to hold a view against it.

use std::collections::BTreeMap;

use cloudping_planet::scenario::Scenario;
use cloudping_planet::{Place, World};
use cloudping_schemas::catalogue::Catalogue;
use serde_json::Value;

use super::{Api, REGIONS};

/// One lossy pair from the start.
pub const BEFORE: &str = r#"
[[link]]
source = "eu-west-1"
target = "sa-east-1"
symmetric = false
loss = 0.3
"#;

/// Then an outage, a detour of 30 ms, and another address of its target.
pub const AFTER: &str = r#"
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

[[move]]
target = "ap-south-1"
"#;

pub const LOSSY: (&str, &str) = ("eu-west-1", "sa-east-1");
pub const REROUTED: (&str, &str) = ("us-east-1", "ap-south-1");
pub const DOWN: (&str, &str) = ("me-south-1", "af-south-1");

pub type Cells = BTreeMap<(String, String), Value>;

pub fn world(scenario: &str) -> World {
    let catalogue = Catalogue::built_in().unwrap();
    let ids: Vec<&str> = REGIONS.split(',').collect();
    let places: Vec<Place> = (catalogue.regions().iter())
        .filter(|region| ids.contains(&region.id.as_str()))
        .map(|region| Place { id: region.id.clone(), latitude: region.latitude, longitude: region.longitude })
        .collect();
    assert_eq!(places.len(), 12);
    World::from_places(&places).with(&Scenario::parse(scenario).unwrap()).unwrap()
}

pub fn true_ms(world: &World, (source, target): (&str, &str)) -> f64 {
    world.link(source, target).unwrap().rtt.as_secs_f64() * 1_000.0
}

pub fn cells(api: &Api, percentile: &str) -> Cells {
    let matrix = api.get(&format!("/api/v1/matrix?percentile={percentile}&window=5m"));
    assert_eq!(matrix["simulated"], true);
    let cells = matrix["cells"].as_array().unwrap().clone();
    let text = |cell: &Value, field: &str| cell[field].as_str().unwrap().to_owned();
    cells.into_iter().map(|cell| ((text(&cell, "source"), text(&cell, "target")), cell)).collect()
}

pub fn cell<'a>(cells: &'a Cells, (source, target): (&str, &str)) -> &'a Value {
    &cells[&(source.to_owned(), target.to_owned())]
}

pub fn near(found: &Value, truth: f64, what: &str) {
    let found = found["rtt_ms"].as_f64().unwrap_or_else(|| panic!("{what}: no latency in {found}"));
    assert!((found - truth).abs() <= 0.5, "{what}: {found} ms, in truth {truth} ms");
}

/// Every pair but `except` within 0.5 ms of the truth at the median.
pub fn medians_are_true(cells: &Cells, world: &World, except: &[(&str, &str)]) {
    assert_eq!(cells.len(), 12 * 11);
    for ((source, target), found) in cells {
        let pair = (source.as_str(), target.as_str());
        if !except.contains(&pair) {
            near(found, true_ms(world, pair), &format!("p50 {source} -> {target}"));
        }
    }
}

/// Four standard deviations of the binomial distribution, and one probe for the edges.
pub fn loss_is_binomial(found: &Value, probability: f64) {
    let (sent, lost) = (found["sent"].as_f64().unwrap(), found["lost"].as_f64().unwrap());
    let bound = 4.0 * (sent * probability * (1.0 - probability)).sqrt() + 1.0;
    assert!((lost - sent * probability).abs() <= bound, "{lost} of {sent} lost, expected a share of {probability}");
}

/// Twenty seconds of the outage at the least, at four probes a second.
pub fn outage_is_loss_and_no_latency(api: &Api, before: &Cells) {
    let worst = cells(api, "max");
    let found = cell(&worst, DOWN);
    let lost = found["lost"].as_u64().unwrap();
    assert!(lost >= 50, "an outage of 20 s at 4 probes a second: only {lost} lost");
    let received = found["sent"].as_u64().unwrap() - lost;
    assert_eq!(found["count"].as_u64().unwrap(), received);
    let slowest = found["rtt_ms"].as_f64().unwrap();
    let usual = cell(before, DOWN)["rtt_ms"].as_f64().unwrap();
    assert!(slowest < usual + 100.0, "the outage shows as a latency of {slowest} ms");
    let outcomes = api.sql(&format!(
        "select outcome, count(*) n from samples where source = '{}' and target = '{}' and outcome <> 'answered' group by outcome",
        DOWN.0, DOWN.1
    ));
    let kinds: Vec<&str> = (outcomes["rows"].as_array().unwrap().iter()).map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(kinds, ["timeout"], "{outcomes}");
}

/// What anybody reads of the archive says by itself that no network was measured.
pub fn rows_are_marked_as_simulated(api: &Api) {
    let origins = api.sql("select distinct origin from samples");
    assert_eq!(origins["rows"], serde_json::json!([["simulated"]]));
}
