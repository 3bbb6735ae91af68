//! Fills an empty live store.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudping_agent::clock;
use cloudping_agent::failure::Failure;
use cloudping_batch_rollup::hours::date_of;
use cloudping_batch_rollup::replay::SampleRounds;
use cloudping_batch_rollup::{Archiver, Progress, Tables};
use cloudping_model::{Pane, UtcMicros, VantageId};
use cloudping_ports::{
    Change, EventLog, Expect, Key, LiveStore, MAX_WRITES_PER_COMMIT, Record, SequenceNumber, Shard, ShardId, Write,
};
use cloudping_schemas::event::{self, Columns};
use cloudping_schemas::stored::keys;
use cloudping_schemas::tables::Origin;
use cloudping_stream_processor::{DAYS_KEPT_US, Processor};
use futures::TryStreamExt;

use super::ReplayReport;
use super::feed::Feed;

/// The shard that rounds out of the table come from: no log has one of this name.
const SHARD: &str = "replay";
/// Records of the log that are read at once.
const RECORDS: usize = 500;

/// Why a live store that holds something is not replaced by an empty one.
const NOTHING: &str = "there is no round to make a live store of, and the one that is there holds some: it stays as it is; \
                       look at --since, --tables and --planet, or name another source with --from";

/// Where the rounds come from.
pub enum Source {
    /// Days of the table of samples.
    Samples {
        rounds: SampleRounds,
        /// Days and their rows, oldest first.
        days: BTreeMap<i32, u64>,
        /// How far the table holds each shard of the log.
        reached: Places,
        /// The log, where what the table does not hold yet is to come from it.
        rest: Option<Arc<dyn EventLog>>,
    },
    /// The log.
    Log { log: Arc<dyn EventLog>, since: Option<UtcMicros> },
}

/// The last record of each shard that is known.
pub type Places = BTreeMap<ShardId, SequenceNumber>;

impl Source {
    pub fn log(log: Arc<dyn EventLog>, since: Option<UtcMicros>) -> Self {
        Self::Log { log, since }
    }

    /// The days of the table from `since` on, or those of which a live store keeps something. Without the log only to look at what there is to do.
    pub async fn samples(
        log: Option<Arc<dyn EventLog>>,
        tables: &Tables,
        origins: &[Origin],
        since: Option<UtcMicros>,
    ) -> Result<Self, Failure> {
        let none = || Failure::setting("no table of samples there; name the archive with --tables, or use --from log");
        // In this order: the table that is read holds at least what the places say. What it holds beyond comes again, and is known.
        let reached = match log {
            Some(log) => Archiver::new(log, tables.clone()).reached().await.map_err(Failure::runtime)?,
            None => Places::new(),
        };
        let rounds = SampleRounds::open(tables, origins).await.map_err(Failure::runtime)?.ok_or_else(none)?;
        let mut days = rounds.days().map_err(Failure::runtime)?;
        let first = match since {
            Some(since) => since.0.div_euclid(Pane::Day.micros()),
            None => {
                let newest = rounds.newest_day(date_of(clock::now())).await.map_err(Failure::runtime)?;
                newest.map_or(i64::MAX, first_kept)
            }
        };
        days.retain(|day, _| i64::from(*day) >= first);
        Ok(Self::Samples { rounds, days, reached, rest: None })
    }

    /// Goes on from the end of the samples to that of the log.
    #[cfg(feature = "aws")]
    pub fn and_the_rest(mut self, log: Arc<dyn EventLog>) -> Self {
        if let Self::Samples { rest, .. } = &mut self {
            *rest = Some(log);
        }
        self
    }

    /// What there is to do.
    pub async fn outlook(&self) -> Result<ReplayReport, Failure> {
        let mut report = ReplayReport::default();
        match self {
            Self::Samples { days, .. } => {
                report.days = days.len() as u64;
                report.samples = days.values().sum();
            }
            Self::Log { log, since } => {
                let mut columns = Columns::default();
                for Shard { id, .. } in log.shards().await.map_err(Failure::runtime)? {
                    let mut after = None;
                    while let Some(records) = next(log.as_ref(), &id, &mut after).await? {
                        report.records += records.len() as u64;
                        let samples = |record: &Record| samples_since(&mut columns, record, *since).unwrap_or(0);
                        report.samples += records.iter().map(samples).sum::<u64>();
                    }
                }
            }
        }
        Ok(report)
    }
}

/// The first day of which something is kept when `newest` is the last one: days since 1970-01-01.
fn first_kept(newest: i32) -> i64 {
    i64::from(newest) - DAYS_KEPT_US / Pane::Day.micros()
}

/// Makes the store, which is empty: what the source holds, what nothing but the old store knows, and the places in the log from which whoever
/// processes it goes on. Nothing holds the store any more when this returns.
pub async fn fill(
    store: Arc<dyn LiveStore>,
    old: &dyn LiveStore,
    source: Source,
    allowed_lateness_us: i64,
    progress: &dyn Progress,
) -> Result<ReplayReport, Failure> {
    let processor = Processor::new(store.clone()).with_allowed_lateness(allowed_lateness_us);
    let mut feed = Feed::new(processor, ShardId(SHARD.to_owned()), clock::now());
    let (days, records, places) = match source {
        Source::Samples { rounds, days, reached, rest } => {
            feed_samples(&mut feed, &rounds, &days, progress).await?;
            let (records, places) = match rest {
                Some(log) => feed_log(&mut feed, log.as_ref(), reached, None, progress).await?,
                None => (0, reached),
            };
            (days.len() as u64, records, places)
        }
        Source::Log { log, since } => {
            let (records, places) = feed_log(&mut feed, log.as_ref(), Places::new(), since, progress).await?;
            (0, records, places)
        }
    };
    let report = feed.finish().await.map_err(Failure::runtime)?;
    if list(store.as_ref(), keys::HEADS).await?.is_empty() && !list(old, keys::HEADS).await?.is_empty() {
        return Err(Failure::runtime(NOTHING));
    }
    set_places(store.as_ref(), &places).await?;
    take_over(old, store.as_ref()).await?;
    Ok(ReplayReport { days, records, ..report })
}

async fn feed_samples(
    feed: &mut Feed,
    rounds: &SampleRounds,
    days: &BTreeMap<i32, u64>,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    progress.stage("replaying samples", days.values().sum(), "rows");
    for (&day, &rows) in days {
        let mut told = 0;
        let mut of_day = rounds.of_day(day).await.map_err(Failure::runtime)?;
        while let Some(chunk) = of_day.try_next().await.map_err(Failure::runtime)? {
            for round in &chunk {
                feed.round(round).await.map_err(Failure::runtime)?;
            }
            let samples: u64 = chunk.iter().map(|round| round.samples.len() as u64).sum();
            progress.advance(samples.min(rows - told));
            told = (told + samples).min(rows);
        }
        progress.advance(rows - told);
    }
    Ok(())
}

/// Reads what the log holds behind `places`. Gives how many records that were, and the last of each shard.
async fn feed_log(
    feed: &mut Feed,
    log: &dyn EventLog,
    mut places: Places,
    since: Option<UtcMicros>,
    progress: &dyn Progress,
) -> Result<(u64, Places), Failure> {
    feed.flush().await.map_err(Failure::runtime)?;
    progress.stage("replaying the log", 0, "records");
    let (mut total, mut columns) = (0, Columns::default());
    for Shard { id, .. } in log.shards().await.map_err(Failure::runtime)? {
        let mut after = places.remove(&id);
        while let Some(mut records) = next(log, &id, &mut after).await? {
            let count = records.len() as u64;
            // What cannot be read goes to the dead letters.
            records.retain(|record| samples_since(&mut columns, record, since).is_some());
            feed.batch(&id, &records).await.map_err(Failure::runtime)?;
            total += count;
            progress.advance(count);
        }
        places.extend(after.map(|last| (id, last)));
    }
    Ok((total, places))
}

/// The next records of a shard, which `after` moves behind; `None` at the end.
async fn next(
    log: &dyn EventLog,
    shard: &ShardId,
    after: &mut Option<SequenceNumber>,
) -> Result<Option<Vec<Record>>, Failure> {
    let records = log.read(shard, after.as_ref(), RECORDS).await.map_err(Failure::runtime)?;
    let Some(last) = records.last() else { return Ok(None) };
    *after = Some(last.sequence.clone());
    Ok(Some(records))
}

/// How many samples a record has; `None` if it is a round that started before `since`.
fn samples_since(columns: &mut Columns, record: &Record, since: Option<UtcMicros>) -> Option<u64> {
    if event::is_change(&record.data) {
        return Some(0);
    }
    match columns.read(&record.data) {
        Ok(round) if since.is_some_and(|since| round.started_at < since) => None,
        Ok(round) => Some(round.len() as u64),
        Err(_) => Some(0),
    }
}

/// Has whoever processes the log next begin behind these places.
async fn set_places(store: &dyn LiveStore, places: &Places) -> Result<(), Failure> {
    let stale = store.list(keys::CHECKPOINTS, keys::ALL).await.map_err(Failure::runtime)?;
    for (key, item) in stale {
        write(store, key, Expect::Version(item.version), Change::Delete).await?;
    }
    for (shard, place) in places {
        let key = Key::new(keys::CHECKPOINTS, shard.0.clone());
        write(store, key, Expect::Absent, Change::Put(place.to_string().into())).await?;
    }
    Ok(())
}

/// Copies what no round tells: keys of vantage points and of those who ask, requests that were taken, audits, alerts, dead letters; and the route changes that wait for the
/// log, in the place of those found now, which the log had from the old store. Without an old store all of them wait.
async fn take_over(old: &dyn LiveStore, new: &dyn LiveStore) -> Result<(), Failure> {
    let ingest = list(old, keys::INGEST_KEYS).await?;
    let seen = ingest.iter().filter_map(|(key, _)| VantageId::new(&key.sort).ok()).map(|id| keys::ingest_seen(&id));
    let mut partitions: Vec<String> = seen.collect();
    partitions.extend(list(old, keys::API_KEYS).await?.iter().map(|(key, _)| keys::api_key_usage(&key.sort)));
    let kept = [
        keys::INGEST_KEYS,
        keys::API_KEYS,
        keys::NETWORK,
        keys::AUDITS,
        keys::ALERTS,
        keys::NOTICES,
        keys::DEAD_LETTERS,
    ];
    partitions.extend(kept.map(str::to_owned));
    if !list(old, keys::HEADS).await?.is_empty() {
        for (key, item) in list(new, keys::OUTBOX).await? {
            write(new, key, Expect::Version(item), Change::Delete).await?;
        }
        partitions.push(keys::OUTBOX.to_owned());
    }
    for partition in partitions {
        let items = old.list(&partition, keys::ALL).await.map_err(Failure::runtime)?;
        for chunk in items.chunks(MAX_WRITES_PER_COMMIT) {
            let mut writes = Vec::new();
            for (key, item) in chunk {
                // Dead letters of the log may have been written anew.
                if new.get(key).await.map_err(Failure::runtime)?.is_none() {
                    let change = Change::Put(item.value.clone());
                    writes.push(Write { key: key.clone(), expect: Expect::Absent, change });
                }
            }
            if !writes.is_empty() {
                new.commit(writes).await.map_err(Failure::runtime)?;
            }
        }
    }
    Ok(())
}

/// The keys of a partition and their versions.
pub async fn list(store: &dyn LiveStore, partition: &str) -> Result<Vec<(Key, u64)>, Failure> {
    let items = store.list(partition, keys::ALL).await.map_err(Failure::runtime)?;
    Ok(items.into_iter().map(|(key, item)| (key, item.version)).collect())
}

async fn write(store: &dyn LiveStore, key: Key, expect: Expect, change: Change) -> Result<(), Failure> {
    store.commit(vec![Write { key, expect, change }]).await.map_err(Failure::runtime)
}
