//! The HTTP API, version 1: a module for each resource.

pub(super) mod audit;
mod changes;
mod distribution;
mod exports;
mod matrix;
mod past;
mod regions;
mod samples;
mod series;
mod sql;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::service::Shared;

/// The routes under `/api/v1`.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/matrix", get(matrix::get))
        .route("/api/v1/series", get(series::get))
        .route("/api/v1/distribution", get(distribution::get))
        .route("/api/v1/samples", get(samples::get))
        .route("/api/v1/exports", get(exports::list))
        .route("/api/v1/exports/{*path}", get(exports::file))
        .route("/api/v1/regions", get(regions::get))
        .route("/api/v1/coverage", get(regions::coverage))
        .route("/api/v1/changes", get(changes::get))
        .route("/api/v1/regimes", get(changes::regimes))
        .route("/api/v1/audit", get(audit::get))
        .route("/api/v1/sql", get(sql::get).post(sql::post))
        .route("/api/v1/stream", get(stream::get))
}
