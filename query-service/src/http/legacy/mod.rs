//! `GET /latencies`: the API of CloudPing.co, for the programs that speak it.
//!
//! `1D` is the rolling day of the live view: the hour that is running and the 23 before it. `1W`, `1M` and `1Y` are the last 7, 30 and
//! 365 days of the archive's hourly rollups, as far as those go; an hour that is not rolled up yet is not in them. Percentiles are of
//! all samples of the time, merged from digests, never averages. Values are milliseconds with two decimals. A pair without data is
//! absent. `from` and `to` each filter on its own.

mod archive;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use cloudping_model::{Protocol, Rolling, UtcMicros};
use serde::Serialize;

use self::archive::rolled_up;
use crate::http::off_thread;
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::live_view::LiveView;
use crate::service::Shared;
use crate::statistic::Statistic;

const DAY_US: i64 = 86_400_000_000;

/// The percentiles by the names that the API has for them.
const PERCENTILES: [(&str, Statistic); 8] = [
    ("p_10", Statistic::Quantile(0.10)),
    ("p_25", Statistic::Quantile(0.25)),
    ("p_50", Statistic::Quantile(0.50)),
    ("p_75", Statistic::Quantile(0.75)),
    ("p_90", Statistic::Quantile(0.90)),
    ("p_98", Statistic::Quantile(0.98)),
    ("p_99", Statistic::Quantile(0.99)),
    ("latency", Statistic::Mean),
];
/// The timeframes and their days.
const TIMEFRAMES: [(&str, i64); 4] = [("1D", 1), ("1W", 7), ("1M", 30), ("1Y", 365)];

#[derive(Serialize)]
pub(super) struct Latencies {
    metadata: Metadata,
    data: Data,
}

#[derive(Serialize)]
struct Metadata {
    percentile: &'static str,
    timeframe: &'static str,
    unit: &'static str,
}

/// Milliseconds by source and target.
pub(super) type Data = BTreeMap<String, BTreeMap<String, f64>>;

/// Which pairs are wanted.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
}

/// A request that has no answer.
pub(super) enum Refusal {
    /// A parameter that holds what it must not: the legacy form.
    BadRequest(String),
    /// Anything else.
    Failed(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

#[derive(Serialize)]
struct LegacyError {
    #[serde(rename = "Code")]
    code: &'static str,
    #[serde(rename = "Message")]
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::BadRequest(message) => {
                let code = "BadRequestError";
                let error = LegacyError { code, message };
                (StatusCode::BAD_REQUEST, Json(error)).into_response()
            }
            Self::Failed(failure) => failure.into_response(),
        }
    }
}

/// The routes.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/latencies", get(latencies))
}

async fn latencies(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Latencies>, Refusal> {
    // Unknown parameters have always been ignored here.
    let params = Params::lenient(&uri)?;
    let percentile = choose(&params, "percentile", "p_50", &PERCENTILES)?;
    let timeframe = choose(&params, "timeframe", "1D", &TIMEFRAMES)?;
    let id = |name: &str| params.get(name).filter(|id| !id.is_empty()).map(str::to_owned);
    let filter = Filter { from: id("from"), to: id("to") };
    let data = if timeframe.1 == 1 {
        let view = shared.view();
        off_thread(move || rolling_day(&view, percentile.1, &filter)).await?
    } else {
        let since: UtcMicros = (shared.clock)() - timeframe.1 * DAY_US;
        let simulated = shared.settings.simulated;
        let job = move |session| rolled_up(session, percentile.1, since, filter, simulated);
        shared.door.run(job).await.map_err(Failure::from)?
    };
    let metadata = Metadata { percentile: percentile.0, timeframe: timeframe.0, unit: "milliseconds" };
    Ok(Json(Latencies { metadata, data }))
}

/// The choice that a parameter names.
fn choose<T: Copy>(
    params: &Params,
    name: &str,
    default: &str,
    choices: &[(&'static str, T)],
) -> Result<(&'static str, T), Refusal> {
    let wanted = params.get(name).unwrap_or(default);
    let found = choices.iter().find(|(choice, _)| *choice == wanted);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        let names = names.join(", ");
        Refusal::BadRequest(format!("Invalid {name}. Must be one of: {names}"))
    })
}

fn rolling_day(view: &LiveView, statistic: Statistic, filter: &Filter) -> Data {
    let mut data = Data::new();
    for (source, key, summary) in view.pairs(Rolling::Day, Protocol::TcpConnect, filter.from.as_deref()) {
        let wanted = filter.to.as_deref().is_none_or(|to| to == key.target.as_str());
        if let Some(rtt_ms) = statistic.of(summary).filter(|_| wanted) {
            let of_source = data.entry(source.to_string()).or_default();
            of_source.insert(key.target.to_string(), two_decimals(rtt_ms));
        }
    }
    data
}

/// Rounded as the API always did.
pub(super) fn two_decimals(rtt_ms: f64) -> f64 {
    (rtt_ms * 100.0).round() / 100.0
}
