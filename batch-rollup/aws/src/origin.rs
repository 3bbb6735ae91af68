//! Where the stream's rounds come from: the bucket says it, once a simulated network has marked its folder.

use cloudping_schemas::stored::{NetworkMark, PLANET, keys};
use cloudping_schemas::tables::Origin;
use object_store::path::Path;
use object_store::{Error as StorageError, ObjectStore, ObjectStoreExt};

/// Why the mark tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// It cannot be read.
    #[error("mark {key}: {source}")]
    Storage {
        /// Its key in the bucket.
        key: String,
        /// What the storage said.
        source: StorageError,
    },
    /// It is no mark.
    #[error("mark {key}: {source}, expected what `cloudping up` writes there")]
    Foreign {
        /// Its key in the bucket.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What the mark beside the tables says. A folder without one is of functions, which measure the world.
///
/// # Errors
/// [`MarkError`]: simulated rows must not pass for measured ones.
pub async fn origin(bucket: &dyn ObjectStore, prefix: &str) -> Result<Origin, MarkError> {
    let key = format!("{prefix}/{}", keys::NETWORK);
    let storage = |source| MarkError::Storage { key: key.clone(), source };
    let bytes = match bucket.get(&Path::from(key.as_str())).await {
        Ok(found) => found.bytes().await.map_err(storage)?,
        Err(StorageError::NotFound { .. }) => return Ok(Origin::Measured),
        Err(error) => return Err(storage(error)),
    };
    let mark: NetworkMark =
        serde_json::from_slice(&bytes).map_err(|source| MarkError::Foreign { key: key.clone(), source })?;
    Ok(if mark.network == PLANET { Origin::Simulated } else { Origin::Measured })
}

#[cfg(test)]
mod tests {
    use cloudping_schemas::stored::WORLD;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn the_mark_beside_the_tables_says_it() {
        let bucket = InMemory::new();
        let of = async |text: Option<String>| {
            if let Some(text) = text {
                bucket.put(&Path::from("a/tables/network"), text.into_bytes().into()).await.unwrap();
            }
            origin(&bucket, "a/tables").await
        };
        let mark = |network: &str| {
            let mark = NetworkMark { network: network.to_owned(), stream: "arn".to_owned() };
            Some(serde_json::to_string(&mark).unwrap())
        };
        assert_eq!(of(None).await.unwrap(), Origin::Measured);
        assert_eq!(of(mark(PLANET)).await.unwrap(), Origin::Simulated);
        assert_eq!(of(mark(WORLD)).await.unwrap(), Origin::Measured);
        let foreign = of(Some("x".to_owned())).await.unwrap_err().to_string();
        assert!(foreign.starts_with("mark a/tables/network: "), "{foreign}");
    }
}
