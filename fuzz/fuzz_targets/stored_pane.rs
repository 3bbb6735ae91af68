//! A window of all series of a vantage point, as the live store keeps it: `PaneItem::decode`, and `PaneReader` series by series.
#![no_main]

use std::cell::RefCell;

use cloudping_fuzz::{comes_back, summary, within};
use cloudping_model::{Family, Protocol, TargetId};
use cloudping_schemas::stored::{PaneItem, PaneReader, SeriesKey, SeriesTable};
use libfuzzer_sys::fuzz_target;

/// A series takes two bytes at least, and some hundred in memory.
const FACTOR: usize = 256;
const SERIES: u32 = 16;

fuzz_target!(|bytes: &[u8]| {
    let known = table();
    let item = within(bytes.len(), FACTOR, || PaneItem::decode(bytes, &known));
    let read = PaneReader::open(bytes).ok().and_then(|pane| by_parts(&pane));
    let Ok(item) = item else {
        assert!(read.is_none_or(|greatest| greatest >= SERIES), "a pane of known series was refused");
        return;
    };
    assert!(read.is_some(), "a pane that is no pane series by series");
    // A pane of version 1 may name series that the table gets only now.
    let table = RefCell::new(known);
    let encode = |item: &PaneItem| item.encode(&mut table.borrow_mut());
    comes_back(&item, encode, |bytes| PaneItem::decode(bytes, &table.borrow()));
    if let Some(first) = item.series.values().next() {
        summary(first);
    }
});

fn table() -> SeriesTable {
    let mut table = SeriesTable::default();
    for at in 0..SERIES {
        let target = TargetId::new(&format!("target-{at}")).expect("a name");
        table.place(&SeriesKey { target, protocol: Protocol::TcpConnect, family: Family::V4 });
    }
    table
}

/// Reads every summary by parts; the greatest place among them, `None` when one cannot be read.
fn by_parts(pane: &PaneReader) -> Option<u32> {
    let (mut greatest, mut values) = (0, Vec::new());
    let mut summaries = pane.summaries();
    while let Some(place) = summaries.next_place().ok()? {
        assert!(place >= greatest);
        greatest = place;
        summaries.parts(&mut values).ok()?;
    }
    Some(greatest)
}
