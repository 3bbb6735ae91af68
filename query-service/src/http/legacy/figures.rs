//! A number of every pair over some days: what several of the endpoints show.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudping_model::{Protocol, Rolling};

use super::archive::rolled_up;
use super::error::Refusal;
use super::names::{DAY_US, two_decimals};
use crate::http::off_thread;
use crate::live_view::LiveView;
use crate::service::Shared;
use crate::statistic::Statistic;

/// Milliseconds by source and target.
pub(super) type Data = BTreeMap<String, BTreeMap<String, f64>>;

/// Which pairs are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
}

/// A statistic of the last so many days: of one day by the live view, of more by the hourly rollups.
pub(super) async fn of_days(
    shared: &Arc<Shared>,
    statistic: Statistic,
    days: i64,
    filter: Filter,
) -> Result<Data, Refusal> {
    if days == 1 {
        let view = shared.view();
        return Ok(off_thread(move || rolling_day(&view, statistic, &filter)).await?);
    }
    let since = (shared.clock)() - days.saturating_mul(DAY_US);
    let simulated = shared.settings.simulated;
    let job = move |session| rolled_up(session, statistic, since, filter, simulated);
    Ok(shared.door.run(job).await?)
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
