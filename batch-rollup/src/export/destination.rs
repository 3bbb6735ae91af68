//! Where an export goes: a folder of this machine or one in an object store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use deltalake_core::logstore::object_store::local::LocalFileSystem;
use deltalake_core::logstore::object_store::memory::InMemory;
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{self, ObjectStore, ObjectStoreExt, WriteMultipart};
use futures::TryStreamExt;

use super::ExportError;

/// Parts of a file that may be on their way at once, 5 MiB each.
const PARTS_IN_FLIGHT: usize = 4;

/// Where an export goes. A file appears there whole, or not at all.
#[derive(Debug, Clone)]
pub struct Destination {
    store: Arc<dyn ObjectStore>,
    root: Path,
    /// The folder, where it is one of this machine.
    folder: Option<PathBuf>,
    shown: String,
}

impl Destination {
    /// A folder of this machine, which is made if it is not there.
    ///
    /// # Errors
    /// [`ExportError::Storage`] when it cannot be made.
    pub fn in_directory(directory: &std::path::Path) -> Result<Self, ExportError> {
        let shown = directory.display().to_string();
        let failed = |source: object_store::Error| ExportError::Storage { path: shown.clone(), source };
        std::fs::create_dir_all(directory)
            .map_err(|source| failed(object_store::Error::Generic { store: "directory", source: source.into() }))?;
        let store = LocalFileSystem::new_with_prefix(directory).map_err(failed)?;
        Ok(Self { store: Arc::new(store), root: Path::default(), folder: Some(directory.to_owned()), shown })
    }

    /// A folder in an object store; `shown` is its address for people, such as `s3://bucket/folder`.
    #[must_use]
    pub fn in_storage(store: Arc<dyn ObjectStore>, folder: &str, shown: &str) -> Self {
        Self { store, root: Path::from(folder), folder: None, shown: shown.to_owned() }
    }

    /// A folder that is not there yet, for a dry run: nothing is in it, and nothing is written to it but into memory.
    #[must_use]
    pub fn nowhere(shown: &str) -> Self {
        Self::in_storage(Arc::new(InMemory::new()), "", shown)
    }

    /// Its address, for people.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    fn at(&self, path: &str) -> Path {
        Path::from_iter(self.root.parts().chain(Path::from(path).parts().map(|part| part.as_ref().to_owned().into())))
    }

    fn error(&self, path: &str) -> impl Fn(object_store::Error) -> ExportError + use<> {
        let path = format!("{}/{path}", self.shown);
        move |source| ExportError::Storage { path: path.clone(), source }
    }

    /// The bytes of a small file; `None` if it is not there.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ExportError> {
        match self.store.get(&self.at(path)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(self.error(path))?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(path)(error)),
        }
    }

    /// Writes a small file unless it is there with these very bytes.
    pub(crate) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ExportError> {
        if self.read(path).await?.is_some_and(|old| old == bytes) {
            return Ok(());
        }
        self.store.put(&self.at(path), bytes.into()).await.map(|_| ()).map_err(self.error(path))
    }

    /// The size of every file below a folder, by its path below the root.
    pub(crate) async fn sizes(&self, folder: &str) -> Result<BTreeMap<String, u64>, ExportError> {
        let below = self.at(folder);
        let found: Vec<_> = self.store.list(Some(&below)).try_collect().await.map_err(self.error(folder))?;
        let under_root = |path: &Path| -> Option<String> {
            let parts: Vec<String> = path.prefix_match(&self.root)?.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        Ok(found.into_iter().filter_map(|file| Some((under_root(&file.location)?, file.size))).collect())
    }

    /// Removes a file; one that is not there is removed.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), ExportError> {
        match self.store.delete(&self.at(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(path)(error)),
        }
    }

    /// Removes what uploads that were cut off left in a folder of this machine: files with a `#` in their names, that no listing shows. (In S3 they are
    /// unfinished uploads, for which buckets have a lifecycle rule.)
    pub(crate) fn remove_unfinished(&self, folder: &str) {
        let Some(root) = &self.folder else { return };
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return };
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().contains('#')) {
            // What cannot be removed is in nobody's way.
            let _ = std::fs::remove_file(entry.path());
        }
    }

    /// A large file, written piece by piece. It appears when it is finished.
    pub(crate) async fn upload(&self, path: &str) -> Result<Upload, ExportError> {
        let upload = self.store.put_multipart(&self.at(path)).await.map_err(self.error(path))?;
        let error = Box::new(self.error(path));
        Ok(Upload { inner: WriteMultipart::new(upload), error })
    }
}

/// A file on its way.
pub(crate) struct Upload {
    inner: WriteMultipart,
    error: Box<dyn Fn(object_store::Error) -> ExportError + Send + Sync>,
}

impl Upload {
    /// Adds bytes; waits while too many are on their way.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.inner.wait_for_capacity(PARTS_IN_FLIGHT).await.map_err(&self.error)?;
        self.inner.write(bytes);
        Ok(())
    }

    /// Waits until all is stored; then the file is there.
    pub(crate) async fn finish(self) -> Result<(), ExportError> {
        self.inner.finish().await.map(|_| ()).map_err(self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_appears_when_it_is_finished_and_its_remains_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let to = Destination::in_directory(&directory.path().join("made")).unwrap();
        let mut cut_off = to.upload("samples/date=2026-03-01/part-0000.parquet").await.unwrap();
        cut_off.write(&vec![7; 6 << 20]).await.unwrap();
        // As a killed process would leave it: neither finished nor aborted.
        std::mem::forget(cut_off);
        assert_eq!(to.sizes("samples").await.unwrap(), BTreeMap::new());
        let folder = directory.path().join("made/samples/date=2026-03-01");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        to.remove_unfinished("samples/date=2026-03-01");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        let mut whole = to.upload("samples/date=2026-03-01/part-0000.parquet").await.unwrap();
        whole.write(b"abc").await.unwrap();
        whole.finish().await.unwrap();
        let sizes = to.sizes("samples").await.unwrap();
        assert_eq!(sizes, BTreeMap::from([("samples/date=2026-03-01/part-0000.parquet".to_owned(), 3)]));
        to.remove("samples/date=2026-03-01/part-0000.parquet").await.unwrap();
        to.remove("samples/date=2026-03-01/part-0000.parquet").await.unwrap();
        assert_eq!(to.read("samples/date=2026-03-01/part-0000.parquet").await.unwrap(), None);
    }
}
