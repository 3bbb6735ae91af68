//! The doors over HTTP. Every error is problem JSON (RFC 9457), except on the legacy surface, which has its own form.

mod access;
mod access_log;
mod caching;
mod columns;
mod dashboard;
mod format;
mod front;
mod health;
mod hot;
mod legacy;
mod metrics;
mod openapi;
mod parameters;
mod params;
mod problem;
mod table_stream;
mod v1;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use self::format::Format;
pub(crate) use self::hot::{Hot, Moment};
use self::problem::Failure;
pub(crate) use self::v1::Hub;
use crate::service::Shared;

/// What the page may load: its own files only.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The same for the pages that other sites may show in a frame: they have nothing to click that would matter.
const EMBED_POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors *";
const EMBED_PATH: &str = "/embed/";

/// On every answer, whatever its format: whether the network that it tells of is simulated.
const SIMULATED: HeaderName = HeaderName::from_static("cloudping-simulated");

/// How long a browser need not ask again whether it may send such a request.
const PREFLIGHT_KEPT: Duration = Duration::from_secs(3_600);

/// Headers of every answer that does not set them itself.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    // The dashboard's files say how long they keep; everything else is of this moment.
    (header::CACHE_CONTROL, "no-store"),
];

/// Every route.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let simulated = shared.settings.simulated;
    let gate = from_fn_with_state(Arc::clone(&shared), access::gate);
    let log = from_fn_with_state(Arc::clone(&shared), access_log::log);
    let answers = Router::new()
        .merge(v1::router())
        .merge(openapi::page())
        .merge(legacy::router())
        .merge(metrics::router())
        .route("/healthz", get(health::get))
        .route("/api", any(problem::not_found))
        .route("/api/", any(problem::not_found))
        .route("/api/{*rest}", any(problem::not_found))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn(front::note))
        .with_state(Arc::clone(&shared));
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        // A wildcard would leave out Authorization.
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(PREFLIGHT_KEPT)
        .expose_headers(Any);
    let router = answers.merge(dashboard::router());
    let simulated = HeaderValue::from_static(if simulated { "true" } else { "false" });
    let router = router.layer(SetResponseHeaderLayer::overriding(SIMULATED, simulated));
    let router = HEADERS.into_iter().fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)))
    });
    let router = router.layer(from_fn(embeddable));
    let router = router.layer(CompressionLayer::new().compress_when(compressed())).layer(cors);
    // Behind one route, so that what the cache gives passes none of the layers.
    Router::new().fallback_service(router).layer(from_fn_with_state(shared, front::front)).layer(gate).layer(log)
}

/// Lets other sites show what is made for their frames.
async fn embeddable(request: Request, next: Next) -> Response {
    let embedded = request.uri().path().starts_with(EMBED_PATH);
    let mut response = next.run(request).await;
    if embedded {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(EMBED_POLICY));
        headers.remove(header::X_FRAME_OPTIONS);
    }
    response
}

/// Which answers are compressed: not those that are compressed already, no columns, which programs read as fast as they come, and none whose
/// handler has said which bytes it sends.
fn compressed() -> impl Predicate {
    DefaultPredicate::new()
        .and(|_, _, headers: &HeaderMap, _: &Extensions| !headers.contains_key(header::ETAG))
        .and(NotForContentType::const_new(Format::Parquet.media_type()))
        .and(NotForContentType::const_new("application/gzip"))
        .and(NotForContentType::const_new(Format::ArrowStream.media_type()))
}

/// Gives an answer that comes from before the layers what they give to every other.
fn adorn(headers: &mut HeaderMap, simulated: bool) {
    let simulated = (SIMULATED, if simulated { "true" } else { "false" });
    let cors = [header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_EXPOSE_HEADERS].map(|name| (name, "*"));
    for (name, value) in HEADERS.into_iter().chain([simulated]).chain(cors) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Runs what takes long on a processor where it delays no other request.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::internal(&error.to_string()))
}
