//! A live store in which regions measure each other, one round every ten seconds each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloudping_model::{Family, Pane, Protocol, TargetId, UtcMicros, VantageId};
use cloudping_ports::{Change, Expect, Key, LiveStore, Write};
use cloudping_schemas::catalogue::{Catalogue, Region};
use cloudping_schemas::stored::{PaneItem, SeriesKey, SeriesTable, VantageHead, keys};
use cloudping_testkit::MemoryStore;

use crate::Result;

/// How many regions there are, unless a bench wants more.
pub const REGIONS: usize = 36;
/// From a vantage point's round to its next.
const ROUND: Duration = Duration::from_secs(10);
const MINUTE: i64 = 60_000_000;
/// Minutes that are there from the beginning.
const MINUTES: i64 = 8;
/// Round-trip times of a pair in each of them.
const ROUNDS_A_MINUTE: i64 = 6;

/// So many regions: those of AWS that can be measured first, then others.
///
/// # Errors
/// When the built-in catalogue cannot be read, or has fewer.
pub fn regions(count: usize) -> Result<Catalogue> {
    let mut catalogue = Catalogue::built_in()?;
    let later = |region: &Region| region.provider != "aws" || region.endpoint.is_none();
    let mut ids: Vec<(bool, String)> =
        catalogue.regions().iter().map(|region| (later(region), region.id.clone())).collect();
    ids.sort();
    ids.truncate(count);
    if ids.len() < count {
        return Err(format!("the catalogue has {} regions, expected {count}", ids.len()).into());
    }
    catalogue.retain(|region| ids.iter().any(|(_, id)| *id == region.id));
    Ok(catalogue)
}

/// The ids of so many regions.
///
/// # Errors
/// As [`regions`].
pub fn ids(count: usize) -> Result<Vec<String>> {
    Ok(regions(count)?.regions().iter().map(|region| region.id.clone()).collect())
}

/// The live store and what is written to it.
pub struct World {
    /// The store.
    pub store: Arc<MemoryStore>,
    vantages: Vec<Vantage>,
    random: fastrand::Rng,
    next: usize,
}

struct Vantage {
    id: VantageId,
    table: SeriesTable,
    minutes: BTreeMap<UtcMicros, PaneItem>,
}

impl World {
    /// A store with some minutes before `now` of these regions.
    ///
    /// # Errors
    /// When an id is none, or the store refuses a write.
    pub async fn new(ids: &[String], now: UtcMicros) -> Result<Self> {
        let targets = ids.iter().map(|id| TargetId::new(id)).collect::<std::result::Result<Vec<_>, _>>()?;
        let mut random = fastrand::Rng::with_seed(7);
        let store = Arc::new(MemoryStore::new());
        let mut vantages = Vec::new();
        for id in ids {
            let mut vantage =
                Vantage { id: VantageId::new(id)?, table: SeriesTable::default(), minutes: BTreeMap::new() };
            for round in 0..MINUTES * ROUNDS_A_MINUTE {
                vantage.round(&targets, now - round * (MINUTE / ROUNDS_A_MINUTE), &mut random);
            }
            vantage.write(&store, now).await?;
            vantages.push(vantage);
        }
        Ok(Self { store, vantages, random, next: 0 })
    }

    /// From one vantage point's round to the next one's.
    #[must_use]
    pub fn pace(&self) -> Duration {
        ROUND / u32::try_from(self.vantages.len()).unwrap_or(u32::MAX)
    }

    /// The next vantage point's round at `now`.
    ///
    /// # Errors
    /// When the store refuses the write.
    pub async fn step(&mut self, now: UtcMicros) -> Result<()> {
        let targets = self.vantages.iter().map(|vantage| TargetId::new(vantage.id.as_str()));
        let targets = targets.collect::<std::result::Result<Vec<_>, _>>()?;
        let at = self.next % self.vantages.len();
        let vantage = &mut self.vantages[at];
        vantage.round(&targets, now, &mut self.random);
        vantage.write(&self.store, now).await?;
        self.next += 1;
        Ok(())
    }
}

impl Vantage {
    fn round(&mut self, targets: &[TargetId], now: UtcMicros, random: &mut fastrand::Rng) {
        let start = now.floor(MINUTE);
        let pane = self.minutes.entry(start).or_insert_with(|| PaneItem::starting(start));
        for (at, target) in targets.iter().enumerate() {
            let key = SeriesKey { target: target.clone(), protocol: Protocol::TcpConnect, family: Family::V4 };
            let rtt_us = 1_000 + 5_000 * at as u32 + random.u32(0..2_000);
            pane.series.entry(key).or_default().record_rtt(now.0, rtt_us);
        }
    }

    async fn write(&mut self, store: &MemoryStore, now: UtcMicros) -> Result<()> {
        self.minutes.retain(|start, _| *start >= now.floor(MINUTE) - MINUTES * MINUTE);
        let panes = keys::panes(&self.id, Pane::Minute);
        for (start, pane) in &self.minutes {
            put(store, Key::new(&panes, keys::pane_start(*start)), pane.encode(&mut self.table)).await?;
        }
        put(store, Key::new(keys::SERIES, self.id.as_str()), self.table.encode()).await?;
        let folded = now.floor(Pane::Hour.micros());
        let head = VantageHead {
            watermark: now,
            folded_until: folded,
            hours_folded_until: folded.floor(Pane::Day.micros()),
            ..VantageHead::default()
        };
        put(store, Key::new(keys::HEADS, self.id.as_str()), head.encode()).await
    }
}

async fn put(store: &MemoryStore, key: Key, value: Vec<u8>) -> Result<()> {
    let old = store.get(&key).await?;
    let expect = Expect::unchanged(old.as_ref());
    if old.is_some_and(|old| old.value == value) {
        return Ok(());
    }
    Ok(store.commit(vec![Write { key, expect, change: Change::Put(value.into()) }]).await?)
}
