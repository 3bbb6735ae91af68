//! `GET /api/v1/series`: the history of one pair in tumbling windows.
//!
//! Of one `protocol` (tcp). Windows are aligned to multiples of the step since 1970 (UTC), and the range is widened to whole windows. `percentiles`
//! are those of each point. Where the step is a multiple of a minute, the last 75 minutes come from the live store's minutes, which know what the
//! archive does not hold yet; everything else from the archive: windows of an hour and longer from its rollups, shorter ones and edges from its
//! samples. `exact=true` asks for the samples alone. `answered_from` is `live` when the whole range came from the live store.

use std::sync::Arc;

use arrow::datatypes::{Field, Fields};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_model::UtcMicros;
use cloudping_schemas::api::{Series, SeriesPoint};
use serde_json::{Map, Value};

use super::ends;
use super::past::{self, Found, Named};
use crate::history::{Span, Subject};
use crate::http::columns::{count, flag, number, time};
use crate::http::format::{Format, respond_with};
use crate::http::parameters::{
    END, EXACT, FORMAT, PERCENTILES, PROTOCOL, Parameter, START, Shape, THE_SOURCE, THE_TARGET, parameters,
};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::service::Shared;
use crate::text::{millis, rfc3339};

/// The most windows of an answer.
const MAX_POINTS: i64 = 5_000;
const SECOND_US: i64 = 1_000_000;
/// The range unless it is asked for.
const DEFAULT_RANGE_US: i64 = 3_600 * SECOND_US;
/// The percentiles of a point that have a field each.
const QUANTILES: [f64; 6] = [0.10, 0.25, 0.50, 0.75, 0.90, 0.99];

parameters! {
    /// Parameters of `series`.
    SeriesParams:
        THE_SOURCE,
        THE_TARGET,
        PROTOCOL,
        START.about("Where the range starts, by RFC 3339. Default an hour before its end."),
        END,
        STEP,
        PERCENTILES,
        EXACT,
        FORMAT,
}
const STEP: Parameter = Parameter {
    name: "step",
    about: "The length of a window in seconds. Default 60. An answer has at most 5000 windows.",
    example: "60",
    required: false,
    shape: Shape::Whole(1, 366 * 86_400),
};

/// The history of one pair in tumbling windows.
///
/// Windows are aligned to multiples of the step since 1970 (UTC), and the range is widened to whole windows.
#[utoipa::path(get, path = "/api/v1/series", tag = "history", params(SeriesParams), responses(
    (status = 200, description = "The windows that have data.", body = Series),
    (status = 404, description = "Nobody measures from or to there."),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = SeriesParams::read(&uri)?;
    let format = Format::asked(&params, &headers)?;
    let now = (shared.clock)();
    let subject = pair(&params)?;
    let span = span(&params, now)?;
    let exact = past::exact(&params)?;
    let percentiles = past::percentiles(&params, &QUANTILES)?;
    known(&shared, &subject)?;
    let asked = percentiles.clone();
    let answer = past::read(&shared, vec![subject.clone()], span, exact, move |found| point(&found, &asked)).await?;
    let shown = answer.rows.iter().flat_map(|point| &point.percentiles);
    let series = Series {
        start: rfc3339(span.start),
        end: rfc3339(span.end),
        step_seconds: span.step_us / SECOND_US,
        answered_from: if answer.live { "live" } else { "archive" }.to_owned(),
        error_bound: past::error_bound(shown.map(|percentile| percentile.rank_error)),
        simulated: shared.settings.simulated,
        source: subject.source,
        target: subject.target.unwrap_or_default(),
        protocol: subject.protocol.name().to_owned(),
        points: answer.rows,
    };
    let rows: Vec<_> = series.points.iter().map(row).collect();
    let response = respond_with(format, &series, &rows, columns(&percentiles))?;
    Ok(past::keep_closed(response, span.end, now))
}

/// The pair that `source`, `target` and `protocol` name.
pub(super) fn pair(params: &Params) -> Result<Subject, Failure> {
    let source = params.required("source", "a vantage point's id")?.to_owned();
    let target = Some(params.required("target", "a target's id")?.to_owned());
    Ok(Subject { source, target, protocol: params.protocol()? })
}

fn point(found: &Found, asked: &[Named]) -> SeriesPoint {
    let measured = &found.measured;
    let [p10_ms, p25_ms, p50_ms, p75_ms, p90_ms, p99_ms] = QUANTILES.map(|q| measured.quantile(q).us.map(millis));
    SeriesPoint {
        time: rfc3339(found.start),
        sent: measured.sent,
        lost: measured.lost,
        retransmitted: measured.retransmitted,
        count: measured.count,
        low_count: measured.is_low(0.99),
        family: found.family,
        min_ms: measured.min_us.map(millis),
        p10_ms,
        p25_ms,
        p50_ms,
        p75_ms,
        p90_ms,
        p99_ms,
        max_ms: measured.max_us.map(millis),
        mean_ms: measured.mean_us.map(millis),
        stddev_ms: measured.stddev_us.map(millis),
        jitter_ms: measured.jitter_us.map(millis),
        percentiles: asked.iter().map(|named| named.shown(measured)).collect(),
    }
}

/// A percentile's columns: its value, whether too few carry it, and how far off its rank is at most.
fn names(percentile: &str) -> [String; 3] {
    let name = percentile.replace('.', "_");
    ["ms", "low_count", "rank_error"].map(|what| format!("{name}_{what}"))
}

fn columns(percentiles: &[Named]) -> Fields {
    let mut columns = vec![time("time"), count("family"), count("sent"), count("lost"), count("retransmitted")];
    columns.push(count("count"));
    columns.extend(["min_ms", "max_ms", "mean_ms", "stddev_ms", "jitter_ms"].map(number));
    for named in percentiles {
        let [value, low_count, rank_error] = names(&named.name);
        columns.extend::<[Field; 3]>([number(&value), flag(&low_count), number(&rank_error)]);
    }
    Fields::from(columns)
}

/// A point as a row: percentiles are columns.
fn row(point: &SeriesPoint) -> Map<String, Value> {
    let mut row = match serde_json::to_value(point) {
        Ok(Value::Object(row)) => row,
        _ => Map::new(),
    };
    for percentile in &point.percentiles {
        let [value, low_count, rank_error] = names(&percentile.percentile);
        row.insert(value, percentile.rtt_ms.into());
        row.insert(low_count, percentile.low_count.into());
        row.insert(rank_error, percentile.rank_error.into());
    }
    row
}

/// What is asked for, in whole windows.
fn span(params: &Params, now: UtcMicros) -> Result<Span, Failure> {
    let seconds = |text: &str| text.parse::<i64>().ok().filter(|step| (1..=366 * 86_400).contains(step));
    let step = params.parse("step", 60, "whole seconds, 1 to 31622400", seconds)?;
    let (start, end) = past::range(params, now, DEFAULT_RANGE_US)?;
    let step_us = step * SECOND_US;
    let (start, end) = (start.floor(step_us), (end + (step_us - 1)).floor(step_us));
    let points = (end.0 - start.0) / step_us;
    if points > MAX_POINTS {
        let least = (end.0 - start.0).div_euclid(SECOND_US * MAX_POINTS) + 1;
        let text = format!(
            "step is {step}, which makes {points} points, expected at most {MAX_POINTS}: use a step of at least {least} s or a shorter range"
        );
        return Err(Failure::bad_request(text));
    }
    Ok(Span { start, end, step_us })
}

/// 404 for an id that nobody measures from or to.
pub(super) fn known(shared: &Shared, subject: &Subject) -> Result<(), Failure> {
    let view = shared.view();
    ends::source(shared, &view, &subject.source)?;
    subject.target.as_deref().map_or(Ok(()), |target| ends::target(shared, &view, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcMicros = UtcMicros(1_767_225_630_000_000); // 2026-01-01T00:00:30Z

    fn asked(query: &str) -> Result<Span, Failure> {
        let uri = format!("/?source=a&target=b&{query}").parse().unwrap();
        span(&Params::lenient(&uri).unwrap(), NOW)
    }

    #[test]
    fn ranges_become_whole_windows() {
        let span = asked("").unwrap();
        assert_eq!(
            (&*rfc3339(span.start), &*rfc3339(span.end)),
            ("2025-12-31T23:00:00.000Z", "2026-01-01T00:01:00.000Z")
        );
        let span = asked("start=2026-01-01T00:00:00%2B01:00&end=2026-01-01T00:00:00Z&step=7").unwrap();
        assert_eq!(span.start.0 % 7_000_000, 0);
    }

    #[test]
    fn bad_values_are_named() {
        for (query, part) in [
            ("step=0", "step is \"0\", expected whole seconds"),
            ("step=1.5", "step is \"1.5\""),
            ("start=1767225600", "start is \"1767225600\", expected a time by RFC 3339"),
            ("start=2026-02-01T00:00:00Z", "expected a time before end"),
            ("start=2025-12-31T00:00:00Z&step=1", "use a step of at least 18 s"),
            ("start=0001-01-01T00:00:00Z&end=9999-01-01T00:00:00Z", "at most 5000"),
        ] {
            let detail = asked(query).unwrap_err().detail;
            assert!(detail.contains(part), "{query}: {detail}");
        }
        assert!(asked("start=2025-12-31T00:00:00Z&step=18").is_ok());
    }

    #[test]
    fn percentiles_are_read_by_name() {
        let read = |text: &str| {
            let uri = format!("/?percentiles={text}").parse().unwrap();
            past::percentiles(&Params::lenient(&uri).unwrap(), &QUANTILES)
        };
        let names = |text: &str| read(text).unwrap().into_iter().map(|named| named.name).collect::<Vec<_>>();
        assert_eq!(names("p50,p99.90,p0"), ["p50", "p99.9", "p0"]);
        for bad in ["", "p50,", "p50,p50", "50", "mean", "p101", "p50,p50.0"] {
            let detail = read(bad).unwrap_err().detail;
            assert!(detail.starts_with(&format!("percentiles is {bad:?}, expected up to 200")), "{detail}");
        }
        let many: Vec<String> = (0..201).map(|at| format!("p{}", f64::from(at) / 4.0)).collect();
        assert!(read(&many.join(",")).is_err() && read(&many[1..].join(",")).is_ok());
    }
}
