//! What is to be known of a directory before anything is kept there.

use std::io;
use std::path::{Path, PathBuf};

use super::kernel;

/// A directory.
#[derive(Debug)]
pub struct FolderFacts {
    /// As it was named.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// Whether it, or where it would be made, can be written.
    pub writable: Result<(), String>,
    /// Bytes that can be written.
    pub free: Result<u64, String>,
}

/// What is to be known of a directory, whether it is there yet or not.
pub fn facts(path: PathBuf) -> FolderFacts {
    let exists = path.exists();
    let text = |error: io::Error| error.to_string();
    let there = std::path::absolute(&path).map_err(text).and_then(|path| {
        let nearest = path.ancestors().find(|folder| folder.exists()).map(Path::to_owned);
        nearest.ok_or_else(|| "no such folder".to_owned())
    });
    FolderFacts {
        exists,
        writable: there.clone().and_then(|folder| try_to_write(&folder).map_err(text)),
        free: there.and_then(|folder| kernel::free_bytes(&folder).map_err(text)),
        path,
    }
}

/// Makes a file of no name another could have, and removes it.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let file = folder.join(format!(".cloudping-check-{}", std::process::id()));
    std::fs::File::create_new(&file)?;
    std::fs::remove_file(&file)
}
