//! A digest that another engine wrote: `trino::from_trino_bytes`.
#![no_main]

use cloudping_digest::trino::from_trino_bytes;
use cloudping_fuzz::{digest, within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(decoded) = within(bytes.len(), 64, || from_trino_bytes(bytes)) {
        digest(&decoded);
    }
});
