//! The search for route steps: each settled minute's medians go to the series' detectors.

use cloudping_model::{Pane, UtcMicros};
use cloudping_ports::Expect;
use cloudping_schemas::stored::{StoredError, WatchItem, put_varint, take_varint};

use crate::change::{Detector, Step};
use crate::minute::MinutePane;

/// The search is stored every so many minutes, and whenever it has found something; the minutes since are observed again after a
/// restart.
const STORED_EVERY: i64 = 10;

/// Where the search stands. Series go by their place in the series table.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What the store has of it.
    pub(crate) stored: Expect,
    /// Whether it is due to be stored.
    pub(crate) due: bool,
    /// Minutes before this one were observed; the first round's minute for a new vantage point.
    pub(crate) observed_until: UtcMicros,
    detectors: Vec<Detector>,
}

impl Watch {
    /// A search that has seen nothing.
    pub(crate) fn new() -> Self {
        Self { stored: Expect::Absent, due: false, observed_until: UtcMicros(0), detectors: Vec::new() }
    }

    /// A search as it is stored.
    pub(crate) fn read(bytes: &[u8], stored: Expect) -> Result<Self, StoredError> {
        let item = WatchItem::decode(bytes)?;
        let mut watch = Self { stored, observed_until: item.observed_until, ..Self::new() };
        let (base, mut rest) = (minute_number(item.observed_until), item.detectors.as_slice());
        while !rest.is_empty() {
            let passed = take_varint(&mut rest).ok_or_else(|| wrong("a place that is no varint"))?;
            let place = watch.detectors.len() + passed as usize;
            if place > MAX_SERIES {
                return Err(wrong("a place beyond all series"));
            }
            watch.detectors.resize(place, Detector::default());
            let detector = Detector::take(&mut rest, base).map_err(wrong)?;
            watch.detectors.push(detector);
        }
        Ok(watch)
    }

    /// The item's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (base, nothing) = (minute_number(self.observed_until), Detector::default());
        let (mut detectors, mut passed) = (Vec::new(), 0);
        for detector in &self.detectors {
            if *detector == nothing {
                passed += 1;
                continue;
            }
            put_varint(&mut detectors, passed);
            detector.put(base, &mut detectors);
            passed = 0;
        }
        WatchItem { observed_until: self.observed_until, detectors }.encode()
    }

    /// Observes a minute, which must be in order and follow all that were observed; gives the series that have stepped.
    pub(crate) fn observe(&mut self, minute: &MinutePane) -> Vec<(u32, Step)> {
        let number = minute_number(minute.start());
        let mut steps = Vec::new();
        for (place, _) in minute.counts() {
            let Some(median) = minute.median(place) else { continue };
            if self.detectors.len() <= place as usize {
                self.detectors.resize(place as usize + 1, Detector::default());
            }
            let step = self.detectors[place as usize].observe(number, median);
            steps.extend(step.map(|step| (place, step)));
        }
        steps
    }

    /// Says that every minute before `until` was observed.
    pub(crate) fn reach(&mut self, until: UtcMicros, found: bool) {
        let stride = STORED_EVERY * Pane::Minute.micros();
        self.due |= found || until.floor(stride) != self.observed_until.floor(stride);
        self.observed_until = until;
    }
}

/// More than a vantage point can have; bounds what a damaged item may ask for.
const MAX_SERIES: usize = 1 << 20;

/// Minutes since 1970.
fn minute_number(start: UtcMicros) -> i64 {
    start.0.div_euclid(Pane::Minute.micros())
}

fn wrong(found: impl ToString) -> StoredError {
    let found = found.to_string();
    StoredError::Field { item: "watch", field: "detectors", found, expected: "places passed over and detectors" }
}
