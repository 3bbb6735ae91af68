//! `GET /history`: the means of one pair, by the hour, or by the day where the range is longer than 31 days.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, Uri, header};
use axum::{Extension, Json};
use serde::Serialize;

use super::error::Refusal;
use super::names::{DAY_US, moment};
use super::pair::{MAX_DAYS, means};
use crate::access::Admitted;
use crate::http::params::Params;
use crate::service::Shared;
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
    admitted: Extension<Admitted>,
) -> Result<([(HeaderName, &'static str); 1], Json<History>), Refusal> {
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
    // What took a key is not for caches that others share.
    let cached = if admitted.key().is_some() { "private, max-age=300" } else { "public, max-age=300" };
    Ok(([(header::CACHE_CONTROL, cached)], Json(History { metadata, data })))
}
