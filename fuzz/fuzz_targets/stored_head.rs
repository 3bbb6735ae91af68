//! What is known of a vantage point, as the live store keeps it: `VantageHead::decode`.
#![no_main]

use cloudping_fuzz::{comes_back, within};
use cloudping_schemas::stored::VantageHead;
use libfuzzer_sys::fuzz_target;

/// An hour of the ledger takes two bytes at least, and more than a hundred in memory.
const FACTOR: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    let Ok(head) = within(bytes.len(), FACTOR, || VantageHead::decode(bytes)) else { return };
    comes_back(&head, VantageHead::encode, VantageHead::decode);
    for seen in &head.seen {
        assert!(seen.ranges.iter().all(|(first, last)| first <= last), "{seen:?}");
        assert!(seen.ranges.is_sorted(), "{seen:?}");
    }
});
