//! `GET /api/v1/distribution`: all round-trip times of one pair in one range, as a quantile function and a histogram.
//!
//! The range is `start` to `end`, widened to whole minutes, or a rolling `window` (1d). `percentiles` are those of the quantile function; `bins` and
//! `scale` (log) make the histogram. In the forms that are tables `table` says which of the two it is.

use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_model::{Rolling, UtcMicros};
use cloudping_schemas::api::{Bin, Distribution, Percentile};
use serde::Serialize;

use super::past::{self, Found, Named};
use super::series::{known, pair};
use crate::history::{Measured, Span, Window, whole_minutes};
use crate::http::columns::{count, flag, number, text};
use crate::http::format::{Format, Row, respond};
use crate::http::off_thread;
use crate::http::parameters::{
    self, END, EXACT, FORMAT, PERCENTILES, PROTOCOL, Parameter, START, THE_SOURCE, THE_TARGET, WINDOW, parameters,
};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::service::Shared;
use crate::text::{millis, rfc3339};

parameters! {
    /// Parameters of `distribution`.
    DistributionParams:
        THE_SOURCE,
        THE_TARGET,
        PROTOCOL,
        START.about("Where the range starts, by RFC 3339, instead of a window. Default a day before its end."),
        END,
        WINDOW.about("The rolling window, which ends now. Default `1d`."),
        EXACT,
        PERCENTILES,
        BINS,
        SCALE,
        TABLE,
        FORMAT,
}
const BINS: Parameter = Parameter {
    name: "bins",
    about: "How many bins the histogram has. Default 50.",
    example: "50",
    required: false,
    shape: parameters::Shape::Whole(1, 1_000),
};
const SCALE: Parameter = Parameter {
    name: "scale",
    about: "Whether each bin is wider than the last by the same factor (`log`, the default), or all are of one width (`linear`).",
    example: "log",
    required: false,
    shape: parameters::Shape::OneOf(&["log", "linear"]),
};
const TABLE: Parameter = Parameter {
    name: "table",
    about: "Which part the forms other than JSON have. Default `percentiles`.",
    example: "bins",
    required: false,
    shape: parameters::Shape::OneOf(&["percentiles", "bins"]),
};
const DAY_US: i64 = crate::history::DAY_US;
const DEFAULT_BINS: usize = 50;
const MAX_BINS: usize = 1_000;

/// How a histogram's bins are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// Each wider than the last by the same factor.
    Log,
    /// All of one width.
    Linear,
}

/// What a distribution is shown as.
struct Shape {
    percentiles: Vec<Named>,
    bins: usize,
    scale: Scale,
}

/// Which part of it is the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Percentiles,
    Bins,
}

/// All round-trip times of one pair in one range, as percentiles and as a histogram.
#[utoipa::path(get, path = "/api/v1/distribution", tag = "history", params(DistributionParams), responses(
    (status = 200, description = "The distribution; without percentiles where no probe was answered.", body = Distribution),
    (status = 404, description = "Nobody measures from or to there."),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = DistributionParams::read(&uri)?;
    let format = Format::asked(&params, &headers)?;
    let (subject, exact, shape) = (pair(&params)?, past::exact(&params)?, shape(&params)?);
    let table = params.parse("table", Table::Percentiles, "percentiles or bins", |text| match text {
        "percentiles" => Some(Table::Percentiles),
        "bins" => Some(Table::Bins),
        _ => None,
    })?;
    let now = (shared.clock)();
    let (range, window) = range(&params, now)?;
    known(&shared, &subject)?;
    let simulated = shared.settings.simulated;
    let distribution = match window.filter(|_| !exact) {
        Some(window) => {
            let view = shared.view();
            view.whole(window)?;
            off_thread(move || {
                let pairs = view.pairs(window, subject.protocol, Some(&subject.source));
                let of_target = |key: &str| subject.target.as_deref() == Some(key);
                let mut found = pairs.filter(|(_, key, _)| of_target(key.target.as_str()));
                let found = found.next().map(|(_, key, summary)| {
                    let mut live = Window::default();
                    live.add_summary(summary);
                    live.measured().map(|measured| (key.family.number(), measured))
                });
                let found = found.transpose()?;
                Ok::<_, Failure>(distribution(&subject, range, (true, simulated), found, &shape))
            })
            .await??
        }
        None => {
            let span = Span::whole(range.0, range.1);
            let whole = |found: Found| (found.family, found.measured);
            let mut answer = past::read(&shared, vec![subject.clone()], span, exact, whole).await?;
            let (found, live) = (answer.rows.pop(), answer.live);
            off_thread(move || distribution(&subject, range, (live, simulated), found, &shape)).await?
        }
    };
    let response = match table {
        Table::Percentiles => {
            let count = distribution.count;
            let rows: Vec<_> = distribution.percentiles.iter().map(|of| Counted { count, of }).collect();
            respond(format, &distribution, &rows)
        }
        Table::Bins => respond(format, &distribution, &distribution.bins),
    };
    Ok(past::keep_closed(response?, range.1, now))
}

/// The range that is asked for; with the rolling window, where it is one.
fn range(params: &Params, now: UtcMicros) -> Result<((UtcMicros, UtcMicros), Option<Rolling>), Failure> {
    if params.get("start").is_some() || params.get("end").is_some() {
        if params.get("window").is_some() {
            return Err(Failure::bad_request("window is given beside start or end, expected one of the two"));
        }
        let (start, end) = past::range(params, now, DAY_US)?;
        return Ok((whole_minutes(start, end), None));
    }
    let names = "5m, 1h, 1d, 7d, 30d or 365d";
    let window = params.parse("window", Rolling::Day, names, Rolling::from_name)?;
    Ok((whole_minutes(window.first_pane(now), now), Some(window)))
}

fn shape(params: &Params) -> Result<Shape, Failure> {
    let fine = [0.995, 0.999, 0.9999];
    let default: Vec<f64> = (1..100).map(|percent| f64::from(percent) / 100.0).chain(fine).collect();
    let bins = |text: &str| text.parse().ok().filter(|bins| (1..=MAX_BINS).contains(bins));
    Ok(Shape {
        percentiles: past::percentiles(params, &default)?,
        bins: params.parse("bins", DEFAULT_BINS, "1 to 1000", bins)?,
        scale: params.parse("scale", Scale::Log, "log or linear", |text| match text {
            "log" => Some(Scale::Log),
            "linear" => Some(Scale::Linear),
            _ => None,
        })?,
    })
}

fn distribution(
    subject: &crate::history::Subject,
    (start, end): (UtcMicros, UtcMicros),
    (live, simulated): (bool, bool),
    found: Option<(u8, Measured)>,
    shape: &Shape,
) -> Distribution {
    let family = found.as_ref().map(|(family, _)| *family);
    let measured = found.map_or_else(Measured::default, |(_, measured)| measured);
    let percentiles: Vec<_> = shape.percentiles.iter().map(|named| named.shown(&measured)).collect();
    Distribution {
        source: subject.source.clone(),
        target: subject.target.clone().unwrap_or_default(),
        protocol: subject.protocol.name().to_owned(),
        family,
        start: rfc3339(start),
        end: rfc3339(end),
        answered_from: if live { "live" } else { "archive" }.to_owned(),
        simulated,
        exact: measured.is_exact(),
        error_bound: past::error_bound(percentiles.iter().map(|percentile| percentile.rank_error)),
        sent: measured.sent,
        lost: measured.lost,
        retransmitted: measured.retransmitted,
        loss: measured.loss(),
        count: measured.count,
        min_ms: measured.min_us.map(millis),
        max_ms: measured.max_us.map(millis),
        mean_ms: measured.mean_us.map(millis),
        stddev_ms: measured.stddev_us.map(millis),
        jitter_ms: measured.jitter_us.map(millis),
        percentiles,
        bins: bins(&measured, shape.bins, shape.scale),
    }
}

/// The histogram: bins of whole microseconds, as many as were asked for or as there are microseconds.
fn bins(measured: &Measured, wanted: usize, scale: Scale) -> Vec<Bin> {
    let (Some(min_us), Some(max_us)) = (measured.min_us, measured.max_us) else {
        return Vec::new();
    };
    // The last bin ends behind the greatest.
    let edges = edges(min_us, max_us + 1.0, wanted, scale);
    let mut bins = Vec::with_capacity(wanted);
    let mut below = 0;
    for pair in edges.windows(2) {
        // Round-trip times are whole microseconds.
        let up_to = measured.count_up_to(pair[1] - 1.0).max(below);
        bins.push(Bin { from_ms: millis(pair[0]), to_ms: millis(pair[1]), count: up_to - below });
        below = up_to;
    }
    bins
}

/// From `from` to `to`, ascending, both there.
fn edges(from: f64, to: f64, bins: usize, scale: Scale) -> Vec<f64> {
    // Nothing grows from zero by a factor.
    let base = from.max(1.0);
    let at = |part: f64| match scale {
        Scale::Linear => from + (to - from) * part,
        Scale::Log => base * (to / base).powf(part),
    };
    let mut edges = vec![from];
    for bin in 1..bins {
        let edge = at(bin as f64 / bins as f64).round();
        if edges.last().is_some_and(|last| edge > *last) && edge < to {
            edges.push(edge);
        }
    }
    edges.push(to);
    edges
}

/// A percentile that stands alone in its row.
#[derive(Serialize)]
struct Counted<'a> {
    #[serde(flatten)]
    of: &'a Percentile,
    count: u64,
}

impl Row for Counted<'_> {
    fn columns() -> Fields {
        let value = [text("percentile"), number("rtt_ms"), count("count"), flag("low_count"), number("rank_error")];
        Fields::from(value.to_vec())
    }
}

impl Row for Bin {
    fn columns() -> Fields {
        Fields::from(vec![number("from_ms"), number("to_ms"), count("count")])
    }
}

#[cfg(test)]
mod tests {
    use cloudping_model::Outcome;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn edges_are_whole_and_ascend() {
        assert_eq!(edges(10.0, 20.0, 5, Scale::Linear), [10.0, 12.0, 14.0, 16.0, 18.0, 20.0]);
        assert_eq!(edges(1_000.0, 1_000_000.0, 3, Scale::Log), [1_000.0, 10_000.0, 100_000.0, 1_000_000.0]);
        assert_eq!(edges(7.0, 8.0, 50, Scale::Log), [7.0, 8.0]);
        assert_eq!(edges(0.0, 3.0, 9, Scale::Log), [0.0, 1.0, 2.0, 3.0]);
    }

    proptest! {
        #[test]
        fn every_value_is_in_its_bin(rtts_us in prop::collection::vec(0..1_000_000_u32, 1..300), wanted in 1..100_usize, log in any::<bool>()) {
            let mut window = Window::default();
            for rtt_us in &rtts_us {
                window.add_probe(Outcome::Answered, Some(*rtt_us));
            }
            let scale = if log { Scale::Log } else { Scale::Linear };
            let bins = bins(&window.measured().unwrap(), wanted, scale);
            prop_assert!(bins.len() <= wanted);
            for bin in &bins {
                let within = |rtt_us: &&u32| (bin.from_ms..bin.to_ms).contains(&millis(f64::from(**rtt_us)));
                prop_assert_eq!(bin.count, rtts_us.iter().filter(within).count() as u64);
            }
            prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), rtts_us.len() as u64);
        }
    }
}
