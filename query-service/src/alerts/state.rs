//! How an alert goes from one state to the next. Pure: what was measured and the time go in, the new state and what is to be told come
//! out.
//!
//! An *episode* lasts from the firing to the resolving. Within it nothing fires again, whatever the values do between the two thresholds, and
//! although data may be missing for a while.

use cloudping_model::UtcMicros;
use cloudping_schemas::stored::{AlertEpisode, AlertPhase, AlertState};

/// When a rule fires, and when it is satisfied again. Times are µs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Policy {
    pub(crate) side: Side,
    pub(crate) threshold: f64,
    /// On the good side of the threshold, or the threshold itself.
    pub(crate) clear: f64,
    pub(crate) for_us: i64,
    pub(crate) clear_for_us: i64,
    /// How often whoever was told is told again.
    pub(crate) repeat_us: Option<i64>,
    /// How long nothing may be measured before that is a state of its own.
    pub(crate) no_data_us: i64,
}

/// On which side of the threshold the bad values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Above,
    Below,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

impl Policy {
    fn is_beyond(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value > self.threshold,
            Side::Below => value < self.threshold,
        }
    }

    fn is_back(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value <= self.clear,
            Side::Below => value >= self.clear,
        }
    }
}

/// What a window says of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reading {
    /// A number that can be relied upon.
    Value(f64),
    /// Too few samples for the rule: no evidence either way.
    Few,
    /// Nothing.
    Missing,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// An episode begins.
    Firing,
    /// It still lasts.
    Repeat,
    /// It is over.
    Resolved,
    /// Nothing was measured for a while.
    NoData,
    /// Something is measured again.
    DataBack,
}

impl Event {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Repeat => "repeat",
            Self::Resolved => "resolved",
            Self::NoData => "no_data",
            Self::DataBack => "data_back",
        }
    }
}

/// The state after a reading at `now`.
pub(crate) fn step(
    policy: &Policy,
    before: &AlertState,
    reading: Reading,
    now: UtcMicros,
) -> (AlertState, Option<Event>) {
    let now = now.0;
    match (reading, before.episode) {
        (Reading::Few, _) => (AlertState { missing_since_us: None, ..before.clone() }, None),
        (Reading::Missing, _) => missing(policy, before, now),
        (Reading::Value(value), Some(episode)) => in_episode(policy, before, episode, value, now),
        (Reading::Value(value), None) => at_rest(policy, before, value, now),
    }
}

/// Silence proves nothing: what had begun to count towards firing or resolving begins anew.
fn missing(policy: &Policy, before: &AlertState, now: i64) -> (AlertState, Option<Event>) {
    let since = before.missing_since_us.unwrap_or(now);
    let silent = now - since >= policy.no_data_us;
    let phase = match (before.phase, before.episode) {
        (AlertPhase::NoData, _) => AlertPhase::NoData,
        _ if silent => AlertPhase::NoData,
        (_, Some(_)) => AlertPhase::Firing,
        (_, None) => AlertPhase::Ok,
    };
    let after = AlertState {
        breach_since_us: None,
        clear_since_us: None,
        missing_since_us: Some(since),
        ..entered(before, phase, now)
    };
    let event = (phase == AlertPhase::NoData && before.phase != phase).then_some(Event::NoData);
    (after, event)
}

fn in_episode(
    policy: &Policy,
    before: &AlertState,
    episode: AlertEpisode,
    value: f64,
    now: i64,
) -> (AlertState, Option<Event>) {
    let clear_since = policy.is_back(value).then(|| before.clear_since_us.unwrap_or(now));
    if clear_since.is_some_and(|since| now - since >= policy.clear_for_us) {
        let rest = AlertState { clear_since_us: None, episode: None, ..entered(before, AlertPhase::Ok, now) };
        return (AlertState { missing_since_us: None, ..rest }, Some(Event::Resolved));
    }
    let event = if before.phase == AlertPhase::NoData {
        Some(Event::DataBack)
    } else {
        let due = policy.repeat_us.is_some_and(|repeat| now - episode.notified_at_us >= repeat);
        due.then_some(Event::Repeat)
    };
    let notified_at_us = if event.is_some() { now } else { episode.notified_at_us };
    let after = AlertState {
        clear_since_us: clear_since,
        missing_since_us: None,
        episode: Some(AlertEpisode { notified_at_us, ..episode }),
        ..entered(before, AlertPhase::Firing, now)
    };
    (after, event)
}

fn at_rest(policy: &Policy, before: &AlertState, value: f64, now: i64) -> (AlertState, Option<Event>) {
    let back = (before.phase == AlertPhase::NoData).then_some(Event::DataBack);
    let quiet = AlertState { breach_since_us: None, clear_since_us: None, missing_since_us: None, ..before.clone() };
    if !policy.is_beyond(value) {
        return (entered(&quiet, AlertPhase::Ok, now), back);
    }
    let since = before.breach_since_us.unwrap_or(now);
    if now - since >= policy.for_us {
        let episode = Some(AlertEpisode { fired_at_us: now, notified_at_us: now });
        return (AlertState { episode, ..entered(&quiet, AlertPhase::Firing, now) }, Some(Event::Firing));
    }
    (AlertState { breach_since_us: Some(since), ..entered(&quiet, AlertPhase::Pending, now) }, back)
}

fn entered(before: &AlertState, phase: AlertPhase, now: i64) -> AlertState {
    let since_us = if before.phase == phase { before.since_us } else { now };
    AlertState { phase, since_us, ..before.clone() }
}

/// Whether there is nothing to remember of it.
pub(crate) fn is_at_rest(state: &AlertState) -> bool {
    state.phase == AlertPhase::Ok && state.missing_since_us.is_none() && state.episode.is_none()
}
