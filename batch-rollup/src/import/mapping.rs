//! Which of our names a foreign name stands for.

use std::collections::BTreeMap;

use cloudping_model::{IdError, TargetId, VantageId};
use cloudping_schemas::catalogue::Catalogue;
use serde::Deserialize;

/// What RIPE Atlas' probes and the hosts that they ping are called in the archive.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    probes: BTreeMap<u64, VantageId>,
    targets: BTreeMap<String, TargetId>,
}

/// Why a text is no mapping.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It is no TOML, or has other tables.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A probe's number is none.
    #[error("[probes] {0:?}: expected the number of a probe")]
    Probe(String),
    /// A name is none.
    #[error("{key:?}: {source}")]
    Id {
        /// Of which probe or host.
        key: String,
        /// What is wrong with it.
        source: IdError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    probes: BTreeMap<String, String>,
    #[serde(default)]
    targets: BTreeMap<String, String>,
}

impl Mapping {
    /// The hosts of the catalogue, as its regions.
    #[must_use]
    pub fn of_catalogue(catalogue: &Catalogue) -> Self {
        let mut targets = BTreeMap::new();
        for region in catalogue.regions() {
            let host = region.endpoint.as_deref().and_then(|endpoint| endpoint.rsplit_once(':')).map(|(host, _)| host);
            if let (Some(host), Ok(id)) = (host, TargetId::new(&region.id)) {
                targets.insert(host.to_ascii_lowercase(), id);
            }
        }
        Self { probes: BTreeMap::new(), targets }
    }

    /// Adds what a TOML file says, in place of what is there: a table `[probes]` of numbers and regions, `6012 = "eu-west-1"`, and a table
    /// `[targets]` of hosts, `"shop.example" = "shop"`.
    ///
    /// # Errors
    /// [`MappingError`], naming the entry.
    pub fn add(&mut self, text: &str) -> Result<(), MappingError> {
        let file: File = toml::from_str(text)?;
        for (probe, name) in file.probes {
            let number = probe.parse().map_err(|_| MappingError::Probe(probe.clone()))?;
            let id = VantageId::new(&name).map_err(|source| MappingError::Id { key: probe, source })?;
            self.probes.insert(number, id);
        }
        for (host, name) in file.targets {
            let id = TargetId::new(&name).map_err(|source| MappingError::Id { key: host.clone(), source })?;
            self.targets.insert(host.to_ascii_lowercase(), id);
        }
        Ok(())
    }

    /// A probe's name: its own, or `atlas-` and its number.
    pub(super) fn probe(&self, number: u64) -> VantageId {
        let own = || VantageId::new(&format!("atlas-{number}")).expect("a number makes an identifier");
        self.probes.get(&number).cloned().unwrap_or_else(own)
    }

    /// A host's name: its own, or the host in small letters, where that is an identifier.
    pub(super) fn target(&self, host: &str) -> Result<TargetId, IdError> {
        let host = host.to_ascii_lowercase();
        self.targets.get(&host).map_or_else(|| TargetId::new(&host), |id| Ok(id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_files_then_the_catalogues_then_their_own() {
        let mut mapping = Mapping::of_catalogue(&Catalogue::built_in().unwrap());
        let target = |mapping: &Mapping, host: &str| mapping.target(host).unwrap().to_string();
        assert_eq!(target(&mapping, "DynamoDB.eu-west-1.amazonaws.com"), "eu-west-1");
        mapping.add("[probes]\n6012 = \"eu-west-1\"\n[targets]\n\"shop.example\" = \"shop\"").unwrap();
        assert_eq!(mapping.probe(6012).as_str(), "eu-west-1");
        assert_eq!(mapping.probe(7).as_str(), "atlas-7");
        assert_eq!(target(&mapping, "Shop.example"), "shop");
        assert_eq!(target(&mapping, "192.0.2.1"), "192.0.2.1");
        assert!(mapping.target("a b").is_err());
    }

    #[test]
    fn a_wrong_entry_is_named() {
        for (text, names) in [
            ("[probes]\nx = \"a\"", "\"x\""),
            ("[probes]\n7 = \"A\"", "\"7\""),
            ("[targets]\n\"h\" = \"\"", "\"h\""),
            ("[probe]\n7 = \"a\"", "unknown field `probe`"),
        ] {
            let error = Mapping::default().add(text).unwrap_err().to_string();
            assert!(error.contains(names), "{error}");
        }
    }
}
