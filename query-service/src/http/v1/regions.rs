//! `GET /api/v1/regions` and `GET /api/v1/coverage`: who measures what, and what has come of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use cloudping_model::{GapReason, VantageId};
use cloudping_schemas::api::{Coverage, CoverageHour, Region, Regions, Vantage};
use cloudping_schemas::catalogue;
use cloudping_schemas::stored::{LedgerHour, keys, missing_rounds};

use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::service::Shared;
use crate::text::rfc3339;

/// The catalogue of regions, and the vantage points.
#[utoipa::path(get, path = "/api/v1/regions", tag = "about", responses(
    (status = 200, description = "All of them.", body = Regions),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Regions>, Failure> {
    Params::read(&uri, &[])?;
    let view = shared.view();
    let settings = &shared.settings;
    let ids: BTreeSet<&VantageId> = view.vantages.keys().chain(&settings.vantages).collect();
    let measures = |id: &str| ids.iter().any(|vantage| vantage.as_str() == id);
    let regions = settings.catalogue.regions().iter();
    let vantages = ids.iter().map(|id| Vantage {
        id: id.to_string(),
        region: settings.catalogue.get(id.as_str()).map(|region| region.id.clone()),
    });
    Ok(Json(Regions {
        simulated: settings.simulated,
        regions: regions.map(|region| shown(region, measures(&region.id))).collect(),
        vantages: vantages.collect(),
    }))
}

fn shown(region: &catalogue::Region, vantage: bool) -> Region {
    Region {
        id: region.id.clone(),
        provider: region.provider.clone(),
        partition: region.partition.clone(),
        name: region.name.clone(),
        city: region.city.clone(),
        country: region.country.clone(),
        continent: region.continent.clone(),
        latitude: region.latitude,
        longitude: region.longitude,
        launched: region.launched.clone(),
        zones: region.zones.clone(),
        vantage,
    }
}

/// The ledger of what was received, by vantage point and hour.
#[utoipa::path(get, path = "/api/v1/coverage", tag = "about", responses(
    (status = 200, description = "The last hours.", body = Coverage),
))]
pub(super) async fn coverage(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Coverage>, Failure> {
    Params::read(&uri, &[])?;
    let dead_letters = shared.store.list(keys::DEAD_LETTERS, keys::ALL).await?;
    let view = shared.view();
    let hours = view.vantages.iter().flat_map(|(id, vantage)| {
        let ledger = &vantage.stored.head.ledger;
        ledger.iter().zip(missing_rounds(ledger)).map(move |(hour, missing)| of_hour(id, hour, missing))
    });
    Ok(Json(Coverage {
        simulated: shared.settings.simulated,
        dead_letters: dead_letters.len() as u64,
        hours: hours.collect(),
    }))
}

fn of_hour(id: &VantageId, hour: &LedgerHour, missing_rounds: u64) -> CoverageHour {
    let (due, counted) = (hour.probes_due(missing_rounds), hour.sent.saturating_sub(hour.uncounted));
    let reported = GapReason::ALL.into_iter().zip(hour.gaps).filter(|(_, count)| *count > 0);
    CoverageHour {
        source: id.to_string(),
        hour: rfc3339(hour.start),
        rounds: hour.rounds,
        sent: hour.sent,
        received: hour.received,
        lost: hour.lost,
        not_sent: hour.not_sent,
        duplicates: hour.duplicates,
        late: hour.late,
        due,
        counted,
        completeness: (due > 0).then(|| counted as f64 / due as f64 * 100.0),
        missing_rounds,
        dropped_rounds: hour.dropped,
        gaps: reported.map(|(reason, count)| (reason.name().to_owned(), count)).collect(),
    }
}
