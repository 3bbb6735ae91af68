//! Files of rules, good and bad.

use cloudping_model::{Protocol, Rolling};

use super::file::{Offered, parse};
use super::rule::{Measure, Rule};
use super::state::Side;
use crate::statistic::Statistic;

fn read(text: &str) -> Result<Vec<Rule>, String> {
    let variable = |name: &str| (name == "HOOK_SECRET").then(|| "s3cret".to_owned());
    let takes = |to: &str| to.starts_with("https://");
    parse("alerts.toml", text, &Offered { variable: &variable, takes: &takes }).map_err(|error| error.to_string())
}

#[test]
fn a_rule_needs_little_and_may_say_much() {
    let rules = read(
        r#"
        [[rule]]
        name = "slow"
        statistic = "p99"
        above = 120

        [[rule]]
        name = "Lossy to Europe"
        source = "us-*"
        target = "eu-west-[12]"
        provider = "aws"
        protocol = "icmp"
        statistic = "loss"
        above = 0.05
        clear = 0.01
        window = "1h"
        for = "2m"
        clear_for = "10m"
        repeat = "4h"
        no_data_for = "5m"
        min_count = 100
        notify = ["https://a.example/1", { to = "https://b.example/2", secret_env = "HOOK_SECRET" }]
        "#,
    )
    .unwrap();
    let (slow, lossy) = (&rules[0], &rules[1]);
    assert_eq!((slow.measure, slow.window), (Measure::Latency(Statistic::Quantile(0.99)), Rolling::FiveMinutes));
    assert_eq!((slow.policy.side, slow.policy.threshold, slow.policy.clear), (Side::Above, 120.0, 120.0));
    assert_eq!((slow.policy.for_us, slow.policy.clear_for_us, slow.policy.no_data_us), (0, 60_000_000, 120_000_000));
    assert!(slow.source.matches("anything") && slow.only_pair().is_none());
    assert_eq!((lossy.measure, lossy.window, lossy.protocol), (Measure::Loss, Rolling::Hour, Protocol::IcmpEcho));
    assert_eq!((lossy.policy.for_us, lossy.policy.repeat_us), (120_000_000, Some(14_400_000_000)));
    assert!(lossy.target.matches("eu-west-2") && !lossy.target.matches("eu-west-3"));
    assert_eq!(
        lossy.notify[1].secret.as_ref().map(|(name, secret)| (name.as_str(), secret.0.as_str())),
        Some(("HOOK_SECRET", "s3cret"))
    );
    assert!(!format!("{lossy:?}").contains("s3cret"));
    assert_eq!(read("").unwrap(), []);
}

#[test]
fn every_error_names_the_rule_and_the_field() {
    for (fields, fault) in [
        ("above = 1", "statistic"),
        ("statistic = 'p50'", "above is missing, expected a threshold, above or below"),
        ("statistic = 'p101'\nabove = 1", "statistic is \"p101\", expected p0 to p100"),
        ("statistic = 'p50'\nabove = 1\nbelow = 1", "below is given with above, expected one of the two"),
        ("statistic = 'p50'\nabove = -1", "above is -1, expected milliseconds, 0 to 60000"),
        ("statistic = 'p50'\nabove = nan", "above is NaN, expected milliseconds"),
        ("statistic = 'loss'\nabove = 5", "above is 5, expected a share of the probes, 0 to 1"),
        ("statistic = 'p50'\nabove = 100\nclear = 101", "clear is 101, expected at most above, 100"),
        ("statistic = 'p50'\nbelow = 100\nclear = 99", "clear is 99, expected at least below, 100"),
        ("statistic = 'p50'\nabove = 1\nfor = '8d'", "for is \"8d\", expected a time from 0s to 7days"),
        ("statistic = 'p50'\nabove = 1\nfor = 5", "invalid type: integer `5`, expected a string, in `for`"),
        ("statistic = 'p50'\nabove = 1\nnotify = [5]", "expected an address, or { to = ADDRESS, secret_env = NAME }"),
        ("statistic = 'p50'\nabove = 1\nrepeat = '1s'", "repeat is \"1s\", expected a time from 1m to 30days"),
        ("statistic = 'p50'\nabove = 1\nwindow = '2m'", "window is \"2m\", expected 5m, 1h, 1d, 7d, 30d or 365d"),
        ("statistic = 'step'\nabove = 1\nwindow = '1d'", "window is \"1d\", expected 5m or 1h for a step"),
        ("statistic = 'p50'\nabove = 1\nprotocol = 'TCP'", "protocol is \"TCP\", expected tcp"),
        ("statistic = 'p50'\nabove = 1\nsource = ''", "source is \"\", expected an id or a pattern"),
        ("statistic = 'p50'\nabove = 1\ntarget = 'eu-[1'", "target is \"eu-[1\", expected an id or a pattern"),
        (
            "statistic = 'p50'\nabove = 1\nnotify = ['ftp://x']",
            "notify is \"ftp://x\", expected an address such as https://",
        ),
        ("statistic = 'p50'\nabove = 1\nnotify = ['https://x', 'https://x']", "notify is \"https://x\" twice"),
        (
            "statistic = 'p50'\nabove = 1\nnotify = [{ to = 'https://x', secret_env = 'UNSET' }]",
            "secret_env is \"UNSET\", expected an environment variable that is set",
        ),
        ("statistic = 'p50'\nabove = 1\nthreshhold = 1", "threshhold"),
    ] {
        let error = read(&format!("[[rule]]\nname = \"one\"\n{fields}\n")).unwrap_err();
        assert!(error.starts_with("alerts.toml: ") && error.contains(fault), "{fields}: {error}");
        assert!(error.contains("rule \"one\": "), "{fields}: {error}");
    }
}

#[test]
fn names_are_keys() {
    let rule = |name: &str| format!("[[rule]]\nname = \"{name}\"\nstatistic = \"p50\"\nabove = 1\n");
    let twice = read(&format!("{}{}", rule("a b"), rule("a b"))).unwrap_err();
    assert!(twice.contains("rule \"a b\": name is \"a b\" twice, expected another name for each rule"), "{twice}");
    for bad in ["", "a/b", "ü", &"x".repeat(65)] {
        assert!(read(&rule(bad)).unwrap_err().contains("expected 1 to 64 letters"), "{bad}");
    }
    let many: String = (0..201).map(|number| rule(&format!("r{number}"))).collect();
    assert_eq!(read(&many).unwrap_err(), "alerts.toml: 201 rules, expected at most 200");
}
