//! The dashboard, out of the binary.

use std::sync::OnceLock;

use axum::Router;
use axum::http::StatusCode;
use memory_serve::CacheControl;

/// The dashboard's files; every other path answers the page, which reads the path itself.
pub(super) fn router() -> Router {
    // memory-serve keeps what it unpacks for ever: once is enough.
    static ROUTER: OnceLock<Router> = OnceLock::new();
    let router = ROUTER.get_or_init(|| {
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
    router.clone()
}
