//! `cloudping up`: everything in one process.
//!
//! [`plan`] checks the settings, [`network`] says what is measured from where, [`pipeline`] starts the components on the
//! local backend and stops them in order, [`archiving`] writes the log to Parquet now and then.

mod archiving;
mod auditing;
mod network;
mod own;
mod pipeline;
mod plan;
mod selection;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use cloudping_backend_local::{LocalLog, LocalStore};

use crate::cli::UpArgs;
use crate::clock;
use crate::failure::Failure;
use plan::Plan;

/// The embedded stores of one data directory.
struct Stores {
    log: Arc<LocalLog>,
    store: Arc<LocalStore>,
}

/// Runs until Ctrl-C.
pub fn run(args: UpArgs) -> Result<(), Failure> {
    let plan = Plan::new(args)?;
    if plan.planet.is_some() {
        // Must come while the process has one thread.
        cloudping_planet::acquire_rights().map_err(Failure::setting)?;
    }
    let stores = Stores {
        log: Arc::new(LocalLog::open(&plan.data, clock::now).map_err(Failure::setting)?),
        store: Arc::new(LocalStore::open(&plan.data).map_err(Failure::setting)?),
    };
    claim(&plan.data, if plan.planet.is_some() { "planet" } else { "world" })?;
    let listener = listen(&plan)?;
    let network = network::Network::start(&plan)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::runtime)?;
    let ended = runtime.block_on(pipeline::run(plan, stores, network, listener));
    // An archive run that was given up on must not keep the process.
    runtime.shutdown_background();
    ended
}

/// Marks a data directory as the planet's or the world's at its first use, and refuses the other for ever: nothing in the
/// tables tells simulated numbers from real ones.
fn claim(data: &Path, network: &str) -> Result<(), Failure> {
    let path = data.join("network");
    let cannot = |error| Failure::setting(format!("{}: {error}; choose another directory with --data", path.display()));
    match std::fs::read_to_string(&path) {
        Ok(claimed) if claimed.trim() == network => Ok(()),
        Ok(claimed) => Err(Failure::setting(format!(
            "{} holds measurements of the {}, and the {network}'s must not be mixed with them; choose another directory with --data",
            data.display(),
            claimed.trim()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => std::fs::write(&path, network).map_err(cannot),
        Err(error) => Err(cannot(error)),
    }
}

fn listen(plan: &Plan) -> Result<TcpListener, Failure> {
    let address = plan.listen;
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| {
        Failure::setting(format!(
            "cannot listen on {address}: {error}; stop what uses it, or choose another address with --listen (port 0 takes a free one)"
        ))
    })
}
