//! The other texts that people write: a region catalogue (`Catalogue::parse`) and a planet's scenario (`Scenario::parse`).
#![no_main]

use cloudping_planet::{Scenario, ScenarioError};
use cloudping_schemas::catalogue::Catalogue;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(catalogue) = Catalogue::parse(text) {
        for region in catalogue.regions() {
            assert_eq!(catalogue.get(&region.id), Some(region), "an id comes twice");
            assert!((-90.0..=90.0).contains(&region.latitude) && (-180.0..=180.0).contains(&region.longitude));
        }
    }
    if let Err(ScenarioError::Syntax { line, .. } | ScenarioError::OutOfRange { line, .. }) = Scenario::parse(text) {
        assert!((1..=text.lines().count() + 1).contains(&line), "line {line}");
    }
});
