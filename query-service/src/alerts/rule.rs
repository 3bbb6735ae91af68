//! A rule: which pairs, which number, which bounds, who is told.

use cloudping_model::{Protocol, Rolling};
use cloudping_ports::Secret;
use cloudping_schemas::api::AlertRule;
use cloudping_schemas::catalogue::Catalogue;
use glob::Pattern;
use url::Url;

use super::state::Policy;
use crate::statistic::Statistic;

/// One rule of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) source: Pattern,
    pub(crate) target: Pattern,
    /// The targets' provider, where only one is meant.
    pub(crate) provider: Option<String>,
    pub(crate) protocol: Protocol,
    pub(crate) measure: Measure,
    pub(crate) window: Rolling,
    /// The least number of probes; as many as the number needs to mean something, where none is given.
    pub(crate) min_count: Option<u64>,
    pub(crate) policy: Policy,
    pub(crate) notify: Vec<Destination>,
}

/// Which number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Measure {
    /// Of the round-trip times, ms.
    Latency(Statistic),
    /// Lost probes, as a share of those sent.
    Loss,
    /// The greatest route change found within the window, up or down, ms.
    Step,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Destination {
    /// An address that one of the notifiers takes.
    pub(crate) to: String,
    /// Where the secret comes from, and the secret.
    pub(crate) secret: Option<(String, Secret)>,
}

impl Rule {
    /// Whether it is of a pair.
    pub(crate) fn has(&self, source: &str, target: &str, catalogue: &Catalogue) -> bool {
        let of_provider = |wanted: &str| catalogue.get(target).is_some_and(|region| region.provider == wanted);
        self.source.matches(source) && self.target.matches(target) && self.provider.as_deref().is_none_or(of_provider)
    }

    /// The only pair that it can be of.
    pub(crate) fn only_pair(&self) -> Option<(&str, &str)> {
        let literal = |pattern: &Pattern| !pattern.as_str().contains(['*', '?', '[']);
        (literal(&self.source) && literal(&self.target)).then(|| (self.source.as_str(), self.target.as_str()))
    }

    /// The name of its number.
    pub(crate) fn statistic(&self) -> String {
        match self.measure {
            Measure::Latency(statistic) => statistic.to_string(),
            Measure::Loss => "loss".to_owned(),
            Measure::Step => "step".to_owned(),
        }
    }

    /// The unit of its number.
    pub(crate) fn unit(&self) -> &'static str {
        match self.measure {
            Measure::Loss => "share",
            Measure::Latency(_) | Measure::Step => "ms",
        }
    }

    /// As the API shows it.
    pub(crate) fn shown(&self) -> AlertRule {
        let seconds = |micros: i64| micros as f64 / 1e6;
        AlertRule {
            name: self.name.clone(),
            source: self.source.as_str().to_owned(),
            target: self.target.as_str().to_owned(),
            provider: self.provider.clone(),
            protocol: self.protocol.name().to_owned(),
            statistic: self.statistic(),
            unit: self.unit().to_owned(),
            window: self.window.name().to_owned(),
            fires: self.policy.side.name().to_owned(),
            threshold: self.policy.threshold,
            clear: self.policy.clear,
            for_seconds: seconds(self.policy.for_us),
            clear_for_seconds: seconds(self.policy.clear_for_us),
            notify: self.notify.iter().map(|destination| place(&destination.to)).collect(),
        }
    }
}

/// An address without what may be secret in it: paths and parameters of webhooks often are.
pub(crate) fn place(to: &str) -> String {
    let url = Url::parse(to).ok();
    let host = url.as_ref().and_then(|url| Some((url.scheme(), url.host_str()?, url.port())));
    match host {
        Some((scheme, host, Some(port))) => format!("{scheme}://{host}:{port}"),
        Some((scheme, host, None)) => format!("{scheme}://{host}"),
        None => to.splitn(4, ':').take(3).collect::<Vec<_>>().join(":"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_an_address_are_not_shown() {
        assert_eq!(place("https://hooks.example.com/services/T0/B0/xyz?token=1"), "https://hooks.example.com");
        assert_eq!(place("http://127.0.0.1:9000/a"), "http://127.0.0.1:9000");
        assert_eq!(place("arn:aws:sns:eu-west-1:123456789012:alarms"), "arn:aws:sns");
    }
}
