//! The HTTP API, version 1: a module for each resource.
//!
//! `GET /api/v1/openapi.json` is made of what stands at the handlers, so a route is added with its description:
//!
//! 1. Derive `utoipa::ToSchema` for the answer's types in `schemas`; their doc comments become descriptions.
//! 2. Name the parameters once, out of `http/parameters.rs` or with new ones:
//!    `parameters! { /// Parameters of … RankParams: THE_SOURCE, PERCENTILE, LIMIT, FORMAT }`,
//!    and read the request with `RankParams::read(&uri)?`, before anything else.
//! 3. At the handler, below a doc comment whose first line is the operation's summary:
//!    `#[utoipa::path(get, path = "/api/v1/rank", tag = "live", params(RankParams),
//!    responses((status = 200, description = "…", body = Rank), (status = 404, description = "…")))]`.
//!    The other forms of a `format`, and the problems 400, 406, 429, 500 and 503, are added to every operation.
//! 4. Below, a line `.routes(routes!(rank::get))`; never `.route(…)`.
//!
//! `tests/all/openapi.rs` holds the description against what the routes really take.

mod account;
mod alerts;
pub(super) mod audit;
mod badge;
mod changes;
mod coverage;
mod diff;
mod distribution;
mod ends;
mod exports;
mod feed;
mod gateways;
mod matrix;
mod nearest;
pub(super) mod past;
mod rank;
mod regions;
mod samples;
pub(super) mod series;
mod sql;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub(crate) use self::stream::Hub;
use super::openapi::{self, Api};
use crate::service::Shared;

/// The routes under `/api/v1`.
pub(super) fn router() -> Router<Arc<Shared>> {
    routes().split_for_parts().0
}

/// The routes with their descriptions.
pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(openapi::get_document))
        .routes(routes!(matrix::get))
        .routes(routes!(rank::get))
        .routes(routes!(nearest::get))
        .routes(routes!(diff::get))
        .routes(routes!(badge::get))
        .routes(routes!(series::get))
        .routes(routes!(distribution::get))
        .routes(routes!(samples::get))
        .routes(routes!(exports::list))
        .routes(routes!(exports::file))
        .routes(routes!(regions::get))
        .routes(routes!(account::get))
        .routes(routes!(coverage::get))
        .routes(routes!(coverage::pairs))
        .routes(routes!(changes::get))
        .routes(routes!(changes::regimes))
        .routes(routes!(audit::get))
        .routes(routes!(alerts::get))
        .routes(routes!(gateways::get))
        .routes(routes!(sql::get, sql::post).layer(DefaultBodyLimit::max(sql::BODY_BYTES)))
        .routes(routes!(stream::get))
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_route_goes_without_a_description() {
        let source = include_str!("mod.rs");
        assert_eq!(source.matches(concat!(".route", "(\"")).count(), 0, "use .routes(routes!(…))");
    }
}
