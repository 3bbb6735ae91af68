//! `GET /api/v1/regions/account`: the regions of the account, as the region manager last found them.

use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_model::UtcMicros;
use cloudping_schemas::api::{AccountRegion, AccountRegions};
use cloudping_schemas::stored::{self, keys};
use deltalake_core::logstore::object_store::path::Path;
use deltalake_core::logstore::object_store::{Error as StorageError, ObjectStoreExt};
use serde::Serialize;

use crate::http::columns::{flag, text, time, word};
use crate::http::format::{Format, Row, respond};
use crate::http::parameters::{FORMAT, parameters};
use crate::http::problem::Failure;
use crate::live_view::LiveView;
use crate::service::Shared;
use crate::settings::Settings;
use crate::text::rfc3339;

parameters! {
    /// Parameters of `regions/account`.
    AccountParams: FORMAT
}

/// The regions of the account that measures: which it may use, which have a producer and of which package, and since when they measure.
///
/// It is what the region manager found when it last ran, some hours ago at most; where none runs there are no regions here.
#[utoipa::path(get, path = "/api/v1/regions/account", tag = "about", params(AccountParams), responses(
    (status = 200, description = "All of them.", body = AccountRegions),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = AccountParams::read(&uri)?;
    let format = Format::asked(&params, &headers)?;
    let found = found(&shared.settings).await?;
    let view = shared.view();
    let answer = AccountRegions {
        simulated: shared.settings.simulated,
        checked_at: found.as_ref().map(|found| rfc3339(UtcMicros(found.checked_at_us))),
        regions: found.into_iter().flat_map(|found| found.regions).map(|region| shown(region, &view)).collect(),
    };
    let rows: Vec<AccountRow> = answer.regions.iter().map(AccountRow).collect();
    respond(format, &answer, &rows)
}

/// What the region manager has written beside the tables, if it has.
async fn found(settings: &Settings) -> Result<Option<stored::AccountRegions>, Failure> {
    let (Some(storage), Ok(url)) = (&settings.tables_storage, url::Url::parse(&settings.tables_url)) else {
        return Ok(None);
    };
    let place = Path::from(format!("{}/{}", url.path().trim_matches('/'), keys::ACCOUNT_REGIONS));
    let failed = |error: &dyn std::fmt::Display| Failure::internal(&format!("{place}: {error}"));
    let bytes = match storage.get(&place).await {
        Ok(object) => object.bytes().await.map_err(|error| failed(&error))?,
        Err(StorageError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(&error))
}

fn shown(region: stored::AccountRegion, view: &LiveView) -> AccountRegion {
    let measured = view.vantages.iter().find(|(id, _)| id.as_str() == region.id).map(|(_, vantage)| vantage);
    AccountRegion {
        id: region.id,
        status: region.status,
        catalogued: region.catalogued,
        outcome: region.outcome,
        producer_sha256: region.producer_sha256,
        first_data_at: measured.and_then(|vantage| vantage.earliest()).map(rfc3339),
        last_data_at: measured.map(|vantage| rfc3339(vantage.stored.head.watermark)),
    }
}

/// A region as a row.
#[derive(Serialize)]
struct AccountRow<'a>(&'a AccountRegion);

impl Row for AccountRow<'_> {
    fn columns() -> Fields {
        let columns = vec![text("id"), text("status"), flag("catalogued"), text("outcome"), word("producer_sha256")];
        Fields::from([columns, ["first_data_at", "last_data_at"].map(time).to_vec()].concat())
    }
}
