//! A disk in memory that knows what a loss of power would leave: the state at the last sync.

use std::io;
use std::sync::{Arc, Mutex};

use redb::{Database, StorageBackend};

/// Clones share the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct SyncedDisk(Arc<Mutex<Images>>);

#[derive(Debug, Default)]
struct Images {
    written: Vec<u8>,
    synced: Vec<u8>,
    syncs: usize,
}

impl SyncedDisk {
    /// Opens the database on this disk, creating one on an empty disk.
    pub(crate) fn database(&self) -> Database {
        Database::builder().create_with_backend(self.clone()).expect("what was synced is a whole database")
    }

    /// How often it was synced.
    pub(crate) fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }

    /// Another disk, with only what was synced on this one.
    pub(crate) fn after_power_loss(&self) -> Self {
        let synced = self.0.lock().unwrap().synced.clone();
        Self(Arc::new(Mutex::new(Images { written: synced.clone(), synced, syncs: 0 })))
    }
}

impl StorageBackend for SyncedDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().written.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = offset as usize;
        let images = self.0.lock().unwrap();
        out.copy_from_slice(&images.written[from..from + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().written.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut images = self.0.lock().unwrap();
        images.synced = images.written.clone();
        images.syncs += 1;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = offset as usize;
        self.0.lock().unwrap().written[from..from + data.len()].copy_from_slice(data);
        Ok(())
    }
}
