//! One connection that speaks as much HTTP/1.1 as the bench needs.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;

/// A connection.
pub struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are not taken yet.
    filled: usize,
}

impl Client {
    /// A connection that asks for one path again and again, compressed by gzip.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn connect(address: SocketAddr, path: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept-encoding: gzip\r\n\r\n").into_bytes();
        Ok(Self { stream, request, buffer: vec![0; 64 << 10], filled: 0 })
    }

    /// Asks, and reads the answer to its end; returns the length of its body.
    ///
    /// # Errors
    /// When the answer is no success, has no length, or does not come.
    pub async fn ask(&mut self) -> Result<usize> {
        self.stream.write_all(&self.request).await?;
        self.filled = 0;
        let (head, length) = loop {
            self.more().await?;
            if let Some(head) = self.buffer[..self.filled].windows(4).position(|end| end == b"\r\n\r\n") {
                break (head + 4, length(&self.buffer[..head])?);
            }
        };
        let whole = head + length;
        if self.buffer.len() < whole {
            self.buffer.resize(whole, 0);
        }
        while self.filled < whole {
            self.more().await?;
        }
        Ok(length)
    }

    async fn more(&mut self) -> Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(2 * self.filled, 0);
        }
        match self.stream.read(&mut self.buffer[self.filled..]).await? {
            0 => Err("the server hung up".into()),
            more => {
                self.filled += more;
                Ok(())
            }
        }
    }
}

fn length(head: &[u8]) -> Result<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    match (head.starts_with("http/1.1 200"), length) {
        (true, Some(length)) => Ok(length.trim().parse()?),
        _ => Err(format!("expected a success of known length: {head}").into()),
    }
}

/// Gets a body as it is sent.
///
/// # Errors
/// When the answer is no success.
pub fn get(url: &str, encoding: &str) -> Result<Vec<u8>> {
    let mut response =
        ureq::get(url).header("accept-encoding", encoding).call().map_err(|error| format!("{url}: {error}"))?;
    Ok(response.body_mut().with_config().limit(u64::MAX).read_to_vec()?)
}
