//! Two places in a shard, as texts apart by a space: `SequenceNumber::parse` and the order of what it gives.
#![no_main]

use std::cmp::Ordering;

use cloudping_ports::SequenceNumber;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (one, other) = text.split_once(' ').unwrap_or((text, "0"));
    let (Some(one), Some(other)) = (SequenceNumber::parse(one), SequenceNumber::parse(other)) else { return };
    for number in [&one, &other] {
        assert_eq!(SequenceNumber::parse(number.as_str()).as_ref(), Some(number));
        if let Ok(small) = number.as_str().parse::<u64>() {
            assert_eq!(SequenceNumber::from(small), *number);
        }
    }
    assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
    assert_eq!(one.cmp(&other) == Ordering::Equal, one == other);
    if let (Ok(small), Ok(large)) = (one.as_str().parse::<u128>(), other.as_str().parse::<u128>()) {
        assert_eq!(one.cmp(&other), small.cmp(&large), "the order is that of the numbers");
    }
});
