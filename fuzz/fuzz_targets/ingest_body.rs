//! What a vantage point outside sends to the ingest door: `ingest::Rounds`, and each round as the door looks at it.
#![no_main]

use cloudping_fuzz::within;
use cloudping_schemas::event::{Columns, decode};
use cloudping_schemas::ingest::{Rounds, write_body};
use libfuzzer_sys::fuzz_target;

/// A round's place takes 16 bytes, its length one at least.
const FACTOR: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let rounds = within(bytes.len(), FACTOR, || Rounds::of(bytes).collect::<Result<Vec<_>, _>>());
    let Ok(rounds) = rounds else { return };
    // Lengths may be written longer than need be; apart from these the body is its rounds.
    let body = write_body(rounds.iter().copied());
    assert!(body.len() <= bytes.len());
    let again: Vec<&[u8]> = Rounds::of(&body).map(|round| round.expect("what was written is read")).collect();
    assert_eq!(again, rounds);
    let mut columns = Columns::default();
    for round in rounds {
        let accepted = columns.read(round).is_ok_and(|head| head.vantage().is_ok());
        assert!(accepted || decode(round).is_err(), "the door refuses what readers of the log can read");
    }
});
