//! Summaries one after the other, as panes hold them: `SeriesSummary::take` and `take_parts`. The first eight bytes are the base.
#![no_main]

use cloudping_digest::{EXACT_LIMIT, SeriesSummary};
use cloudping_fuzz::{summary, within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((base, bytes)) = bytes.split_first_chunk() else { return };
    let base_us = i64::from_le_bytes(*base);
    let mut rest = bytes;
    // What stands in the list before must stay as it is.
    let mut values = vec![7];
    loop {
        let before = rest;
        let taken = within(before.len(), 64, || SeriesSummary::take(&mut rest, base_us));
        let mut beside = before;
        let parts = SeriesSummary::take_parts(&mut beside, base_us, &mut values);
        assert_eq!(rest, beside, "both read as much");
        let (Ok(taken), Ok(parts)) = (&taken, &parts) else {
            assert_eq!((taken.as_ref().err(), values.len()), (parts.as_ref().err(), 1), "neither reads anything");
            assert_eq!(rest, before, "an error reads nothing");
            return;
        };
        assert!(rest.len() < before.len());
        let written = &before[..before.len() - rest.len()];
        let mut again = Vec::new();
        taken.put(base_us, &mut again);
        // More values than a digest keeps are stored one by one and become a sketch.
        let kept = parts.sketch.is_some() || values.len() - 1 <= EXACT_LIMIT;
        assert!(again == written || !kept, "equal contents have equal bytes");
        assert_eq!((taken.counts(), values[0]), (parts.counts, 7));
        if let Some(sketch) = &parts.sketch {
            assert_eq!((taken.digest(), values.len()), (sketch, 1));
        } else {
            again.clear();
            SeriesSummary::put_sorted(&values[1..], &parts.counts, base_us, &mut again);
            assert_eq!(again, written, "by the other way");
            assert_eq!(SeriesSummary::from_sorted(&values[1..], parts.counts), *taken);
        }
        values.truncate(1);
        // Once will do: it costs more than all the rest.
        if before.len() == bytes.len() {
            summary(taken);
        }
    }
});
