//! Connections as they come, no more of them at a time than there are places.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// After an error of the listener, such as too many open files, it is tried again in a moment.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection, and its place.
#[derive(Debug)]
pub struct Held {
    socket: TcpStream,
    _place: OwnedSemaphorePermit,
}

/// The connections of a listener; one that comes when all places are taken is closed.
pub fn connections(listener: TcpListener, places: usize) -> impl Stream<Item = io::Result<Held>> {
    let places = Arc::new(Semaphore::new(places));
    stream::unfold((listener, places), |(listener, places)| async move {
        loop {
            match listener.accept().await {
                Ok((socket, address)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let _ = socket.set_nodelay(true);
                        return Some((Ok(Held { socket, _place: place }), (listener, places)));
                    }
                    Err(_) => tracing::warn!(%address, "a Flight SQL connection was closed: there are too many"),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot take a Flight SQL connection");
                    sleep(PAUSE).await;
                }
            }
        }
    })
}

impl Connected for Held {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.socket.connect_info()
    }
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
