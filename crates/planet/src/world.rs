//! The world: which regions there are, and how each ordered pair of them is linked.

use std::collections::HashMap;
use std::time::Duration;

use cloudping_model::LatLon;

use crate::geography::{base_rtt, milliseconds};
use crate::scenario::{End, Rule, Scenario, ScenarioError};

/// A region and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The region's id, unique within a world.
    pub id: String,
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

/// How packets fare from one region (the probing one) to another and back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// The least round-trip time that is ever asked for.
    pub rtt: Duration,
    /// Mean of the exponentially distributed jitter that is added to `rtt`, drawn anew for each handshake.
    pub jitter: Duration,
    /// Probability, for each forward packet that carries a SYN, payload or something other than TCP, that it is lost.
    /// Pure ACKs and RSTs are never lost, nor is anything on the way back.
    pub loss: f64,
    /// An outage: every packet of this pair is dropped, in both directions.
    pub down: bool,
}

/// Regions and the links between them. Cheap to read, immutable; [`World::with`] makes a changed one.
#[derive(Debug, Clone)]
pub struct World {
    places: Vec<Place>,
    index: HashMap<String, usize>,
    /// Row-major: `source * places.len() + target`.
    links: Vec<Link>,
    /// By place: whether it is at its second address as a target.
    moved: Vec<bool>,
}

impl World {
    /// A world of plain geography: RTT by distance (see [`geography`](crate::geography)), no jitter, no loss.
    /// Of places with the same id the first counts.
    pub fn from_places(places: &[Place]) -> Self {
        let mut world = Self {
            places: Vec::with_capacity(places.len()),
            index: HashMap::with_capacity(places.len()),
            links: Vec::new(),
            moved: Vec::new(),
        };
        for place in places {
            if !world.index.contains_key(&place.id) {
                world.index.insert(place.id.clone(), world.places.len());
                world.places.push(place.clone());
            }
        }
        world.links = world.plain_links(&Scenario::default());
        world.moved = vec![false; world.places.len()];
        world
    }

    /// The same places under `scenario`. What earlier scenarios changed is forgotten.
    ///
    /// # Errors
    /// [`ScenarioError::UnknownRegion`] if a rule names a region that is not in this world.
    pub fn with(&self, scenario: &Scenario) -> Result<Self, ScenarioError> {
        let mut links = self.plain_links(scenario);
        let mut extra = vec![Duration::ZERO; links.len()];
        for rule in &scenario.rules {
            let sources = self.range("source", &rule.source)?;
            let targets = self.range("target", &rule.target)?;
            for source in sources {
                for target in targets.clone() {
                    let mut change = |at: usize| apply(rule, &mut links[at], &mut extra[at]);
                    change(source * self.places.len() + target);
                    if rule.symmetric {
                        change(target * self.places.len() + source);
                    }
                }
            }
        }
        for (link, extra) in links.iter_mut().zip(extra) {
            link.rtt += extra;
        }
        let mut moved = vec![false; self.places.len()];
        for end in &scenario.moves {
            moved[self.range("target", end)?].fill(true);
        }
        Ok(Self { places: self.places.clone(), index: self.index.clone(), links, moved })
    }

    /// The link from `source` to `target`; `None` if either is unknown.
    pub fn link(&self, source: &str, target: &str) -> Option<Link> {
        Some(self.link_at(self.index_of(source)?, self.index_of(target)?))
    }

    /// The places, in the order of their addresses.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether target `id` is at its second address; false for one that is unknown.
    pub fn has_moved(&self, id: &str) -> bool {
        self.index_of(id).is_some_and(|index| self.moved[index])
    }

    pub(crate) fn index_of(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// The link by indices, which the caller has checked against `places`.
    pub(crate) fn link_at(&self, source: usize, target: usize) -> Link {
        self.links[source * self.places.len() + target]
    }

    fn plain_links(&self, scenario: &Scenario) -> Vec<Link> {
        let defaults = &scenario.defaults;
        let here = |place: &Place| LatLon { latitude: place.latitude, longitude: place.longitude };
        let link = |source: &Place, target: &Place| Link {
            rtt: base_rtt(here(source), here(target), defaults.route_factor, defaults.floor_ms),
            jitter: milliseconds(defaults.jitter_ms),
            loss: defaults.loss,
            down: false,
        };
        let row = |source| self.places.iter().map(move |target| link(source, target));
        self.places.iter().flat_map(row).collect()
    }

    fn range(&self, field: &'static str, end: &End) -> Result<std::ops::Range<usize>, ScenarioError> {
        let Some(id) = &end.id else {
            return Ok(0..self.places.len());
        };
        match self.index_of(id) {
            Some(index) => Ok(index..index + 1),
            None => Err(ScenarioError::UnknownRegion { line: end.line, field, id: id.clone() }),
        }
    }
}

fn apply(rule: &Rule, link: &mut Link, extra: &mut Duration) {
    if let Some(ms) = rule.rtt_ms {
        link.rtt = milliseconds(ms);
    }
    if let Some(ms) = rule.extra_ms {
        *extra = milliseconds(ms);
    }
    if let Some(ms) = rule.jitter_ms {
        link.jitter = milliseconds(ms);
    }
    if let Some(loss) = rule.loss {
        link.loss = loss;
    }
    if let Some(down) = rule.down {
        link.down = down;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        let place = |id: &str, latitude, longitude| Place { id: id.into(), latitude, longitude };
        World::from_places(&[place("a", 0.0, 0.0), place("b", 0.0, 10.0), place("c", 50.0, 10.0)])
    }

    fn with(text: &str) -> World {
        world().with(&Scenario::parse(text).expect("valid")).expect("known regions")
    }

    fn rtt_ms(world: &World, source: &str, target: &str) -> f64 {
        world.link(source, target).expect("known").rtt.as_secs_f64() * 1e3
    }

    #[test]
    fn geography_is_symmetric_and_has_a_floor() {
        let world = world();
        assert_eq!(world.link("a", "c"), world.link("c", "a"));
        assert_eq!(rtt_ms(&world, "a", "a"), 0.5);
        // Ten degrees of the equator are 1,111.95 km: 10.89 ms there and back through fibre.
        assert!((rtt_ms(&world, "a", "b") - (0.5 + 1.5 * 10.89)).abs() < 0.01);
        assert_eq!(world.link("a", "nowhere"), None);
    }

    #[test]
    fn later_rules_win_key_by_key() {
        let world = with(
            r#"
            [[link]]
            source = "a"
            target = "*"
            rtt_ms = 80
            loss = 0.5
            [[link]]
            source = "a"
            target = "b"
            symmetric = false
            rtt_ms = 20
            extra_ms = 5
            "#,
        );
        assert_eq!(rtt_ms(&world, "a", "b"), 25.0);
        assert_eq!(rtt_ms(&world, "b", "a"), 80.0);
        assert_eq!(rtt_ms(&world, "a", "c"), 80.0);
        assert_eq!(world.link("a", "b").expect("known").loss, 0.5);
        assert_eq!(world.link("c", "b").expect("known").loss, 0.0);
    }

    #[test]
    fn extra_is_on_top_of_geography_and_of_a_later_rtt() {
        let extra = "[[link]]\nsource=\"a\"\ntarget=\"b\"\nextra_ms=3\n";
        let plain = rtt_ms(&world(), "a", "b");
        assert!((rtt_ms(&with(extra), "a", "b") - plain - 3.0).abs() < 1e-6);
        let both = format!("{extra}[[link]]\nsource=\"a\"\ntarget=\"b\"\nrtt_ms=10\n");
        assert_eq!(rtt_ms(&with(&both), "a", "b"), 13.0);
    }

    #[test]
    fn a_scenario_starts_from_geography() {
        let changed = with("[[link]]\nsource=\"a\"\ntarget=\"b\"\ndown=true\n");
        assert!(changed.link("a", "b").expect("known").down);
        let restored = changed.with(&Scenario::default()).expect("valid");
        assert_eq!(restored.link("a", "b"), world().link("a", "b"));
    }

    #[test]
    fn a_target_moves_and_comes_back() {
        let changed = with("[[move]]\ntarget=\"b\"\n");
        assert_eq!(["a", "b", "nowhere"].map(|id| changed.has_moved(id)), [false, true, false]);
        assert_eq!(changed.link("a", "b"), world().link("a", "b"));
        assert!(!changed.with(&Scenario::default()).expect("valid").has_moved("b"));
        let unknown = Scenario::parse("[[move]]\ntarget=\"atlantis\"\n").expect("valid");
        assert!(world().with(&unknown).expect_err("unknown").to_string().contains("line 2"));
    }

    #[test]
    fn unknown_region_is_named_with_its_line() {
        let scenario = Scenario::parse("[[link]]\nsource=\"a\"\ntarget=\"atlantis\"\n").expect("valid");
        let message = world().with(&scenario).expect_err("unknown").to_string();
        assert!(message.contains("line 3") && message.contains("target") && message.contains("\"atlantis\""));
    }

    #[test]
    fn a_repeated_id_counts_once() {
        let place = Place { id: "a".into(), latitude: 1.0, longitude: 2.0 };
        assert_eq!(World::from_places(&[place.clone(), place]).places().len(), 1);
    }
}
