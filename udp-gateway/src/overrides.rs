//! Targets that were set or taken away while the gateway ran, in a file, so that they outlive it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::targets::TargetAddress;

/// The file, and what stands in it.
#[derive(Debug)]
pub struct Overrides {
    path: PathBuf,
    changes: Changes,
}

/// What was changed, by destination and region; `None` is a target that was taken away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    destinations: BTreeMap<String, BTreeMap<String, Option<TargetAddress>>>,
}

impl Overrides {
    /// Reads the file; where there is none yet, nothing was changed.
    ///
    /// # Errors
    /// When it cannot be read, or is no such file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let changes = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Changes::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), changes })
    }

    /// Puts the changes into a configuration. Destinations that it no longer has are passed over.
    pub fn apply(&self, config: &mut Config) {
        for destination in &mut config.destinations {
            for (region, target) in self.changes.destinations.get(&destination.name).into_iter().flatten() {
                match target {
                    Some(target) => destination.targets.insert(region.clone(), target.clone()),
                    None => destination.targets.remove(region),
                };
            }
        }
    }

    /// Takes note of a change, on disk first.
    ///
    /// # Errors
    /// When it cannot be written; then the file is as it was, and so is what is noted.
    pub fn note(&mut self, destination: &str, region: &str, target: Option<&TargetAddress>) -> io::Result<()> {
        let mut changes = self.changes.clone();
        changes.destinations.entry(destination.to_owned()).or_default().insert(region.to_owned(), target.cloned());
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let written = write(Path::new(&new), &changes).and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            // What was begun would only take room on a disk that may be full.
            let _ = fs::remove_file(&new);
        }
        written?;
        self.changes = changes;
        Ok(())
    }
}

fn write(path: &Path, changes: &Changes) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&serde_json::to_vec_pretty(changes)?)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> TargetAddress {
        TargetAddress::parse("http://127.0.0.1:9/").unwrap()
    }

    #[test]
    fn changes_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut overrides = Overrides::open(&path).unwrap();
        overrides.note("d", "eu-west-1", Some(&target())).unwrap();
        overrides.note("d", "*", None).unwrap();
        assert_eq!(Overrides::open(&path).unwrap().changes, overrides.changes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::write(&path, "{}").unwrap();
        assert!(Overrides::open(&path).is_err());
    }

    #[test]
    fn a_full_disk_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut overrides = Overrides::open(&path).unwrap();
        overrides.note("d", "eu-west-1", Some(&target())).unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("state.json.new")).unwrap();
        let error = overrides.note("d", "eu-west-1", None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(Overrides::open(&path).unwrap().changes, overrides.changes);
        overrides.note("d", "eu-west-1", None).unwrap();
        assert_eq!(Overrides::open(&path).unwrap().changes.destinations["d"]["eu-west-1"], None);
    }
}
