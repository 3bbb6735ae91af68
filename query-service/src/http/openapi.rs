//! `GET /api/v1/openapi.json`: the API's description (OpenAPI 3.1), out of the handlers' own; `GET /api/v1/docs/`: a page to browse it.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use cloudping_schemas::api::Problem;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use super::parameters::media_type;
use super::params::Params;
use super::problem::{self, Failure};
use super::v1;
use crate::service::Shared;

const PATH: &str = "/api/v1/openapi.json";
/// The page sets styles from its scripts and draws its icons from `data:` addresses; like all else it asks no other host for anything.
const PAGE_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
                           base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The fields that answers, or the body of a request, leave out where there is nothing to say; all others are always there, `null` where not known.
const LEFT_OUT: [(&str, &str); 7] = [
    ("Matrix", "range"),
    ("Problem", "request_id"),
    ("Region", "launched"),
    ("Region", "zones"),
    ("RouteChange", "after_address"),
    ("RouteChange", "before_address"),
    ("SqlRequest", "params"),
];

/// What the description starts with.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "cloudping",
        description = "Latency between cloud regions. Times are RFC 3339 in UTC, latencies milliseconds. Every number travels with \
                       its count, and `low_count` marks those that too few probes carry (n < 10/(1-q)). Errors are problems by \
                       RFC 9457. Unknown and repeated parameters are errors. Where `simulated` (or the header \
                       `cloudping-simulated`) is true, the network is the planet on this machine, not the world's.",
    ),
    components(schemas(Problem)),
    tags(
        (name = "live", description = "What the rolling windows show now."),
        (name = "history", description = "What was measured before."),
        (name = "about", description = "What is measured, and how well.")
    )
)]
pub(in crate::http) struct Api;

/// The description as it is sent.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let mut document = serde_json::to_value(v1::routes().into_openapi()).unwrap_or_default();
    complete(&mut document);
    document.to_string().into()
});

/// The API's description (OpenAPI 3.1).
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "about", responses(
    (status = 200, description = "This document.", body = Object),
))]
pub(in crate::http) async fn get_document(uri: Uri) -> Result<Response, Failure> {
    Params::read(&uri, &[])?;
    Ok(([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response())
}

/// The page that shows the description, with all its files.
pub(in crate::http) fn page() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/docs", get(async || Redirect::permanent("/api/v1/docs/")))
        .route("/api/v1/docs/", get(async || file("")))
        .route("/api/v1/docs/{file}", get(async |Path(name): Path<String>| file(&name)))
}

fn file(name: &str) -> Response {
    // The page would otherwise ask another host whether the description is valid.
    let config = Config::from(PATH).validator_url("none").deep_linking(true);
    match utoipa_swagger_ui::serve(name, Arc::new(config)) {
        Ok(Some(file)) => {
            let headers = [
                (header::CONTENT_TYPE, file.content_type.as_str()),
                (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
                (header::CACHE_CONTROL, "public, max-age=3600"),
            ];
            (headers, file.bytes.into_owned()).into_response()
        }
        Ok(None) => problem::nothing_at(&format!("/api/v1/docs/{name}")).into_response(),
        Err(error) => Failure::internal(&error.to_string()).into_response(),
    }
}

/// Adds what holds for every operation: its name, its problems, and the other forms of an answer that `format` offers.
fn complete(document: &mut Value) {
    require_fields(document);
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let paths = paths.map(named_parts);
    let items = paths.into_iter().flatten().filter_map(|(path, item)| Some((path, item.as_object_mut()?)));
    let operations =
        items.flat_map(|(path, item)| item.iter_mut().map(move |(method, operation)| (path, method, operation)));
    for (path, method, operation) in operations.filter(|(_, _, operation)| operation.is_object()) {
        operation["operationId"] = name(method, path).into();
        let formats = formats(operation);
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
            continue;
        };
        if let Some(content) = responses.get_mut("200").and_then(|answer| answer.get_mut("content")) {
            add_forms(content, &formats);
        }
        add_problems(responses, !formats.is_empty());
    }
}

/// Says of every field that is always there that it is: a field that may be `null` is not one that may be missing.
fn require_fields(document: &mut Value) {
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for (name, schema) in schemas.into_iter().flatten() {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            continue;
        };
        let there = properties.keys().filter(|field| !LEFT_OUT.contains(&(name.as_str(), field.as_str())));
        let required: Vec<Value> = there.map(|field| field.as_str().into()).collect();
        schema["required"] = required.into();
    }
}

/// Axum marks a part of a path that may hold slashes; OpenAPI knows no such mark.
fn named_parts(paths: &mut Map<String, Value>) -> &mut Map<String, Value> {
    *paths = std::mem::take(paths).into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    paths
}

/// What generated clients call an operation, such as `get_coverage_pairs`: handlers have the same names in many modules.
fn name(method: &str, path: &str) -> String {
    let words = path.trim_start_matches("/api/v1/").split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!("{method}_{}", words.join("_"))
}

/// The words that an operation's `format` may be.
fn formats(operation: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let format = parameters.into_iter().find(|parameter| parameter["name"] == "format");
    let words = format.and_then(|format| format["schema"]["enum"].as_array());
    words.into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn add_forms(content: &mut Value, formats: &[String]) {
    let Some(content) = content.as_object_mut() else {
        return;
    };
    for kind in formats.iter().filter_map(|format| media_type(format)).filter(|kind| *kind != "application/json") {
        let schema = match kind.starts_with("text/") {
            true => json!({"type": "string"}),
            false => json!({"type": "string", "format": "binary"}),
        };
        content.entry(kind).or_insert_with(|| json!({ "schema": schema }));
    }
}

fn add_problems(responses: &mut Map<String, Value>, formatted: bool) {
    let not_acceptable = ("406", "`Accept` takes no form that there is.");
    let problems = [
        (
            "400",
            "A parameter is unknown, given twice, missing, or holds what it must not; `detail` says which and what was expected.",
        ),
        ("429", "Too many requests: try again after the seconds of `Retry-After`."),
        ("500", "The server could not answer; its log says why."),
        ("503", "The server is busy, or its store cannot be read: try again in a moment."),
    ];
    for (status, description) in problems.into_iter().chain(formatted.then_some(not_acceptable)) {
        responses.entry(status).or_insert_with(|| json!({ "description": description }));
    }
    let wrong = responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5']));
    for answer in wrong.filter_map(|(_, answer)| answer.as_object_mut()) {
        let problem = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        answer.entry("content").or_insert(problem);
    }
}
