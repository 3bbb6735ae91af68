//! CloudPing.co's tables, as DynamoDB exports them.

use cloudping_model::{Family, Outcome, Protocol, Round, Sample, UtcMicros};
use cloudping_schemas::tables::Origin;
use serde_json::Value;

use super::Taken;
use super::fault::Fault;
use super::fields::{Fields, untyped};
use super::identity::identity;
use super::values;

/// Its pings leave a second after each other.
const BETWEEN_PINGS_US: u32 = 1_000_000;
/// It makes five a run: a run of more than so many is none.
const MAX_PINGS: u32 = 600;
/// Of the stored averages the shortest: those over a week, a month or a year say little of a moment.
const TIMEFRAME: &str = "1D";

/// A row of `PingTest` or `cloudping_stored_avgs`, typed by DynamoDB or plain; `at` is when the stored averages were made.
pub(super) fn read(bytes: &[u8], at: Option<UtcMicros>) -> Result<Taken, Fault> {
    let parsed: Value = serde_json::from_slice(bytes).map_err(|error| Fault::new("record", error, "JSON"))?;
    let item = match parsed {
        Value::Object(mut wrapper) if wrapper.len() == 1 && wrapper.contains_key("Item") => {
            wrapper.remove("Item").unwrap_or_default()
        }
        other => other,
    };
    let item = untyped(item);
    let row = Fields::of(&item)?;
    if row.has("region_from") { stored_average(&row, at) } else { ping_test(&row) }
}

/// One run: its pings, or its average where they are not there.
fn ping_test(row: &Fields) -> Result<Taken, Fault> {
    let vantage = values::vantage("region", row.text("region")?)?;
    let target = values::target("regionTo", row.text("regionTo")?)?;
    let text = row.text("timestamp")?;
    let started_at = values::time("timestamp", text)?;
    let address = row.get("address").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let to = (address.map_or(Family::V4, Family::of), address);
    let ping = |seq: u32| values::sample(&target, Protocol::TcpConnect, seq * BETWEEN_PINGS_US, to);
    let mut samples = pings(row, &ping)?;
    let mut origin = Origin::CloudPing;
    if !samples.iter().any(|sample| sample.outcome == Outcome::Answered) && (samples.is_empty() || has_average(row)) {
        // The failures are known one by one, the answers by their average only: all or nothing.
        origin = Origin::CloudPingAverage;
        samples = vec![values::answered(ping(0), values::rtt_us("avg", row.number("avg")?)?)];
    }
    let port = row.get("port").map(Value::to_string).unwrap_or_default();
    let micros = started_at.0.to_string();
    let id = identity(origin, vantage, &["PingTest", target.as_str(), &micros, port.trim_matches('"')]);
    Ok(Taken::Round(Round { id, started_at, gap: None, samples }, origin))
}

fn has_average(row: &Fields) -> bool {
    row.number("avg").is_ok_and(|average| average > 0.0)
}

/// The pings of a run: those in `results`, and a timeout for each attempt that did not succeed.
fn pings(row: &Fields, ping: &dyn Fn(u32) -> Sample) -> Result<Vec<Sample>, Fault> {
    let results = if row.has("results") { row.list("results")? } else { &[] };
    let attempts = if row.has("attempts") { row.whole("attempts")? } else { 0 };
    let succeeded = if row.has("attemptsSuccess") { row.whole("attemptsSuccess")? } else { attempts };
    let failed = attempts.checked_sub(succeeded).filter(|_| attempts <= MAX_PINGS);
    let failed =
        failed.ok_or_else(|| row.fault("attemptsSuccess", "at most attempts, of which there are 600 at most"))?;
    let mut samples = Vec::with_capacity(results.len());
    for (result, nth) in results.iter().zip(0..) {
        let field = |name: &str| format!("results[{nth}].{name}");
        let of_result = |fault: Fault| Fault { field: field(&fault.field), ..fault };
        let result = Fields::of(result).map_err(of_result)?;
        let seq = if result.has("seq") { result.whole("seq").map_err(of_result)? } else { nth };
        if seq >= MAX_PINGS || samples.iter().any(|sample: &Sample| sample.offset_us == seq * BETWEEN_PINGS_US) {
            return Err(Fault::new(field("seq"), seq, "a number below 600 that no other result has"));
        }
        if result.has("time") {
            let time = result.number("time").map_err(of_result)?;
            samples.push(values::answered(ping(seq), values::rtt_us(&field("time"), time)?));
        }
    }
    let free = (0..).filter(|seq| !samples.iter().any(|sample| sample.offset_us == seq * BETWEEN_PINGS_US));
    let lost: Vec<Sample> = free.take(failed as usize).map(ping).collect();
    samples.extend(lost);
    samples.sort_by_key(|sample| sample.offset_us);
    Ok(samples)
}

/// The mean over a day, which has no time of its own.
fn stored_average(row: &Fields, at: Option<UtcMicros>) -> Result<Taken, Fault> {
    let vantage = values::vantage("region_from", row.text("region_from")?)?;
    let target = values::target("region_to", row.text("region_to")?)?;
    if row.text("timeframe")? != TIMEFRAME {
        return Ok(Taken::Skipped);
    }
    let rtt_us = values::rtt_us("latency", row.number("latency")?)?;
    let expected = "given as --at: the row does not say when it was made";
    let started_at = at.ok_or_else(|| Fault::new("time", "absent", expected))?;
    let id = identity(
        Origin::CloudPingAverage,
        vantage,
        &["cloudping_stored_avgs", target.as_str(), &started_at.0.to_string()],
    );
    let sample = values::sample(&target, Protocol::TcpConnect, 0, (Family::V4, None));
    let samples = vec![values::answered(sample, rtt_us)];
    Ok(Taken::Round(Round { id, started_at, gap: None, samples }, Origin::CloudPingAverage))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = r#"{"Item":{"region":{"S":"us-east-1"},"regionTo":{"S":"eu-west-1"},"timestamp":{"S":"2021-05-04T12:00:03.250Z"},
        "avg":{"N":"68.2"},"min":{"N":"67"},"max":{"N":"70"},"attempts":{"N":"5"},"attemptsSuccess":{"N":"3"},"port":{"N":"443"},
        "address":{"S":"dynamodb.eu-west-1.amazonaws.com"},
        "results":{"L":[{"M":{"seq":{"N":"0"},"time":{"N":"67.1"}}},{"M":{"seq":{"N":"2"},"time":{"N":"70"}}},{"M":{"seq":{"N":"3"},"time":{"N":"67.5"}}}]}}}"#;

    fn round(text: &str) -> (Round, Origin) {
        match read(text.as_bytes(), None) {
            Ok(Taken::Round(round, origin)) => (round, origin),
            other => panic!("{other:?}"),
        }
    }

    fn figures(round: &Round) -> Vec<(u32, Option<u32>, Outcome)> {
        round.samples.iter().map(|sample| (sample.offset_us, sample.rtt_us, sample.outcome)).collect()
    }

    #[test]
    fn a_run_is_its_pings_and_its_failures() {
        let (round, origin) = round(RUN);
        assert_eq!(origin, Origin::CloudPing);
        assert_eq!(round.started_at, UtcMicros(1_620_129_603_250_000));
        assert_eq!((round.id.vantage.as_str(), round.samples[0].target.as_str()), ("us-east-1", "eu-west-1"));
        let second = 1_000_000;
        let expected = [
            (0, Some(67_100), Outcome::Answered),
            (second, None, Outcome::Timeout),
            (2 * second, Some(70_000), Outcome::Answered),
            (3 * second, Some(67_500), Outcome::Answered),
            (4 * second, None, Outcome::Timeout),
        ];
        assert_eq!(figures(&round), expected);
    }

    #[test]
    fn a_run_without_pings_is_its_average_or_its_failures() {
        let (round, origin) = round(
            r#"{"region":"us-east-1","regionTo":"eu-west-1","timestamp":"2021-05-04T12:00:03Z","avg":"68.2","attempts":5,"attemptsSuccess":5}"#,
        );
        assert_eq!((origin, figures(&round)), (Origin::CloudPingAverage, vec![(0, Some(68_200), Outcome::Answered)]));
        let (round, origin) = self::round(
            r#"{"region":"us-east-1","regionTo":"eu-west-1","timestamp":"2021-05-04T12:00:03Z","avg":null,"attempts":2,"attemptsSuccess":0}"#,
        );
        let lost = vec![(0, None, Outcome::Timeout), (1_000_000, None, Outcome::Timeout)];
        assert_eq!((origin, figures(&round)), (Origin::CloudPing, lost));
    }

    #[test]
    fn stored_averages_need_a_time_and_are_those_of_a_day() {
        let row = |timeframe: &str| {
            format!(
                r#"{{"index":"a_b_x","region_from":"us-east-1","region_to":"eu-west-1","timeframe":"{timeframe}","latency":"68.41","p_50":"68"}}"#
            )
        };
        let at = Some(UtcMicros(1_700_000_000_000_000));
        let Ok(Taken::Round(round, Origin::CloudPingAverage)) = read(row("1D").as_bytes(), at) else {
            panic!("no average");
        };
        assert_eq!(
            (round.started_at.0, figures(&round)),
            (1_700_000_000_000_000, vec![(0, Some(68_410), Outcome::Answered)])
        );
        assert_eq!(read(row("1Y").as_bytes(), at), Ok(Taken::Skipped));
        assert_eq!(read(row("1D").as_bytes(), None).unwrap_err().field, "time");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let faults = [
            ("{", "record"),
            ("7", "record"),
            (r#"{"regionTo":"b"}"#, "region"),
            (r#"{"region":"US","regionTo":"b","timestamp":"2021-05-04T12:00:03Z"}"#, "region"),
            (r#"{"region":"a","regionTo":"b","timestamp":"yesterday"}"#, "timestamp"),
            (r#"{"region":"a","regionTo":"b","timestamp":"2021-05-04T12:00:03Z"}"#, "avg"),
            (
                r#"{"region":"a","regionTo":"b","timestamp":"2021-05-04T12:00:03Z","avg":1,"attempts":1,"attemptsSuccess":2}"#,
                "attemptsSuccess",
            ),
            (
                r#"{"region":"a","regionTo":"b","timestamp":"2021-05-04T12:00:03Z","results":[{"seq":0,"time":-1}]}"#,
                "results[0].time",
            ),
            (
                r#"{"region":"a","regionTo":"b","timestamp":"2021-05-04T12:00:03Z","results":[{"seq":0,"time":1},{"seq":0,"time":1}]}"#,
                "results[1].seq",
            ),
        ];
        for (text, field) in faults {
            assert_eq!(read(text.as_bytes(), None).unwrap_err().field, field, "{text}");
        }
    }

    #[test]
    fn the_same_run_has_the_same_identity_in_every_export() {
        let plain = r#"{"region":"us-east-1","regionTo":"eu-west-1","timestamp":"2021-05-04T12:00:03.250Z","port":"443","attempts":5,
            "attemptsSuccess":3,"results":[{"time":67.1}]}"#;
        assert_eq!(round(plain).0.id, round(RUN).0.id);
    }
}
