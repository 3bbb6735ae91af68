//! How far an export is: what a run that was cut off hands to the next, and what tells a changed partition from one that is as it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::destination::Destination;
use super::manifest::{ExportFormat, Manifest, PartitionEntry};
use super::plan::Source;
use super::write::folder;
use super::{ExportError, FORMAT, MANIFEST, about};

/// Engines pass over files whose names begin so.
const FILE: &str = "_state.json";
/// The state is saved after so many bytes of files …
const SAVE_AFTER_BYTES: u64 = 32 << 20;
/// … or so many partitions: what was done since is done again after a crash.
const SAVE_AFTER_PARTITIONS: u32 = 32;

/// What is done.
#[derive(Debug, Default)]
pub(crate) struct State {
    saved: Saved,
    bytes_since: u64,
    partitions_since: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    format: String,
    /// By a partition's folder, what stands for the files of the table that it was written from.
    sources: BTreeMap<String, String>,
    partitions: BTreeMap<String, PartitionEntry>,
}

impl State {
    /// What earlier runs left. Without a state, the manifest tells the same, but for what the files were written from.
    ///
    /// # Errors
    /// [`ExportError::Foreign`] when it is not an export's.
    pub(crate) async fn load(from: &Destination) -> Result<Self, ExportError> {
        let foreign =
            |file: &str, reason: String| ExportError::Foreign { path: format!("{}/{file}", from.shown()), reason };
        let saved = if let Some(bytes) = from.read(FILE).await? {
            serde_json::from_slice(&bytes).map_err(|error| foreign(FILE, error.to_string()))?
        } else if let Some(bytes) = from.read(MANIFEST).await? {
            let manifest: Manifest =
                serde_json::from_slice(&bytes).map_err(|error| foreign(MANIFEST, error.to_string()))?;
            let partitions = manifest.partitions.into_iter().map(|entry| (place(&entry), entry)).collect();
            Saved { format: manifest.format, sources: BTreeMap::new(), partitions }
        } else {
            Saved { format: FORMAT.to_owned(), ..Saved::default() }
        };
        if saved.format != FORMAT {
            return Err(foreign(MANIFEST, format!("format is {:?}, not {FORMAT:?}", saved.format)));
        }
        Ok(Self { saved, bytes_since: 0, partitions_since: 0 })
    }

    /// The entry of a partition, if it was exported.
    pub(crate) fn entry(&self, source: &Source, format: ExportFormat) -> Option<&PartitionEntry> {
        self.saved.partitions.get(&folder(source, format))
    }

    /// Whether a partition was exported from the very files that hold it now.
    pub(crate) fn is_current(&self, source: &Source, format: ExportFormat) -> bool {
        self.saved.sources.get(&folder(source, format)) == Some(&source.files)
    }

    /// A partition is written.
    pub(crate) fn done(&mut self, source: &Source, format: ExportFormat, entry: PartitionEntry) {
        let folder = folder(source, format);
        self.saved.sources.insert(folder.clone(), source.files.clone());
        self.saved.partitions.insert(folder, entry);
    }

    /// Saves if enough was done since the last time.
    pub(crate) async fn save_sometimes(&mut self, to: &Destination, bytes: u64) -> Result<(), ExportError> {
        self.bytes_since += bytes;
        self.partitions_since += 1;
        if self.bytes_since < SAVE_AFTER_BYTES && self.partitions_since < SAVE_AFTER_PARTITIONS {
            return Ok(());
        }
        self.save(to).await
    }

    /// Saves.
    pub(crate) async fn save(&mut self, to: &Destination) -> Result<(), ExportError> {
        to.put(FILE, about::json(&self.saved).into_bytes()).await?;
        (self.bytes_since, self.partitions_since) = (0, 0);
        Ok(())
    }

    /// The entries.
    pub(crate) fn into_partitions(self) -> Vec<PartitionEntry> {
        self.saved.partitions.into_values().collect()
    }
}

/// The folder of an entry's files.
fn place(entry: &PartitionEntry) -> String {
    let slash = if entry.partition.is_empty() { "" } else { "/" };
    format!("{}{}{slash}{}", entry.format.folder(), entry.table, entry.partition)
}
