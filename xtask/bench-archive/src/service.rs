//! Our query service, asked in SQL through its own door.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use cloudping_model::UtcMicros;
use cloudping_query_service::{Service, Settings};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_testkit::MemoryStore;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::Result;
use crate::generator::START;

/// The service over a folder of tables.
pub struct Ours {
    router: Router,
}

/// A year after the worlds begin.
fn now() -> UtcMicros {
    START + 366 * 86_400_000_000
}

impl Ours {
    /// A service over tables in a folder of this machine.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn over(folder: &Path) -> Result<Self> {
        let url = format!("file://{}/", folder.display());
        let mut settings = Settings::new(false, Catalogue::built_in()?, Vec::new(), url);
        settings.sql.wall_time = Duration::from_secs(600);
        settings.sql.memory_bytes = 4 << 30;
        let service = Service::new(settings, Arc::new(MemoryStore::default()), now)?;
        Ok(Self { router: service.router() })
    }

    /// The answer's rows.
    ///
    /// # Errors
    /// When the statement fails; the service's own words.
    pub async fn ask(&self, sql: &str) -> Result<Vec<Value>> {
        let body = Body::from(json!({ "query": sql }).to_string());
        let request = Request::post("/api/v1/sql").header("content-type", "application/json").body(body)?;
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await?;
        if !status.is_success() {
            return Err(format!("{status} for {sql}: {}", String::from_utf8_lossy(&body)).into());
        }
        let mut answer: Value = serde_json::from_slice(&body)?;
        match answer["rows"].take() {
            Value::Array(rows) => Ok(rows),
            other => Err(format!("an answer without rows, but {other}").into()),
        }
    }

    /// The answer, and the least time of `runs` that it took after a first one.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn time(&self, sql: &str, runs: u32) -> Result<(Vec<Value>, Duration)> {
        let answer = self.ask(sql).await?;
        let mut least = Duration::MAX;
        for _ in 0..runs {
            let before = Instant::now();
            self.ask(sql).await?;
            least = least.min(before.elapsed());
        }
        Ok((answer, least))
    }
}
