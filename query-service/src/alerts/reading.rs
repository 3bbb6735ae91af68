//! What the live view says of the pairs of a rule.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cloudping_digest::SeriesSummary;
use cloudping_model::{Protocol, Rolling, UtcMicros};
use cloudping_schemas::catalogue::Catalogue;

use super::rule::{Measure, Rule};
use super::state::Reading;
use crate::live_view::LiveView;
use crate::statistic::Statistic;
use crate::text::millis;

/// Source and target.
pub(crate) type Pair = (String, String);

/// Probes that a share of losses must be of, unless the rule says otherwise.
const LEAST_FOR_LOSS: u64 = 10;

/// What a window says of one pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    pub(crate) reading: Reading,
    /// The number, whether it can be relied upon or not.
    pub(crate) value: Option<f64>,
    /// What it is of.
    pub(crate) count: u64,
}

/// What a window says of a rule's pairs.
#[derive(Debug)]
pub(crate) struct OfRule {
    pub(crate) pairs: BTreeMap<Pair, Measured>,
    /// And of a pair that is not among them.
    pub(crate) absent: Measured,
}

/// Of a pair that the window has nothing of: it is silent, unless the window is still being read, which says nothing.
fn absent(view: &LiveView, window: Rolling) -> Measured {
    let reading = if view.whole(window).is_ok() { Reading::Missing } else { Reading::Few };
    Measured { reading, value: None, count: 0 }
}

/// What was measured within the last day. To know that a pair is silent one must know of it; but merging a day each second would cost more than
/// all the rules.
pub(crate) fn roster(view: &LiveView) -> BTreeSet<(Pair, Protocol)> {
    let series = view.vantages.iter().flat_map(|(id, vantage)| {
        vantage.series(Rolling::Day).keys().map(move |key| ((id.to_string(), key.target.to_string()), key.protocol))
    });
    series.collect()
}

/// Every pair of a rule that is on the roster, measured now, or named by the rule. Of a pair that was measured over both address families
/// what was measured over IPv4, as everywhere.
pub(crate) fn read(rule: &Rule, view: &LiveView, roster: &BTreeSet<(Pair, Protocol)>, catalogue: &Catalogue) -> OfRule {
    let (mut pairs, absent) = (BTreeMap::<Pair, Measured>::new(), absent(view, rule.window));
    if let Some((source, target)) = rule.only_pair().filter(|(source, target)| rule.has(source, target, catalogue)) {
        pairs.insert((source.to_owned(), target.to_owned()), absent);
    }
    let known = roster.iter().filter(|(_, protocol)| *protocol == rule.protocol).map(|(pair, _)| pair);
    pairs.extend(
        known.filter(|(source, target)| rule.has(source, target, catalogue)).map(|pair| (pair.clone(), absent)),
    );
    let steps = steps(rule, view);
    for (source, key, summary) in view.pairs(rule.window, rule.protocol, None) {
        let (source, target) = (source.as_str(), key.target.as_str());
        if rule.has(source, target, catalogue) {
            let measured = match rule.measure {
                Measure::Step => stepped(summary, steps.get(&(source, target))),
                _ => measured(rule, summary),
            };
            pairs.insert((source.to_owned(), target.to_owned()), measured);
        }
    }
    OfRule { pairs, absent }
}

fn measured(rule: &Rule, summary: &SeriesSummary) -> Measured {
    let (value, count, enough) = match rule.measure {
        Measure::Loss => (summary.loss(), summary.sent(), summary.sent() >= LEAST_FOR_LOSS),
        Measure::Latency(statistic) => (statistic.of(summary), summary.received(), is_enough(statistic, summary)),
        Measure::Step => (None, 0, false),
    };
    let enough = rule.min_count.map_or(enough, |least| count >= least);
    let reading = match value {
        None => Reading::Missing,
        Some(value) if enough => Reading::Value(value),
        Some(_) => Reading::Few,
    };
    Measured { reading, value, count }
}

/// An extreme is one however few there are.
fn is_enough(statistic: Statistic, summary: &SeriesSummary) -> bool {
    matches!(statistic, Statistic::Min | Statistic::Max) || statistic.supported_by(summary)
}

/// How many steps were found within the window, and the greatest, up or down, ms.
type Steps<'a> = HashMap<(&'a str, &'a str), (u64, f64)>;

fn steps<'a>(rule: &Rule, view: &'a LiveView) -> Steps<'a> {
    let mut steps = Steps::new();
    if rule.measure != Measure::Step {
        return steps;
    }
    let since: UtcMicros = view.now - rule.window.panes() * rule.window.pane().micros();
    for change in view.changes().filter(|change| change.protocol == rule.protocol && change.found_at >= since) {
        let delta_ms = millis((f64::from(change.after_us) - f64::from(change.before_us)).abs());
        let (count, greatest) = steps.entry((change.vantage.as_str(), change.target.as_str())).or_default();
        *count += 1;
        *greatest = delta_ms.max(*greatest);
    }
    steps
}

fn stepped(summary: &SeriesSummary, step: Option<&(u64, f64)>) -> Measured {
    let (count, greatest) = step.copied().unwrap_or_default();
    let reading = if summary.received() == 0 { Reading::Missing } else { Reading::Value(greatest) };
    Measured { reading, value: Some(greatest), count }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cloudping_model::{UtcMicros, VantageId};

    use super::*;
    use crate::live_view::{Stored, VantageView};

    #[test]
    fn a_window_that_is_still_being_read_is_no_silence() {
        let now = UtcMicros(1_800_000_000_000_000);
        let stored = Stored { days_from: Some(Rolling::Week.first_pane(now)), ..Stored::default() };
        let vantage = VantageView::new(stored, now, &VantageView::default());
        let vantages = BTreeMap::from([(VantageId::new("a").unwrap(), Arc::new(vantage))]);
        let view = LiveView { now, vantages, partial: false };
        assert_eq!(absent(&view, Rolling::Hour).reading, Reading::Missing);
        assert_eq!(absent(&view, Rolling::Week).reading, Reading::Missing);
        assert_eq!(absent(&view, Rolling::Year).reading, Reading::Few);
    }
}
