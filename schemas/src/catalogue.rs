//! The region catalogue: which regions exist, where they are and what to probe there.

use std::collections::HashSet;

use cloudping_model::{LatLon, TargetId};
use serde::Deserialize;

/// One region of a provider.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Unique over all providers; the id of the region's target and of its vantage point.
    pub id: String,
    /// The provider, such as `aws`.
    pub provider: String,
    /// The provider's partition, such as `aws-cn`.
    pub partition: String,
    /// The provider's name for it.
    pub name: String,
    /// The metropolitan area it stands in.
    pub city: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// AF, AN, AS, EU, NA, OC or SA.
    pub continent: String,
    /// Degrees north of the metropolitan area, WGS 84.
    pub latitude: f64,
    /// Degrees east of the metropolitan area, WGS 84.
    pub longitude: f64,
    /// Whether an account must enable it first.
    pub opt_in: bool,
    /// What to probe, `host:port`.
    pub endpoint: String,
    /// Where the row's facts come from.
    pub source: String,
    /// When they were checked, `YYYY-MM-DD`.
    pub checked: String,
}

impl Region {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> LatLon {
        LatLon { latitude: self.latitude, longitude: self.longitude }
    }
}

/// Why a text is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Not the expected TOML; the message names line and field.
    #[error("region catalogue: {0}")]
    Toml(#[from] toml::de::Error),
    /// A row holds what it must not.
    #[error("region catalogue: region {id:?}: {field} is {found:?}, expected {expected}")]
    Row {
        /// Which row.
        id: String,
        /// Which field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
}

/// A checked list of regions.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    regions: Vec<Region>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    region: Vec<Region>,
}

impl Catalogue {
    /// The catalogue that the program was built with.
    ///
    /// # Errors
    /// Never in a tested build; see [`CatalogueError`].
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::parse(include_str!("../regions.toml"))
    }

    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// [`CatalogueError`], naming the row and the field.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let file: File = toml::from_str(text)?;
        let mut ids = HashSet::new();
        for region in &file.region {
            if let Some((field, found, expected)) = fault(region) {
                return Err(CatalogueError::Row { id: region.id.clone(), field, found, expected });
            }
            if !ids.insert(region.id.as_str()) {
                return Err(CatalogueError::Row {
                    id: region.id.clone(),
                    field: "id",
                    found: region.id.clone(),
                    expected: "an id that no other row has",
                });
            }
        }
        Ok(Self { regions: file.region })
    }

    /// The regions, in the file's order.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The region of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.id == id)
    }

    /// Keeps the regions that `keep` says yes to.
    pub fn retain(&mut self, keep: impl FnMut(&Region) -> bool) {
        self.regions.retain(keep);
    }
}

/// The first field that is wrong: its name, what it holds, what was expected.
fn fault(region: &Region) -> Option<(&'static str, String, &'static str)> {
    const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];
    let port_of = |endpoint: &str| endpoint.rsplit_once(':')?.1.parse::<u16>().ok();
    let country = &region.country;
    let checks = [
        (TargetId::new(&region.id).is_ok(), "id", region.id.clone(), "1 to 64 characters out of a-z, 0-9 and . _ : -"),
        (
            country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()),
            "country",
            country.clone(),
            "two capital letters (ISO 3166-1)",
        ),
        (
            CONTINENTS.contains(&region.continent.as_str()),
            "continent",
            region.continent.clone(),
            "AF, AN, AS, EU, NA, OC or SA",
        ),
        (region.latitude.abs() <= 90.0, "latitude", region.latitude.to_string(), "-90 to 90 degrees"),
        (region.longitude.abs() <= 180.0, "longitude", region.longitude.to_string(), "-180 to 180 degrees"),
        (port_of(&region.endpoint).is_some_and(|port| port > 0), "endpoint", region.endpoint.clone(), "host:port"),
    ];
    let wrong = checks.into_iter().find(|(holds, ..)| !holds)?;
    Some((wrong.1, wrong.2, wrong.3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_has_every_aws_region_with_an_endpoint() {
        let catalogue = Catalogue::built_in().unwrap();
        let count = |partition: &str| {
            let regions = catalogue.regions().iter();
            regions.filter(|region| region.partition == partition).count()
        };
        assert_eq!(count("aws"), 34);
        assert_eq!(count("aws-us-gov"), 2);
        assert_eq!(count("aws-cn"), 2);
        assert_eq!(count("aws-eusc"), 1);
        let beijing = catalogue.get("cn-north-1").unwrap();
        assert_eq!(beijing.endpoint, "dynamodb.cn-north-1.amazonaws.com.cn:443");
        assert!(catalogue.get("sa-east-1").unwrap().latitude < 0.0);
    }

    #[test]
    fn a_faulty_row_is_named() {
        let text = include_str!("../regions.toml");
        let row = &text[text.find("\n[[region]]").unwrap()..];
        let row = &row[..row[1..].find("\n[[region]]").unwrap() + 1];
        let error_of = |text: &str| Catalogue::parse(text).unwrap_err().to_string();
        let error = error_of(&row.replace("country = \"", "country = \"x"));
        assert!(error.contains("country is \"x"), "{error}");
        let error = error_of(&row.replace("latitude = -", "latitude = -1"));
        assert!(error.contains("latitude is \"-1"), "{error}");
        let error = error_of(&row.repeat(2));
        assert!(error.contains("an id that no other row has"), "{error}");
        let error = error_of(&row.replace("city = ", "town = "));
        assert!(error.contains("town"), "{error}");
        assert!(Catalogue::parse(row).is_ok());
    }
}
