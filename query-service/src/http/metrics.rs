//! `GET /metrics`: the service, and `GET /metrics/latency`: the live view, for Prometheus.
//!
//! `/metrics/latency` takes `window` (5m), `quantiles` (0.5,0.9,0.99) and `source` (all).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cloudping_model::Rolling;

use super::off_thread;
use super::params::Params;
use super::problem::Failure;
use crate::metrics::{Exposition, Latency};
use crate::service::Shared;

const DEFAULT_QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
const MAX_QUANTILES: usize = 10;
/// Numbers of one page: what Prometheus reads of a target in a second or two.
const MAX_SIZE: usize = 50_000;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/metrics", get(of_service)).route("/metrics/latency", get(of_latency))
}

async fn of_service(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    Params::read(&uri, &[])?;
    let seen = shared.seen();
    let page = shared.metrics.text(&seen).map_err(|error| Failure::internal(&error.to_string()))?;
    Ok(shown(page, &headers))
}

async fn of_latency(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = Params::read(&uri, &["window", "quantiles", "source"])?;
    let window = params.parse("window", Rolling::FiveMinutes, "5m, 1h, 1d, 7d, 30d or 365d", Rolling::from_name)?;
    let expected = "at most 10 numbers from 0 to 1, separated by commas, each once";
    let quantiles = params.parse("quantiles", DEFAULT_QUANTILES.to_vec(), expected, quantiles)?;
    let source = params.get("source").map(str::to_owned);
    let page = off_thread(move || {
        let (view, probes) = (shared.view(), shared.metrics.probes());
        let latency = Latency { view, window, source, quantiles, probes };
        if latency.size() > MAX_SIZE {
            let text =
                format!("there are more than {MAX_SIZE} numbers: ask for fewer quantiles, or for one source at a time");
            return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, text));
        }
        latency.text().map_err(|error| Failure::internal(&error.to_string()))
    });
    Ok(shown(page.await??, &headers))
}

fn quantiles(text: &str) -> Option<Vec<f64>> {
    let mut found: Vec<f64> = Vec::new();
    for part in text.split(',') {
        let q: f64 = part.parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
        if found.contains(&q) || found.len() == MAX_QUANTILES {
            return None;
        }
        found.push(q);
    }
    Some(found)
}

fn shown(page: Exposition, headers: &HeaderMap) -> Response {
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok()).collect();
    let (kind, text) = page.accepted(&accept.join(","));
    ([(header::CONTENT_TYPE, kind), (header::VARY, "accept")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_a_bounded_list_of_fractions() {
        assert_eq!(quantiles("0.5,0.999,1"), Some(vec![0.5, 0.999, 1.0]));
        let many: Vec<String> = (0..11).map(|n| format!("0.{n:02}")).collect();
        for bad in ["", "0.5,", "1.5", "-0.1", "NaN", "p50", "0.5,0.5", &many.join(",")] {
            assert_eq!(quantiles(bad), None, "{bad}");
        }
    }
}
