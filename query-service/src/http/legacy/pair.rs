//! The means of one pair, hour by hour or day by day.

use std::sync::Arc;

use cloudping_model::{Protocol, UtcMicros};

use super::error::Refusal;
use super::names::{DAY_US, two_decimals};
use crate::http::v1::series::points;
use crate::series::Span;
use crate::service::Shared;
use crate::text::parse_rfc3339;

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
    let span = Span {
        source: from.to_owned(),
        target: to.to_owned(),
        protocol: Protocol::TcpConnect,
        start: (start + (step_us - 1)).floor(step_us),
        end: end.floor(step_us) + step_us,
        step_us,
    };
    if span.end <= span.start {
        return Ok(Vec::new());
    }
    let points = points(shared, &span, (shared.clock)()).await?;
    let means = points.iter().filter_map(|point| Some((parse_rfc3339(&point.time)?, two_decimals(point.mean_ms?))));
    Ok(means.collect())
}
