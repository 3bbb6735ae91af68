//! The live store that commands work on beside a running service.

use std::path::{Path, PathBuf};

use clap::Args;
use cloudping_agent::failure::Failure;
use cloudping_backend_local::LocalStore;
use cloudping_ports::LiveStore;

use crate::up;

/// Which one it is.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// The data directory of `cloudping up`, which must not be running on it meanwhile [default: data/world]
    #[arg(long, env = "CLOUDPING_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The DynamoDB table instead, by the standard settings of AWS (in a cloudping built with --features aws). Whatever uses it may be
    /// running: what is revoked is refused within seconds
    #[arg(long, conflicts_with = "data", value_name = "NAME")]
    table: Option<String>,
}

impl StoreArgs {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be opened, and says why.
    pub async fn open(&self) -> Result<Box<dyn LiveStore>, Failure> {
        if let Some(table) = &self.table {
            return on_aws(table).await;
        }
        let data = self.data.as_deref().unwrap_or(Path::new(up::default_data(false, false)));
        Ok(Box::new(LocalStore::open(data).map_err(Failure::setting)?))
    }
}

#[cfg(feature = "aws")]
async fn on_aws(table: &str) -> Result<Box<dyn LiveStore>, Failure> {
    let clients = crate::aws::Clients::from_settings().await;
    Ok(Box::new(cloudping_backend_aws::DynamoStore::new(clients.dynamodb, table)))
}

#[cfg(not(feature = "aws"))]
async fn on_aws(_table: &str) -> Result<Box<dyn LiveStore>, Failure> {
    Err(crate::failure::built_without_aws())
}
