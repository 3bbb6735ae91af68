//! `cloudping changes`.

use cloudping_schemas::api::{RouteChange, RouteChanges};

use crate::cli::{ChangesArgs, Format};
use crate::failure::Failure;
use crate::{ask, clock, output};

/// Prints the route changes that were found, the newest first.
pub fn run(args: &ChangesArgs) -> Result<(), Failure> {
    let back = i64::try_from(args.since.as_micros()).unwrap_or(i64::MAX);
    let start = clock::rfc3339((clock::now() - back).max(cloudping_model::UtcMicros(0)));
    let limit = args.limit.to_string();
    let mut parameters = vec![("start", start.as_str()), ("limit", &limit)];
    let optional = [("source", &args.from), ("target", &args.to), ("protocol", &args.protocol)];
    parameters.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let answer: RouteChanges = ask::get(&args.server.url, "/api/v1/changes", &parameters)?;
    if output::chosen(args.server.output) == Format::Json {
        return output::json(&answer);
    }
    let simulated = if answer.simulated { " on the SIMULATED network" } else { "" };
    if answer.changes.is_empty() {
        return output::print(format_args!("no route change{simulated} since {start}"));
    }
    output::print(format_args!("route changes{simulated}, ms, UTC\n"))?;
    let header = ["day", "what", "probes", "address", "before", "after", "score"];
    output::print(output::table(&header, answer.changes.iter().map(row).collect(), 4))
}

fn row(change: &RouteChange) -> Vec<String> {
    let (day, time) = change.minute.split_once('T').unwrap_or((&change.minute, ""));
    let time = time.get(..5).unwrap_or(time);
    vec![
        day.to_owned(),
        format!("{} at {time}", what(change)),
        format!("{} IPv{}", change.protocol, change.family),
        address(change),
        output::ms(Some(change.before_ms)),
        output::ms(Some(change.after_ms)),
        format!("{:.1}", change.score),
    ]
}

/// Whether the target is still the same machine, as far as its address says so.
fn address(change: &RouteChange) -> String {
    match (change.moved(), &change.before_address) {
        (Some((before, after)), _) => format!("changed: {before} -> {after}"),
        (None, Some(_)) => "same".to_owned(),
        (None, None) => "-".to_owned(),
    }
}

fn what(change: &RouteChange) -> String {
    let word = if change.delta_ms < 0.0 { "fell" } else { "rose" };
    format!("{} -> {} {word} by {:.1} ms", change.source, change.target, change.delta_ms.abs())
}

#[cfg(test)]
mod tests {
    use cloudping_schemas::api::Regime;

    use super::*;

    #[test]
    fn a_change_is_said_in_words() {
        let none = None;
        let (since, until) = ("2026-01-01T09:00:00.000Z".to_owned(), None);
        let ended = Regime { since, until, count: 0, p10_ms: none, p50_ms: none, p90_ms: none, p99_ms: none };
        let mut change = RouteChange {
            source: "us-east-1".to_owned(),
            target: "ap-south-1".to_owned(),
            protocol: "tcp".to_owned(),
            family: 4,
            minute: "2026-01-02T10:42:00.000Z".to_owned(),
            found_at: "2026-01-02T10:47:00.000Z".to_owned(),
            before_ms: 188.04,
            after_ms: 200.14,
            delta_ms: 12.1,
            score: 3.2,
            ended,
            before_address: None,
            after_address: None,
        };
        let rose = "us-east-1 -> ap-south-1 rose by 12.1 ms at 10:42";
        assert_eq!(row(&change), ["2026-01-02", rose, "tcp IPv4", "-", "188.04", "200.14", "3.2"]);
        (change.before_address, change.after_address) = (Some("192.0.2.1".to_owned()), Some("192.0.2.1".to_owned()));
        assert_eq!(address(&change), "same");
        change.after_address = Some("192.0.2.9".to_owned());
        assert_eq!(address(&change), "changed: 192.0.2.1 -> 192.0.2.9");
        change.delta_ms = -0.96;
        assert_eq!(what(&change), "us-east-1 -> ap-south-1 fell by 1.0 ms");
    }
}
