//! What arrives on a STAMP socket: the test packet at the reflector, the reflected one at the sender.
#![no_main]
#![allow(dead_code, reason = "only the packets are looked at here, the module makes them too")]

// The packets are a private matter of the prober: its file is read directly.
#[path = "../../producers/src/probers/stamp_packet.rs"]
mod stamp_packet;

use libfuzzer_sys::fuzz_target;
use stamp_packet::{LENGTH, Reflected, Test};

fuzz_target!(|packet: &[u8]| {
    let (test, reflected) = (Test::decode(packet), Reflected::decode(packet));
    assert_eq!((test.is_some(), reflected.is_some()), (packet.len() >= LENGTH, packet.len() >= LENGTH));
    let (Some(test), Some(reflected)) = (test, reflected) else { return };
    assert_eq!(Test::decode(&test.encode()), Some(test));
    assert_eq!(Reflected::decode(&reflected.encode()), Some(reflected));
    // What was held is a time from T2 to T3, and those go round once in 136 years.
    let held = reflected.held(&reflected.test);
    assert!(held.is_none_or(|held| held.as_secs() < 1 << 31), "{held:?}");
    assert!(test == reflected.test || reflected.held(&test).is_none(), "another packet's answer");
});
