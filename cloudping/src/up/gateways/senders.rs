//! Simulated senders: at each edge one that sends a steady stream to its gateway.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{MissedTickBehavior, interval};

/// From one datagram to the next: twenty a second.
const EVERY: Duration = Duration::from_millis(50);
const PAYLOAD: &[u8] = b"simulated";

/// Sends until it is aborted. Must run on a thread of the target side: planets are entered by their two sides, and the gateways are on the other.
pub async fn send(from: SocketAddr, to: SocketAddr) {
    let socket = match UdpSocket::bind(from).await {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, "a simulated sender cannot send from {from}"),
    };
    let mut clock = interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reply = [0; 64];
    loop {
        tokio::select! {
            // Replies are counted by the gateway; here they are only taken, so that the socket does not fill up.
            _ = socket.recv_from(&mut reply) => {}
            _ = clock.tick() => {
                // During an outage of the edge nothing gets through, as in life.
                let _ = socket.send_to(PAYLOAD, to).await;
            }
        }
    }
}
