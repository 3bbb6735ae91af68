//! `GET /api/v1/audit`: how far the digests of the last hours were off.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use cloudping_model::{Pane, UtcMicros};
use cloudping_ports::Key;
use cloudping_schemas::api::{Audit, AuditPercentile, Audits, HealthAudit};
use cloudping_schemas::stored::{AuditItem, AuditQuantile, keys};

use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::refresh::{ReadError, fault};
use crate::service::Shared;
use crate::statistic::Statistic;
use crate::text::rfc3339;

/// Hours of an answer.
const HOURS: i64 = 7 * 24;
/// `/healthz` shows an audit of at most this many hours ago.
const RECENT_HOURS: i64 = 25;

/// How far the live view's digests were off, by hour.
///
/// Each hour is recounted exactly from the events once it is closed.
#[utoipa::path(get, path = "/api/v1/audit", tag = "about", responses(
    (status = 200, description = "The audits of seven days, the newest first.", body = Audits),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Audits>, Failure> {
    Params::read(&uri, &[])?;
    let items = read(&shared, HOURS).await?;
    let audits = items.iter().rev().map(shown).collect();
    Ok(Json(Audits { simulated: shared.settings.simulated, audits }))
}

/// The worst figures of the newest audit, if there is one of these hours.
pub(in crate::http) async fn newest(shared: &Shared) -> Option<HealthAudit> {
    let items = read(shared, RECENT_HOURS).await;
    let items = items.map_err(|error| tracing::error!("{error}")).ok()?;
    let item = items.last()?;
    let worst = |of: fn(&AuditQuantile) -> f64| item.quantiles.iter().map(of).fold(0.0, f64::max);
    Some(HealthAudit {
        hour: rfc3339(item.hour),
        mismatches: item.mismatches,
        rank_error_max: worst(|quantile| quantile.rank_error_max),
        error_ms_max: fine_millis(worst(|quantile| quantile.error_us_max)),
    })
}

/// The audits of the last hours, the oldest first.
async fn read(shared: &Shared, hours: i64) -> Result<Vec<AuditItem>, ReadError> {
    let since: UtcMicros = (shared.clock)() - hours * Pane::Hour.micros();
    let items = shared.store.list(keys::AUDITS, &*keys::pane_start(since)..keys::ALL.end).await?;
    let decode = |(key, item): (Key, cloudping_ports::Item)| {
        AuditItem::decode(&item.value).map_err(|source| fault(&key, source))
    };
    items.into_iter().map(decode).collect()
}

fn shown(item: &AuditItem) -> Audit {
    let percentiles = item.quantiles.iter().map(|quantile| AuditPercentile {
        percentile: Statistic::Quantile(quantile.q).to_string(),
        rank_error_max: quantile.rank_error_max,
        rank_error_mean: quantile.rank_error_mean,
        error_ms_max: fine_millis(quantile.error_us_max),
        error_ms_mean: fine_millis(quantile.error_us_mean),
    });
    Audit {
        hour: rfc3339(item.hour),
        at: rfc3339(item.at),
        series: item.series,
        samples: item.samples,
        mismatches: item.mismatches,
        percentiles: percentiles.collect(),
    }
}

/// Microseconds as milliseconds, to the nanosecond: errors may be smaller than what is measured.
fn fine_millis(micros: f64) -> f64 {
    (micros * 1e3).round() / 1e6
}
