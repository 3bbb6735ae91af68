//! A new live store in the place of the old one, in one step.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cloudping_agent::failure::Failure;
use cloudping_backend_local::LocalStore;

/// The folder in a data directory in which its next live store is made.
const FOLDER: &str = "replay";
/// The file of a live store in its directory.
const STORE: &str = "live.redb";

/// Where the new store is made. What is in it counts for nothing until it has taken the old one's place.
pub struct Scratch {
    data: PathBuf,
    directory: PathBuf,
}

impl Scratch {
    /// An empty one. What a replay that was cut off has left is removed.
    pub fn new(data: &Path) -> Result<Self, Failure> {
        let directory = data.join(FOLDER);
        remove(&directory)?;
        Ok(Self { data: data.to_owned(), directory })
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Puts the new store, which must be closed, in the place of the old one: a rename, which is done or not done whenever the machine stops. The old
    /// one stays locked until then.
    pub fn take_the_place_of_the_old(self, old: LocalStore) -> Result<(), Failure> {
        let (new, place) = (self.directory.join(STORE), self.data.join(STORE));
        let renamed = fs::rename(&new, &place).and_then(|()| File::open(&self.data)?.sync_all());
        renamed.map_err(|error| {
            Failure::runtime(format!(
                "cannot move {} to {}: {error}; the old live store is still there",
                new.display(),
                place.display()
            ))
        })?;
        drop(old);
        remove(&self.directory)
    }
}

impl Drop for Scratch {
    /// What was not put in the old one's place is of no use to anybody. If it cannot be removed now, the next replay says so.
    fn drop(&mut self) {
        let _ = remove(&self.directory);
    }
}

fn remove(directory: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::runtime(format!("cannot remove {}: {error}; remove it by hand", directory.display())))
        }
        _ => Ok(()),
    }
}
