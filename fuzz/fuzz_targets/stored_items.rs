//! The smaller items of the live store, told apart by their keys there and therefore tried one by one here: `SeriesTable`,
//! `WatchItem`, `ChangesItem`, `RegimesItem`, `AuditItem`, `IngestKeys`, `IngestSeen` and `DeadLetter`.
#![no_main]

use cloudping_fuzz::{comes_back, summary, within};
use cloudping_schemas::stored::{
    AuditItem, ChangesItem, DeadLetter, IngestKeys, IngestSeen, RegimesItem, SeriesTable, WatchItem,
};
use libfuzzer_sys::fuzz_target;

/// A regime and a quantile take two bytes at least, and some hundred in memory.
const FACTOR: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(table) = within(bytes.len(), FACTOR, || SeriesTable::decode(bytes)) {
        comes_back(&table, SeriesTable::encode, SeriesTable::decode);
        for (place, key) in (0..).zip(table.keys()) {
            assert_eq!((table.find(key), table.get(place)), (Some(place), Some(key)));
        }
    }
    if let Ok(watch) = within(bytes.len(), FACTOR, || WatchItem::decode(bytes)) {
        comes_back(&watch, WatchItem::encode, WatchItem::decode);
    }
    if let Ok(item) = within(bytes.len(), FACTOR, || RegimesItem::decode(bytes)) {
        comes_back(&item, RegimesItem::encode, RegimesItem::decode);
        if let Some(first) = item.regimes.first() {
            summary(&first.summary);
        }
    }
    if let Ok(audit) = within(bytes.len(), FACTOR, || AuditItem::decode(bytes)) {
        // Compared as bytes: its quantiles may be no numbers, which are not equal to themselves.
        let encoded = audit.encode();
        let again = AuditItem::decode(&encoded).expect("what was encoded is read");
        assert_eq!(again.encode(), encoded, "encoded again");
    }
    if let Ok(changes) = within(bytes.len(), FACTOR, || ChangesItem::decode(bytes)) {
        // As bytes, for the same reason.
        let encoded = changes.encode();
        let again = ChangesItem::decode(&encoded).expect("what was encoded is read");
        assert_eq!(again.encode(), encoded, "encoded again");
    }
    if let Ok(keys) = within(bytes.len(), FACTOR, || IngestKeys::decode(bytes)) {
        comes_back(&keys, IngestKeys::encode, IngestKeys::decode);
    }
    if let Ok(seen) = within(bytes.len(), FACTOR, || IngestSeen::decode(bytes)) {
        comes_back(&seen, IngestSeen::encode, IngestSeen::decode);
    }
    if let Ok(letter) = within(bytes.len(), FACTOR, || DeadLetter::decode(bytes)) {
        comes_back(&letter, DeadLetter::encode, DeadLetter::decode);
    }
});
