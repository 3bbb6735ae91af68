//! Where the tables are that a command works on.

use std::path::Path;

use clap::Args;
use cloudping_agent::failure::Failure;
use cloudping_batch_rollup::{Table, Tables};

/// Where the tables are.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Where the tables are: a folder, as `tables` in the --data of `cloudping up`; or s3://BUCKET/PREFIX, by the standard settings of AWS (in a
    /// cloudping built with --features aws)
    #[arg(long, env = "CLOUDPING_TABLES", default_value = "data/world/tables", value_name = "DIR|URL")]
    tables: String,
}

impl PlaceArgs {
    /// A place that another argument names.
    pub fn at(tables: &str) -> Self {
        Self { tables: tables.to_owned() }
    }

    /// The tables there, of which none needs to exist yet.
    ///
    /// # Errors
    /// When the place is of a kind that is not known, or needs what this binary has not.
    pub fn tables(&self) -> Result<Tables, Failure> {
        match self.tables.split_once("://") {
            None if self.tables.is_empty() => Err(self.unknown()),
            None => Ok(Tables::in_directory(Path::new(&self.tables))),
            Some(("file", _)) => Ok(Tables::at(&self.tables)),
            Some(("s3", rest)) => match rest.split('/').next() {
                Some(bucket) if !bucket.is_empty() => on_s3(&self.tables, bucket),
                _ => Err(self.unknown()),
            },
            Some(_) => Err(self.unknown()),
        }
    }

    /// The tables there, that of samples at least.
    ///
    /// # Errors
    /// As [`tables`](Self::tables); when there is none, or the place cannot be read.
    pub async fn existing(&self) -> Result<Tables, Failure> {
        let tables = self.tables()?;
        match tables.open(Table::Samples).await {
            Ok(Some(_)) => Ok(tables),
            Ok(None) => Err(self.empty()),
            Err(error) => Err(Failure::setting(format!("--tables {}: {error}", self.tables))),
        }
    }

    fn empty(&self) -> Failure {
        Failure::setting(format!(
            "--tables {}: no table of samples is there; name the folder `tables` in the --data of a `cloudping up`, or \
             s3://BUCKET/PREFIX",
            self.tables
        ))
    }

    fn unknown(&self) -> Failure {
        Failure::setting(format!("--tables {}: expected a folder, file:///FOLDER or s3://BUCKET/PREFIX", self.tables))
    }
}

/// Nothing is sent yet, so that this needs no runtime that lasts.
#[cfg(feature = "aws")]
fn on_s3(url: &str, bucket: &str) -> Result<Tables, Failure> {
    let make = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::runtime)?;
        runtime.block_on(async {
            let clients = crate::aws::Clients::from_settings().await;
            let storage = cloudping_backend_aws::s3_objects(&clients.config, bucket).await;
            let storage = storage.map_err(|error| Failure::setting(format!("--tables {url}: {error}")))?;
            Ok(Tables::in_storage(url, storage))
        })
    };
    // On a thread of its own: a runtime cannot be made within another.
    std::thread::scope(|scope| scope.spawn(make).join())
        .unwrap_or_else(|_| Err(Failure::runtime(format!("--tables {url}: its client could not be made"))))
}

#[cfg(not(feature = "aws"))]
fn on_s3(_: &str, _: &str) -> Result<Tables, Failure> {
    Err(crate::failure::built_without_aws())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(tables: &str) -> PlaceArgs {
        PlaceArgs { tables: tables.to_owned() }
    }

    #[test]
    fn a_place_is_a_folder_or_a_url() {
        let uri = |text: &str| place(text).tables().unwrap().uri(Table::Samples);
        assert_eq!(uri("data/world/tables"), "data/world/tables/samples");
        assert_eq!(uri("file:///srv/tables/"), "file:///srv/tables/samples");
        for unknown in ["", "gs://bucket/x", "s3://", "s3:///x"] {
            let refused = place(unknown).tables().unwrap_err().to_string();
            assert!(refused.contains("expected a folder, file:///FOLDER or s3://BUCKET/PREFIX"), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_place_without_tables_is_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        for text in [path, &format!("file://{path}"), "/no/where"] {
            let refused = place(text).existing().await.unwrap_err();
            assert!(
                matches!(&refused, Failure::Setting(message) if message.contains("no table of samples")),
                "{refused}"
            );
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "looking makes nothing");
    }
}
