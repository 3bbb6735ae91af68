//! Where the gateways stand.

use std::collections::HashSet;

use cloudping_agent::failure::Failure;
use cloudping_planet::Place;
use cloudping_schemas::catalogue::{Catalogue, Region};

/// Regions that are taken where they are there: far apart, and on three continents.
const PREFERRED: [&str; 3] = ["eu-west-1", "us-east-1", "ap-southeast-1"];

/// A gateway's place, and the region beside it, which has a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The region.
    pub region: String,
    /// The place at its edge.
    pub edge: String,
}

/// Three regions of the catalogue: the preferred ones, else the first of other continents, else the first of all.
///
/// # Errors
/// When there are fewer than two: nobody could take over.
pub fn choose(catalogue: &Catalogue) -> Result<Vec<Site>, Failure> {
    let mut chosen: Vec<&Region> = PREFERRED.iter().filter_map(|id| catalogue.get(id)).collect();
    let mut continents: HashSet<&str> = chosen.iter().map(|region| &*region.continent).collect();
    let elsewhere = catalogue.regions().iter().filter(|region| continents.insert(&region.continent));
    chosen.extend(elsewhere);
    chosen.truncate(PREFERRED.len());
    for region in catalogue.regions() {
        if chosen.len() < PREFERRED.len() && chosen.iter().all(|other| other.id != region.id) {
            chosen.push(region);
        }
    }
    if chosen.len() < 2 {
        return Err(Failure::setting(
            "--gateway: there is one region, expected two or more, so that one can take over",
        ));
    }
    Ok(chosen
        .into_iter()
        .map(|region| Site { region: region.id.clone(), edge: format!("edge-{}", region.id) })
        .collect())
}

/// The edges as places of the planet, where their regions are.
pub fn edges(sites: &[Site], places: &[Place]) -> Vec<Place> {
    let edge = |site: &Site| {
        let region = places.iter().find(|place| place.id == site.region)?;
        Some(Place { id: site.edge.clone(), ..region.clone() })
    };
    sites.iter().filter_map(edge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(keep: impl Fn(&Region) -> bool) -> Result<Vec<String>, String> {
        let mut catalogue = Catalogue::built_in().unwrap();
        catalogue.retain(keep);
        let sites = choose(&catalogue).map_err(|failure| failure.to_string())?;
        Ok(sites.into_iter().map(|site| site.region).collect())
    }

    #[test]
    fn three_continents_if_there_are_so_many() {
        assert_eq!(chosen(|_| true).unwrap(), PREFERRED);
        let without = chosen(|region| region.provider == "aws" && region.id != "us-east-1").unwrap();
        assert_eq!(without[..2], ["eu-west-1", "ap-southeast-1"]);
        assert!(without.len() == 3 && !without[2].starts_with("eu-"), "{without:?}");
        let europe = chosen(|region| region.provider == "aws" && region.continent == "EU").unwrap();
        assert_eq!((europe.len(), &*europe[0]), (3, "eu-west-1"));
        assert_eq!(europe.iter().collect::<HashSet<_>>().len(), 3, "{europe:?}");
        let two = |region: &Region| ["eu-west-2", "eu-west-3"].contains(&&*region.id);
        assert_eq!(chosen(two).unwrap(), ["eu-west-2", "eu-west-3"]);
        assert!(chosen(|region| region.id == "eu-west-1").unwrap_err().starts_with("--gateway: there is one region"));
    }
}
