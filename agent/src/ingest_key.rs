//! `cloudping ingest-key new`: the key of a vantage point, made where it is used.

use std::path::PathBuf;

use clap::Args;
use cloudping_ingest_client::Key;
use cloudping_model::VantageId;

use crate::failure::Failure;
use crate::output;

/// Arguments of `ingest-key new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The vantage point that it is for: it signs for no other
    #[arg(long, value_name = "ID")]
    pub vantage: String,
    /// Write it to this file, which only you can read, and not to standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The vantage point of this name.
///
/// # Errors
/// When it is no name of one.
pub fn vantage(id: &str) -> Result<VantageId, Failure> {
    VantageId::new(id).map_err(|error| Failure::setting(format!("--vantage: {error}")))
}

/// Makes a key, and says how to register it.
///
/// # Errors
/// When the name is none, and when the file is there or cannot be written.
pub fn new(args: &NewArgs) -> Result<(), Failure> {
    let key = Key::generate(vantage(&args.vantage)?).map_err(Failure::runtime)?;
    let register = format!("cloudping ingest-key add --vantage {} --fingerprint {}", key.vantage(), key.fingerprint());
    match &args.out {
        Some(path) => {
            key.write_new(path).map_err(Failure::setting)?;
            output::print(register)
        }
        None => {
            // Standard output is the key and nothing else, to be piped to where it is kept.
            eprintln!("register it where the door is: {register}");
            output::print(key.to_text().trim_end())
        }
    }
}
