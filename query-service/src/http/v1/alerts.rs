//! `GET /api/v1/alerts`: the rules, and where each of their pairs stands.

use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_schemas::api::{Alert, Alerts};

use crate::http::columns::{count, flag, number, text, time};
use crate::http::format::{Format, Row, respond};
use crate::http::parameters::{FORMAT, Parameter, SOURCE, Shape, TARGET, parameters};
use crate::http::problem::Failure;
use crate::service::Shared;

const STATES: [&str; 4] = ["ok", "pending", "firing", "no_data"];

parameters! {
    /// Parameters of `alerts`.
    AlertsParams: RULE, STATE, SOURCE, TARGET, FORMAT
}
const RULE: Parameter = Parameter {
    name: "rule",
    about: "Only the rule of this name.",
    example: "slow-atlantic",
    required: false,
    shape: Shape::Text,
};
const STATE: Parameter = Parameter {
    name: "state",
    about: "Only what stands so.",
    example: "firing",
    required: false,
    shape: Shape::OneOf(&STATES),
};

/// Rules, and where each of their pairs stands.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "live", params(AlertsParams), responses(
    (status = 200, description = "The rules and their pairs; none where the service was given no rules.", body = Alerts),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = AlertsParams::read(&uri)?;
    let format = Format::asked(&params, &headers)?;
    let named = |text: &str| STATES.into_iter().find(|state| *state == text);
    let state = params.parse("state", None, "ok, pending, firing or no_data", |text| named(text).map(Some))?;
    let mut alerts = shared.alerts.shown();
    alerts.simulated = shared.settings.simulated;
    let wanted = |name: &str, value: &str| params.get(name).is_none_or(|wanted| wanted == value);
    alerts.rules.retain(|rule| wanted("rule", &rule.name));
    alerts.alerts.retain(|alert| {
        state.is_none_or(|state| state == alert.state)
            && wanted("rule", &alert.rule)
            && wanted("source", &alert.source)
            && wanted("target", &alert.target)
    });
    respond(format, &alerts, &alerts.alerts)
}

impl Row for Alert {
    fn columns() -> Fields {
        Fields::from(vec![
            text("rule"),
            text("source"),
            text("target"),
            text("state"),
            time("since"),
            time("fired_at"),
            number("value"),
            count("count"),
            flag("low_count"),
        ])
    }
}
