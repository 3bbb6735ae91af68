//! `GET /api/v1/regions` and `GET /api/v1/coverage`: who measures what, and what has come of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use cloudping_model::{GapReason, VantageId};
use cloudping_schemas::api::{Coverage, CoverageHour, Region, Regions, Vantage};
use cloudping_schemas::catalogue;
use cloudping_schemas::stored::{LedgerHour, keys};

use super::params::Params;
use super::problem::Failure;
use crate::refresh::ALL_KEYS;
use crate::service::Shared;
use crate::text::rfc3339;

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

pub(super) async fn coverage(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Coverage>, Failure> {
    Params::read(&uri, &[])?;
    let dead_letters = shared.store.list(keys::DEAD_LETTERS, ALL_KEYS).await.map_err(|error| {
        tracing::error!("{error}");
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the live store cannot be read: try again in a moment")
    })?;
    let view = shared.view();
    let hours = view.vantages.iter().flat_map(|(id, vantage)| {
        let ledger = vantage.head.ledger.iter();
        ledger.map(move |hour| of_hour(id, hour))
    });
    Ok(Json(Coverage {
        simulated: shared.settings.simulated,
        dead_letters: dead_letters.len() as u64,
        hours: hours.collect(),
    }))
}

fn of_hour(id: &VantageId, hour: &LedgerHour) -> CoverageHour {
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
        dropped_rounds: hour.dropped,
        gaps: reported.map(|(reason, count)| (reason.name().to_owned(), count)).collect(),
    }
}
