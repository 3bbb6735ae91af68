//! A thousand followers of the stream: when each of them has each update, and what they cost.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::DateTime;
use cloudping_environment::now;
use cloudping_testkit::bench_report::{Bar, BenchReport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::Result;
use crate::paced::p99;
use crate::server::{Server, open_files};
use crate::settings::Settings;
use crate::world::REGIONS;

/// What stands before the moment of an update.
const AS_OF: &str = "\"as_of\":\"";
/// Until all have connected and have the whole state.
const SETTLE: Duration = Duration::from_secs(3);

/// Runs the part.
///
/// # Errors
/// When it cannot be run.
pub fn judge(report: &mut BenchReport, settings: &Settings, folder: &Path, runtime: &Runtime) -> Result<()> {
    open_files();
    let server = Server::start(folder, REGIONS)?;
    // One first, so that what is made once for all is not counted for each.
    let (before, after, mut delays, fewest) = runtime.block_on(async {
        let first = tokio::spawn(follow(server.address, Instant::now(), Instant::now() + SETTLE));
        first.await??;
        let before = server.memory()?;
        let from = Instant::now() + SETTLE;
        let until = from + settings.time;
        let clients: Vec<_> =
            (0..settings.clients).map(|_| tokio::spawn(follow(server.address, from, until))).collect();
        tokio::time::sleep_until((until - Duration::from_millis(500)).into()).await;
        let after = server.memory()?;
        let (mut delays, mut fewest) = (Vec::new(), usize::MAX);
        for client in clients {
            let its = client.await??;
            fewest = fewest.min(its.len());
            delays.extend(its);
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((before, after, delays, fewest))
    })?;
    delays.sort_unstable();
    if fewest == 0 {
        return Err("a follower of the stream got no update".into());
    }
    report.plain("stream: updates of the client that got fewest", fewest as f64, "");
    report.plain("stream: deliveries", delays.len() as f64, "");
    settings.judged(report, "stream: delivery p99", p99(&delays), "ms", Bar::AtMost(250.0));
    let each = after.saturating_sub(before) as f64 / settings.clients as f64 / 1024.0;
    settings.judged(report, "stream: memory a client", each, "KiB", Bar::AtMost(50.0));
    Ok(())
}

/// Follows the stream; returns the delay of each update that came between the two moments, from when its round was made.
async fn follow(address: SocketAddr, from: Instant, until: Instant) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET /api/v1/stream HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    let (mut delays, mut buffer, mut kept) = (Vec::new(), vec![0; 16 << 10], Vec::new());
    loop {
        let read = tokio::time::timeout_at(until.into(), stream.read(&mut buffer)).await;
        let Ok(length) = read else { return Ok(delays) };
        let length = length?;
        if length == 0 {
            return Err("the stream has ended".into());
        }
        kept.extend_from_slice(&buffer[..length]);
        let at = now();
        while let Some((moment, rest)) = as_of(&kept) {
            if Instant::now() >= from {
                delays.push(Duration::from_micros(at.0.saturating_sub(moment).unsigned_abs()));
            }
            kept.drain(..rest);
        }
        // The mark may be cut in two.
        let most = AS_OF.len() + 40;
        if kept.len() > most && find(&kept, AS_OF.as_bytes()).is_none() {
            kept.drain(..kept.len() - most);
        }
    }
}

/// The first update's moment in µs, and where the rest begins.
fn as_of(text: &[u8]) -> Option<(i64, usize)> {
    let start = find(text, AS_OF.as_bytes())? + AS_OF.len();
    let length = text[start..].iter().position(|byte| *byte == b'"')?;
    let moment = std::str::from_utf8(&text[start..start + length]).ok()?;
    Some((DateTime::parse_from_rfc3339(moment).ok()?.timestamp_micros(), start + length))
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_found_also_where_the_text_is_cut() {
        let text = b"event: cell\ndata: {\"as_of\":\"1970-01-01T00:00:01.500Z\",\"cells\":[]}";
        let (moment, rest) = as_of(text).unwrap();
        assert_eq!((moment, text[rest]), (1_500_000, b'"'));
        for cut in 0..rest {
            assert_eq!(as_of(&text[..cut]), None);
        }
    }
}
