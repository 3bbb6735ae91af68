//! A stream whose messages are measured before they are gathered: the protocol's reader would make room for a gigabyte because a
//! client says that so much will follow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a message's length.
const LENGTH: usize = 4;

/// Where in a message the bytes read last end.
#[derive(Debug)]
struct Meter {
    /// Whether the next message starts with a byte for its type; the first one of a connection does not.
    typed: bool,
    /// What is known of the next message's head.
    head: Vec<u8>,
    /// Bytes of the message that are still to come.
    left: usize,
    limit: usize,
}

impl Meter {
    fn new(limit: usize) -> Self {
        Self { typed: false, head: Vec::with_capacity(1 + LENGTH), left: 0, limit }
    }

    /// Takes note of bytes; an error when a message of them is too long, or shorter than its own length.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let body = self.left.min(bytes.len());
            (self.left, bytes) = (self.left - body, &bytes[body..]);
            let head = LENGTH + usize::from(self.typed);
            let more = (head - self.head.len()).min(bytes.len());
            if self.left > 0 || more == 0 {
                continue;
            }
            self.head.extend_from_slice(&bytes[..more]);
            bytes = &bytes[more..];
            if self.head.len() == head {
                self.left = self.length()?;
                self.head.clear();
                self.typed = true;
            }
        }
        Ok(())
    }

    /// The bytes that follow the head.
    fn length(&self) -> Result<usize, String> {
        let length =
            self.head[usize::from(self.typed)..].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        match length.checked_sub(LENGTH) {
            Some(left) if left <= self.limit => Ok(left),
            Some(left) => Err(format!("a message of {left} bytes, expected {} at most", self.limit)),
            None => Err(format!("a message of length {length}, expected {LENGTH} at least")),
        }
    }
}

/// A stream from a client.
#[derive(Debug)]
pub struct Measured<S> {
    inner: S,
    meter: Meter,
}

impl<S> Measured<S> {
    /// Measures what comes after `read`, which was read from the connection already and begins with a start-up message.
    ///
    /// # Errors
    /// When what was read already is too long.
    pub fn new(inner: S, limit: usize, read: &[u8]) -> io::Result<Self> {
        let mut meter = Meter::new(limit);
        meter.take(read).map_err(invalid)?;
        Ok(Self { inner, meter })
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl<S: AsyncRead + Unpin> AsyncRead for Measured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        Poll::Ready(self.meter.take(&buffer.filled()[before..]).map_err(invalid))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Measured<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A start-up message and two typed ones.
    fn conversation() -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 9, 0, 3, 0, 0, 0];
        bytes.extend([b'Q', 0, 0, 0, 6, b';', 0]);
        bytes.extend([b'S', 0, 0, 0, 4]);
        bytes
    }

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let bytes = conversation();
        for piece in 1..=bytes.len() {
            let mut meter = Meter::new(5);
            for piece in bytes.chunks(piece) {
                meter.take(piece).unwrap();
            }
            assert!(meter.head.is_empty() && meter.left == 0 && meter.typed, "{piece}: {meter:?}");
        }
    }

    #[test]
    fn what_is_too_long_or_too_short_is_refused_at_its_length() {
        assert!(Meter::new(4).take(&conversation()).unwrap_err().contains("5 bytes, expected 4 at most"));
        let mut meter = Meter::new(1 << 20);
        meter.take(&[0, 0, 0, 4]).unwrap();
        let error = meter.take(&[b'Q', 0x7f, 0xff, 0xff, 0xff]).unwrap_err();
        assert!(error.contains("2147483643 bytes, expected 1048576 at most"), "{error}");
        assert!(Meter::new(9).take(&[0, 0, 0, 3]).unwrap_err().contains("expected 4 at least"));
    }
}
