//! One row of the catalogue.

use cloudping_model::{LatLon, TargetId};
use serde::Deserialize;

use super::endpoint::is_endpoint;

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
    /// The metropolitan area it stands in, or the state where no more is known.
    pub city: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// AF, AN, AS, EU, NA, OC or SA.
    pub continent: String,
    /// Degrees north of `city`, WGS 84.
    pub latitude: f64,
    /// Degrees east of `city`, WGS 84.
    pub longitude: f64,
    /// Whether an account must enable it first.
    pub opt_in: bool,
    /// When it opened, `YYYY-MM-DD` or `YYYY-MM`, where known. Sorts as text.
    pub launched: Option<String>,
    /// The ids of its availability zones, the same for every account; empty where not known.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Whether anybody can reach it.
    #[serde(default)]
    pub status: Status,
    /// What to probe, `host:port`; none where the provider has no host of its own there.
    pub endpoint: Option<String>,
    /// Where the row's facts come from.
    pub source: String,
    /// When they were checked, `YYYY-MM-DD`.
    pub checked: String,
}

/// Whether anybody can reach a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is open.
    #[default]
    Available,
    /// The provider has named it, but it has not opened.
    Announced,
    /// It is on a network that the internet does not reach.
    Isolated,
}

/// The name of a field, what it holds, what was expected.
pub(super) type Fault = (&'static str, String, &'static str);

impl Region {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> LatLon {
        LatLon { latitude: self.latitude, longitude: self.longitude }
    }

    /// The first field that is wrong.
    pub(super) fn fault(&self) -> Option<Fault> {
        let checks = [self.identity_fault(), self.place_fault(), self.time_fault(), self.reach_fault()];
        checks.into_iter().flatten().next()
    }

    fn identity_fault(&self) -> Option<Fault> {
        if TargetId::new(&self.id).is_err() {
            return Some(("id", self.id.clone(), "1 to 64 characters out of a-z, 0-9 and . _ : -"));
        }
        let texts = [
            ("provider", &self.provider),
            ("partition", &self.partition),
            ("name", &self.name),
            ("city", &self.city),
            ("source", &self.source),
        ];
        let (field, text) = texts.into_iter().find(|(_, text)| text.trim().is_empty())?;
        Some((field, text.clone(), "a text"))
    }

    fn place_fault(&self) -> Option<Fault> {
        const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];
        let country = &self.country;
        if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Some(("country", country.clone(), "two capital letters (ISO 3166-1)"));
        }
        if !CONTINENTS.contains(&self.continent.as_str()) {
            return Some(("continent", self.continent.clone(), "AF, AN, AS, EU, NA, OC or SA"));
        }
        if !(-90.0..=90.0).contains(&self.latitude) {
            return Some(("latitude", self.latitude.to_string(), "-90 to 90 degrees"));
        }
        if !(-180.0..=180.0).contains(&self.longitude) {
            return Some(("longitude", self.longitude.to_string(), "-180 to 180 degrees"));
        }
        None
    }

    fn time_fault(&self) -> Option<Fault> {
        if !is_day(&self.checked) {
            return Some(("checked", self.checked.clone(), "a day, YYYY-MM-DD"));
        }
        let launched = self.launched.as_ref().filter(|text| !is_day(text) && !is_month(text))?;
        Some(("launched", launched.clone(), "a day, YYYY-MM-DD, or a month, YYYY-MM"))
    }

    fn reach_fault(&self) -> Option<Fault> {
        let repeated = |index: usize, zone: &String| zone.trim().is_empty() || self.zones[..index].contains(zone);
        if let Some((_, zone)) = self.zones.iter().enumerate().find(|(index, zone)| repeated(*index, zone)) {
            return Some(("zones", zone.clone(), "zone ids, each once"));
        }
        let endpoint = self.endpoint.as_ref()?;
        if self.status != Status::Available {
            return Some(("endpoint", endpoint.clone(), "none, as the region is not available"));
        }
        (!is_endpoint(endpoint)).then(|| ("endpoint", endpoint.clone(), "host:port"))
    }
}

fn is_day(text: &str) -> bool {
    let Some((month, day)) = text.rsplit_once('-') else {
        return false;
    };
    let days = match month.get(5..7) {
        Some("04" | "06" | "09" | "11") => 30,
        // The leap day is let through in every year: a catalogue is no calendar.
        Some("02") => 29,
        _ => 31,
    };
    is_month(month) && number(day, 2).is_some_and(|day| (1..=days).contains(&day))
}

fn is_month(text: &str) -> bool {
    let Some((year, month)) = text.split_once('-') else {
        return false;
    };
    number(year, 4).is_some_and(|year| year >= 2000) && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
}

/// A number of exactly that many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    let holds = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    holds.then(|| text.parse().ok()).flatten()
}
