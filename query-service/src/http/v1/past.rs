//! What answers about a range of time have in common: its ends, its percentiles, and where it is read.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use cloudping_model::UtcMicros;
use cloudping_schemas::api::Percentile;

use crate::history::{self, ByTarget, Measured, Reading, Span, Subject};
use crate::http::off_thread;
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::live_view::LiveView;
use crate::service::Shared;
use crate::sql::SqlError;
use crate::statistic::Statistic;
use crate::text::{millis, parse_rfc3339, rfc3339};

const TIME: &str = "a time by RFC 3339, such as 2026-01-01T00:00:00Z";
/// The most percentiles of an answer.
const MAX_PERCENTILES: usize = 200;
/// A range that ended so long ago is taken to be closed. What comes later still reaches the archive, so that its answers may yet
/// differ from what caches hold, for a day at most.
const CLOSED_US: i64 = history::DAY_US;
const CLOSED: HeaderValue = HeaderValue::from_static("public, max-age=86400, immutable");

/// The parameters `start` and `end`; they end at `now` and last for `default_us` unless they are given.
pub(super) fn range(params: &Params, now: UtcMicros, default_us: i64) -> Result<(UtcMicros, UtcMicros), Failure> {
    let end = params.parse("end", now, TIME, parse_rfc3339)?;
    let start = params.parse("start", end - default_us, TIME, parse_rfc3339)?;
    if start >= end {
        let (start, end) = (rfc3339(start), rfc3339(end));
        return Err(Failure::bad_request(format!("start is {start}, expected a time before end, {end}")));
    }
    Ok((start, end))
}

/// The parameter `exact`.
pub(super) fn exact(params: &Params) -> Result<bool, Failure> {
    params.parse("exact", false, "true or false", |text| text.parse().ok())
}

/// A percentile by its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) q: f64,
}

impl Named {
    pub(super) fn of(q: f64) -> Self {
        Self { name: Statistic::Quantile(q).to_string(), q }
    }

    /// What was measured of it.
    pub(super) fn shown(&self, measured: &Measured) -> Percentile {
        let found = measured.quantile(self.q);
        Percentile {
            percentile: self.name.clone(),
            rtt_ms: found.us.map(millis),
            low_count: measured.is_low(self.q),
            rank_error: found.rank_error,
        }
    }
}

/// The parameter `percentiles`, such as `p50,p99.9`.
pub(super) fn percentiles(params: &Params, default: &[f64]) -> Result<Vec<Named>, Failure> {
    let Some(text) = params.get("percentiles") else {
        return Ok(default.iter().copied().map(Named::of).collect());
    };
    let expected = "up to 200 different percentiles, p0 to p100, such as p50,p99.9";
    let mut found: Vec<Named> = Vec::new();
    for part in text.split(',') {
        let Some(Statistic::Quantile(q)) = Statistic::parse(part) else {
            return Err(Failure::parameter("percentiles", text, expected));
        };
        let named = Named::of(q);
        if found.len() == MAX_PERCENTILES || found.iter().any(|other| other.name == named.name) {
            return Err(Failure::parameter("percentiles", text, expected));
        }
        found.push(named);
    }
    Ok(found)
}

/// The greatest error in rank of these; `None` where one is not known.
pub(super) fn error_bound(rank_errors: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    rank_errors.into_iter().try_fold(0.0, |greatest: f64, rank_error| Some(greatest.max(rank_error?)))
}

/// Lets caches keep an answer about a range that is over.
pub(super) fn keep_closed(mut response: Response, end: UtcMicros, now: UtcMicros) -> Response {
    if end <= now - CLOSED_US {
        response.headers_mut().insert(header::CACHE_CONTROL, CLOSED);
    }
    response
}

/// One window of one series.
pub(super) struct Found {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) start: UtcMicros,
    /// The address family: 4 or 6.
    pub(super) family: u8,
    pub(super) measured: Measured,
}

/// The windows of a span with data.
pub(super) struct Answer<T> {
    pub(super) rows: Vec<T>,
    /// Whether all of it came from the live store.
    pub(super) live: bool,
}

/// Reads the windows of a span, and shows each by `show` as soon as all its parts are at hand: what a window is made of is many times larger.
pub(super) async fn read<T: Send + 'static>(
    shared: &Shared,
    subjects: Vec<Subject>,
    span: Span,
    exact: bool,
    show: impl Fn(Found) -> T + Send + 'static,
) -> Result<Answer<T>, Failure> {
    let reading = Reading { exact, simulated: shared.settings.simulated, now: (shared.clock)() };
    let live_from = history::live_from(&span, exact, reading.now);
    let view = shared.view();
    if live_from <= span.start {
        let rows = off_thread(move || {
            let of = |subject| settled(&view, subject, (&span, live_from), ByTarget::new(), &show);
            subjects.iter().map(of).collect::<Result<Vec<_>, _>>()
        });
        return Ok(Answer { rows: rows.await??.into_iter().flatten().collect(), live: true });
    }
    let archived = Span { end: live_from, ..span };
    let job = async move |session| {
        let mut rows = Vec::new();
        for subject in &subjects {
            let found = history::from_archive(&session, subject, &archived, &reading).await?;
            rows.extend(settled(&view, subject, (&span, live_from), found, &show)?);
        }
        Ok(rows)
    };
    Ok(Answer { rows: shared.door.run(job).await?, live: false })
}

fn settled<T>(
    view: &Arc<LiveView>,
    subject: &Subject,
    (span, live_from): (&Span, UtcMicros),
    mut found: ByTarget,
    show: impl Fn(Found) -> T,
) -> Result<Vec<T>, SqlError> {
    if let Some((_, vantage)) = view.vantages.iter().find(|(id, _)| id.as_str() == subject.source) {
        let minutes = (&*vantage.stored.panes.minutes, &*vantage.stored.places);
        history::from_minutes(minutes, subject, (span, live_from), &mut found);
    }
    let mut rows = Vec::new();
    for (target, windows) in found {
        for (start, families) in windows {
            let Some((family, window)) = history::preferred(families) else {
                continue;
            };
            let (source, target) = (subject.source.clone(), target.clone());
            let family = u8::try_from(family).unwrap_or_default();
            rows.push(show(Found { source, target, start, family, measured: window.measured()? }));
        }
    }
    Ok(rows)
}

/// The means of one pair in ms, by the starts of the windows of a span; of a window without answers there is none.
pub(in crate::http) async fn means(
    shared: &Shared,
    pair: Subject,
    span: Span,
) -> Result<Vec<(UtcMicros, Option<f64>)>, Failure> {
    let mean = |found: Found| (found.start, found.measured.mean_us.map(millis));
    Ok(read(shared, vec![pair], span, false, mean).await?.rows)
}
