//! `GET /api/v1/changes` and `GET /api/v1/regimes`: lasting steps in the level of a pair, and what was measured between them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use cloudping_model::{Level, Protocol, RouteChange, TargetId, UtcMicros, VantageId};
use cloudping_schemas::api;
use serde::Serialize;

use super::series::known;
use super::{feed, past};
use crate::history::Subject;
use crate::http::columns::{count, number, text, time, word};
use crate::http::format::{Format, Row, respond};
use crate::http::parameters::{
    ATOM, END, FORMAT, LIMIT, PROTOCOL, Parameter, SOURCE, START, Shape, TARGET, THE_SOURCE, THE_TARGET, parameters,
};
use crate::http::problem::Failure;
use crate::past_changes::{self, WantedChanges};
use crate::refresh;
use crate::regimes::{self, Pair};
use crate::service::Shared;
use crate::text::{millis, rfc3339};

parameters! {
    /// Parameters of `changes`.
    ChangesParams:
        SOURCE,
        TARGET,
        PROTOCOL.about("How the probes were made; all where it is not given."),
        START.about("Where the range starts, by RFC 3339. Default seven days before its end."),
        END,
        LIMIT.about("The most changes of an answer. Default 100."),
        CHANGES_FORMAT,
}
parameters! {
    /// Parameters of `regimes`.
    RegimesParams: THE_SOURCE, THE_TARGET, PROTOCOL, FORMAT
}
const CHANGES_FORMAT: Parameter = Parameter {
    about: "The form of the answer; it goes before the header `Accept`. Default `json`. All others have the changes alone; `atom` (RFC 4287) \
            is for feed readers.",
    shape: Shape::OneOf(&["json", "csv", "ndjson", "arrow", "parquet", ATOM.name]),
    ..FORMAT
};

/// The range unless it is asked for.
const DEFAULT_RANGE_US: i64 = 7 * 86_400_000_000;
const DEFAULT_LIMIT: usize = 100;

/// The live store has the newest of the changes for a long time, and the archive all but the newest.
const LIVE_US: i64 = 86_400_000_000;

/// Lasting steps in the level of pairs.
#[utoipa::path(get, path = "/api/v1/changes", tag = "history", params(ChangesParams), responses(
    (status = 200, description = "The changes, the newest first.", content(
        (api::RouteChanges = "application/json"), (String = "application/atom+xml"),
    )),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = ChangesParams::read(&uri)?;
    let format = Format::asked_beside(ATOM, &params, &headers)?;
    // Unlike a number, a step of any protocol can stand beside others.
    let protocol = params.get("protocol").map(|_| params.protocol()).transpose()?;
    let now = (shared.clock)();
    let (start, end) = past::range(&params, now + 1, DEFAULT_RANGE_US)?;
    let limit = params.limit(DEFAULT_LIMIT)?;
    let [source, target] = ["source", "target"].map(|name| params.get(name).map(str::to_owned));
    let wanted = WantedChanges { source, target, protocol, range: start..end, limit };
    let found = found(&shared, wanted, now).await?;
    let answer = answer(found.iter().collect(), limit, shared.settings.simulated);
    let Some(format) = format else {
        return Ok(([(header::CONTENT_TYPE, ATOM.media_type)], feed::atom(&answer, now)).into_response());
    };
    let rows: Vec<_> = answer.changes.iter().map(Flat::of).collect();
    respond(format, &answer, &rows)
}

/// Those of the live store, and those of the archive that it does not have.
async fn found(shared: &Shared, wanted: WantedChanges, now: UtcMicros) -> Result<Vec<RouteChange>, Failure> {
    let mut found = Vec::new();
    for id in shared.view().vantages.keys() {
        found.extend(refresh::changes(shared.store.as_ref(), id, wanted.range.clone()).await?);
    }
    found.retain(|change| wanted.has(change));
    if wanted.range.start < now - LIVE_US {
        let archived = shared.door.run(async move |session| past_changes::archived(&session, &wanted).await).await?;
        let of = |change: &RouteChange| {
            let series =
                (change.vantage.clone(), change.target.clone(), change.protocol.name(), change.family.number());
            (series, change.minute)
        };
        let live: HashSet<_> = found.iter().map(of).collect();
        found.extend(archived.into_iter().filter(|change| !live.contains(&of(change))));
    }
    Ok(found)
}

/// A change as a row: the level that ended has columns of its own.
#[derive(Serialize)]
struct Flat<'a> {
    #[serde(flatten)]
    change: &'a api::RouteChange,
    ended_since: &'a str,
    ended_count: u64,
    ended_p10_ms: Option<f64>,
    ended_p50_ms: Option<f64>,
    ended_p90_ms: Option<f64>,
    ended_p99_ms: Option<f64>,
}

impl<'a> Flat<'a> {
    fn of(change: &'a api::RouteChange) -> Self {
        let ended = &change.ended;
        Self {
            change,
            ended_since: &ended.since,
            ended_count: ended.count,
            ended_p10_ms: ended.p10_ms,
            ended_p50_ms: ended.p50_ms,
            ended_p90_ms: ended.p90_ms,
            ended_p99_ms: ended.p99_ms,
        }
    }
}

impl Row for Flat<'_> {
    fn columns() -> Fields {
        let mut columns = vec![text("source"), text("target"), text("protocol"), count("family"), time("minute")];
        columns.push(time("found_at"));
        columns.extend(["before_ms", "after_ms", "delta_ms", "score"].map(number));
        columns.extend([time("ended_since"), count("ended_count")]);
        columns.extend(["ended_p10_ms", "ended_p50_ms", "ended_p90_ms", "ended_p99_ms"].map(number));
        columns.extend(["before_address", "after_address"].map(word));
        Fields::from(columns)
    }
}

impl Row for api::Regime {
    fn columns() -> Fields {
        let mut columns = vec![time("since"), time("until"), count("count")];
        columns.extend(["p10_ms", "p50_ms", "p90_ms", "p99_ms"].map(number));
        Fields::from(columns)
    }
}

/// The newest of these, at most so many.
pub(super) fn answer(mut changes: Vec<&RouteChange>, limit: usize, simulated: bool) -> api::RouteChanges {
    changes.sort_by_key(|change| std::cmp::Reverse((change.minute, change.found_at)));
    changes.truncate(limit);
    api::RouteChanges { simulated, changes: changes.into_iter().map(shown).collect() }
}

fn shown(change: &RouteChange) -> api::RouteChange {
    let [before_ms, after_ms] = [change.before_us, change.after_us].map(|micros| millis(f64::from(micros)));
    api::RouteChange {
        source: change.vantage.to_string(),
        target: change.target.to_string(),
        protocol: change.protocol.name().to_owned(),
        family: change.family.number(),
        minute: rfc3339(change.minute),
        found_at: rfc3339(change.found_at),
        before_ms,
        after_ms,
        delta_ms: millis(f64::from(change.after_us) - f64::from(change.before_us)),
        score: f64::from(change.score),
        ended: regime(&change.ended, Some(change.minute)),
        before_address: change.addresses.map(|both| both.before.to_string()),
        after_address: change.addresses.map(|both| both.after.to_string()),
    }
}

fn regime(level: &Level, until: Option<UtcMicros>) -> api::Regime {
    let percentile = |at: usize| level.percentiles_us.map(|percentiles| millis(percentiles[at]));
    api::Regime {
        since: rfc3339(level.since),
        until: until.map(rfc3339),
        count: level.count,
        p10_ms: percentile(0),
        p50_ms: percentile(1),
        p90_ms: percentile(2),
        p99_ms: percentile(3),
    }
}

/// A pair's levels, each from one lasting step to the next.
#[utoipa::path(get, path = "/api/v1/regimes", tag = "history", params(RegimesParams), responses(
    (status = 200, description = "The levels, the oldest first.", body = api::Regimes),
    (status = 404, description = "Nobody measures from or to there."),
))]
pub(super) async fn regimes(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let params = RegimesParams::read(&uri)?;
    let format = Format::asked(&params, &headers)?;
    let source = params.required("source", "a vantage point's id")?.to_owned();
    let target = params.required("target", "a target's id")?.to_owned();
    let protocol: Protocol = params.protocol()?;
    known(&shared, &Subject { source: source.clone(), target: Some(target.clone()), protocol })?;
    let malformed = |error: cloudping_model::IdError| Failure::bad_request(error.to_string());
    let vantage = VantageId::new(&source).map_err(malformed)?;
    let pair = Pair { vantage, target: TargetId::new(&target).map_err(malformed)?, protocol };
    let levels = regimes::read(shared.store.as_ref(), &pair).await?;
    let regimes = levels.iter().map(|(level, until)| regime(level, *until)).collect();
    let (simulated, protocol) = (shared.settings.simulated, protocol.name().to_owned());
    let answer = api::Regimes { source, target, protocol, simulated, regimes };
    respond(format, &answer, &answer.regimes)
}
