//! The targets: accepts every connection and keeps it until the other end closes.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::sys::Epoll;

const STOP: u64 = 0;
const LISTENER: u64 = 1;
const FIRST_CONNECTION: u64 = 2;
/// Pause after a refused accept (no descriptors left), so that the wait for better times does not burn a CPU.
const PAUSE: Duration = Duration::from_millis(20);

/// Accepts and holds connections until `stop` is written to.
///
/// # Errors
/// What epoll refuses; not what happens to a single connection.
pub(crate) fn hold(listener: &TcpListener, stop: &OwnedFd) -> io::Result<()> {
    let epoll = Epoll::new()?;
    epoll.add(stop.as_fd(), STOP)?;
    epoll.add(listener.as_fd(), LISTENER)?;
    let mut connections = HashMap::new();
    let mut next_key = FIRST_CONNECTION;
    let mut ready = Vec::new();
    loop {
        epoll.wait(&mut ready)?;
        for &key in &ready {
            match key {
                STOP => return Ok(()),
                LISTENER => accept_all(listener, &epoll, &mut connections, &mut next_key)?,
                _ => {
                    if connections.get(&key).is_some_and(is_over) {
                        connections.remove(&key);
                    }
                }
            }
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut HashMap<u64, TcpStream>,
    next_key: &mut u64,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                epoll.add(stream.as_fd(), *next_key)?;
                connections.insert(*next_key, stream);
                *next_key += 1;
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return Ok(()),
                // Gone before it was accepted.
                io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                _ => {
                    tracing::warn!(%error, held = connections.len(), "a simulated target cannot accept a connection");
                    std::thread::sleep(PAUSE);
                    return Ok(());
                }
            },
        }
    }
}

/// Reads away what was sent, and says whether the other end has closed or reset the connection.
fn is_over(mut connection: &TcpStream) -> bool {
    let mut waste = [0; 4096];
    loop {
        match connection.read(&mut waste) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}
