//! `GET /api/v1/coverage`: the ledger of what was received, by hour; `GET /api/v1/coverage/pairs`: what came of the probes of each pair.

use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_model::{GapReason, Protocol, Rolling, UtcMicros, VantageId};
use cloudping_schemas::api::{Coverage, CoverageHour, PairCoverage, PairsCoverage};
use cloudping_schemas::stored::{LedgerHour, keys, missing_rounds};
use serde::Serialize;

use super::ends;
use crate::http::columns::{count, number, text, time};
use crate::http::format::{Format, Row, respond};
use crate::http::off_thread;
use crate::http::parameters::{FORMAT, PROTOCOL, SOURCE, TARGET, WINDOW, parameters};
use crate::http::problem::Failure;
use crate::live_view::LiveView;
use crate::service::Shared;
use crate::text::rfc3339;

parameters! {
    /// Parameters of `coverage`.
    CoverageParams: SOURCE, FORMAT
}
parameters! {
    /// Parameters of `coverage/pairs`.
    PairsParams: SOURCE, TARGET, PROTOCOL.about("How the probes were made; all where it is not given."), WINDOW, FORMAT
}

/// The ledger of what was received, by vantage point and hour.
///
/// Hours are those of the rounds' starts. In forms other than JSON, `gaps` are columns `gaps_clock_step`, `gaps_suspended`,
/// `gaps_overload` and `gaps_spool_full`.
#[utoipa::path(get, path = "/api/v1/coverage", tag = "about", params(CoverageParams), responses(
    (status = 200, description = "The last hours.", body = Coverage),
    (status = 404, description = "Nobody measures from there."),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = CoverageParams::read(&uri)?;
    let format = Format::asked(&params, &headers)?;
    let (view, source) = (shared.view(), params.get("source"));
    source.map_or(Ok(()), |id| ends::source(&shared, &view, id))?;
    let dead_letters = shared.store.list(keys::DEAD_LETTERS, keys::ALL).await?;
    let vantages = view.vantages.iter().filter(|(id, _)| source.is_none_or(|source| source == id.as_str()));
    let (mut hours, mut rows) = (Vec::new(), Vec::new());
    for (id, vantage) in vantages {
        let ledger = &vantage.stored.head.ledger;
        for (hour, missing) in ledger.iter().zip(missing_rounds(ledger)) {
            let shown = of_hour(id, hour, missing);
            rows.push(HourRow { hour: shown.clone(), gaps: hour.gaps });
            hours.push(shown);
        }
    }
    let coverage = Coverage { simulated: shared.settings.simulated, dead_letters: dead_letters.len() as u64, hours };
    respond(format, &coverage, &rows)
}

fn of_hour(id: &VantageId, hour: &LedgerHour, missing_rounds: u64) -> CoverageHour {
    let (due, counted) = (hour.probes_due(missing_rounds), hour.sent.saturating_sub(hour.uncounted));
    let reported = GapReason::ALL.into_iter().zip(hour.gaps).filter(|(_, count)| *count > 0);
    CoverageHour {
        source: id.to_string(),
        hour: rfc3339(hour.start),
        rounds: hour.rounds,
        sent: hour.sent,
        received: hour.received,
        lost: hour.lost,
        not_sent: hour.not_sent,
        duplicates: hour.duplicates,
        late: hour.late,
        due,
        counted,
        completeness: (due > 0).then(|| counted as f64 / due as f64 * 100.0),
        missing_rounds,
        dropped_rounds: hour.dropped,
        gaps: reported.map(|(reason, count)| (reason.name().to_owned(), count)).collect(),
    }
}

/// An hour as a row, which holds no lists.
struct HourRow {
    hour: CoverageHour,
    gaps: [u64; GapReason::ALL.len()],
}

impl Serialize for HourRow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            #[serde(flatten)]
            hour: &'a CoverageHour,
            gaps_clock_step: u64,
            gaps_suspended: u64,
            gaps_overload: u64,
            gaps_spool_full: u64,
        }
        let of = |reason: GapReason| self.gaps[GapReason::ALL.iter().position(|other| *other == reason).unwrap_or(0)];
        let flat = Flat {
            hour: &self.hour,
            gaps_clock_step: of(GapReason::ClockStep),
            gaps_suspended: of(GapReason::Suspended),
            gaps_overload: of(GapReason::Overload),
            gaps_spool_full: of(GapReason::SpoolFull),
        };
        flat.serialize(serializer)
    }
}

impl Row for HourRow {
    fn columns() -> Fields {
        let counts = ["rounds", "sent", "received", "lost", "not_sent", "duplicates", "late", "due", "counted"];
        let more = ["missing_rounds", "dropped_rounds"];
        let gaps = ["gaps_clock_step", "gaps_suspended", "gaps_overload", "gaps_spool_full"];
        let mut columns = vec![text("source"), time("hour")];
        columns.extend(counts.map(count));
        columns.push(number("completeness"));
        columns.extend(more.map(count).into_iter().chain(gaps.map(count)));
        Fields::from(columns)
    }
}

/// What came of the probes of each pair in a rolling window.
#[utoipa::path(get, path = "/api/v1/coverage/pairs", tag = "about", params(PairsParams), responses(
    (status = 200, description = "The pairs that were probed in the window.", body = PairsCoverage),
    (status = 404, description = "Nobody measures from or to there."),
))]
pub(super) async fn pairs(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let params = PairsParams::read(&uri)?;
    let window = params.parse("window", Rolling::FiveMinutes, "5m, 1h, 1d, 7d, 30d or 365d", Rolling::from_name)?;
    let protocol = params.get("protocol").map(|_| params.protocol()).transpose()?;
    let format = Format::asked(&params, &headers)?;
    let view = shared.view();
    view.whole(window)?;
    params.get("source").map_or(Ok(()), |id| ends::source(&shared, &view, id))?;
    params.get("target").map_or(Ok(()), |id| ends::target(&shared, &view, id))?;
    let ends = ["source", "target"].map(|name| params.get(name).map(str::to_owned));
    let simulated = shared.settings.simulated;
    let coverage = off_thread(move || PairsCoverage {
        simulated,
        window: window.name().to_owned(),
        as_of: view.as_of().map(rfc3339),
        pairs: of_pairs(&view, window, protocol, &ends),
    });
    let coverage = coverage.await?;
    respond(format, &coverage, &coverage.pairs)
}

fn of_pairs(
    view: &LiveView,
    window: Rolling,
    protocol: Option<Protocol>,
    [source, target]: &[Option<String>; 2],
) -> Vec<PairCoverage> {
    let wanted = |wanted: &Option<String>, id: &str| wanted.as_deref().is_none_or(|wanted| wanted == id);
    let mut pairs = Vec::new();
    for (id, vantage) in view.vantages.iter().filter(|(id, _)| wanted(source, id.as_str())) {
        for (key, summary) in vantage.series(window).iter() {
            if !wanted(target, key.target.as_str()) || protocol.is_some_and(|protocol| protocol != key.protocol) {
                continue;
            }
            pairs.push(PairCoverage {
                source: id.to_string(),
                target: key.target.to_string(),
                protocol: key.protocol.name().to_owned(),
                family: key.family.number(),
                sent: summary.sent(),
                received: summary.received(),
                lost: summary.lost(),
                retransmitted: summary.retransmitted(),
                unknown: summary.unknown(),
                last: summary.last_at_us().map(|at| rfc3339(UtcMicros(at))),
            });
        }
    }
    pairs
}

impl Row for PairCoverage {
    fn columns() -> Fields {
        let counts = ["family", "sent", "received", "lost", "retransmitted", "unknown"];
        let mut columns = vec![text("source"), text("target"), text("protocol")];
        columns.extend(counts.map(count));
        columns.push(time("last"));
        Fields::from(columns)
    }
}
