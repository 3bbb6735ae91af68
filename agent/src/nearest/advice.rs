//! What to look at when no region could be reached.

use super::ranking::Ranked;

/// What it was like and what to check, if no region answered.
pub fn when_nothing_was_reached(ranked: &[Ranked]) -> Option<String> {
    if ranked.iter().any(|it| it.loss.is_some_and(|loss| loss < 1.0)) {
        return None;
    }
    let first = &ranked.first()?.endpoint;
    let host = first.rsplit_once(':').map_or(first.as_str(), |(host, _)| host);
    let with = |outcome: &str| ranked.iter().filter(|it| it.last == Some(outcome)).count();
    let causes = [
        ("dns_failure", "names have no address", format!("name resolution (`getent hosts {host}`, /etc/resolv.conf)")),
        ("timeout", "do not answer", "whether a firewall lets TCP out, and --timeout".to_owned()),
        ("refused", "refuse", "whether a proxy or firewall stands in the way".to_owned()),
        ("reset", "reset the connection", "whether a proxy or firewall stands in the way".to_owned()),
        ("unreachable", "cannot be reached", "routes (`ip route`), and -4 or -6".to_owned()),
        ("not_sent", "were not probed for want of a socket", "the limit of open files (`ulimit -n`)".to_owned()),
    ];
    let seen =
        causes.iter().map(|(outcome, what, check)| (with(outcome), what, check)).filter(|(count, ..)| *count > 0);
    let (what, mut check): (Vec<String>, Vec<&str>) =
        seen.map(|(count, what, check)| (format!("{count} {what}"), check.as_str())).unzip();
    check.dedup();
    if what.is_empty() {
        return Some("nothing was measured".to_owned());
    }
    let regions = ranked.len();
    Some(format!("none of {regions} regions was reached: {}; check {}", what.join(", "), check.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(last: &'static str, loss: Option<f64>) -> Ranked {
        Ranked {
            rank: None,
            id: "a".into(),
            provider: "p".into(),
            city: "c".into(),
            country: "DE".into(),
            endpoint: "host.example:443".into(),
            address: None,
            sent: 1,
            loss,
            last: Some(last),
            min_ms: None,
            p50_ms: None,
            max_ms: None,
        }
    }

    #[test]
    fn each_cause_is_counted_and_has_its_check() {
        let all = [ranked("dns_failure", None), ranked("dns_failure", None), ranked("timeout", Some(1.0))];
        let advice = when_nothing_was_reached(&all).unwrap();
        let expected = "none of 3 regions was reached: 2 names have no address, 1 do not answer; check name resolution \
                        (`getent hosts host.example`, /etc/resolv.conf); whether a firewall lets TCP out, and --timeout";
        assert_eq!(advice, expected);
    }

    #[test]
    fn one_answer_is_enough() {
        let all = [ranked("dns_failure", None), ranked("answered", Some(0.5))];
        assert_eq!(when_nothing_was_reached(&all), None);
    }
}
