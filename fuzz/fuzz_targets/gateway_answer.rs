//! What a destination returns to the UDP gateway: `gateway::Answer::parse`, and each reply's payload in every formatter.
#![no_main]

use cloudping_fuzz::within;
use cloudping_schemas::gateway::{Answer, Formatter};
use libfuzzer_sys::fuzz_target;

/// `null,` is an entry of 5 bytes that takes the place of a reply of 64 while it is read, in a list that doubles as it grows.
const FACTOR: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let Ok(answer) = within(bytes.len(), FACTOR, || Answer::parse(bytes)) else { return };
    let written = serde_json::to_vec(&answer).expect("what was read is written");
    let again = Answer::parse(&written).expect("what was written is read");
    assert_eq!(again.replies.len(), answer.replies.len());
    for (reply, again) in answer.replies.iter().zip(&again.replies) {
        // Times are written in milliseconds only.
        assert_eq!((&reply.tag, &reply.data), (&again.tag, &again.data));
        for formatter in Formatter::ALL {
            let Ok(payload) = formatter.read(&reply.data) else { continue };
            let (used, data) = formatter.write_or_base64(&payload);
            assert_eq!((used, used.read(&data)), (formatter, Ok(payload)));
        }
    }
});
