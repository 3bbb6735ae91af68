//! Follows a scenario file: applies it whenever it changes.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use crate::scenario::{Scenario, ScenarioError};
use crate::shared::Shared;

const PERIOD: Duration = Duration::from_millis(250);

/// What tells one version of a file from another without reading it. `None`: there is no such file.
type Version = Option<(SystemTime, u64, u64)>;

/// Looks at `path` every 250 ms until the sender of `stop` is gone. A file that is missing or invalid is reported, and the
/// last good world stays.
pub(crate) fn follow(path: &Path, shared: &Arc<Shared>, mut seen: Version, stop: &Receiver<()>) {
    while stop.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        let version = version_of(path);
        if version == seen {
            continue;
        }
        seen = version;
        match load(path, shared) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "the simulated network follows a changed scenario")
            }
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "scenario ignored, the last good one stays")
            }
        }
    }
}

/// The version of the file at `path`.
pub(crate) fn version_of(path: &Path) -> Version {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.size(), metadata.ino()))
}

/// Reads the file at `path` and applies it.
pub(crate) fn load(path: &Path, shared: &Shared) -> Result<(), ScenarioError> {
    let scenario = Scenario::load(path)?;
    let world = shared.world().with(&scenario);
    shared.set_world(world.map_err(|error| error.in_file(path))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Place, World};
    use std::sync::mpsc;

    #[test]
    fn follows_good_files_and_survives_bad_ones() {
        let place = |id: &str| Place { id: id.into(), latitude: 0.0, longitude: 0.0 };
        let shared = Arc::new(Shared::new(World::from_places(&[place("a"), place("b")]), 0));
        let path = std::env::temp_dir().join(format!("planet-watch-{}.toml", std::process::id()));
        let write = |rtt: &str| {
            let text = format!("[[link]]\nsource=\"a\"\ntarget=\"b\"\nrtt_ms={rtt}\n");
            std::fs::write(&path, text).expect("temporary file");
        };
        let rtt = || shared.world().link("a", "b").expect("known").rtt.as_millis();
        let wait_for = |wanted| {
            for _ in 0..100 {
                if rtt() == wanted {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            false
        };
        write("10");
        load(&path, &shared).expect("valid");
        assert_eq!(rtt(), 10);
        let (stop, stopped) = mpsc::channel();
        let seen = version_of(&path);
        std::thread::scope(|scope| {
            let (path, shared) = (&path, &shared);
            scope.spawn(move || follow(path, shared, seen, &stopped));
            write("2000");
            assert!(wait_for(2000));
            write("\"x\"");
            std::thread::sleep(PERIOD * 3);
            assert_eq!(rtt(), 2000);
            std::fs::write(path, "[[link]]\nsource=\"a\"\ntarget=\"c\"\n").expect("temporary file");
            let error = load(path, shared).expect_err("unknown region").to_string();
            assert!(error.starts_with(&format!("{}: scenario line 3", path.display())), "{error}");
            write("300");
            assert!(wait_for(300));
            drop(stop);
        });
        std::fs::remove_file(&path).expect("temporary file");
    }
}
