//! What was exported for whoever reads no Delta: the files that a manifest lists, and those alone, from a folder or a bucket.

mod manifest;
mod range;

use std::error::Error;
use std::fmt;
use std::path::Path as Folder;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use deltalake_core::logstore::object_store::local::LocalFileSystem;
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{
    Error as StorageError, GetOptions, GetRange, ObjectStore, ObjectStoreExt,
};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

pub(crate) use manifest::{File, Manifest, Partition};
pub(crate) use range::{Asked, asked};

/// The file that lists the others.
pub(crate) const MANIFEST: &str = "manifest.json";

/// Signs links by which anyone may read one file of an export, without the service.
pub trait SignLinks: fmt::Debug + Send + Sync {
    /// A link to a file, by its path below the export's folder, that lasts for so long.
    fn link(&self, path: String, lasts: Duration) -> BoxFuture<'_, Result<String, Box<dyn Error + Send + Sync>>>;
}

/// An export that the service hands out.
#[derive(Debug, Clone)]
pub struct Exports {
    storage: Arc<dyn ObjectStore>,
    root: Path,
    links: Option<Arc<dyn SignLinks>>,
}

impl Exports {
    /// An export in a folder of this machine, an absolute path. It need not be there yet.
    ///
    /// # Errors
    /// A path that is not absolute, or that no storage can name.
    pub fn in_directory(folder: &Folder) -> Result<Self, Box<dyn Error + Send + Sync>> {
        if !folder.is_absolute() {
            return Err(format!("{} is no absolute path", folder.display()).into());
        }
        let text = folder.to_str().ok_or_else(|| format!("{} is no text", folder.display()))?;
        Ok(Self {
            storage: Arc::new(LocalFileSystem::new()),
            root: Path::parse(text.trim_start_matches('/'))?,
            links: None,
        })
    }

    /// An export in a folder of a storage, whose files clients may be sent to by signed links.
    #[must_use]
    pub fn in_storage(storage: Arc<dyn ObjectStore>, folder: &str, links: Option<Arc<dyn SignLinks>>) -> Self {
        Self { storage, root: Path::from(folder), links }
    }

    pub(crate) fn links(&self) -> Option<&Arc<dyn SignLinks>> {
        self.links.as_ref()
    }

    /// The manifest and its bytes; `None` before anything was exported.
    ///
    /// # Errors
    /// [`ExportsError`].
    pub(crate) async fn manifest(&self) -> Result<Option<(Manifest, Bytes)>, ExportsError> {
        let found = match self.storage.get(&self.at(MANIFEST)).await {
            Ok(found) => found.bytes().await?,
            Err(StorageError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let manifest = serde_json::from_slice(&found)?;
        Ok(Some((manifest, found)))
    }

    /// The bytes of a file that the manifest lists, or a part of them, as they are read.
    ///
    /// # Errors
    /// [`ExportsError::Replaced`] where the file is not the one that the manifest lists.
    pub(crate) async fn open(
        &self,
        file: &File,
        part: Option<std::ops::Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, ExportsError> {
        let options = GetOptions { range: part.map(GetRange::Bounded), ..GetOptions::default() };
        let found = match self.storage.get_opts(&self.at(&file.path), options).await {
            Ok(found) => found,
            Err(StorageError::NotFound { .. }) => return Err(ExportsError::Replaced),
            Err(error) => return Err(error.into()),
        };
        // The same name may have another day's revision by now: then the sum that goes with it is not its own.
        if found.meta.size != file.bytes {
            return Err(ExportsError::Replaced);
        }
        Ok(found.into_stream().inspect_err(|error| tracing::error!("an export's file: {error}")).boxed())
    }

    fn at(&self, path: &str) -> Path {
        Path::from_iter(self.root.parts().chain(Path::from(path).parts().map(|part| part.as_ref().to_owned().into())))
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why an export cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportsError {
    /// The storage's own.
    #[error("export: {0}")]
    Storage(#[from] StorageError),
    /// The manifest is none.
    #[error("export: {MANIFEST}: {0}")]
    Manifest(#[from] serde_json::Error),
    /// A file is being written anew.
    #[error("the file is being replaced by a new revision: try again in a moment")]
    Replaced,
}
