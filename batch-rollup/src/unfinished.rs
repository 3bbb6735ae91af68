//! Half-written files in a folder of this machine.
//!
//! A file is written under its name with `#` and a number behind it, and renamed when it is whole. A process that is killed meanwhile leaves it, and no
//! listing of the storage shows it.

use std::fs::{DirEntry, read_dir};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file that was never finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) path: PathBuf,
    /// Its path below the folder that was looked through.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) modified: SystemTime,
}

/// Those in a folder and below.
///
/// # Errors
/// When the folder cannot be read. What goes while it is read is left out.
pub(crate) fn unfinished(root: &Path) -> Result<Vec<Unfinished>, Error> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        let Some(entries) = unless_gone(read_dir(&folder))? else { continue };
        for entry in entries {
            let entry = entry?;
            let Some(kind) = unless_gone(entry.file_type())? else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && is_staged(&entry.file_name().to_string_lossy()) {
                found.extend(of_entry(root, &entry)?);
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn of_entry(root: &Path, entry: &DirEntry) -> Result<Option<Unfinished>, Error> {
    let Some(metadata) = unless_gone(entry.metadata())? else { return Ok(None) };
    let path = entry.path();
    let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
    Ok(Some(Unfinished { path, name, bytes: metadata.len(), modified: metadata.modified()? }))
}

/// Whether a file of this name is one that the storage is writing: of rows or of a table's log.
fn is_staged(name: &str) -> bool {
    let Some((name, number)) = name.rsplit_once('#') else { return false };
    let ours = [".parquet", ".json", "_last_checkpoint"].iter().any(|end| name.ends_with(end));
    ours && !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
}

fn unless_gone<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_storage_was_writing_is_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("_delta_log")).unwrap();
        let (ours, others) = (
            ["_delta_log/00000000000000000007.json#1", "_delta_log/_last_checkpoint#2", "part-1.zstd.parquet#12"],
            ["part-1.zstd.parquet", "part-1.parquet#", "part-1.parquet#1a", "notes#1", "_delta_log/0.json"],
        );
        for name in ours.iter().chain(&others) {
            std::fs::write(folder.path().join(name), "half").unwrap();
        }
        let found = unfinished(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ours);
        assert_eq!(found[0].bytes, 4);
        assert_eq!(unfinished(&folder.path().join("nowhere")).unwrap(), []);
    }
}
