//! The dashboard, out of the binary.

use std::sync::OnceLock;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use memory_serve::CacheControl;
use tower::ServiceExt;

/// The dashboard's files; every other path answers the page, which reads the path itself.
pub(super) fn router() -> Router {
    Router::new().fallback(file)
}

async fn file(request: Request) -> Response {
    // Unpacked and compressed when the first page is asked for, which a service that only programs ask never is; once, for it is kept for ever.
    static FILES: OnceLock<Router> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        memory_serve::load!()
            .index_file(Some("/index.html"))
            .fallback(Some("/index.html"))
            .fallback_status(StatusCode::OK)
            .enable_gzip(true)
            .enable_brotli(true)
            .html_cache_control(CacheControl::NoCache)
            // Vite names its files by their content, but not those of public/.
            .cache_control(CacheControl::Short)
            .into_router()
    });
    files.clone().oneshot(request).await.into_response()
}
