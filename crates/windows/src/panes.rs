//! The panes that windows are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudping_model::UtcMicros;

use crate::Columns;
use crate::two_stacks::Part;

/// Parts that are merged at once: more would hold too many digests at a time.
const MERGE_AT: usize = 32;

/// A pane as it was read. Copies share its content.
#[derive(Debug, Clone)]
pub struct StoredPane {
    start: UtcMicros,
    version: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Columns(Arc<Columns>),
    Packed(Arc<[u8]>),
}

impl StoredPane {
    /// A pane with its item's version: panes of one start and version are the same.
    #[must_use]
    pub fn new(start: UtcMicros, version: u64, columns: Columns) -> Self {
        Self { start, version, content: Content::Columns(Arc::new(columns)) }
    }

    /// A pane that is seldom looked into and takes little room.
    #[must_use]
    pub fn packed(start: UtcMicros, version: u64, columns: &Columns) -> Self {
        Self { start, version, content: Content::Packed(columns.pack(start).into()) }
    }

    /// Where it starts.
    #[must_use]
    pub fn start(&self) -> UtcMicros {
        self.start
    }

    /// Its item's version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Its series.
    #[must_use]
    pub fn columns(&self) -> Arc<Columns> {
        match &self.content {
            Content::Columns(columns) => Arc::clone(columns),
            Content::Packed(bytes) => Arc::new(Columns::unpack(bytes).expect("packed here")),
        }
    }
}

impl Part for StoredPane {
    type Sum = Arc<Columns>;

    fn order(&self) -> i64 {
        self.start.0
    }

    fn is_unchanged(&self, other: &Self) -> bool {
        self.version == other.version
    }

    fn sum(before: Option<&Arc<Columns>>, parts: &[Self]) -> Arc<Columns> {
        let mut sum = before.cloned();
        for some in parts.chunks(MERGE_AT) {
            let some = some.iter().map(Self::columns);
            sum = Some(together(sum.take().into_iter().chain(some).collect()));
        }
        sum.unwrap_or_default()
    }
}

/// All of these, merged; one alone is not copied.
pub(crate) fn together(mut parts: Vec<Arc<Columns>>) -> Arc<Columns> {
    parts.retain(|part| !part.is_empty());
    match parts.len() {
        0 | 1 => parts.pop().unwrap_or_default(),
        _ => Arc::new(Columns::merge(&parts.iter().map(|part| &**part).collect::<Vec<_>>())),
    }
}

/// Panes of one size, by start.
pub type StoredPanes = BTreeMap<UtcMicros, StoredPane>;

/// The panes of one vantage point, and how far they are folded.
///
/// A day is its pane, its hours from `hours_folded_until` on, and its minutes from `folded_until` on; an hour is its pane and its minutes
/// from `folded_until` on.
#[derive(Debug, Clone, Default)]
pub struct Panes {
    /// Minutes.
    pub minutes: Arc<StoredPanes>,
    /// Hours.
    pub hours: Arc<StoredPanes>,
    /// Days.
    pub days: Arc<StoredPanes>,
    /// Minutes before this one are contained in their hours.
    pub folded_until: UtcMicros,
    /// Hours before this one are contained in their days.
    pub hours_folded_until: UtcMicros,
}

/// The panes that start from `from` on and before `until`, ascending.
pub(crate) fn between(panes: &StoredPanes, from: UtcMicros, until: UtcMicros) -> Vec<StoredPane> {
    // BTreeMap::range panics on a reversed range.
    panes.range(from..until.max(from)).map(|(_, pane)| pane.clone()).collect()
}
