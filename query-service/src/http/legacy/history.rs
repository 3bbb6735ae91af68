//! `GET /history`: the means of one pair, by the hour, or by the day where the range is longer than 31 days.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Uri, header};
use serde::Serialize;

use super::error::Refusal;
use super::names::{DAY_US, moment};
use super::pair::{MAX_DAYS, means};
use crate::http::params::Params;
use crate::service::Shared;
use crate::settings::LegacyHistory;
use crate::text::rfc3339;

const DEFAULT_DAYS: i64 = 7;

#[derive(Serialize)]
pub(super) struct History {
    metadata: Metadata,
    data: Vec<Point>,
}

#[derive(Serialize)]
struct Metadata {
    from: String,
    to: String,
    start: String,
    end: String,
    points: usize,
}

#[derive(Serialize)]
struct Point {
    timestamp: String,
    value: f64,
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<([(HeaderName, &'static str); 1], Json<History>), Refusal> {
    let cached = admit(&shared, &headers).await?;
    let params = Params::lenient(&uri)?;
    let given = |name: &str| params.get(name).filter(|text| !text.is_empty());
    let (Some(from), Some(to)) = (given("from"), given("to")) else {
        return Err(Refusal::bad_request("Both 'from' and 'to' regions are required"));
    };
    let end = params.get("end").map_or_else(|| Ok((shared.clock)()), |text| moment("end", text))?;
    let start = params.get("start").map_or_else(|| Ok(end - DEFAULT_DAYS * DAY_US), |text| moment("start", text))?;
    if start > end {
        return Err(Refusal::bad_request("Invalid start. Must not be after end"));
    }
    if (end - start.0).0 > MAX_DAYS * DAY_US {
        return Err(Refusal::bad_request(format!("Invalid start. Must be at most {MAX_DAYS} days before end")));
    }
    let means = means(&shared, (from, to), start, end).await?;
    let point = |(at, value)| Point { timestamp: rfc3339(at), value };
    let metadata = Metadata {
        from: from.to_owned(),
        to: to.to_owned(),
        start: rfc3339(start),
        end: rfc3339(end),
        points: means.len(),
    };
    let data = means.into_iter().map(point).collect();
    Ok(([(header::CACHE_CONTROL, cached)], Json(History { metadata, data })))
}

/// Lets in whom the settings let in. Gives how the answer may be cached: not by others, where it took a key.
async fn admit(shared: &Shared, headers: &HeaderMap) -> Result<&'static str, Refusal> {
    let LegacyHistory::Key(keys) = &shared.settings.legacy_history_key else {
        return Ok("public, max-age=300");
    };
    let key = headers.get("x-api-key").and_then(|key| key.to_str().ok()).filter(|key| !key.is_empty());
    match key {
        Some(key) if keys.admits(key).await => Ok("private, max-age=300"),
        _ => Err(Refusal::Forbidden),
    }
}
