//! `GET /api/v1/diff`: every pair twice, and whether the difference means something.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_digest::SeriesSummary;
use cloudping_model::{Pane, Protocol, Rolling, UtcMicros};
use cloudping_schemas::api::{Diff, DiffSide, Difference};
use cloudping_schemas::catalogue::Catalogue;

use super::ends;
use super::matrix::{number, selection, subjects};
use super::past::{self, Found};
use crate::history::Span;
use crate::http::columns::{self, count, flag, text};
use crate::http::format::{Format, Row, respond};
use crate::http::off_thread;
use crate::http::parameters::{
    END, FORMAT, LIMIT, PERCENTILE, PROTOCOL, PROVIDER, Parameter, SOURCE, TARGET, WINDOW, parameters,
};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::live_view::{LiveView, Selection};
use crate::noise;
use crate::service::Shared;
use crate::statistic::Statistic;
use crate::text::{millis, parse_rfc3339, rfc3339};

parameters! {
    /// Parameters of `diff`.
    DiffParams:
        PERCENTILE.about("The number of both sides: see `matrix`. Default `p50`."),
        A_PERCENTILE,
        B_PERCENTILE,
        WINDOW.about("The rolling window of both sides. Default `5m`."),
        A_WINDOW,
        B_WINDOW,
        PROTOCOL.about("How the probes of both sides were made. Default `tcp`."),
        A_PROTOCOL,
        B_PROTOCOL,
        PROVIDER.about("Only targets of this provider, on both sides."),
        A_PROVIDER,
        B_PROVIDER,
        A_AT,
        B_AT,
        SOURCE,
        TARGET.about("Only side a's target of this id."),
        LIMIT.about("The most pairs that are listed. Default 1000."),
        FORMAT,
}
const A_PERCENTILE: Parameter = PERCENTILE.named("a_percentile", "Side a's number, instead of `percentile`.");
const B_PERCENTILE: Parameter = PERCENTILE.named("b_percentile", "Side b's number, instead of `percentile`.");
const A_WINDOW: Parameter = WINDOW.named("a_window", "Side a's rolling window, instead of `window`.");
const B_WINDOW: Parameter = WINDOW.named("b_window", "Side b's rolling window, instead of `window`.");
const A_PROTOCOL: Parameter = PROTOCOL.named("a_protocol", "How side a's probes were made, instead of `protocol`.");
const B_PROTOCOL: Parameter = PROTOCOL.named("b_protocol", "How side b's probes were made, instead of `protocol`.");
const A_PROVIDER: Parameter = PROVIDER.named("a_provider", "Side a's targets, instead of `provider`.");
const B_PROVIDER: Parameter = PROVIDER.named("b_provider", "Side b's targets, instead of `provider`.");

const A_AT: Parameter = END.named("a_at", "When side a's window ends, by RFC 3339, to the minute. Default now.");
const B_AT: Parameter = END.named("b_at", "When side b's window ends, by RFC 3339, to the minute. Default now.");

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
struct Side {
    statistic: Statistic,
    window: Rolling,
    protocol: Protocol,
    provider: Option<String>,
    /// Where its window ends; `None`: now.
    at: Option<UtcMicros>,
}

/// One pair on one side. A side need not come from the live view: whatever can give these can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) ms: f64,
    pub(super) count: u64,
    pub(super) low_count: bool,
    pub(super) noise_ms: Option<f64>,
}

impl Measured {
    /// A pair's number in a range of the past; `None` where no probe was answered.
    fn in_the_past(found: Found, statistic: Statistic) -> Option<Self> {
        let measured = &found.measured;
        let (us, low_count, _) = number(measured, statistic);
        let noise = || noise::noise_of(statistic, measured.count, measured.stddev_us, |q| measured.quantile(q).us);
        let (count, noise_ms) = (measured.count, (!low_count).then(noise).flatten());
        Some(Self { ms: us.map(millis)?, count, low_count, noise_ms, source: found.source, target: found.target })
    }

    /// A pair's number; `None` where no probe was answered.
    pub(super) fn of(source: &str, target: &str, summary: &SeriesSummary, statistic: Statistic) -> Option<Self> {
        Some(Self {
            source: source.to_owned(),
            target: target.to_owned(),
            ms: statistic.of(summary)?,
            count: summary.received(),
            low_count: !statistic.supported_by(summary),
            noise_ms: noise::noise_ms(statistic, summary),
        })
    }
}

/// Every pair on two sides: two times, percentiles, windows, protocols or providers.
///
/// What the sides have in common is said by `percentile`, `window`, `protocol` and `provider`; what differs, by the same names after `a_`
/// and `b_`. Pairs are those of the same source and target; where the providers differ, side b's targets are those in the city of
/// side a's.
///
/// `noise_ms` is by how much the two numbers may differ by chance: the 99 % confidence intervals of both, of a percentile by the ranks
/// that enclose it, of the mean by its standard error, taken together as if they were independent. Round-trip times of one path hang
/// together over time, so what does not exceed it is noise, but not all that does is a lasting change (see `changes`).
#[utoipa::path(get, path = "/api/v1/diff", tag = "live", params(DiffParams), responses(
    (status = 200, description = "The pairs that have a number on both sides, the greatest growth first.", body = Diff),
    (status = 404, description = "A provider that there is not."),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = DiffParams::read(&uri)?;
    let (both, now) = (selection(&params)?, (shared.clock)());
    let (a, b) = (side(&params, &both, "a", now)?, side(&params, &both, "b", now)?);
    let limit = params.limit(1_000)?;
    let format = Format::asked(&params, &headers)?;
    [&a, &b].into_iter().flat_map(|side| &side.provider).try_for_each(|name| ends::provider(&shared, name))?;
    let view = shared.view();
    let (of_a, of_b) = (pairs(&shared, &view, &a, &both).await?, pairs(&shared, &view, &b, &both).await?);
    let diff = off_thread(move || {
        let catalogue = &shared.settings.catalogue;
        let of_a = of_a.into_iter().filter(|pair| both.target.as_ref().is_none_or(|target| *target == pair.target));
        let by_city = (a.provider != b.provider).then_some(catalogue);
        let mut pairs = compare(of_a.collect(), of_b, by_city);
        pairs.truncate(limit);
        let as_of = view.as_of().map(rfc3339);
        Diff { simulated: shared.settings.simulated, as_of, a: shown(a), b: shown(b), pairs }
    });
    let diff = diff.await?;
    respond(format, &diff, &diff.pairs)
}

/// What one side is asked to be, else `both`.
fn side(params: &Params, both: &Selection, name: &str, now: UtcMicros) -> Result<Side, Failure> {
    let of = |what: &str| format!("{name}_{what}");
    let windows = "5m, 1h, 1d, 7d, 30d or 365d";
    let protocols = "tcp, tls, https, icmp or udp";
    let past = |text: &str| parse_rfc3339(text).filter(|at| *at <= now).map(Some);
    let provider = params.get(&of("provider")).or_else(|| params.get("provider"));
    Ok(Side {
        statistic: params.parse(&of("percentile"), both.statistic, Statistic::EXPECTED, Statistic::parse)?,
        window: params.parse(&of("window"), both.window, windows, Rolling::from_name)?,
        protocol: params.parse(&of("protocol"), both.protocol, protocols, Protocol::from_name)?,
        provider: provider.map(str::to_owned),
        at: params.parse(&of("at"), None, "a time by RFC 3339 that is not to come", past)?,
    })
}

fn shown(side: Side) -> DiffSide {
    DiffSide {
        window: side.window.name().to_owned(),
        at: side.at.map(rfc3339),
        percentile: side.statistic.to_string(),
        protocol: side.protocol.name().to_owned(),
        provider: side.provider,
    }
}

/// A side's pairs: of now out of the live view, of another time out of the archive.
async fn pairs(
    shared: &Arc<Shared>,
    view: &Arc<LiveView>,
    side: &Side,
    both: &Selection,
) -> Result<Vec<Measured>, Failure> {
    let mut found: Vec<Measured> = match side.at {
        None => {
            view.whole(side.window)?;
            let (view, side, source) = (Arc::clone(view), side.clone(), both.source.clone());
            off_thread(move || live(&view, &side, source.as_deref())).await?
        }
        Some(at) => {
            let end = at.floor(Pane::Minute.micros());
            let length_us = side.window.pane().micros() * side.window.panes();
            let span = Span::whole(end - length_us, end);
            let wanted = Selection { protocol: side.protocol, target: None, ..both.clone() };
            let statistic = side.statistic;
            let show = move |found: Found| Measured::in_the_past(found, statistic);
            past::read(shared, subjects(shared, &wanted), span, false, show).await?.rows.into_iter().flatten().collect()
        }
    };
    if let Some(wanted) = &side.provider {
        let provider = |target: &str| shared.settings.catalogue.get(target).map(|region| &region.provider);
        found.retain(|pair| provider(&pair.target) == Some(wanted));
    }
    Ok(found)
}

fn live(view: &LiveView, side: &Side, source: Option<&str>) -> Vec<Measured> {
    let pairs = view.pairs(side.window, side.protocol, source);
    let measured = pairs.filter_map(|(source, key, summary)| {
        Measured::of(source.as_str(), key.target.as_str(), summary, side.statistic)
    });
    measured.collect()
}

/// The pairs that both sides have, the greatest growth first: of the same target or, with a catalogue, of targets in the same city.
pub(super) fn compare(a: Vec<Measured>, b: Vec<Measured>, by_city: Option<&Catalogue>) -> Vec<Difference> {
    let place = |target: &str| match by_city {
        Some(catalogue) => catalogue.get(target).map(|region| (region.country.clone(), region.city.clone())),
        None => Some((String::new(), target.to_owned())),
    };
    let mut of_b: BTreeMap<_, Vec<&Measured>> = BTreeMap::new();
    for pair in &b {
        of_b.entry((&pair.source, place(&pair.target))).or_default().push(pair);
    }
    let mut found = Vec::new();
    for pair in a {
        let others = place(&pair.target).and_then(|place| of_b.get(&(&pair.source, Some(place))));
        found.extend(others.into_iter().flatten().map(|other| difference(&pair, other)));
    }
    found.sort_by(|one, other| other.delta_ms.total_cmp(&one.delta_ms));
    found
}

fn difference(a: &Measured, b: &Measured) -> Difference {
    let delta_ms = millis((b.ms - a.ms) * 1e3);
    let noise_ms = a.noise_ms.zip(b.noise_ms).map(|(a, b)| noise::together(a, b));
    Difference {
        source: a.source.clone(),
        a_target: a.target.clone(),
        b_target: b.target.clone(),
        a_ms: a.ms,
        b_ms: b.ms,
        delta_ms,
        a_count: a.count,
        b_count: b.count,
        a_low_count: a.low_count,
        b_low_count: b.low_count,
        noise_ms,
        exceeds_noise: noise_ms.map(|noise| delta_ms.abs() > noise),
    }
}

impl Row for Difference {
    fn columns() -> Fields {
        Fields::from(vec![
            text("source"),
            text("a_target"),
            text("b_target"),
            columns::number("a_ms"),
            columns::number("b_ms"),
            columns::number("delta_ms"),
            count("a_count"),
            count("b_count"),
            flag("a_low_count"),
            flag("b_low_count"),
            columns::number("noise_ms"),
            flag("exceeds_noise").with_nullable(true),
        ])
    }
}
