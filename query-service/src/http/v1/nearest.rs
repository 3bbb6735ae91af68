//! `GET /api/v1/nearest`: where to go from here.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_digest::SeriesSummary;
use cloudping_model::UtcMicros;
use cloudping_schemas::api::{Candidate, Nearest};

use super::ends;
use super::matrix::selection;
use crate::http::columns::{count, flag, number, text, time, word};
use crate::http::format::{Format, Row, respond};
use crate::http::off_thread;
use crate::http::parameters::{
    FORMAT, IDS, LIMIT, PERCENTILE, PROTOCOL, Parameter, Shape, THE_SOURCE, WINDOW, parameters,
};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::live_view::{LiveView, Selection};
use crate::service::Shared;
use crate::statistic::Statistic;
use crate::text::rfc3339;

const DEFAULT_MAX_LOSS: f64 = 0.05;
const DEFAULT_MAX_AGE: f64 = 60.0;
const SECOND_US: f64 = 1e6;

parameters! {
    /// Parameters of `nearest`.
    NearestParams:
        THE_SOURCE.about("A vantage point's or a region's id."),
        CANDIDATES,
        MAX_LOSS,
        MAX_AGE,
        LIMIT.about("The most candidates that are listed. Default 1000."),
        PERCENTILE,
        WINDOW,
        PROTOCOL,
        FORMAT,
}
const CANDIDATES: Parameter = Parameter {
    name: "candidates",
    about: "Targets to choose from, with commas between them. Default all that were measured in the window.",
    example: "us-east-1,eu-west-1",
    required: false,
    shape: IDS,
};
const MAX_LOSS: Parameter = Parameter {
    name: "max_loss",
    about: "The greatest loss of a healthy candidate in the window, 0 to 1. Default 0.05.",
    example: "0.05",
    required: false,
    shape: Shape::Number(0.0, 1.0),
};
const MAX_AGE: Parameter = Parameter {
    name: "max_age",
    about: "The greatest age of a healthy candidate's newest probe in seconds, up to a day. Default 60.",
    example: "60",
    required: false,
    shape: Shape::Number(0.0, 86_400.0),
};

/// What is asked.
struct Question {
    source: String,
    candidates: Option<Vec<String>>,
    selection: Selection,
    health: Health,
    limit: usize,
}

/// What a healthy candidate has at most.
#[derive(Debug, Clone, Copy)]
struct Health {
    loss: f64,
    age_seconds: f64,
}

/// The closest healthy candidate, and all of them in order.
///
/// Where nothing was measured from the source in the window, the candidates' own probes of it are used: it may be any region, or a
/// vantage point that is down. A candidate is not healthy where nothing is known of it (`no_data`), its newest probe is too old
/// (`stale`), none was answered (`unanswered`), or too many were lost (`loss`).
#[utoipa::path(get, path = "/api/v1/nearest", tag = "live", params(NearestParams), responses(
    (status = 200, description = "The healthy ones first, each group with the closest first.", body = Nearest),
    (status = 404, description = "A source or candidate that there is not."),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = NearestParams::read(&uri)?;
    let question = question(&params)?;
    let format = Format::asked(&params, &headers)?;
    let view = shared.view();
    view.whole(question.selection.window)?;
    // Either end of a pair will do; the vantage points are fewer to look through.
    ends::source(&shared, &view, &question.source)
        .or_else(|failure| ends::is_target(&shared, &view, &question.source).then_some(()).ok_or(failure))?;
    for candidate in question.candidates.iter().flatten() {
        ends::target(&shared, &view, candidate)?;
    }
    let simulated = shared.settings.simulated;
    let nearest = off_thread(move || nearest(&view, question, simulated)).await?;
    respond(format, &nearest, &nearest.candidates)
}

fn question(params: &Params) -> Result<Question, Failure> {
    let within = |most: f64| move |text: &str| text.parse().ok().filter(|number| (0.0..=most).contains(number));
    Ok(Question {
        source: params.required("source", "a vantage point's or a region's id")?.to_owned(),
        candidates: ends::ids(params, "candidates")?,
        selection: selection(params)?,
        health: Health {
            loss: params.parse("max_loss", DEFAULT_MAX_LOSS, "a number from 0 to 1", within(1.0))?,
            age_seconds: params.parse("max_age", DEFAULT_MAX_AGE, "seconds, 0 to 86400", within(86_400.0))?,
        },
        limit: params.limit(1_000)?,
    })
}

fn nearest(view: &LiveView, question: Question, simulated: bool) -> Nearest {
    let Question { source, candidates, selection, health, limit } = question;
    let (own, others) = (known(view, &selection, &source, true), || known(view, &selection, &source, false));
    let from_source = !own.is_empty();
    let known = if from_source { own } else { others() };
    let ids = candidates.unwrap_or_else(|| known.keys().map(|id| (*id).to_owned()).collect());
    let candidates =
        ids.iter().map(|id| candidate(id, known.get(&**id).copied(), selection.statistic, health, view.now));
    let mut candidates: Vec<Candidate> = candidates.collect();
    let distance = |candidate: &Candidate| candidate.rtt_ms.unwrap_or(f64::INFINITY);
    candidates.sort_by(|one, other| {
        let healthy = other.healthy.cmp(&one.healthy);
        healthy.then(distance(one).total_cmp(&distance(other))).then_with(|| one.target.cmp(&other.target))
    });
    let nearest = candidates.first().filter(|first| first.healthy).map(|first| first.target.clone());
    candidates.truncate(limit);
    Nearest {
        simulated,
        source,
        measured: if from_source { "from_source" } else { "to_source" }.to_owned(),
        window: selection.window.name().to_owned(),
        percentile: selection.statistic.to_string(),
        protocol: selection.protocol.name().to_owned(),
        as_of: view.as_of().map(rfc3339),
        max_loss: health.loss,
        max_age: health.age_seconds,
        nearest,
        candidates,
    }
}

/// What is known of every candidate that was measured.
fn known<'a>(
    view: &'a LiveView,
    selection: &Selection,
    source: &str,
    from_source: bool,
) -> BTreeMap<&'a str, &'a SeriesSummary> {
    let only = from_source.then_some(source);
    let pairs = view.pairs(selection.window, selection.protocol, only);
    let pairs = pairs.filter(|(_, key, _)| from_source || key.target.as_str() == source);
    let named = pairs.map(|(vantage, key, summary)| match from_source {
        true => (key.target.as_str(), summary),
        false => (vantage.as_str(), summary),
    });
    named.collect()
}

fn candidate(
    id: &str,
    summary: Option<&SeriesSummary>,
    statistic: Statistic,
    health: Health,
    now: UtcMicros,
) -> Candidate {
    let last = summary.and_then(SeriesSummary::last_at_us).map(UtcMicros);
    let age_seconds = last.map(|last| (now - last.0).0.max(0) as f64 / SECOND_US);
    let reason = reason(summary, age_seconds, health);
    let of = |count: fn(&SeriesSummary) -> u64| summary.map_or(0, count);
    Candidate {
        target: id.to_owned(),
        healthy: reason.is_none(),
        reason: reason.map(str::to_owned),
        rtt_ms: summary.and_then(|summary| statistic.of(summary)),
        count: of(SeriesSummary::received),
        low_count: summary.is_none_or(|summary| !statistic.supported_by(summary)),
        sent: of(SeriesSummary::sent),
        lost: of(SeriesSummary::lost),
        loss: summary.and_then(SeriesSummary::loss),
        last: last.map(rfc3339),
        age_seconds,
    }
}

/// Why a candidate is not healthy; `None` where it is.
fn reason(summary: Option<&SeriesSummary>, age_seconds: Option<f64>, health: Health) -> Option<&'static str> {
    let (Some(summary), Some(age_seconds)) = (summary, age_seconds) else {
        return Some("no_data");
    };
    if age_seconds > health.age_seconds {
        return Some("stale");
    }
    if summary.received() == 0 {
        return Some("unanswered");
    }
    summary.loss().is_some_and(|loss| loss > health.loss).then_some("loss")
}

impl Row for Candidate {
    fn columns() -> Fields {
        Fields::from(vec![
            text("target"),
            flag("healthy"),
            word("reason"),
            number("rtt_ms"),
            count("count"),
            flag("low_count"),
            count("sent"),
            count("lost"),
            number("loss"),
            time("last"),
            number("age_seconds"),
        ])
    }
}
