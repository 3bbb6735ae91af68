//! One client, from its first byte to its last.

use std::io;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use pgwire::api::{ClientInfo, PgWireConnectionState, PgWireServerHandlers};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec, negotiate_tls, process_error, process_message};
use socket2::SockRef;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Framed, FramedParts};

use crate::failure::fatal;
use crate::handlers::Prepared;
use crate::measured::Measured;
use crate::server::{Factory, Settings};

/// How often a client that has sent more than was read is looked at while its statement runs.
const LOOK: Duration = Duration::from_millis(250);
/// How long it may take to tell a client that there is no place for it.
const FAREWELL: Duration = Duration::from_secs(1);

type Socket = Framed<Measured<MaybeTls>, PgWireMessageServerCodec<Prepared>>;

/// Serves one client. At `closing` it is told so, between two messages.
///
/// # Errors
/// The connection's.
pub async fn run(
    socket: TcpStream,
    factory: &Factory,
    settings: &Settings,
    mut closing: watch::Receiver<bool>,
) -> io::Result<()> {
    let watched = watched(&socket)?;
    let mut startup = std::pin::pin!(sleep(settings.startup_time));
    let acceptor = settings.tls.as_ref().map(|tls| tls.0.clone());
    let negotiated = tokio::select! {
        negotiated = negotiate_tls(socket, acceptor) => negotiated?,
        () = &mut startup => return Ok(()),
    };
    // Nothing where the client begins with TLS, and there is none.
    let Some(negotiated) = negotiated else { return Ok(()) };
    let mut socket = measured(negotiated, settings.message_bytes)?;
    loop {
        let starting = is_starting(&socket);
        let message = tokio::select! {
            message = socket.next() => message,
            () = &mut startup, if starting => return Ok(()),
            () = closed(&mut closing) => return farewell(&mut socket).await,
        };
        match message {
            None | Some(Ok(PgWireFrontendMessage::Terminate(_))) => return Ok(()),
            Some(Ok(message)) => {
                if !answer(&mut socket, &watched, factory, message).await? {
                    return Ok(());
                }
            }
            // What cannot be read is no place to go on from.
            Some(Err(error)) => {
                let refusal = ErrorInfo::new("FATAL".to_owned(), "08P01".to_owned(), error.to_string());
                let _ = socket.send(PgWireBackendMessage::ErrorResponse(refusal.into())).await;
                return socket.close().await;
            }
        }
    }
}

/// Answers one message; false when the connection is to end.
async fn answer(
    socket: &mut Socket,
    watched: &TcpStream,
    factory: &Factory,
    message: PgWireFrontendMessage,
) -> io::Result<bool> {
    let starting = is_starting(socket);
    let is_cancel = matches!(message, PgWireFrontendMessage::CancelRequest(_));
    let is_extended = message.is_extended_query();
    let done = process_message(
        message,
        socket,
        factory.startup_handler(),
        factory.handlers(),
        factory.handlers(),
        factory.copy_handler(),
        factory.cancel_handler(),
    );
    let done = tokio::select! {
        done = done => done,
        // Nobody waits for the answer any more: to drop the work ends the statement.
        () = left(watched) => return Ok(false),
    };
    let Err(error) = done else { return Ok(!is_cancel) };
    if let PgWireError::IoError(error) = error {
        return Err(error);
    }
    let info = ErrorInfo::from(error);
    // Whoever could not start has nothing to go on with.
    let ends = starting || info.is_fatal();
    process_error(socket, PgWireError::UserError(Box::new(info)), is_extended).await?;
    Ok(!ends)
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // The sender outlives the connections.
    let _ = closing.wait_for(|closing| *closing).await;
}

fn is_starting(socket: &Socket) -> bool {
    let state = socket.state();
    matches!(state, PgWireConnectionState::AwaitingStartup | PgWireConnectionState::AuthenticationInProgress)
}

/// A second handle of the connection, by which its end is seen while nothing is read from the first.
fn watched(socket: &TcpStream) -> io::Result<TcpStream> {
    TcpStream::from_std(SockRef::from(socket).try_clone()?.into())
}

/// Ends when the client has left.
async fn left(watched: &TcpStream) {
    while let Ok(ready) = watched.ready(Interest::READABLE).await {
        if ready.is_read_closed() {
            return;
        }
        // It has sent more, which nobody reads yet: what comes after that is not announced.
        sleep(LOOK).await;
    }
}

fn measured(
    negotiated: Framed<MaybeTls, PgWireMessageServerCodec<Prepared>>,
    message_bytes: usize,
) -> io::Result<Socket> {
    let parts = negotiated.into_parts();
    let mut measured =
        FramedParts::new::<PgWireBackendMessage>(Measured::new(parts.io, message_bytes, &parts.read_buf)?, parts.codec);
    (measured.read_buf, measured.write_buf) = (parts.read_buf, parts.write_buf);
    Ok(Framed::from_parts(measured))
}

async fn farewell(socket: &mut Socket) -> io::Result<()> {
    let info: ErrorInfo = fatal("57P01", "the server is shutting down").into();
    socket.send(PgWireBackendMessage::ErrorResponse(info.into())).await?;
    socket.close().await
}

/// Tells a client that there is no place for it, as PostgreSQL does: before it has said anything.
///
/// # Errors
/// The connection's.
pub async fn refuse(mut socket: TcpStream, connections: usize) -> io::Result<()> {
    let info: ErrorInfo =
        fatal("53300", format!("sorry, too many clients already: {connections} are connected, try again later")).into();
    let mut bytes = BytesMut::new();
    PgWireBackendMessage::ErrorResponse(info.into()).encode(&mut bytes).map_err(io::Error::from)?;
    let told = async {
        socket.write_all(&bytes).await?;
        socket.shutdown().await
    };
    timeout(FAREWELL, told).await.unwrap_or(Ok(()))
}
