//! The settings of `agent`, checked before anything is started.

use std::path::{Path, PathBuf};

use cloudping_ingest_client::{Authorities, DoorLog, Key};
use cloudping_model::VantageId;
use cloudping_producers::producer::Vantage;
use cloudping_producers::target_file::VantageLine;
use cloudping_schemas::ingest::Fingerprint;

use super::AgentArgs;
use crate::clock;
use crate::failure::Failure;
use crate::measured::{self, own, selection};

/// What may be told of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// Whose it is.
    pub vantage: VantageId,
    /// By which the door knows it.
    pub fingerprint: Fingerprint,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The address of the door, as it was given.
    pub join: String,
    /// The log behind it.
    pub door: DoorLog,
    /// The key that the door is asked with.
    pub key: KeyFacts,
    /// Where rounds wait, and how many bytes of them.
    pub spool: (PathBuf, u64),
    /// Who measures what.
    pub vantage: Vantage,
}

impl Plan {
    /// Checks the arguments, and reads the key.
    pub fn new(args: AgentArgs) -> Result<Self, Failure> {
        let AgentArgs { join, key_file, ca_file, spool, spool_mib, what, interval, timeout, .. } = args;
        measured::pace(interval, timeout)?;
        let key = read_key(&key_file, std::env::var_os("CREDENTIALS_DIRECTORY").as_deref().map(Path::new))?;
        let facts = KeyFacts { vantage: key.vantage().clone(), fingerprint: key.fingerprint() };
        let door =
            DoorLog::new(&join, key, clock::now).map_err(|error| Failure::setting(format!("--join: {error}")))?;
        let door = match ca_file {
            Some(file) => door.believing(&authorities(&file, &join)?),
            None => door,
        };
        let catalogue = selection::catalogue(&what, false)?;
        let own = own::read(&what, &catalogue)?;
        let source = source(&own.vantages, &facts.vantage)?;
        let mut targets = measured::targets(&catalogue, &own)?;
        // A region is not measured from itself.
        targets.retain(|target| target.id().as_str() != facts.vantage.as_str());
        let vantage = Vantage { id: facts.vantage.clone(), source, targets, interval, spread: None, timeout };
        Ok(Self { join, door, key: facts, spool: (spool, spool_mib << 20), vantage })
    }
}

/// The key; in the folder of credentials that systemd makes for a service, systemd guards it.
fn read_key(file: &Path, credentials: Option<&Path>) -> Result<Key, Failure> {
    let guarded = credentials.is_some_and(|folder| file.parent() == Some(folder));
    let key = if guarded { Key::read_credential(file) } else { Key::read(file) };
    key.map_err(|error| Failure::setting(format!("--key-file: {error}")))
}

/// The authorities of a file, which a door without TLS would never be asked for.
fn authorities(file: &Path, join: &str) -> Result<Authorities, Failure> {
    if !join.starts_with("https:") {
        return Err(Failure::setting(format!("--ca-file: --join is {join}, expected https://HOST with it")));
    }
    Authorities::read(file).map_err(|error| Failure::setting(format!("--ca-file: {error}")))
}

/// The address to probe from, where the file of targets names vantage points: the key decides which of them this is.
fn source(lines: &[VantageLine], vantage: &VantageId) -> Result<Option<std::net::IpAddr>, Failure> {
    match lines.iter().find(|line| line.id == *vantage) {
        Some(line) => Ok(line.source),
        None if lines.is_empty() => Ok(None),
        None => {
            let named = lines.iter().map(|line| line.id.as_str()).collect::<Vec<_>>().join(", ");
            Err(Failure::setting(format!(
                "--targets: its vantage points are {named}, expected {vantage} among them: the key is of that one"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_that_others_may_read_is_taken_from_the_service_managers_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ingest.key");
        Key::generate(VantageId::new("office").unwrap()).unwrap().write_new(&file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o440)).unwrap();
        assert_eq!(read_key(&file, Some(folder.path())).unwrap().vantage().as_str(), "office");
        for credentials in [None, Some(Path::new("/run/credentials/other"))] {
            let error = read_key(&file, credentials).unwrap_err().to_string();
            assert!(error.starts_with("--key-file: ") && error.contains("its mode is 440, expected 600"), "{error}");
        }
    }

    #[test]
    fn the_key_decides_which_vantage_point_of_the_file_this_is() {
        let vantage = |id: &str| VantageId::new(id).unwrap();
        let line = VantageLine { id: vantage("office"), source: Some([192, 0, 2, 1].into()) };
        assert_eq!(source(&[], &vantage("office")).unwrap(), None);
        assert_eq!(source(std::slice::from_ref(&line), &vantage("office")).unwrap(), line.source);
        let error = source(&[line], &vantage("laptop")).unwrap_err().to_string();
        assert!(error.contains("are office, expected laptop"), "{error}");
    }
}
