//! The control API: the state, and targets that come and go while datagrams flow.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use cloudping_schemas::api::{GatewayState, GatewayTargetSetting, Problem};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use crate::config::{self, Fault};
use crate::gateway::{ChangeError, Shared};
use crate::{metrics, state};

/// Who asks must know the token, if there is one.
#[derive(Clone)]
struct Token(Option<Arc<str>>);

/// The routes; with a token, they answer only to those who know it.
pub fn router(shared: Arc<Shared>, token: Option<&str>) -> Router {
    Router::new()
        .route("/v1/state", get(read))
        .route("/v1/destinations/{name}/targets/{region}", put(set).delete(remove))
        .route("/metrics", get(measure))
        .method_not_allowed_fallback(no_such_place)
        .fallback(no_such_place)
        .layer(from_fn_with_state(Token(token.map(Arc::from)), check))
        .with_state(shared)
}

/// Serves the control API until `shutdown` is ready.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// An answer that says what is wrong.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, detail) = self;
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail,
        };
        (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(problem)).into_response()
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, fault.to_string())
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let status = match &error {
            ChangeError::NoDestination { .. } | ChangeError::NoTarget { .. } => StatusCode::NOT_FOUND,
            ChangeError::Target(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ChangeError::Noting(source) if source.kind() == io::ErrorKind::StorageFull => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            ChangeError::Noting(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

async fn check(State(Token(token)): State<Token>, request: Request, next: Next) -> Result<Response, Refusal> {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    let knows = token.is_none_or(|token| given.is_some_and(|given| token.as_bytes().ct_eq(given.as_bytes()).into()));
    if !knows {
        let detail = "the token is missing or wrong, expected `Authorization: Bearer TOKEN`";
        return Err(Refusal(StatusCode::UNAUTHORIZED, detail.to_owned()));
    }
    Ok(next.run(request).await)
}

async fn no_such_place(request: Request) -> Refusal {
    let detail = format!(
        "there is nothing for {} at {}, expected GET /v1/state, PUT or DELETE /v1/destinations/NAME/targets/REGION, or GET /metrics",
        request.method(),
        request.uri().path(),
    );
    Refusal(StatusCode::NOT_FOUND, detail)
}

fn now(shared: &Shared) -> GatewayState {
    state::state(shared, Instant::now(), cloudping_environment::now())
}

async fn read(State(shared): State<Arc<Shared>>) -> Json<GatewayState> {
    Json(now(&shared))
}

async fn set(
    State(shared): State<Arc<Shared>>,
    Path((name, region)): Path<(String, String)>,
    body: Result<Json<GatewayTargetSetting>, JsonRejection>,
) -> Result<Json<GatewayState>, Refusal> {
    let Json(setting) =
        body.map_err(|error| Refusal(error.status(), format!("{}, expected {{\"target\":\"…\"}}", error.body_text())))?;
    let address = config::check_target(&region, &setting.target, &shared.catalogue)?;
    change(&shared, move |shared| shared.set(&name, &region, Some(address))).await
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    Path((name, region)): Path<(String, String)>,
) -> Result<Json<GatewayState>, Refusal> {
    change(&shared, move |shared| shared.set(&name, &region, None)).await
}

/// A change waits for the disk.
async fn change(
    shared: &Arc<Shared>,
    make: impl FnOnce(&Shared) -> Result<(), ChangeError> + Send + 'static,
) -> Result<Json<GatewayState>, Refusal> {
    let changed = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || make(&changed)).await;
    done.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    Ok(Json(now(shared)))
}

async fn measure(State(shared): State<Arc<Shared>>) -> Result<Response, Refusal> {
    let text = metrics::page(&now(&shared), |name| shared.shows(name));
    let text = text.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, metrics::OPEN_METRICS)], text).into_response())
}
