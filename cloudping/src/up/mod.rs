//! `cloudping up`: everything in one process.
//!
//! [`plan`] checks the settings, [`stores`] opens the backend, [`network`] says what is measured from where, [`gateways`] has UDP gateways on the planet, [`pipeline`]
//! starts the components and stops them in order, [`parts`] notices one that breaks off, [`archiving`] writes the log to Parquet now and then, [`upkeep`] keeps the
//! tables in shape.

mod access;
mod alerting;
mod archiving;
mod auditing;
mod catching_up;
pub mod claim;
mod gateways;
mod ingest;
pub mod network;
#[cfg(feature = "aws")]
pub mod on_aws;
mod parts;
mod pipeline;
pub mod plan;
pub mod sql_doors;
mod stores;
mod upkeep;

use std::net::TcpListener;

use crate::cli::UpArgs;
pub use access::AccessArgs;
use cloudping_agent::failure::Failure;
use plan::Plan;
pub use plan::default_data;
use stores::Stores;

/// Runs until Ctrl-C.
pub fn run(args: UpArgs) -> Result<(), Failure> {
    let plan = Plan::new(args)?;
    if plan.planet.is_some() {
        // Must come while the process has one thread.
        cloudping_planet::acquire_rights().map_err(Failure::setting)?;
    }
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::runtime)?;
    let stores = runtime.block_on(Stores::open(&plan))?;
    let alerts = alerting::open(plan.alerts.as_deref(), &stores)?;
    let listener = listen(&plan)?;
    let address = listener.local_addr().map_err(Failure::runtime)?;
    let network = network::Network::start(&plan)?;
    let gateways = runtime.block_on(gateways::Gateways::start(&plan, &network, address))?;
    let outward = pipeline::Outward { listener, alerts, gateways };
    let ended = runtime.block_on(pipeline::run(plan, stores, network, outward));
    // An archive run that was given up on must not keep the process.
    runtime.shutdown_background();
    ended
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
