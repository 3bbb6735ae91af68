//! The region catalogue: which regions exist, where they are and what to probe there. `schemas/regions/README.md` explains the
//! format.

mod endpoint;
mod region;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde::Deserialize;

pub use self::endpoint::{EndpointSetting, EndpointSettingError};
pub use self::region::{Region, Status};

/// The files that the program was built with, in the order of the catalogue.
const FILES: [(&str, &str); 4] = [
    ("regions/aws.toml", include_str!("../regions/aws.toml")),
    ("regions/azure.toml", include_str!("../regions/azure.toml")),
    ("regions/gcp.toml", include_str!("../regions/gcp.toml")),
    ("regions/oci.toml", include_str!("../regions/oci.toml")),
];

/// Why a text is no catalogue, or what was asked of one cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Not the expected TOML; the message names line and field.
    #[error("region catalogue: {file}: {source}")]
    Toml {
        /// Which file.
        file: String,
        /// What the parser says.
        source: toml::de::Error,
    },
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
    /// No region has that provider.
    #[error("no provider {found:?} in the region catalogue; it has {}", known.join(", "))]
    Provider {
        /// What was asked for.
        found: String,
        /// What may be asked for.
        known: Vec<String>,
    },
    /// No region has that id.
    #[error("no region {found:?} in the region catalogue")]
    Region {
        /// What was asked for.
        found: String,
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
    /// The catalogue that the program was built with: the regions of all providers, announced and isolated ones too.
    ///
    /// # Errors
    /// Never in a tested build; see [`CatalogueError`].
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::of_files(&FILES)
    }

    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// [`CatalogueError::Toml`] and [`CatalogueError::Row`], naming the row and the field.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        Self::of_files(&[("the file", text)])
    }

    fn of_files(files: &[(&str, &str)]) -> Result<Self, CatalogueError> {
        let mut regions = Vec::new();
        for (file, text) in files {
            let parsed: File =
                toml::from_str(text).map_err(|source| CatalogueError::Toml { file: (*file).to_owned(), source })?;
            regions.extend(parsed.region);
        }
        let mut ids = HashSet::new();
        for region in &regions {
            let twice = || ("id", region.id.clone(), "an id that no other row has");
            let fault = region.fault().or_else(|| (!ids.insert(region.id.as_str())).then(twice));
            if let Some((field, found, expected)) = fault {
                return Err(CatalogueError::Row { id: region.id.clone(), field, found, expected });
            }
        }
        Ok(Self { regions })
    }

    /// The regions, in the files' order.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The region of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.id == id)
    }

    /// The providers, each once, in the files' order.
    #[must_use]
    pub fn providers(&self) -> Vec<&str> {
        let mut providers: Vec<&str> = Vec::new();
        for region in &self.regions {
            if !providers.contains(&region.provider.as_str()) {
                providers.push(&region.provider);
            }
        }
        providers
    }

    /// Keeps the regions of these providers.
    ///
    /// # Errors
    /// [`CatalogueError::Provider`] when one of them has no region here; nothing is removed then.
    pub fn keep_providers(&mut self, wanted: &[impl AsRef<str>]) -> Result<(), CatalogueError> {
        let known = self.providers();
        if let Some(unknown) = wanted.iter().find(|provider| !known.contains(&provider.as_ref())) {
            return Err(CatalogueError::Provider {
                found: unknown.as_ref().to_owned(),
                known: known.into_iter().map(str::to_owned).collect(),
            });
        }
        self.retain(|region| wanted.iter().any(|provider| provider.as_ref() == region.provider));
        Ok(())
    }

    /// Keeps the regions that `keep` says yes to.
    pub fn retain(&mut self, keep: impl FnMut(&Region) -> bool) {
        self.regions.retain(keep);
    }

    /// Lets the operator's host stand for a region, instead of the provider's own if it has one.
    ///
    /// # Errors
    /// [`CatalogueError::Region`] when there is no such region here.
    pub fn set_endpoint(&mut self, setting: &EndpointSetting) -> Result<(), CatalogueError> {
        let region = self.regions.iter_mut().find(|region| region.id == setting.region);
        let region = region.ok_or_else(|| CatalogueError::Region { found: setting.region.clone() })?;
        region.endpoint = Some(setting.endpoint.clone());
        Ok(())
    }
}
