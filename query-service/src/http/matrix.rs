//! `GET /api/v1/matrix`: every pair of a rolling window.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use cloudping_model::Rolling;
use cloudping_schemas::api::{Cell, Matrix};

use super::params::Params;
use super::problem::Failure;
use crate::live_view::{LiveView, Selection};
use crate::service::Shared;
use crate::statistic::Statistic;
use crate::text::{push_csv_row, rfc3339};

/// Which cells a query asks for: `percentile` (p50), `window` (5m), `protocol` (tcp), `source`, `target` (all).
pub(super) fn selection(params: &Params) -> Result<Selection, Failure> {
    Ok(Selection {
        window: params.parse("window", Rolling::FiveMinutes, "5m, 1h, 1d, 7d, 30d or 365d", Rolling::from_name)?,
        statistic: params.parse("percentile", Statistic::Quantile(0.5), Statistic::EXPECTED, Statistic::parse)?,
        protocol: params.protocol()?,
        source: params.get("source").map(str::to_owned),
        target: params.get("target").map(str::to_owned),
    })
}

pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = Params::read(&uri, &["percentile", "window", "protocol", "source", "target", "format"])?;
    let selection = selection(&params)?;
    let csv = params.csv(&headers)?;
    let simulated = shared.settings.simulated;
    let matrix = off_thread(move || matrix(&shared.view(), &selection, simulated)).await?;
    Ok(if csv {
        ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], to_csv(&matrix.cells)).into_response()
    } else {
        Json(matrix).into_response()
    })
}

/// Runs what merges many digests where it delays no other request.
pub(super) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::internal(&error.to_string()))
}

fn matrix(view: &LiveView, selection: &Selection, simulated: bool) -> Matrix {
    let cells = view.cells(selection);
    let distinct = |name: fn(&Cell) -> &String| {
        let names: BTreeSet<&String> = cells.iter().map(name).collect();
        names.into_iter().cloned().collect()
    };
    Matrix {
        window: selection.window.name().to_owned(),
        percentile: selection.statistic.to_string(),
        protocol: selection.protocol.name().to_owned(),
        unit: "ms".to_owned(),
        as_of: view.as_of().map(rfc3339),
        simulated,
        sources: distinct(|cell| &cell.source),
        targets: distinct(|cell| &cell.target),
        cells,
    }
}

fn to_csv(cells: &[Cell]) -> String {
    let mut out = String::new();
    let header = ["source", "target", "rtt_ms", "count", "sent", "lost", "loss", "low_count", "last"];
    push_csv_row(&mut out, header.into_iter().chain(["stddev_ms", "jitter_ms", "retransmitted"]));
    let number = |ms: Option<f64>| ms.map_or(String::new(), |ms| ms.to_string());
    for cell in cells {
        let [rtt_ms, stddev_ms, jitter_ms] = [cell.rtt_ms, cell.stddev_ms, cell.jitter_ms].map(number);
        let last = cell.last.as_deref().unwrap_or("");
        let counts = [cell.count, cell.sent, cell.lost, cell.retransmitted].map(|count| count.to_string());
        let [count, sent, lost, retransmitted] = &counts;
        let (loss, low_count) = (cell.loss.to_string(), cell.low_count.to_string());
        let row = [&cell.source, &cell.target, &rtt_ms, count, sent, lost, &loss, &low_count, last];
        push_csv_row(&mut out, row.into_iter().chain([&*stddev_ms, &jitter_ms, retransmitted]));
    }
    out
}
