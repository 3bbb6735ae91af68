//! `cloudping up`: everything in one process.
//!
//! [`plan`] checks the settings, [`network`] says what is measured from where, [`pipeline`] starts the components on the
//! local backend and stops them in order, [`archiving`] writes the log to Parquet now and then.

mod archiving;
mod network;
mod pipeline;
mod plan;

use std::net::TcpListener;
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
    let listener = listen(&plan)?;
    let network = network::Network::start(&plan)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::runtime)?;
    runtime.block_on(pipeline::run(plan, stores, network, listener))
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
