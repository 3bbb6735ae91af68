use std::collections::BTreeMap;

use cloudping_model::{Family, Protocol, TargetId};
use cloudping_schemas::stored::{PaneItem, SeriesKey};
use proptest::prelude::*;

use super::*;

const START: UtcMicros = UtcMicros(1_767_225_660_000_000);

fn key(place: u32) -> SeriesKey {
    let target = TargetId::new(&format!("target-{place}")).unwrap();
    SeriesKey { target, protocol: Protocol::TcpConnect, family: Family::V4 }
}

fn address(host: u8) -> Reached {
    if host == 0 { Reached::NONE } else { Reached::read(&[192, 0, 2, host]) }
}

#[derive(Debug, Clone)]
enum Step {
    /// Of a series, from one of a few addresses or, 0, from none that is known.
    Rtt(u32, u32, u8),
    Lost(u32, bool),
    Unknown(u32),
    /// So many times one after another.
    Many(u32, u32),
    Encode,
    /// Goes on with what was stored.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..6_u32, 1..200_000_u32, 0..3_u8).prop_map(|(place, us, host)| Step::Rtt(place, us, host)),
        2 => (0..6_u32, any::<bool>()).prop_map(|(place, again)| Step::Lost(place, again)),
        1 => (0..6_u32).prop_map(Step::Unknown),
        1 => (0..6_u32, 1..3_000_u32).prop_map(|(place, many)| Step::Many(place, many)),
        2 => Just(Step::Encode),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    /// However samples come, and whenever the pane is written and read: it holds what the plain summaries hold.
    #[test]
    fn a_minute_is_its_summaries(steps in proptest::collection::vec(step(), 0..120)) {
        let mut table = SeriesTable::default();
        (0..6).for_each(|place| assert_eq!(table.place(&key(place)), place));
        let mut model: BTreeMap<SeriesKey, SeriesSummary> = BTreeMap::new();
        let mut addresses: BTreeMap<u32, Reached> = BTreeMap::new();
        let mut pane = MinutePane::new(START);
        for (at, step) in steps.into_iter().enumerate() {
            let at = START + at as i64;
            pane.make_room(6);
            match step {
                Step::Rtt(place, us, host) => {
                    pane.record_rtt(place, at, us, address(host));
                    addresses.entry(place).or_default().add(address(host));
                    model.entry(key(place)).or_default().record_rtt(at.0, us);
                }
                Step::Many(place, many) => for us in 0..many {
                    let us = 70_000 + us * 7_919 % 10_000;
                    pane.record_rtt(place, at, us, address(0));
                    model.entry(key(place)).or_default().record_rtt(at.0, us);
                },
                Step::Lost(place, again) => {
                    pane.record_other(place, at, if again { Outcome::Retransmitted } else { Outcome::Timeout });
                    model.entry(key(place)).or_default().record_loss(at.0, again);
                }
                Step::Unknown(place) => {
                    pane.record_other(place, at, Outcome::Answered);
                    model.entry(key(place)).or_default().record_unknown(at.0);
                }
                Step::Encode => { pane.encode(); }
                Step::Reopen => pane = MinutePane::read(&pane.encode(), Expect::Version(1), &mut table).unwrap(),
            }
        }
        let item = PaneItem::decode(&pane.encode(), &table).unwrap();
        prop_assert_eq!(item.series.keys().collect::<Vec<_>>(), model.keys().collect::<Vec<_>>());
        for (place, expected) in addresses {
            prop_assert_eq!(pane.reached(place), expected);
        }
        for (key, expected) in &model {
            let found = &item.series[key];
            prop_assert_eq!(found.counts(), expected.counts());
            prop_assert_eq!((found.received(), found.sum_us()), (expected.received(), expected.sum_us()));
            prop_assert_eq!((found.min_us(), found.max_us()), (expected.min_us(), expected.max_us()));
            if expected.digest().is_exact() {
                prop_assert_eq!(found, expected);
                let place = table.find(key).unwrap();
                let median = expected.quantile(0.5).map(|us| us.floor() as u32);
                prop_assert_eq!(pane.median(place), median);
            }
        }
    }
}
