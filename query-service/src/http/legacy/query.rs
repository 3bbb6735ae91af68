//! `POST /query`: the means of one pair since, or until, so many days and weeks ago.
//!
//! `GT` asks for what is later than that moment, up to now; `LT` for what is earlier, as far back as there is anything.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use cloudping_model::UtcMicros;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Refusal;
use super::names::DAY_US;
use super::pair::{MAX_DAYS, means};
use crate::http::problem::Failure;
use crate::service::Shared;
use crate::text::rfc3339;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    region_from: String,
    region_to: String,
    cond_opr: String,
    days_ago: Option<Value>,
    weeks_ago: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    region_from: String,
    region_to: String,
    averages: Vec<Average>,
}

#[derive(Serialize)]
struct Average {
    timestamp: String,
    /// A text, as it always was.
    average: String,
}

pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Answer>, Refusal> {
    let body = body.map_err(|rejection| Failure::new(rejection.status(), rejection.body_text()))?;
    // Whatever its media type: older clients name none.
    let asked: Asked = serde_json::from_slice(&body).map_err(|error| {
        Refusal::bad_request(format!(
            "Invalid body. Must be an object with regionFrom, regionTo, condOpr, daysAgo: {error}"
        ))
    })?;
    let now = (shared.clock)();
    let ago = days(&asked)? * DAY_US;
    // The moment itself is neither before nor after.
    let (start, end) = match asked.cond_opr.as_str() {
        "GT" => (now - ago + 1, now),
        "LT" => (now - MAX_DAYS * DAY_US, now - ago - 1),
        _ => return Err(Refusal::bad_request("Invalid condOpr. Must be one of: GT, LT")),
    };
    let means = means(&shared, (&asked.region_from, &asked.region_to), start, end).await?;
    let average = |(at, mean): (UtcMicros, f64)| Average { timestamp: rfc3339(at), average: format!("{mean:.2}") };
    let averages = means.into_iter().map(average).collect();
    Ok(Json(Answer { region_from: asked.region_from, region_to: asked.region_to, averages }))
}

/// How many days ago, by both fields together.
fn days(asked: &Asked) -> Result<i64, Refusal> {
    if asked.days_ago.is_none() && asked.weeks_ago.is_none() {
        return Err(Refusal::bad_request("Either 'daysAgo' or 'weeksAgo' is required"));
    }
    let whole = |name: &str, value: &Option<Value>| {
        let number = match value {
            None => Some(0),
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_i64(),
        };
        let bounded = number.filter(|number| (0..=MAX_DAYS).contains(number));
        bounded.ok_or_else(|| Refusal::bad_request(format!("Invalid {name}. Must be a whole number, 0 to {MAX_DAYS}")))
    };
    let days = whole("daysAgo", &asked.days_ago)? + 7 * whole("weeksAgo", &asked.weeks_ago)?;
    if days > MAX_DAYS {
        return Err(Refusal::bad_request(format!("Invalid weeksAgo. Must be at most {MAX_DAYS} days in all")));
    }
    Ok(days)
}
