//! The API of CloudPing.co, for the programs that speak it.
//!
//! `1D` is the rolling day of the live view: the hour that is running and the 23 before it. `1W`, `1M` and `1Y` are the last 7, 30 and
//! 365 days of the archive's hourly rollups, as far as those go; an hour that is not rolled up yet is not in them. Percentiles are of
//! all samples of the time, merged from digests, never averages; what the API calls an average is the mean of all samples. Values are
//! milliseconds with two decimals. A pair without data is absent. `from` and `to` each filter on its own.

mod archive;
mod averages;
mod error;
mod figures;
mod grid;
mod history;
mod latencies;
mod names;
mod pair;
mod query;
mod regions;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::service::Shared;

/// More than any question of `POST /query` takes.
const MAX_BODY_BYTES: usize = 16 << 10;

/// The routes. What they refuse has the form of the API.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/latencies", get(latencies::get))
        .route("/history", get(history::get))
        .route("/status", get(status::get))
        .route("/regions", get(regions::get))
        .route("/averages", get(averages::of_a_day))
        .route("/averages/{unit}", get(averages::of_one))
        .route("/averages/{unit}/{count}", get(averages::of_several))
        .route("/query", post(query::post).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)))
        .route("/grid/{percentile}/timeframe/{timeframe}", get(grid::get))
        .method_not_allowed_fallback(error::method_not_allowed)
}
