//! Where the search for route steps stands, as the live store keeps it: the stream processor's `Detector::take`. The first eight bytes
//! are the base; after the state, two bytes a minute say how many minutes later it comes and what its median is.
#![no_main]

// The detector is a private matter of the stream processor: its files are read directly.
#[allow(unused_imports, reason = "what the module offers is more than is needed here")]
#[path = "../../stream-processor/src/change/mod.rs"]
mod change;

use change::Detector;
use cloudping_fuzz::within;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((base, bytes)) = bytes.split_first_chunk() else { return };
    let base = i64::from_le_bytes(*base);
    let mut rest = bytes;
    let Ok(mut state) = within(bytes.len(), 1, || Detector::take(&mut rest, base)) else { return };
    assert_eq!(stored(&state, base), bytes[..bytes.len() - rest.len()], "equal states have equal bytes");
    let mut minute = base.clamp(0, 1 << 30);
    for pair in rest.chunks_exact(2).take(256) {
        minute += 1 + i64::from(pair[0] >> 4);
        let median = 1000 * u32::from(pair[1]) + u32::from(pair[0] & 15);
        let mut again = Detector::take(&mut stored(&state, minute).as_slice(), minute).expect("our own bytes");
        assert_eq!(again, state, "read back");
        let step = state.observe(minute, median);
        assert_eq!(again.observe(minute, median), step, "one that was read back decides as the other");
        assert_eq!(again, state, "and stands where the other stands");
        if let Some(step) = step {
            assert!(step.minute <= minute && step.before_us != step.after_us && step.score >= 1.0, "{step:?}");
        }
    }
});

fn stored(state: &Detector, base: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.put(base, &mut bytes);
    bytes
}
