//! `GET /api/v1/regions`: what is measured, and from where.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use cloudping_model::VantageId;
use cloudping_schemas::api::{Place, Region, RegionFeature, RegionFeatures, Regions, Vantage};
use cloudping_schemas::catalogue;
use serde::Serialize;

use crate::http::columns::{flag, number, text, word};
use crate::http::format::{Format, Row, respond};
use crate::http::parameters::{FORMAT, GEOJSON, Parameter, Shape, parameters};
use crate::http::problem::Failure;
use crate::service::Shared;

parameters! {
    /// Parameters of `regions`.
    RegionsParams: REGIONS_FORMAT
}
const REGIONS_FORMAT: Parameter = Parameter {
    about: "The form of the answer; it goes before the header `Accept`. Default `json`. All others have the regions alone; \
            `geojson` (RFC 7946) draws them on a map.",
    shape: Shape::OneOf(&["json", "csv", "ndjson", "arrow", "parquet", GEOJSON.name]),
    ..FORMAT
};

/// The catalogue of regions, and the vantage points.
///
/// In forms other than JSON and GeoJSON, `zones` has spaces between them.
#[utoipa::path(get, path = "/api/v1/regions", tag = "about", params(RegionsParams), responses(
    (status = 200, description = "All of them.", content((Regions = "application/json"), (RegionFeatures = "application/geo+json"))),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = RegionsParams::read(&uri)?;
    let regions = regions(&shared);
    let Some(format) = Format::asked_beside(GEOJSON, &params, &headers)? else {
        let body = serde_json::to_vec(&features(regions)).map_err(|error| Failure::internal(&error.to_string()))?;
        return Ok(([(header::CONTENT_TYPE, GEOJSON.media_type)], body).into_response());
    };
    let rows: Vec<RegionRow> = regions.regions.iter().map(RegionRow).collect();
    respond(format, &regions, &rows)
}

fn regions(shared: &Shared) -> Regions {
    let view = shared.view();
    let settings = &shared.settings;
    let ids: BTreeSet<&VantageId> = view.vantages.keys().chain(&settings.vantages).collect();
    let measures = |id: &str| ids.iter().any(|vantage| vantage.as_str() == id);
    let regions = settings.catalogue.regions().iter();
    let vantages = ids.iter().map(|id| Vantage {
        id: id.to_string(),
        region: settings.catalogue.get(id.as_str()).map(|region| region.id.clone()),
    });
    Regions {
        simulated: settings.simulated,
        regions: regions.map(|region| shown(region, measures(&region.id))).collect(),
        vantages: vantages.collect(),
    }
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

fn features(regions: Regions) -> RegionFeatures {
    let features = regions.regions.into_iter().map(|region| RegionFeature {
        kind: "Feature".to_owned(),
        id: region.id.clone(),
        geometry: Place { kind: "Point".to_owned(), coordinates: [region.longitude, region.latitude] },
        properties: region,
    });
    let simulated = regions.simulated;
    RegionFeatures { kind: "FeatureCollection".to_owned(), simulated, features: features.collect() }
}

/// A region as a row, which holds no lists.
struct RegionRow<'a>(&'a Region);

impl Serialize for RegionRow<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            #[serde(flatten)]
            region: Region,
            zones: &'a str,
        }
        let region = Region { zones: Vec::new(), ..self.0.clone() };
        Flat { region, zones: &self.0.zones.join(" ") }.serialize(serializer)
    }
}

impl Row for RegionRow<'_> {
    fn columns() -> Fields {
        let mut columns = ["id", "provider", "partition", "name", "city", "country", "continent"].map(text).to_vec();
        columns.extend([number("latitude"), number("longitude"), word("launched"), text("zones"), flag("vantage")]);
        Fields::from(columns)
    }
}
