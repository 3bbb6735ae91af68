//! `cloudping ingest-key`: keys of vantage points that send their rounds through an ingest door.

use clap::{Args, Subcommand};
use cloudping_agent::cli::Format;
use cloudping_agent::failure::Failure;
use cloudping_agent::ingest_key::{NewArgs, new, vantage};
use cloudping_agent::{clock, output};
use cloudping_ingest_door::registry;
use cloudping_ports::LiveStore;
use cloudping_schemas::ingest::Fingerprint;
use serde::Serialize;

use crate::live_store::StoreArgs;

/// Arguments of `ingest-key`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping ingest-key new --vantage us-gov-west-1 --out ingest.key         where it measures
  cloudping ingest-key add --vantage us-gov-west-1 --fingerprint 3f1a…      where the door is
  cloudping ingest-key revoke --vantage us-gov-west-1 --fingerprint 3f1a…

The key stays where it was made; the door knows the SHA-256 of its public half, by which
nobody can sign. To change a key, add the new one, give it to the vantage point, then revoke
the old one.")]
pub struct IngestKeyArgs {
    /// What to do
    #[command(subcommand)]
    command: IngestKeyCommand,
}

#[derive(Debug, Subcommand)]
enum IngestKeyCommand {
    /// Make a key, and say what to register where the door is
    New(NewArgs),
    /// Register a key, so that the door takes what it signs
    Add(AddArgs),
    /// List the registered keys
    List(ListArgs),
    /// Take nothing more that a key signs, for good
    Revoke(KeyArgs),
}

#[derive(Debug, Args)]
struct KeyArgs {
    /// Whose key it is
    #[arg(long, value_name = "ID")]
    vantage: String,
    /// The SHA-256 of the public key, as `ingest-key new` says it
    #[arg(long, value_name = "HEX")]
    fingerprint: Fingerprint,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
struct AddArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// A word on where it is used
    #[arg(long, default_value = "", value_name = "TEXT")]
    note: String,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// A registered key, as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    vantage: String,
    fingerprint: String,
    created_at: String,
    revoked_at: Option<String>,
    note: String,
}

/// Does what is asked.
pub fn run(args: IngestKeyArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::runtime)?;
    match args.command {
        IngestKeyCommand::New(args) => new(&args),
        IngestKeyCommand::Add(AddArgs { key, note }) => {
            runtime.block_on(async { add(key.store.open().await?.as_ref(), &key, &note).await })
        }
        IngestKeyCommand::List(args) => {
            runtime.block_on(async { list(args.store.open().await?.as_ref(), args.output).await })
        }
        IngestKeyCommand::Revoke(args) => {
            runtime.block_on(async { revoke(args.store.open().await?.as_ref(), &args).await })
        }
    }
}

async fn add(store: &dyn LiveStore, args: &KeyArgs, note: &str) -> Result<(), Failure> {
    let vantage = vantage(&args.vantage)?;
    let added = registry::add(store, &vantage, args.fingerprint, note, clock::now()).await;
    added.map_err(Failure::setting)?;
    output::print(format_args!("{vantage} may send what {} signs", args.fingerprint))
}

async fn revoke(store: &dyn LiveStore, args: &KeyArgs) -> Result<(), Failure> {
    let vantage = vantage(&args.vantage)?;
    registry::revoke(store, &vantage, args.fingerprint, clock::now()).await.map_err(Failure::setting)?;
    output::print(format_args!("nothing more is taken that {} signs", args.fingerprint))
}

async fn list(store: &dyn LiveStore, format: Option<Format>) -> Result<(), Failure> {
    let mut listed = Vec::new();
    for (vantage, keys) in registry::list(store).await.map_err(Failure::runtime)? {
        listed.extend(keys.keys.into_iter().map(|key| Listed {
            vantage: vantage.to_string(),
            fingerprint: key.fingerprint.to_string(),
            created_at: clock::rfc3339(key.created_at),
            revoked_at: key.revoked_at.map(clock::rfc3339),
            note: key.note,
        }));
    }
    if output::chosen(format) == Format::Json {
        return output::json(&listed);
    }
    let header = ["vantage", "fingerprint", "created", "revoked", "note"];
    let row = |key: Listed| {
        let revoked = key.revoked_at.unwrap_or_default();
        vec![key.vantage, key.fingerprint, key.created_at, revoked, key.note]
    };
    output::print(output::table(&header, listed.into_iter().map(row).collect(), header.len()))
}
