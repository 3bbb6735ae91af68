//! Whether what was measured is good enough: the exit code of `probe`.

use std::time::Duration;

use cloudping_model::Outcome;

use super::tally::Summary;
use crate::failure::Failure;

/// What the command line asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Thresholds {
    /// No median may be above this.
    pub above: Option<Duration>,
    /// No loss may be above this share.
    pub loss: Option<f64>,
}

/// Nothing if every target was measured and keeps within the thresholds; else the gravest failure, with every target that
/// it holds for: not measured, then loss, then latency.
pub fn judge(summaries: &[Summary], thresholds: Thresholds) -> Result<(), Failure> {
    let all = |faults: Vec<String>| (!faults.is_empty()).then(|| faults.join("; "));
    if let Some(faults) = all(summaries.iter().filter_map(not_measured).collect()) {
        return Err(Failure::runtime(faults));
    }
    if let Some(faults) = all(summaries.iter().filter_map(|summary| too_lossy(summary, thresholds.loss?)).collect()) {
        return Err(Failure::TooLossy(faults));
    }
    match all(summaries.iter().filter_map(|summary| too_slow(summary, thresholds.above?)).collect()) {
        Some(faults) => Err(Failure::TooSlow(faults)),
        None => Ok(()),
    }
}

fn not_measured(summary: &Summary) -> Option<String> {
    let target = &summary.target;
    match (summary.sent, summary.address) {
        (0, None) => Some(format!("{target}: the name has no address")),
        (0, Some(_)) if summary.outcomes.contains_key(Outcome::NotSent.name()) => {
            Some(format!("{target}: this machine could not send the probes"))
        }
        (0, Some(_)) => Some(format!("{target}: no probe ended")),
        _ => None,
    }
}

fn too_lossy(summary: &Summary, most: f64) -> Option<String> {
    let loss = summary.loss.filter(|loss| *loss > most)?;
    Some(format!("{}: loss {:.2}% is above {}%", summary.target, loss * 100.0, most * 100.0))
}

fn too_slow(summary: &Summary, most: Duration) -> Option<String> {
    let target = &summary.target;
    let most_ms = most.as_secs_f64() * 1_000.0;
    match summary.p50_ms {
        Some(median) if median <= most_ms => None,
        Some(median) => Some(format!("{target}: median {median:.3} ms is above {most:?}")),
        None => Some(format!("{target}: no round-trip time, so not within {most:?}")),
    }
}

#[cfg(test)]
mod tests {
    use cloudping_model::Protocol;
    use cloudping_producers::probers::Reading;

    use super::super::tally::Tally;
    use super::*;

    fn summary(target: &str, rtts_us: &[u32], lost: u64) -> Summary {
        let mut tally = Tally::new(target, Protocol::TcpConnect, Some(([192, 0, 2, 1], 443).into()));
        for rtt in rtts_us {
            tally.add(1, Reading { rtt_us: Some(*rtt), ..Reading::failed(Outcome::Answered) });
        }
        (0..lost).for_each(|_| tally.add(1, Reading::failed(Outcome::Timeout)));
        tally.summary()
    }

    fn limits(above_ms: u64, loss: f64) -> Thresholds {
        Thresholds { above: Some(Duration::from_millis(above_ms)), loss: Some(loss) }
    }

    #[test]
    fn at_the_threshold_is_within_it() {
        let fine = [summary("a", &[80_000; 99], 1)];
        assert!(judge(&fine, limits(80, 0.01)).is_ok());
        assert!(judge(&fine, Thresholds::default()).is_ok());
        let error = judge(&fine, limits(79, 0.01)).unwrap_err();
        assert!(matches!(&error, Failure::TooSlow(_)), "{error}");
        assert_eq!(error.to_string(), "a: median 80.000 ms is above 79ms");
        let error = judge(&fine, limits(80, 0.005)).unwrap_err();
        assert!(matches!(&error, Failure::TooLossy(_)), "{error}");
        assert_eq!(error.to_string(), "a: loss 1.00% is above 0.5%");
    }

    #[test]
    fn the_gravest_is_reported_for_each_target_it_holds_for() {
        let lost = [summary("a", &[], 3), summary("b", &[90_000], 1), summary("c", &[1], 0)];
        assert!(judge(&lost, Thresholds::default()).is_ok());
        let error = judge(&lost, limits(80, 0.2)).unwrap_err();
        assert_eq!(error.to_string(), "a: loss 100.00% is above 20%; b: loss 50.00% is above 20%");
        let error = judge(&lost, Thresholds { loss: None, ..limits(80, 0.0) }).unwrap_err();
        let expected = "a: no round-trip time, so not within 80ms; b: median 90.000 ms is above 80ms";
        assert_eq!(error.to_string(), expected);
        let mut unsent = Tally::new("e", Protocol::IcmpEcho, Some(([192, 0, 2, 1], 443).into()));
        let ends = |tally: &Tally| judge(&[tally.summary()], Thresholds::default()).unwrap_err().to_string();
        assert_eq!(ends(&unsent), "e: no probe ended");
        unsent.add(1, Reading::failed(Outcome::NotSent));
        assert_eq!(ends(&unsent), "e: this machine could not send the probes");
        let unknown = [summary("a", &[], 3), Tally::new("d", Protocol::TcpConnect, None).summary()];
        let error = judge(&unknown, limits(80, 0.2)).unwrap_err();
        assert!(matches!(&error, Failure::Runtime(_)), "{error}");
        assert_eq!(error.to_string(), "d: the name has no address");
    }
}
