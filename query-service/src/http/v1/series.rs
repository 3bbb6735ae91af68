//! `GET /api/v1/series`: the history of one pair in tumbling windows.
//!
//! Of one `protocol` (tcp). Windows are aligned to multiples of the step since 1970 (UTC), and the range is widened to whole windows. Where the step is a
//! multiple of a minute, the last 75 minutes come from the live store's minutes, which know what the archive does not hold yet;
//! everything else comes from the archive: from its samples, exact, or from its rollups, which are exact where the step is an hour or a day. `answered_from` is `live` when the whole range came from the live store.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use cloudping_model::{Pane, UtcMicros};
use cloudping_schemas::api::{Series, SeriesPoint};
use datafusion::prelude::SessionContext;

use super::ends;
use crate::http::off_thread;
use crate::http::parameters::{END, PROTOCOL, Parameter, START, Shape, THE_SOURCE, THE_TARGET, parameters};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::rolled::{from_rollups, rolled_until, rolled_up};
use crate::series::{Span, from_minutes, from_samples};
use crate::service::Shared;
use crate::sql::SqlError;
use crate::text::{parse_rfc3339, rfc3339};

/// The most windows of an answer.
const MAX_POINTS: i64 = 5_000;
const SECOND_US: i64 = 1_000_000;
/// Minutes of the live store that are relied upon; it keeps about 90 before the newest round.
const LIVE_US: i64 = 75 * 60 * SECOND_US;
pub(super) const TIME: &str = "a time by RFC 3339, such as 2026-01-01T00:00:00Z";

parameters! {
    /// Parameters of `series`.
    SeriesParams:
        THE_SOURCE,
        THE_TARGET,
        PROTOCOL,
        START.about("Where the range starts, by RFC 3339. Default an hour before its end."),
        END,
        STEP,
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
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Series>, Failure> {
    let params = SeriesParams::read(&uri)?;
    let now = (shared.clock)();
    let span = span(&params, now)?;
    known(&shared, &span.source, &span.target)?;
    let points = points(&shared, &span, now).await?;
    let whole_live = live_from(&span, now) <= span.start;
    Ok(Json(Series {
        start: rfc3339(span.start),
        end: rfc3339(span.end),
        step_seconds: span.step_us / SECOND_US,
        answered_from: if whole_live { "live" } else { "archive" }.to_owned(),
        simulated: shared.settings.simulated,
        source: span.source,
        target: span.target,
        protocol: span.protocol.name().to_owned(),
        points,
    }))
}

/// The windows of a span that have data.
pub(in crate::http) async fn points(
    shared: &Arc<Shared>,
    span: &Span,
    now: UtcMicros,
) -> Result<Vec<SeriesPoint>, Failure> {
    let live_from = live_from(span, now);
    let mut points = Vec::new();
    if span.start < live_from {
        let end = span.end.min(live_from);
        let archived = Span { end, ..span.clone() };
        let simulated = shared.settings.simulated;
        points = shared.door.run(move |session| archived_points(session, archived, now, simulated)).await?;
    }
    if live_from < span.end {
        let start = span.start.max(live_from);
        let live = Span { start, ..span.clone() };
        let view = shared.view();
        points.extend(off_thread(move || live_points(&view, &live)).await?);
    }
    Ok(points)
}

/// The windows that are long closed from the rollups, where these suit the step; everything else from the samples.
async fn archived_points(
    session: SessionContext,
    span: Span,
    now: UtcMicros,
    simulated: bool,
) -> Result<Vec<SeriesPoint>, SqlError> {
    let mut rolled = Span { end: rolled_until(&span, now), ..span.clone() };
    if span.start < rolled.end {
        rolled.end = rolled_up(&session, &rolled, simulated).await?;
    }
    let until = rolled.end;
    let mut points = if span.start < until { from_rollups(&session, &rolled, simulated).await? } else { Vec::new() };
    // Before the first rollup there are the samples.
    let start = if points.is_empty() { span.start } else { until };
    if start < span.end {
        points.extend(from_samples(&session, &Span { start, ..span }, simulated).await?);
    }
    Ok(points)
}

fn live_points(view: &crate::live_view::LiveView, span: &Span) -> Vec<SeriesPoint> {
    let of_source = view.vantages.iter().find(|(id, _)| id.as_str() == span.source);
    of_source
        .map_or_else(Vec::new, |(_, vantage)| from_minutes(span, &vantage.stored.panes.minutes, &vantage.stored.places))
}

/// What is asked for, in whole windows.
fn span(params: &Params, now: UtcMicros) -> Result<Span, Failure> {
    let source = params.required("source", "a vantage point's id")?.to_owned();
    let target = params.required("target", "a target's id")?.to_owned();
    let protocol = params.protocol()?;
    let seconds = |text: &str| text.parse::<i64>().ok().filter(|step| (1..=366 * 86_400).contains(step));
    let step = params.parse("step", 60, "whole seconds, 1 to 31622400", seconds)?;
    let end = params.parse("end", now, TIME, parse_rfc3339)?;
    let start = params.parse("start", end - 3600 * SECOND_US, TIME, parse_rfc3339)?;
    if start >= end {
        return Err(Failure::bad_request(format!(
            "start is {}, expected a time before end, {}",
            rfc3339(start),
            rfc3339(end)
        )));
    }
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
    Ok(Span { source, target, protocol, start, end, step_us })
}

/// From which window on the live store answers; the span's end where it cannot.
fn live_from(span: &Span, now: UtcMicros) -> UtcMicros {
    if span.step_us % Pane::Minute.micros() != 0 {
        return span.end;
    }
    // The first window that lies wholly within the minutes that are kept.
    let from = (now - LIVE_US + (span.step_us - 1)).floor(span.step_us);
    from.min(span.end)
}

/// 404 for an id that nobody measures from or to.
pub(super) fn known(shared: &Shared, source: &str, target: &str) -> Result<(), Failure> {
    let view = shared.view();
    ends::source(shared, &view, source)?;
    ends::target(shared, &view, target)
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
        assert!(live_from(&span, NOW) <= span.start);
        let span = asked("start=2026-01-01T00:00:00%2B01:00&end=2026-01-01T00:00:00Z&step=7").unwrap();
        assert_eq!(span.start.0 % 7_000_000, 0);
        assert_eq!(live_from(&span, NOW), span.end);
    }

    #[test]
    fn the_live_store_answers_only_windows_that_it_holds_wholly() {
        let span = asked("start=2025-12-31T00:00:00Z&step=3600").unwrap();
        // 75 minutes before 00:00:30 is 22:45:30.
        assert_eq!(rfc3339(live_from(&span, NOW)), "2025-12-31T23:00:00.000Z");
        let past = asked("start=2025-12-30T00:00:00Z&end=2025-12-30T10:00:00Z&step=3600").unwrap();
        assert_eq!(live_from(&past, NOW), past.end);
    }

    #[test]
    fn bad_values_are_named() {
        for (query, part) in [
            ("protocol=ping", "protocol is \"ping\", expected tcp, tls, https, icmp or udp"),
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
}
