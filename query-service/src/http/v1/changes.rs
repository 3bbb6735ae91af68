//! `GET /api/v1/changes` and `GET /api/v1/regimes`: lasting steps in the level of a pair, and what was measured between them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use cloudping_model::{Level, Protocol, RouteChange, TargetId, UtcMicros, VantageId};
use cloudping_schemas::api;

use super::past::TIME;
use super::series::known;
use crate::history::Subject;
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::refresh;
use crate::regimes::{self, Pair};
use crate::service::Shared;
use crate::text::{millis, parse_rfc3339, rfc3339};

/// The range unless it is asked for.
const DEFAULT_RANGE_US: i64 = 7 * 86_400_000_000;
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<api::RouteChanges>, Failure> {
    let params = Params::read(&uri, &["source", "target", "protocol", "start", "end", "limit"])?;
    // Unlike a number, a step of any protocol can stand beside others.
    let protocol = params.get("protocol").map(|_| params.protocol()).transpose()?;
    let end = params.parse("end", (shared.clock)() + 1, TIME, parse_rfc3339)?;
    let start = params.parse("start", end - DEFAULT_RANGE_US, TIME, parse_rfc3339)?;
    if start >= end {
        let (start, end) = (rfc3339(start), rfc3339(end));
        return Err(Failure::bad_request(format!("start is {start}, expected a time before end, {end}")));
    }
    let few = |text: &str| text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    let limit = params.parse("limit", DEFAULT_LIMIT, "1 to 1000", few)?;
    let wanted = |name: &str, id: &str| params.get(name).is_none_or(|wanted| wanted == id);
    let mut found = Vec::new();
    for id in shared.view().vantages.keys().filter(|id| wanted("source", id.as_str())) {
        found.extend(refresh::changes(shared.store.as_ref(), id, start..end).await?);
    }
    found.retain(|change| wanted("target", change.target.as_str()));
    found.retain(|change| protocol.is_none_or(|protocol| protocol == change.protocol));
    Ok(Json(answer(found.iter().collect(), limit, shared.settings.simulated)))
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

pub(super) async fn regimes(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<api::Regimes>, Failure> {
    let params = Params::read(&uri, &["source", "target", "protocol"])?;
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
    Ok(Json(api::Regimes { source, target, protocol, simulated, regimes }))
}
