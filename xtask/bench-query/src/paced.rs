//! Questions at a given rate, whatever becomes of those before: a slow answer makes the next ones late, and their lateness counts.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::Client;

const CONNECTIONS: u32 = 16;

/// The times of all answers, from the moment that each question was due, ascending.
///
/// # Errors
/// When an answer is no success.
pub async fn times(address: SocketAddr, path: &str, rate: f64, time: Duration) -> Result<Vec<Duration>> {
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / rate);
    let start = Instant::now() + Duration::from_millis(100);
    let mut asking = Vec::new();
    for at in 0..CONNECTIONS {
        let mut client = Client::connect(address, path).await?;
        let first = start + every.mul_f64(f64::from(at) / f64::from(CONNECTIONS));
        asking.push(tokio::spawn(async move {
            let (mut due, mut times) = (first, Vec::new());
            while due < start + time {
                tokio::time::sleep_until(due.into()).await;
                client.ask().await?;
                times.push(due.elapsed());
                due += every;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(times)
        }));
    }
    let mut all = Vec::new();
    for one in asking {
        all.extend(one.await??);
    }
    all.sort_unstable();
    Ok(all)
}

/// The 99th percentile of ascending times, in milliseconds; infinite where there are none.
#[must_use]
pub fn p99(times: &[Duration]) -> f64 {
    let at = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(at).map_or(f64::INFINITY, |time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_of_a_hundred() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(p99(&times), 99.0);
        assert_eq!(p99(&times[..1]), 1.0);
        assert_eq!(p99(&[]), f64::INFINITY);
    }
}
