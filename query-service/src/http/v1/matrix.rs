//! `GET /api/v1/matrix`: every pair of a rolling window, or of a range of the past.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_model::{Rolling, UtcMicros, VantageId};
use cloudping_schemas::api::{Cell, Matrix, MatrixRange};

use super::past::{self, Found};
use crate::history::{Measured, Span, Subject, whole_minutes};
use crate::http::columns::{self, count, flag, text, time};
use crate::http::format::{Format, Row, respond};
use crate::http::off_thread;
use crate::http::parameters::{END, EXACT, FORMAT, PERCENTILE, PROTOCOL, SOURCE, START, TARGET, WINDOW, parameters};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::live_view::{LiveView, Selection};
use crate::service::Shared;
use crate::statistic::Statistic;
use crate::text::{millis, rfc3339};

/// A range of the past lasts so long unless its start is given.
const DEFAULT_RANGE_US: i64 = 3_600_000_000;

parameters! {
    /// Parameters of `matrix`.
    MatrixParams:
        PERCENTILE,
        WINDOW,
        PROTOCOL,
        SOURCE,
        TARGET,
        START.about("Where a range of the past starts, by RFC 3339, instead of a window. Default an hour before its end."),
        END,
        EXACT,
        FORMAT,
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

/// One number of every pair over a rolling window, or over a range of the past.
///
/// Of a pair that was measured over both address families, IPv4 is shown.
#[utoipa::path(get, path = "/api/v1/matrix", tag = "live", params(MatrixParams), responses(
    (status = 200, description = "The pairs that were measured in the window.", body = Matrix),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = MatrixParams::read(&uri)?;
    let selection = selection(&params)?;
    let format = Format::asked(&params, &headers)?;
    if params.get("start").is_some() || params.get("end").is_some() {
        let now = (shared.clock)();
        let (range, exact) = (past_range(&params, now)?, past::exact(&params)?);
        let matrix = historic_matrix(&shared, &selection, range, exact).await?;
        return Ok(past::keep_closed(respond(format, &matrix, &matrix.cells)?, range.1, now));
    }
    if past::exact(&params)? {
        return Err(Failure::bad_request(
            "exact is given without start or end: a rolling window is answered from the live store",
        ));
    }
    let simulated = shared.settings.simulated;
    let view = shared.view();
    view.whole(selection.window)?;
    let matrix = off_thread(move || matrix(&view, &selection, simulated)).await?;
    respond(format, &matrix, &matrix.cells)
}

/// `start` and `end`, in whole minutes.
fn past_range(params: &Params, now: UtcMicros) -> Result<(UtcMicros, UtcMicros), Failure> {
    if params.get("window").is_some() {
        return Err(Failure::bad_request("window is given beside start or end, expected one of the two"));
    }
    let (start, end) = past::range(params, now, DEFAULT_RANGE_US)?;
    Ok(whole_minutes(start, end))
}

/// The matrix of a range of the past, whose ends are whole minutes; the selection's window is not looked at. With `exact` from samples alone,
/// else from merged digests where these have whole hours or days.
///
/// # Errors
/// Those of the SQL door.
pub(in crate::http) async fn historic_matrix(
    shared: &Shared,
    selection: &Selection,
    (start, end): (UtcMicros, UtcMicros),
    exact: bool,
) -> Result<Matrix, Failure> {
    let view = shared.view();
    let statistic = selection.statistic;
    let show = move |found: Found| historic_cell(found, statistic);
    let answer = past::read(shared, subjects(shared, selection), Span::whole(start, end), exact, show).await?;
    let error_bound = past::error_bound(answer.rows.iter().map(|(_, rank_error)| *rank_error));
    let cells = answer.rows.into_iter().map(|(cell, _)| cell).collect();
    let range = Some(MatrixRange { start: rfc3339(start), end: rfc3339(end), error_bound });
    let as_of = view.as_of().filter(|as_of| *as_of < end).or(Some(end));
    let frame = Frame { window: "range", range, as_of, simulated: shared.settings.simulated };
    Ok(framed(frame, selection, cells))
}

/// What a selection asks the archive for: all that each of its sources has measured, or one target.
pub(super) fn subjects(shared: &Shared, selection: &Selection) -> Vec<Subject> {
    let view = shared.view();
    let sources: BTreeSet<&VantageId> = view.vantages.keys().chain(&shared.settings.vantages).collect();
    let wanted = |id: &str| selection.source.as_deref().is_none_or(|source| source == id);
    let sources = sources.into_iter().map(VantageId::as_str).filter(|id| wanted(id));
    let (target, protocol) = (&selection.target, selection.protocol);
    sources.map(|source| Subject { source: source.to_owned(), target: target.clone(), protocol }).collect()
}

/// A statistic of a range in µs, whether too few carry it, and by how much its rank may be off.
pub(super) fn number(measured: &Measured, statistic: Statistic) -> (Option<f64>, bool, Option<f64>) {
    match statistic {
        Statistic::Quantile(q) => {
            let quantile = measured.quantile(q);
            (quantile.us, measured.is_low(q), quantile.rank_error)
        }
        Statistic::Mean => (measured.mean_us, measured.is_low(0.5), Some(0.0)),
        Statistic::Jitter => (measured.jitter_us, measured.is_low(0.5), Some(0.0)),
        Statistic::Min => (measured.min_us, true, Some(0.0)),
        Statistic::Max => (measured.max_us, true, Some(0.0)),
    }
}

/// The cell of a range, and by how much its rank may be off.
fn historic_cell(found: Found, statistic: Statistic) -> (Cell, Option<f64>) {
    let measured = &found.measured;
    let (us, low_count, rank_error) = number(measured, statistic);
    let cell = Cell {
        source: found.source,
        target: found.target,
        rtt_ms: us.map(millis),
        count: measured.count,
        sent: measured.sent,
        lost: measured.lost,
        retransmitted: measured.retransmitted,
        loss: measured.loss().unwrap_or(0.0),
        stddev_ms: measured.stddev_us.map(millis),
        jitter_ms: measured.jitter_us.map(millis),
        low_count,
        // Rollups do not keep it.
        last: None,
    };
    (cell, rank_error)
}

fn matrix(view: &LiveView, selection: &Selection, simulated: bool) -> Matrix {
    let frame = Frame { window: selection.window.name(), range: None, as_of: view.as_of(), simulated };
    framed(frame, selection, view.cells(selection))
}

/// What a matrix says beside its cells and what was selected.
struct Frame {
    window: &'static str,
    range: Option<MatrixRange>,
    as_of: Option<UtcMicros>,
    simulated: bool,
}

fn framed(frame: Frame, selection: &Selection, cells: Vec<Cell>) -> Matrix {
    let distinct = |name: fn(&Cell) -> &String| {
        let names: BTreeSet<&String> = cells.iter().map(name).collect();
        names.into_iter().cloned().collect()
    };
    Matrix {
        window: frame.window.to_owned(),
        range: frame.range,
        percentile: selection.statistic.to_string(),
        protocol: selection.protocol.name().to_owned(),
        unit: "ms".to_owned(),
        as_of: frame.as_of.map(rfc3339),
        simulated: frame.simulated,
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
            columns::number("rtt_ms"),
            count("count"),
            count("sent"),
            count("lost"),
            count("retransmitted"),
            columns::number("loss"),
            columns::number("stddev_ms"),
            columns::number("jitter_ms"),
            flag("low_count"),
            time("last"),
        ])
    }
}
