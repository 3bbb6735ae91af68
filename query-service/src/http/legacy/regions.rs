//! `GET /regions`: the regions, and since when each measures.
//!
//! Whether an account has enabled a region is known only by what it sends: one that an account must enable first is `ENABLED` once it
//! measures, `DISABLED` until then. Times are those of the live store, which reaches back about a year.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudping_model::{UtcMicros, VantageId};
use cloudping_schemas::catalogue::Region;
use serde::Serialize;

use crate::live_view::LiveView;
use crate::service::Shared;
use crate::text::rfc3339;

/// What stands for a time that there is none of: clients compare with this text.
const NONE: &str = "None";

#[derive(Serialize)]
pub(super) struct LegacyRegion {
    region_name: String,
    partition: String,
    status: &'static str,
    is_opt_in: bool,
    ping_function_exists: bool,
    earliest_data_timestamp: String,
    most_recent_data_timestamp: String,
}

pub(super) async fn get(State(shared): State<Arc<Shared>>) -> Json<Vec<LegacyRegion>> {
    let view = shared.view();
    let settings = &shared.settings;
    let regions = settings.catalogue.regions().iter();
    Json(regions.map(|region| shown(region, &view, &settings.vantages)).collect())
}

fn shown(region: &Region, view: &LiveView, meant: &[VantageId]) -> LegacyRegion {
    let measured = view.vantages.iter().find(|(id, _)| id.as_str() == region.id).map(|(_, vantage)| vantage);
    let exists = measured.is_some() || meant.iter().any(|id| id.as_str() == region.id);
    let time = |at: Option<UtcMicros>| at.map_or_else(|| NONE.to_owned(), rfc3339);
    LegacyRegion {
        region_name: region.id.clone(),
        partition: region.partition.clone(),
        status: match (region.opt_in, exists) {
            (false, _) => "ENABLED_BY_DEFAULT",
            (true, true) => "ENABLED",
            (true, false) => "DISABLED",
        },
        is_opt_in: region.opt_in,
        ping_function_exists: exists,
        earliest_data_timestamp: time(measured.and_then(|vantage| vantage.earliest())),
        most_recent_data_timestamp: time(measured.map(|vantage| vantage.stored.head.watermark)),
    }
}
