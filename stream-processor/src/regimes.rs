//! Regimes: what was measured of each series since its last route step.

use std::collections::{BTreeMap, BTreeSet};

use cloudping_digest::SeriesSummary;
use cloudping_model::{Addresses, Level, RouteChange, UtcMicros};
use cloudping_schemas::stored::{Regime, RegimesItem, SeriesKey};

use crate::change::Step;
use crate::fold::Gathering;
use crate::minute::MinutePane;
use crate::vantage::VantageState;

/// The regimes of a vantage point by the series' places.
#[derive(Debug, Default)]
pub(crate) struct Regimes {
    by_place: BTreeMap<u32, Regime>,
}

impl Regimes {
    pub(crate) fn of(item: RegimesItem) -> Self {
        Self { by_place: item.regimes.into_iter().map(|regime| (regime.series, regime)).collect() }
    }

    pub(crate) fn into_item(self) -> RegimesItem {
        RegimesItem { regimes: self.by_place.into_values().collect() }
    }

    /// Since when a series is at its level; `None` when none of its minutes was folded and it has not stepped.
    pub(crate) fn since(&self, place: u32) -> Option<UtcMicros> {
        self.by_place.get(&place).map(|regime| regime.since)
    }

    /// Adds an hour, or a part of one, that is being folded: its minutes, in order, and their summaries.
    pub(crate) fn add<'a>(
        &mut self,
        hour: &BTreeMap<u32, SeriesSummary>,
        minutes: impl Iterator<Item = &'a MinutePane> + Clone,
    ) {
        let Some(start) = minutes.clone().next().map(MinutePane::start) else { return };
        let mut stepped = BTreeSet::new();
        for (place, summary) in hour {
            match self.by_place.get_mut(place) {
                None => {
                    let since = first_minute(*place, minutes.clone()).unwrap_or(start);
                    self.by_place.insert(*place, Regime { series: *place, since, summary: summary.clone() });
                }
                Some(regime) if regime.since <= start => regime.summary.merge(summary),
                Some(_) => {
                    stepped.insert(*place);
                }
            }
        }
        if stepped.is_empty() {
            return;
        }
        let mut gathering = Gathering::default();
        for minute in minutes {
            let wanted =
                |place| stepped.contains(&place) && self.since(place).is_some_and(|since| since <= minute.start());
            gathering.add(minute, wanted);
        }
        for (place, summary) in gathering.finish() {
            if let Some(regime) = self.by_place.get_mut(&place) {
                regime.summary.merge(&summary);
            }
        }
    }

    /// Ends a series' level where it stepped; gives what was measured of it. The minutes are those that are not folded, in order.
    pub(crate) fn end<'a>(
        &mut self,
        place: u32,
        at: UtcMicros,
        minutes: impl Iterator<Item = &'a MinutePane>,
    ) -> (UtcMicros, SeriesSummary) {
        let regime = self.by_place.remove(&place);
        let is_first = regime.is_none();
        let (mut since, folded) = regime.map_or((at, SeriesSummary::new()), |regime| (regime.since, regime.summary));
        let mut gathering = Gathering::default();
        for minute in minutes.filter(|minute| minute.start() < at) {
            if is_first && minute.has(place) {
                since = since.min(minute.start());
            }
            gathering.add(minute, |wanted| wanted == place && minute.start() >= since);
        }
        let mut summary = folded;
        if let Some(open) = gathering.finish().get(&place) {
            summary.merge(open);
        }
        self.by_place.insert(place, Regime { series: place, since: at, summary: SeriesSummary::new() });
        (since, summary)
    }
}

/// The first of the minutes that has the series.
fn first_minute<'a>(place: u32, mut minutes: impl Iterator<Item = &'a MinutePane>) -> Option<UtcMicros> {
    minutes.find(|minute| minute.has(place)).map(MinutePane::start)
}

/// A step of a series.
#[derive(Debug)]
pub(crate) struct Found {
    /// The series' place in the series table.
    pub(crate) place: u32,
    pub(crate) step: Step,
    /// Start of the minute that made it certain.
    pub(crate) certain_at: UtcMicros,
}

impl Found {
    /// Start of the first minute at the new level.
    pub(crate) fn at(&self) -> UtcMicros {
        UtcMicros(self.step.minute * cloudping_model::Pane::Minute.micros())
    }
}

/// The route change that a step is.
pub(crate) fn route_change(
    state: &VantageState,
    key: &SeriesKey,
    found: &Found,
    (since, ended): (UtcMicros, &SeriesSummary),
    addresses: Option<Addresses>,
) -> RouteChange {
    let percentiles: Option<Vec<f64>> = ended.quantiles(&Level::QUANTILES).into_iter().collect();
    RouteChange {
        vantage: state.vantage.clone(),
        target: key.target.clone(),
        protocol: key.protocol,
        family: key.family,
        minute: found.at(),
        found_at: state.head.watermark,
        before_us: found.step.before_us,
        after_us: found.step.after_us,
        score: found.step.score,
        ended: Level {
            since,
            count: ended.received(),
            percentiles_us: percentiles.and_then(|percentiles| percentiles.try_into().ok()),
        },
        addresses,
    }
}
