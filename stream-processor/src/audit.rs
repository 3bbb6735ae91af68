//! The self-audit: an hour's digests against the events of the log, recounted exactly.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cloudping_digest::{SeriesSummary, linear_quantile};
use cloudping_model::{Outcome, Pane, Round, RoundId, UtcMicros, VantageId};
use cloudping_ports::{
    Change, CommitError, EventLog, Expect, Key, LiveStore, LogError, SequenceNumber, Shard, ShardId, StoreError, Write,
};
use cloudping_schemas::event::{self, MAX_OFFSET_US};
use cloudping_schemas::stored::{
    AuditItem, AuditQuantile, PaneItem, SeriesKey, SeriesTable, StoredError, VantageHead, keys,
};

/// About how many series of all are recounted: one in so many, others each hour.
const ONE_IN: u64 = 16;
/// The most series that are recounted: bounds the memory for their round-trip times.
const MAX_SERIES: usize = 256;
/// Records read at a time.
const BATCH: usize = 500;
/// The last hours whose audits are kept.
const AUDITS_KEPT: usize = 48;
/// The quantiles that are compared.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.95, 0.99, 0.999];

/// Why an hour was not audited. The next run takes it up again.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The event log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The live store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// An item of the live store cannot be read.
    #[error("{key:?}: {source}")]
    Stored {
        /// Which item.
        key: Key,
        /// What is wrong with it.
        source: StoredError,
    },
}

/// Recounts hours. Remembers how far it has read each shard, so that the next hour does not start from the beginning.
pub struct Auditor {
    log: Arc<dyn EventLog>,
    store: Arc<dyn LiveStore>,
    /// The last hour that was audited, and records that began well before its end: the next hour's come later.
    passed: (UtcMicros, HashMap<ShardId, SequenceNumber>),
}

/// One series' samples of the hour, recounted.
#[derive(Debug, Default)]
struct Exact {
    rtts_us: Vec<u32>,
    lost: u64,
    unknown: u64,
}

type Series = (VantageId, SeriesKey);

impl Auditor {
    /// An auditor that has read nothing.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, store: Arc<dyn LiveStore>) -> Self {
        Self { log, store, passed: (UtcMicros(0), HashMap::new()) }
    }

    /// Audits the newest hour that is folded for every vantage point that measured in it, unless that was done; stores the result.
    ///
    /// The log must still hold the hour. A round that came while the audit ran may count as a mismatch.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn run_once(&mut self, now: UtcMicros) -> Result<Option<AuditItem>, AuditError> {
        let heads = self.heads().await?;
        let Some(hour) = hour_to_audit(&heads) else { return Ok(None) };
        let key = Key::new(keys::AUDITS, keys::pane_start(hour));
        if self.store.get(&key).await?.is_some() {
            return Ok(None);
        }
        let stored = self.stored(&heads, hour).await?;
        let (exact, passed) = self.recount(hour, &stored).await?;
        let item = compare(hour, now, &stored, exact);
        let put = Write { key, expect: Expect::Absent, change: Change::Put(Bytes::from(item.encode())) };
        self.store.commit(vec![put]).await?;
        self.passed = (hour, passed);
        self.expire().await?;
        Ok(Some(item))
    }

    async fn heads(&self) -> Result<Vec<(VantageId, VantageHead)>, AuditError> {
        let mut heads = Vec::new();
        for (key, item) in self.store.list(keys::HEADS, keys::ALL).await? {
            let Ok(vantage) = VantageId::new(&key.sort) else { continue };
            let head = VantageHead::decode(&item.value).map_err(|source| AuditError::Stored { key, source })?;
            heads.push((vantage, head));
        }
        Ok(heads)
    }

    /// The hour's digests of the series that are recounted.
    async fn stored(
        &self,
        heads: &[(VantageId, VantageHead)],
        hour: UtcMicros,
    ) -> Result<BTreeMap<Series, SeriesSummary>, AuditError> {
        let mut chosen = BTreeMap::new();
        for (vantage, _) in heads {
            let key = Key::new(keys::panes(vantage, Pane::Hour), keys::pane_start(hour));
            let Some(pane) = self.store.get(&key).await? else { continue };
            let table_key = Key::new(keys::SERIES, vantage.as_str());
            let table = self.store.get(&table_key).await?;
            let table = table.map_or(Ok(SeriesTable::default()), |item| SeriesTable::decode(&item.value));
            let table = table.map_err(|source| AuditError::Stored { key: table_key, source })?;
            let pane = PaneItem::decode(&pane.value, &table).map_err(|source| AuditError::Stored { key, source })?;
            for (series, summary) in pane.series {
                let lot = lot(vantage, &series, hour);
                if lot < u64::MAX / ONE_IN {
                    chosen.insert(lot, ((vantage.clone(), series), summary));
                }
                if chosen.len() > MAX_SERIES {
                    chosen.pop_last();
                }
            }
        }
        Ok(chosen.into_values().collect())
    }

    /// Reads the hour's rounds, each once, and counts the wanted series; gives also up to where the next hour's need not be looked for.
    async fn recount(
        &self,
        hour: UtcMicros,
        wanted: &BTreeMap<Series, SeriesSummary>,
    ) -> Result<(BTreeMap<Series, Exact>, HashMap<ShardId, SequenceNumber>), AuditError> {
        let end = hour + Pane::Hour.micros();
        let mut exact: BTreeMap<Series, Exact> =
            wanted.keys().map(|series| (series.clone(), Exact::default())).collect();
        let (mut seen, mut passed): (HashSet<RoundId>, HashMap<_, _>) = Default::default();
        for Shard { id: shard, .. } in self.log.shards().await? {
            let (audited, known) = &self.passed;
            let mut after = known.get(&shard).filter(|_| *audited < hour).cloned();
            passed.extend(after.clone().map(|sequence| (shard.clone(), sequence)));
            let mut next_is_far = true;
            loop {
                let records = self.log.read(&shard, after.as_ref(), BATCH).await?;
                let Some(last) = records.last() else { break };
                after = Some(last.sequence.clone());
                for record in &records {
                    let Ok(round) = event::decode(&record.data) else { continue };
                    next_is_far &= round.started_at < end - i64::from(MAX_OFFSET_US);
                    if next_is_far {
                        passed.insert(shard.clone(), record.sequence.clone());
                    }
                    if (hour - i64::from(MAX_OFFSET_US)..end).contains(&round.started_at)
                        && seen.insert(round.id.clone())
                    {
                        count(&round, hour..end, &mut exact);
                    }
                }
            }
        }
        Ok((exact, passed))
    }

    async fn expire(&self) -> Result<(), AuditError> {
        let audits = self.store.list(keys::AUDITS, keys::ALL).await?;
        let surplus = audits.len().saturating_sub(AUDITS_KEPT);
        for (key, item) in audits.into_iter().take(surplus) {
            let delete = Write { key, expect: Expect::Version(item.version), change: Change::Delete };
            self.store.commit(vec![delete]).await?;
        }
        Ok(())
    }
}

/// The newest hour that is folded for every vantage point that measures; `None` if there is none that the log may still hold.
fn hour_to_audit(heads: &[(VantageId, VantageHead)]) -> Option<UtcMicros> {
    let newest = heads.iter().map(|(_, head)| head.watermark).max()?;
    let active = heads.iter().filter(|(_, head)| head.watermark > newest - Pane::Hour.micros());
    let folded = active.map(|(_, head)| Pane::Hour.start_of(head.folded_until)).min()?;
    let hour = folded - Pane::Hour.micros();
    (hour > newest - 4 * Pane::Hour.micros()).then_some(hour)
}

/// A series' lot in an hour: the least are recounted.
fn lot(vantage: &VantageId, series: &SeriesKey, hour: UtcMicros) -> u64 {
    let mut hasher = DefaultHasher::new();
    (vantage, series, hour.0).hash(&mut hasher);
    hasher.finish()
}

/// Counts the samples of a round that left within the hour and belong to a wanted series.
fn count(round: &Round, hour: Range<UtcMicros>, exact: &mut BTreeMap<Series, Exact>) {
    for sample in round.samples.iter().filter(|sample| hour.contains(&round.sent_at(sample))) {
        let key = SeriesKey { target: sample.target.clone(), protocol: sample.protocol, family: sample.family };
        let Some(series) = exact.get_mut(&(round.id.vantage.clone(), key)) else { continue };
        match (sample.outcome, sample.rtt_us) {
            (Outcome::Answered, Some(rtt_us)) => series.rtts_us.push(rtt_us),
            (Outcome::Answered, None) => series.unknown += 1,
            (outcome, _) => series.lost += u64::from(outcome.is_loss()),
        }
    }
}

fn compare(
    hour: UtcMicros,
    at: UtcMicros,
    stored: &BTreeMap<Series, SeriesSummary>,
    mut exact: BTreeMap<Series, Exact>,
) -> AuditItem {
    let mut item = AuditItem { hour, at, series: stored.len() as u64, ..AuditItem::default() };
    item.quantiles = QUANTILES.map(|q| AuditQuantile { q, ..AuditQuantile::default() }).to_vec();
    let mut compared = 0_u64;
    for (series, summary) in stored {
        let Some(exact) = exact.get_mut(series) else { continue };
        exact.rtts_us.sort_unstable();
        item.samples += exact.rtts_us.len() as u64;
        item.mismatches += u64::from(!agrees(summary, exact));
        if exact.rtts_us.is_empty() {
            continue;
        }
        compared += 1;
        for (error, answer) in item.quantiles.iter_mut().zip(summary.quantiles(&QUANTILES)) {
            // A digest without any value is a mismatch, and has no distance.
            if let Some(answer) = answer {
                note_error(error, answer, &exact.rtts_us);
            }
        }
    }
    for error in &mut item.quantiles {
        error.rank_error_mean /= compared.max(1) as f64;
        error.error_us_mean /= compared.max(1) as f64;
    }
    item
}

/// Whether all that is exact in a digest is the events'.
fn agrees(summary: &SeriesSummary, exact: &Exact) -> bool {
    let sum: u64 = exact.rtts_us.iter().map(|&us| u64::from(us)).sum();
    let extremes = (exact.rtts_us.first().copied(), exact.rtts_us.last().copied());
    (summary.received(), summary.lost(), summary.unknown()) == (exact.rtts_us.len() as u64, exact.lost, exact.unknown)
        && (summary.sum_us(), (summary.min_us(), summary.max_us())) == (sum, extremes)
}

/// Adds one series' error: means are sums until all are in. `sorted` is not empty.
fn note_error(error: &mut AuditQuantile, answer: f64, sorted: &[u32]) {
    let n = sorted.len() as f64;
    let below = sorted.partition_point(|&us| f64::from(us) < answer) as f64 / n;
    let up_to = sorted.partition_point(|&us| f64::from(us) <= answer) as f64 / n;
    // A quantile lies between two neighbours: their ranks are a step apart.
    let in_rank = (below - error.q).max(error.q - up_to).max(0.0) - 1.0 / n;
    let in_us = linear_quantile(sorted, error.q).map_or(0.0, |exact| (answer - exact).abs());
    error.rank_error_max = error.rank_error_max.max(in_rank);
    error.rank_error_mean += in_rank.max(0.0);
    error.error_us_max = error.error_us_max.max(in_us);
    error.error_us_mean += in_us;
}
