//! A stored digest: `LatencyDigest::decode`.
#![no_main]

use cloudping_digest::LatencyDigest;
use cloudping_fuzz::{digest, within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(decoded) = within(bytes.len(), 64, || LatencyDigest::decode(bytes)) else { return };
    digest(&decoded);
    let encoded = decoded.encode();
    if bytes[0] == encoded[0] {
        assert_eq!(encoded, bytes, "equal contents have equal bytes");
    }
});
