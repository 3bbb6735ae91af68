//! The means of one pair, hour by hour or day by day.

use std::sync::Arc;

use cloudping_model::{Protocol, UtcMicros};

use super::error::Refusal;
use super::names::{DAY_US, two_decimals};
use crate::history::{Span, Subject};
use crate::http::v1::past;
use crate::service::Shared;

const HOUR_US: i64 = DAY_US / 24;
/// Longer ranges are answered by day.
const HOURLY_US: i64 = 31 * DAY_US;
/// The longest range.
pub(super) const MAX_DAYS: i64 = 5_000;

/// The pair's means in ms and the starts of the hours they are of, from `start` to `end`, both inclusive; of days where the range is longer than
/// 31 of them. The last one may still be running.
pub(super) async fn means(
    shared: &Arc<Shared>,
    (from, to): (&str, &str),
    start: UtcMicros,
    end: UtcMicros,
) -> Result<Vec<(UtcMicros, f64)>, Refusal> {
    if end < start {
        return Ok(Vec::new());
    }
    let step_us = if (end - start.0).0 <= HOURLY_US { HOUR_US } else { DAY_US };
    let pair = Subject { source: from.to_owned(), target: Some(to.to_owned()), protocol: Protocol::TcpConnect };
    let span = Span { start: (start + (step_us - 1)).floor(step_us), end: end.floor(step_us) + step_us, step_us };
    if span.end <= span.start {
        return Ok(Vec::new());
    }
    let means = past::means(shared, pair, span).await?;
    Ok(means.into_iter().filter_map(|(at, mean)| Some((at, two_decimals(mean?)))).collect())
}
