//! wrk: as many questions as are answered.

use std::process::Command;
use std::time::Duration;

use crate::Result;

/// Connections at the same time.
const CONNECTIONS: &str = "32";

/// Answers a second of a URL, asked for compressed by gzip.
///
/// # Errors
/// When there is no wrk, or an answer is no success.
pub fn rate(url: &str, time: Duration) -> Result<f64> {
    let seconds = format!("{}s", time.as_secs());
    let output = Command::new("wrk")
        .args(["-t", "1", "-c", CONNECTIONS, "-d", &seconds, "-H", "Accept-Encoding: gzip", url])
        .output()
        .map_err(|error| format!("wrk: {error} (cargo xtask bench installs it)"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse(&text).ok_or_else(|| format!("wrk {url}: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// `None` where anything went wrong.
fn parse(text: &str) -> Option<f64> {
    let line = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start));
    if line("Non-2xx").is_some() || line("Socket errors").is_some() {
        return None;
    }
    line("Requests/sec:")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_only_where_all_was_well() {
        let text = "Running 1s test\n  31024 requests in 1.00s\nRequests/sec:  31000.25\nTransfer/sec: 10MB\n";
        assert_eq!(parse(text), Some(31_000.25));
        assert_eq!(parse(&format!("{text}  Non-2xx or 3xx responses: 3\n")), None);
        assert_eq!(parse("  Socket errors: connect 0, read 0, write 0, timeout 2\nRequests/sec: 1.0\n"), None);
        assert_eq!(parse(""), None);
    }
}
