//! What the query service reads of one vantage point, as `query-service/src/refresh.rs` does; its `tests/all/readings.rs` holds it to that.

use cloudping_model::{Pane, Rolling, UtcMicros, VantageId};
use cloudping_ports::{Key, LiveStore, StoreError};
use cloudping_schemas::stored::{VantageHead, keys};

/// Minutes that are read when all are.
const MINUTES_US: i64 = 90 * 60_000_000;
/// The least time between two readings of everything while late rounds come, in µs.
const LIST_ALL_EVERY_US: i64 = 10_000_000;
/// Route changes that are read.
const CHANGES_US: i64 = 2 * 3_600_000_000;

/// What was read last.
pub struct Reader {
    vantage: VantageId,
    version: u64,
    head: VantageHead,
    /// When everything was read last, and the head's version then.
    listed: (UtcMicros, u64),
}

impl Reader {
    /// A reader that has read nothing.
    pub fn new(vantage: VantageId) -> Self {
        Self { vantage, version: 0, head: VantageHead::default(), listed: (UtcMicros(0), 0) }
    }

    /// Reads what has changed. The head has been listed with all others, which is not counted here.
    ///
    /// # Errors
    /// [`StoreError`], also of a head that cannot be read.
    pub async fn read(
        &mut self,
        store: &dyn LiveStore,
        (version, head): (u64, VantageHead),
        now: UtcMicros,
    ) -> Result<(), StoreError> {
        let revised = head.revised.is_none_or(|revised| revised > self.listed.1);
        let late = self.listed.1 != version && revised && (now - self.listed.0.0).0 >= LIST_ALL_EVERY_US;
        if version == self.version && !late {
            return Ok(());
        }
        let first = self.version == 0;
        if late || first || head.folded_until != self.head.folded_until {
            let year_from = Pane::Day.start_of(now) - (Rolling::Year.panes() - 1) * Pane::Day.micros();
            // Rounds that are days late, which would have it read all days again, are none of what is simulated.
            let days_from = if first { year_from } else { self.head.young_days_from() };
            self.panes(store, Pane::Minute, head.folded_until.min(now - MINUTES_US)).await?;
            self.panes(store, Pane::Hour, Rolling::Day.first_pane(now).min(head.hours_folded_until)).await?;
            self.panes(store, Pane::Day, days_from).await?;
            self.listed = (now, version);
        } else {
            self.panes(store, Pane::Minute, self.head.young_from()).await?;
        }
        let changes = (keys::pane_start(now - CHANGES_US), keys::pane_start(UtcMicros(i64::MAX)));
        store.list(&keys::changes(&self.vantage), &*changes.0..&*changes.1).await?;
        store.get(&Key::new(keys::HEADS, self.vantage.as_str())).await?;
        (self.version, self.head) = (version, head);
        Ok(())
    }

    async fn panes(&self, store: &dyn LiveStore, size: Pane, from: UtcMicros) -> Result<(), StoreError> {
        let from = keys::pane_start(from);
        store.list(&keys::panes(&self.vantage, size), &*from..keys::ALL.end).await.map(drop)
    }
}
