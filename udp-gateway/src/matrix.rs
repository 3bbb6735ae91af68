//! How far the regions are, by the query service: asked again and again, and its last answer kept while it is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudping_model::fibre_floor_ms;
use cloudping_schemas::api::Nearest;
use cloudping_schemas::catalogue::Catalogue;
use ureq::Agent;
use ureq::http::StatusCode;

use crate::config::MatrixSource;
use crate::route::{Distances, Measured};

/// How long the service may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest answer that is read: all regions are a few hundred rows.
const MOST_ANSWER: u64 = 4 << 20;
/// How much longer routes are than the great circle, typically.
const ROUTE_FACTOR: f64 = 1.5;

/// What is known of the matrix.
#[derive(Debug, Clone, Default)]
pub struct MatrixStatus {
    /// When it was last answered.
    pub answered: Option<Instant>,
    /// Regions in the last answer.
    pub regions: u64,
    /// Whether the network is simulated.
    pub simulated: bool,
    /// Why it was not answered the last time.
    pub error: Option<String>,
}

/// Asks one query service about one region.
#[derive(Debug)]
pub struct MatrixClient {
    agent: Agent,
    url: String,
    region: String,
    key: Option<String>,
    /// The tag of the last answer.
    tag: Option<String>,
}

impl MatrixClient {
    /// Asks about distances from this region.
    #[must_use]
    pub fn new(source: &MatrixSource, region: &str) -> Self {
        let config = Agent::config_builder().timeout_global(Some(LIMIT)).http_status_as_error(false);
        let url = format!("{}/api/v1/nearest", source.url);
        Self { agent: config.build().into(), url, region: region.to_owned(), key: source.key.clone(), tag: None }
    }

    /// Asks, and waits for the answer; `None` where nothing has changed since the last one.
    ///
    /// # Errors
    /// In words for people.
    pub fn ask(&mut self) -> Result<Option<Nearest>, String> {
        let query = [("source", &*self.region), ("percentile", "p50"), ("window", "5m")];
        let mut request = self.agent.get(&self.url).query_pairs(query);
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        if let Some(tag) = &self.tag {
            request = request.header("If-None-Match", tag);
        }
        let mut answer = request.call().map_err(|error| error.to_string())?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let status = answer.status();
        let tag = answer.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let body = answer.body_mut().with_config().limit(MOST_ANSWER).read_to_vec();
        let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
        if !status.is_success() {
            return Err(format!("it answered {status}: {}", String::from_utf8_lossy(&body[..body.len().min(200)])));
        }
        let nearest = serde_json::from_slice(&body).map_err(|error| format!("not what was expected: {error}"))?;
        self.tag = tag;
        Ok(Some(nearest))
    }
}

/// The distances in an answer. A region that the answer leaves out keeps what was known of it.
#[must_use]
pub fn distances(answer: &Nearest, before: &Distances) -> Distances {
    let mut distances = before.clone();
    for candidate in &answer.candidates {
        let known = distances.measured.get(&candidate.target).copied();
        // Without any answer within the window, how far it is was measured before; that nothing answers now is news.
        let rtt_ms = candidate.rtt_ms.or(known.and_then(|known| known.rtt_ms));
        distances.measured.insert(candidate.target.clone(), Measured { rtt_ms, healthy: candidate.healthy });
    }
    distances
}

/// Distances by geography alone: what is known before the first answer.
#[must_use]
pub fn estimated(catalogue: &Catalogue, region: &str) -> Arc<Distances> {
    let estimates = catalogue.get(region).map(|from| {
        let estimate = |to: &cloudping_schemas::catalogue::Region| {
            (to.id.clone(), fibre_floor_ms(from.place(), to.place()) * ROUTE_FACTOR)
        };
        catalogue.regions().iter().map(estimate).collect()
    });
    Arc::new(Distances { estimated_ms: estimates.unwrap_or_default(), ..Distances::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::order;

    fn answer(rows: &[(&str, Option<f64>, bool)]) -> Nearest {
        let candidates: Vec<serde_json::Value> = (rows.iter())
            .map(|(target, rtt_ms, healthy)| {
                serde_json::json!({
                    "target": target, "healthy": healthy, "reason": null, "rtt_ms": rtt_ms, "count": 9, "low_count": false,
                    "sent": 9, "lost": 0, "loss": 0.0, "last": null, "age_seconds": 1.0,
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "simulated": false, "source": "eu-west-1", "measured": "from_source", "window": "5m", "percentile": "p50",
            "protocol": "tcp", "as_of": null, "max_loss": 0.05, "max_age": 60.0, "nearest": null, "candidates": candidates,
        }))
        .unwrap()
    }

    #[test]
    fn geography_decides_until_the_matrix_does() {
        let regions = ["us-east-1", "eu-central-1", "ap-south-1"];
        let before = estimated(&Catalogue::built_in().unwrap(), "eu-west-1");
        assert_eq!(order("eu-west-1", regions, &before), ["eu-central-1", "us-east-1", "ap-south-1"]);
        let measured = answer(&[("ap-south-1", Some(100.0), true), ("us-east-1", Some(120.0), true)]);
        let after = distances(&measured, &before);
        assert_eq!(order("eu-west-1", regions, &after), ["ap-south-1", "us-east-1", "eu-central-1"]);
        // One that fell silent keeps its distance and comes behind those that are well.
        let later = distances(&answer(&[("ap-south-1", None, false)]), &after);
        assert_eq!(order("eu-west-1", regions, &later), ["us-east-1", "ap-south-1", "eu-central-1"]);
        assert_eq!(later.rtt_ms("ap-south-1"), Some(100.0));
    }
}
