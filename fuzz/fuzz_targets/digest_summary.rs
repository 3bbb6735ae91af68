//! A stored summary: `SeriesSummary::decode`.
#![no_main]

use cloudping_digest::SeriesSummary;
use cloudping_fuzz::{summary, within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(decoded) = within(bytes.len(), 64, || SeriesSummary::decode(bytes)) else { return };
    summary(&decoded);
    let encoded = decoded.encode();
    if bytes[0] == encoded[0] {
        assert_eq!(encoded, bytes, "equal contents have equal bytes");
    }
});
