//! `GET /api/v1/matrix`: every pair of a rolling window.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_model::Rolling;
use cloudping_schemas::api::{Cell, Matrix};

use crate::http::columns::{count, flag, number, text, time};
use crate::http::format::{Format, Row, respond};
use crate::http::off_thread;
use crate::http::parameters::{FORMAT, PERCENTILE, PROTOCOL, SOURCE, TARGET, WINDOW, parameters};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::live_view::{LiveView, Selection};
use crate::service::Shared;
use crate::statistic::Statistic;
use crate::text::rfc3339;

parameters! {
    /// Parameters of `matrix`.
    MatrixParams: PERCENTILE, WINDOW, PROTOCOL, SOURCE, TARGET, FORMAT
}

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

/// One number of every pair over a rolling window.
///
/// Of a pair that was measured over both address families, IPv4 is shown.
#[utoipa::path(get, path = "/api/v1/matrix", tag = "live", params(MatrixParams), responses(
    (status = 200, description = "The pairs that were measured in the window.", body = Matrix),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = MatrixParams::read(&uri)?;
    let selection = selection(&params)?;
    let format = Format::asked(&params, &headers)?;
    let simulated = shared.settings.simulated;
    let matrix = off_thread(move || matrix(&shared.view(), &selection, simulated)).await?;
    respond(format, &matrix, &matrix.cells)
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

impl Row for Cell {
    fn columns() -> Fields {
        Fields::from(vec![
            text("source"),
            text("target"),
            number("rtt_ms"),
            count("count"),
            count("sent"),
            count("lost"),
            count("retransmitted"),
            number("loss"),
            number("stddev_ms"),
            number("jitter_ms"),
            flag("low_count"),
            time("last"),
        ])
    }
}
