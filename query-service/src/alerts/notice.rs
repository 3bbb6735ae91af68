//! What is told: one message of a rule, about every pair whose alert has changed at that moment.

use cloudping_model::UtcMicros;
use cloudping_schemas::stored::{AlertEpisode, AlertState, NoticeItem};
use serde_json::{Value, json};

use super::reading::{Measured, Pair};
use super::rule::Rule;
use super::state::Event;
use crate::text::rfc3339;

/// Pairs that the text for people names; the rest it counts.
const NAMED: usize = 5;

/// One pair that something is told of.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) pair: Pair,
    pub(crate) event: Event,
    pub(crate) measured: Measured,
    /// The episode that it is of.
    pub(crate) episode: Option<AlertEpisode>,
    pub(crate) state: AlertState,
}

/// A notice for each of the rule's destinations. `number` tells apart what one rule tells at one moment.
pub(crate) fn notices(rule: &Rule, told: &[Told], number: usize, now: UtcMicros, simulated: bool) -> Vec<NoticeItem> {
    // A slash would be a separator in the key under which it waits.
    let id = format!("{:019}-{}-{number}", now.0.max(0), rule.name.replace(' ', "_"));
    let subject = subject(rule, told, simulated);
    let body = body(rule, told, &id, &subject, now, simulated).to_string();
    let notice = |destination: &super::rule::Destination| NoticeItem {
        id: id.clone(),
        rule: rule.name.clone(),
        to: destination.to.clone(),
        secret_env: destination.secret.as_ref().map(|(name, _)| name.clone()),
        subject: subject.clone(),
        body: body.clone(),
        made_at_us: now.0,
        attempts: 0,
        next_at_us: now.0,
    };
    rule.notify.iter().map(notice).collect()
}

fn body(rule: &Rule, told: &[Told], id: &str, text: &str, now: UtcMicros, simulated: bool) -> Value {
    let alert = |told: &Told| {
        let (source, target) = &told.pair;
        let fired = told.episode.map(|episode| episode.fired_at_us);
        json!({
            "event": told.event.name(),
            "source": source,
            "target": target,
            "state": told.state.phase.name(),
            // The same from the firing to the resolving.
            "episode": fired.map(|at| format!("{}/{source}/{target}/{at}", rule.name)),
            "fired_at": fired.map(|at| rfc3339(UtcMicros(at))),
            "value": told.measured.value,
            "count": told.measured.count,
        })
    };
    json!({
        "id": id,
        "text": text,
        "at": rfc3339(now),
        "simulated": simulated,
        "rule": rule.name,
        "protocol": rule.protocol.name(),
        "statistic": rule.statistic(),
        "unit": rule.unit(),
        "window": rule.window.name(),
        "fires": rule.policy.side.name(),
        "threshold": rule.policy.threshold,
        "clear": rule.policy.clear,
        "alerts": told.iter().map(alert).collect::<Vec<_>>(),
    })
}

/// A line for people; chat programs show the body's field `text`.
fn subject(rule: &Rule, told: &[Told], simulated: bool) -> String {
    let pairs = told.iter().take(NAMED).map(|told| {
        let (source, target) = &told.pair;
        let value = match (told.event, told.measured.value) {
            (Event::NoData, _) | (_, None) => String::new(),
            (_, Some(value)) => format!(" ({value:.2} {})", rule.unit()),
        };
        format!("{} {source} -> {target}{value}", told.event.name().replace('_', " ").to_uppercase())
    });
    let pairs: Vec<String> = pairs.collect();
    let more = if told.len() > NAMED { format!("; and {} more", told.len() - NAMED) } else { String::new() };
    let mark = if simulated { "[SIMULATED] " } else { "" };
    let (statistic, side, threshold) = (rule.statistic(), rule.policy.side.name(), rule.policy.threshold);
    format!(
        "{mark}{}: {}{more}; fires when {statistic} of {} is {side} {threshold} {}",
        rule.name,
        pairs.join("; "),
        rule.window.name(),
        rule.unit()
    )
}
