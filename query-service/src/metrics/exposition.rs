//! The text formats of Prometheus: OpenMetrics 1.0, and the older one for scrapers that do not know it.

use std::fmt;
use std::fmt::Write as _;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

/// A page of metrics, as OpenMetrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// The media types, the one that is preferred first.
    pub(crate) const OPEN_METRICS: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    pub(crate) const CLASSIC: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// One page of several registries.
    ///
    /// # Errors
    /// None that a string would give.
    pub(crate) fn of(registries: &[&Registry]) -> Result<Self, fmt::Error> {
        let mut text = String::new();
        for registry in registries {
            encode_registry(&mut text, registry)?;
        }
        encode_eof(&mut text)?;
        Ok(Self(text))
    }

    /// The page in the form that an `Accept` header asks for, with its media type. Who names neither form is a person, who is shown the older
    /// one, since that is plain text.
    pub(crate) fn accepted(self, accept: &str) -> (&'static str, String) {
        if accept.contains("application/openmetrics-text") {
            return (Self::OPEN_METRICS, self.0);
        }
        (Self::CLASSIC, classic(&self.0))
    }
}

/// The same in the older format, in which a counter's family has the name of its samples.
fn classic(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The help comes before the type, so it waits for it.
    let mut help = None;
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, text] => help = Some((name, text)),
            ["#", "TYPE", name, kind] => {
                let suffix = if kind == "counter" { "_total" } else { "" };
                if let Some((name, text)) = help.take() {
                    let _ = writeln!(out, "# HELP {name}{suffix} {text}");
                }
                let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
            }
            ["#", ..] => {}
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::ConstCounter;
    use prometheus_client::metrics::gauge::ConstGauge;
    use prometheus_client::registry::Unit;

    use super::*;

    fn page() -> Exposition {
        let (mut one, mut other) = (Registry::default(), Registry::default());
        one.register("asked", "Questions", ConstCounter::new(3_u64));
        other.register_with_unit("age", "Of it", Unit::Seconds, ConstGauge::new(0.5));
        Exposition::of(&[&one, &other]).unwrap()
    }

    #[test]
    fn open_metrics_names_units_and_ends() {
        let (kind, text) = page().accepted("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
        assert_eq!(kind, Exposition::OPEN_METRICS);
        let expected = "# HELP asked Questions.\n# TYPE asked counter\nasked_total 3\n# HELP age_seconds Of it.\n# TYPE age_seconds gauge\n\
                        # UNIT age_seconds seconds\nage_seconds 0.5\n# EOF\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_older_format_names_a_counter_by_its_samples() {
        let (kind, text) = page().accepted("*/*");
        assert_eq!(kind, Exposition::CLASSIC);
        let expected = "# HELP asked_total Questions.\n# TYPE asked_total counter\nasked_total 3\n# HELP age_seconds Of it.\n\
                        # TYPE age_seconds gauge\nage_seconds 0.5\n";
        assert_eq!(text, expected);
    }
}
