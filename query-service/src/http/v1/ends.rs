//! The ends of pairs that requests name.

use axum::http::StatusCode;

use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::live_view::LiveView;
use crate::service::Shared;

/// Whether anybody measures from there, or is meant to.
fn is_source(shared: &Shared, view: &LiveView, id: &str) -> bool {
    view.vantages.keys().chain(&shared.settings.vantages).any(|known| known.as_str() == id)
}

/// Whether it is a region, or anybody has measured to there within the rolling day.
pub(super) fn is_target(shared: &Shared, view: &LiveView, id: &str) -> bool {
    // The catalogue is asked first: what was measured must be looked for in all panes.
    shared.settings.catalogue.get(id).is_some() || view.targets().contains(id)
}

/// 404 for an id that nobody measures from.
pub(super) fn source(shared: &Shared, view: &LiveView, id: &str) -> Result<(), Failure> {
    is_source(shared, view, id).then_some(()).ok_or_else(|| missing("source", id))
}

/// 404 for an id that nobody measures to.
pub(super) fn target(shared: &Shared, view: &LiveView, id: &str) -> Result<(), Failure> {
    is_target(shared, view, id).then_some(()).ok_or_else(|| missing("target", id))
}

/// 404 for a provider that has no region.
pub(super) fn provider(shared: &Shared, name: &str) -> Result<(), Failure> {
    let known = shared.settings.catalogue.regions().iter().any(|region| region.provider == name);
    known.then_some(()).ok_or_else(|| missing("provider", name))
}

fn missing(kind: &str, id: &str) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, format!("there is no {kind} {id:?}: /api/v1/regions lists them"))
}

/// The ids of a parameter that holds several, between commas; each once, in their order.
pub(super) fn ids(params: &Params, name: &str) -> Result<Option<Vec<String>>, Failure> {
    let Some(text) = params.get(name) else {
        return Ok(None);
    };
    let mut ids: Vec<String> = Vec::new();
    for id in text.split(',') {
        if id.is_empty() {
            return Err(Failure::parameter(name, text, "ids with commas between them"));
        }
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    Ok(Some(ids))
}
