//! `cloudping reflect`: answers the UDP probes of other cloudpings.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};

use cloudping_producers::probers;
use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::cli::ReflectArgs;
use crate::failure::Failure;
use crate::output;
use crate::signals::Signals;

/// Reflects until Ctrl-C or SIGTERM.
pub fn run(args: &ReflectArgs) -> Result<(), Failure> {
    let socket = UdpSocket::bind(args.listen).map_err(|error| cannot_bind(args.listen, &error))?;
    // One thread: a packet is answered where it is seen, and no other thread must be woken for it.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::runtime)?;
    runtime.block_on(reflect(socket))
}

async fn reflect(socket: UdpSocket) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let address = socket.local_addr().map_err(Failure::runtime)?;
    let (_running, shutdown) = watch::channel(false);
    // Nobody needs to read this.
    output::line(format_args!("reflecting on {address}"))?;
    tokio::select! {
        ended = probers::reflect(socket, shutdown) => {
            ended.map_err(|error| Failure::runtime(format!("cannot reflect on {address}: {error}")))
        }
        () = signals.next() => Ok(()),
    }
}

/// What went wrong, and what to do.
fn cannot_bind(address: SocketAddr, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::AddrInUse => "stop what uses it, or choose another port with --listen (port 0 takes a free one)",
        ErrorKind::PermissionDenied => {
            "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE; or choose a higher port with --listen"
        }
        _ => "choose an address of this machine with --listen",
    };
    Failure::setting(format!("cannot reflect on {address}: {error}; {remedy}"))
}
