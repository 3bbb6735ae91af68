//! The two network namespaces, each with a TUN device towards the other.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;

use crate::address::{Side, TARGET_PORT};
use crate::error::PlanetError;
use crate::filter;
use crate::netlink::{Netlink, Route};
use crate::sys;

const DEVICE: &std::ffi::CStr = c"planet";
const LOOPBACK: u32 = 1;
/// Packets that the kernel keeps for the router on each side: more than a second's worth of a busy planet.
const DEVICE_QUEUE: u32 = 10_000;

/// The side where probes start.
pub(crate) struct VantageSide {
    pub namespace: OwnedFd,
    pub tun: File,
    /// Sees each SYN as it leaves, with the kernel's timestamp.
    pub departures: OwnedFd,
    pub device: u32,
    pub has_ipv6: bool,
}

/// The side where probes go.
pub(crate) struct TargetSide {
    pub namespace: OwnedFd,
    pub tun: File,
    pub listener: TcpListener,
}

/// Makes the vantage side. The calling thread stays where it is.
pub(crate) fn vantage_side() -> Result<VantageSide, PlanetError> {
    in_new_namespace(|| {
        // Binding an IPv6 socket wants an address on a device, and there is only a route.
        let nonlocal_bind = set("net/ipv6/ip_nonlocal_bind", "1");
        let (tun, device, routed) = connect_side(Side::Vantage)?;
        Ok(VantageSide {
            namespace: own_namespace()?,
            tun,
            departures: sys::packet_socket(device, &filter::first_syns())
                .map_err(PlanetError::setup("open a packet socket"))?,
            device,
            has_ipv6: routed && nonlocal_bind,
        })
    })
}

/// Makes the target side. The calling thread stays where it is.
pub(crate) fn target_side() -> Result<TargetSide, PlanetError> {
    in_new_namespace(|| {
        set("net/core/somaxconn", "65535");
        set("net/ipv4/tcp_max_syn_backlog", "65535");
        // A cookie is an answer without memory of the SYN; targets must answer each the same way.
        set("net/ipv4/tcp_syncookies", "0");
        let (tun, _, has_ipv6) = connect_side(Side::Target)?;
        let any: IpAddr = if has_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { [0, 0, 0, 0].into() };
        let listen = || {
            let listener = TcpListener::bind(SocketAddr::new(any, TARGET_PORT))?;
            listener.set_nonblocking(true)?;
            sys::deepen_backlog(listener.as_fd())?;
            Ok(listener)
        };
        let listener = listen().map_err(PlanetError::setup("listen on the targets' port"))?;
        Ok(TargetSide { namespace: own_namespace()?, tun, listener })
    })
}

/// The calling thread's network namespace.
fn own_namespace() -> Result<OwnedFd, PlanetError> {
    let file = File::open("/proc/thread-self/ns/net");
    Ok(file.map_err(PlanetError::setup("open /proc/thread-self/ns/net"))?.into())
}

/// Runs `make` on a thread of its own in a new network namespace. The namespace lives on in what `make` opened there.
fn in_new_namespace<T: Send>(make: impl FnOnce() -> Result<T, PlanetError> + Send) -> Result<T, PlanetError> {
    thread::scope(|scope| {
        let maker = scope.spawn(|| {
            sys::unshare(libc::CLONE_NEWNET).map_err(|source| PlanetError::NetworkNamespaceRefused { source })?;
            make()
        });
        maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Gives the calling thread's namespace its addresses and the way to the other side. Returns the TUN device, its index, and
/// whether IPv6 works too.
fn connect_side(side: Side) -> Result<(File, u32, bool), PlanetError> {
    let tun = open_tun()?;
    sys::make_tun(tun.as_fd(), DEVICE).map_err(PlanetError::setup("make a TUN device"))?;
    let device = sys::device_index(DEVICE).map_err(PlanetError::setup("find the TUN device"))?;
    let mut netlink = Netlink::open().map_err(PlanetError::setup("open a netlink socket"))?;
    netlink.set_up(LOOPBACK, None).map_err(PlanetError::setup("set the loopback device up"))?;
    netlink.set_up(device, Some(DEVICE_QUEUE)).map_err(PlanetError::setup("set the TUN device up"))?;
    let mut route = |route, prefix: IpAddr, device| {
        let length = if prefix.is_ipv4() { 16 } else { 64 };
        netlink.add_route(route, prefix, length, device)
    };
    let (own, far) = (side, side.other());
    route(Route::Local, own.prefix_v4().into(), LOOPBACK).map_err(PlanetError::setup("add a local route"))?;
    route(Route::Through, far.prefix_v4().into(), device).map_err(PlanetError::setup("add a route"))?;
    let v6 = route(Route::Local, own.prefix_v6().into(), LOOPBACK)
        .and_then(|()| route(Route::Through, far.prefix_v6().into(), device));
    if let Err(error) = &v6 {
        tracing::warn!(%error, "the simulated network has no IPv6: this kernel refuses its routes");
    }
    Ok((tun, device, v6.is_ok()))
}

/// Opens `/dev/net/tun`, never blocking.
pub(crate) fn open_tun() -> Result<File, PlanetError> {
    let tun = OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    let tun = tun.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => PlanetError::TunMissing,
        // ENXIO, ENODEV: the node is there, the driver is not.
        _ if matches!(source.raw_os_error(), Some(libc::ENXIO | libc::ENODEV)) => PlanetError::TunMissing,
        _ => PlanetError::TunRefused { source },
    })?;
    sys::set_nonblocking(&tun).map_err(PlanetError::setup("make /dev/net/tun non-blocking"))?;
    Ok(tun)
}

/// Sets a sysctl of the calling thread's namespace, and says whether that worked: some containers mount /proc/sys read-only.
fn set(name: &str, value: &str) -> bool {
    let result = std::fs::write(Path::new("/proc/sys").join(name), value);
    if let Err(error) = &result {
        tracing::warn!(%error, name, value, "cannot set a sysctl of the simulated network");
    }
    result.is_ok()
}
