//! A route change in the event log: `event::decode_change`.
#![no_main]

use cloudping_fuzz::within;
use cloudping_schemas::event::{decode, decode_change, encode_change, is_change};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(change) = within(bytes.len(), 16, || decode_change(bytes)) else { return };
    assert!(decode(bytes).is_err(), "a record is one thing only");
    // Compared as bytes: percentiles and score may be no numbers, which are not equal to themselves.
    let encoded = encode_change(&change);
    assert!(is_change(&encoded));
    let again = decode_change(&encoded).expect("what was encoded is read");
    assert_eq!(encode_change(&again), encoded, "encoded again");
    assert_eq!((again.vantage, again.target, again.minute), (change.vantage, change.target, change.minute));
});
