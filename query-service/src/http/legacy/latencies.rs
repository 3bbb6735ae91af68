//! `GET /latencies`: every pair of a timeframe.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use super::error::Refusal;
use super::figures::{Data, Filter, of_days};
use super::names::{PERCENTILES, TIMEFRAMES, choose};
use crate::http::params::Params;
use crate::service::Shared;

#[derive(Serialize)]
pub(super) struct Latencies {
    metadata: Metadata,
    data: Data,
}

#[derive(Serialize)]
struct Metadata {
    percentile: &'static str,
    timeframe: &'static str,
    unit: &'static str,
}

pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Latencies>, Refusal> {
    // Unknown parameters have always been ignored here.
    let params = Params::lenient(&uri)?;
    let percentile = choose("percentile", params.get("percentile").unwrap_or("p_50"), &PERCENTILES)?;
    let timeframe = choose("timeframe", params.get("timeframe").unwrap_or("1D"), &TIMEFRAMES)?;
    let id = |name: &str| params.get(name).filter(|id| !id.is_empty()).map(str::to_owned);
    let filter = Filter { from: id("from"), to: id("to") };
    let data = of_days(&shared, percentile.1, timeframe.1, filter).await?;
    let metadata = Metadata { percentile: percentile.0, timeframe: timeframe.0, unit: "milliseconds" };
    Ok(Json(Latencies { metadata, data }))
}
