use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cloudping_model::{Addresses, Gap, GapReason, Level, Outcome, Round, RoundId, RouteChange, Sample};
use cloudping_model::{TargetId, UtcMicros, VantageId};
use proptest::prelude::*;
use prost::Message;

use super::wire::ProbeRound;
use super::*;

const GOLDEN_V1: &str = include_str!("../../golden/event-v1.hex");
const GOLDEN_V2: &str = include_str!("../../golden/event-v2.hex");

fn sample(target: &str, outcome: Outcome) -> Sample {
    Sample {
        target: TargetId::new(target).unwrap(),
        offset_us: 1_234,
        protocol: Protocol::TcpConnect,
        outcome,
        rtt_us: (outcome == Outcome::Answered).then_some(68_410),
        connect_us: (outcome == Outcome::Answered).then_some(68_530),
        retransmits: 0,
        family: Family::V4,
        address: Some(Ipv4Addr::new(192, 0, 2, 1).into()),
    }
}

fn golden_round() -> Round {
    let mut late = sample("eu-west-1", Outcome::Retransmitted);
    late.connect_us = Some(1_068_000);
    late.retransmits = 1;
    let mut v6 = sample("ap-south-1", Outcome::Answered);
    v6.family = Family::V6;
    v6.address = Some(Ipv6Addr::LOCALHOST.into());
    let mut unresolved = sample("me-south-1", Outcome::DnsFailure);
    unresolved.address = None;
    Round {
        id: RoundId { vantage: VantageId::new("us-east-1").unwrap(), epoch: 1_767_225_600_000_000, number: 42 },
        started_at: UtcMicros(1_767_225_612_345_678),
        gap: None,
        samples: vec![
            sample("eu-west-1", Outcome::Answered),
            late,
            v6,
            unresolved,
            sample("sa-east-1", Outcome::Timeout),
        ],
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim().as_bytes();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// The golden round of version 2: every protocol, and a gap.
fn golden_round_2() -> Round {
    let mut round = golden_round();
    round.gap = Some(Gap { reason: GapReason::ClockStep, rounds: 3, micros: -12_000_000 });
    round.samples.extend(Protocol::ALL.map(|protocol| {
        let user_space = matches!(protocol, Protocol::TlsHandshake | Protocol::HttpsTtfb);
        let sample = sample("eu-west-1", Outcome::Answered);
        Sample { protocol, connect_us: sample.connect_us.filter(|_| !user_space), ..sample }
    }));
    round
}

#[test]
fn golden_bytes_of_version_1_are_read() {
    assert_eq!(decode(&unhex(GOLDEN_V1)).unwrap(), golden_round());
}

/// The first encoder of version 2 named targets in the order of the samples, later ones in their own order.
#[test]
fn golden_bytes_of_version_2_are_read_and_written_unchanged() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/event-v2-ordered.hex");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, hex(&encode(&golden_round_2())) + "\n").unwrap();
    }
    assert_eq!(decode(&unhex(GOLDEN_V2)).unwrap(), golden_round_2());
    let ordered = std::fs::read_to_string(path).unwrap();
    assert_eq!(decode(&unhex(&ordered)).unwrap(), golden_round_2());
    assert_eq!(hex(&encode(&golden_round_2())), ordered.trim());
}

#[test]
fn the_order_of_probing_does_not_change_the_dictionary() {
    let mut columns = [Columns::default(), Columns::default()];
    let [first, mut second] = [golden_round_2(), golden_round_2()];
    second.samples.reverse();
    let bytes = [encode(&first), encode(&second)];
    let [first, second] = &mut columns;
    let names = [first.read(&bytes[0]).unwrap().names(), second.read(&bytes[1]).unwrap().names()];
    assert!(names[0].is_some() && names[0] == names[1]);
}

#[test]
fn codes_are_places_in_the_lists_of_the_model() {
    for (code, protocol) in (0..).zip(Protocol::ALL) {
        assert_eq!((protocol_code(protocol), protocol_of(code)), (code, Some(protocol)));
        assert_eq!(Protocol::from_name(protocol.name()), Some(protocol));
    }
    assert_eq!(protocol_of(5), None);
    for (code, reason) in (1..).zip(GapReason::ALL) {
        let gap = Gap { reason, rounds: 0, micros: 0 };
        let round = Round { gap: Some(gap), ..golden_round() };
        let wire = ProbeRound::decode(encode(&round).as_slice()).unwrap();
        assert_eq!((wire.gap.unwrap().reason, decode(&encode(&round)).unwrap().gap), (code, Some(gap)));
    }
}

#[test]
fn a_gap_is_written_so_that_it_can_be_read() {
    let gap = Gap { reason: GapReason::Overload, rounds: u64::MAX, micros: i64::MAX };
    let round = Round { gap: Some(gap), ..golden_round() };
    assert_eq!(decode(&encode(&round)).unwrap().gap, Some(Gap { rounds: MAX_GAP_ROUNDS, ..gap }));
}

#[test]
fn a_clean_round_leaves_out_its_default_columns() {
    let mut round = golden_round();
    round.samples = vec![sample("eu-west-1", Outcome::Answered); 38];
    let per_sample = encode(&round).len() as f64 / 38.0;
    assert!(per_sample < 12.0, "{per_sample} bytes a sample");
    assert_eq!(decode(&encode(&round)).unwrap(), round);
}

fn refused(change: impl FnOnce(&mut ProbeRound)) -> String {
    let mut wire = ProbeRound::decode(unhex(GOLDEN_V2).as_slice()).unwrap();
    change(&mut wire);
    decode(&wire.encode_to_vec()).unwrap_err().to_string()
}

#[test]
fn errors_name_the_field_and_what_was_expected() {
    let cases = [
        (refused(|wire| wire.schema_version = 9), "event: schema_version 9, expected 1 or 2"),
        (
            refused(|wire| wire.vantage_id = "US EAST".into()),
            "event: vantage id \"US EAST\": expected 1 to 64 characters out of a-z, 0-9 and . _ : -",
        ),
        (refused(|wire| wire.target[2] = 77), "event: target[2] is 77, expected an index into targets"),
        (refused(|wire| wire.outcome[1] = 8), "event: outcome[1] is 8, expected 0 to 7"),
        (refused(|wire| wire.rtt_us[4] = 5), "event: rtt_us[4] is 5, expected 0 for a probe that was not answered"),
        (refused(|wire| wire.addresses[0] = vec![1, 2]), "event: addresses[0] is 2 bytes, expected 4 or 16 bytes"),
        (refused(|wire| wire.offset_us.truncate(4)), "event: offset_us has 4 values, expected 10 as in target"),
        (refused(|wire| wire.epoch = u64::MAX), "event: epoch[0] is 18446744073709551615, expected at most 2^63 - 1"),
        (
            refused(|wire| wire.started_at_us = -1),
            "event: started_at_us[0] is -1, expected a time of the years 1970 to 9998",
        ),
        (
            refused(|wire| (wire.rtt_us[0], wire.connect_excess_us[0]) = (u32::MAX, 0)),
            "event: rtt_us[0] is 4294967295, expected at most 2^31 - 1",
        ),
        (
            refused(|wire| wire.offset_us[0] = 600_000_001),
            "event: offset_us[0] is 600000001, expected at most 600000000 (ten minutes)",
        ),
        (refused(|wire| wire.family[0] = 5), "event: family[0] is 5, expected 4 or 6"),
        (refused(|wire| wire.protocol[5] = 5), "event: protocol[5] is 5, expected 0 to 4"),
        (
            refused(|wire| wire.gap = Some(wire::Gap { reason: 5, rounds: 0, micros: 0 })),
            "event: gap.reason[0] is 5, expected 1 to 4",
        ),
        (
            refused(|wire| wire.gap = Some(wire::Gap { reason: 1, rounds: MAX_GAP_ROUNDS + 1, micros: 0 })),
            "event: gap.rounds[0] is 4294967297, expected at most 2^32",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    assert!(matches!(decode(b"\xff\xff"), Err(EventError::Protobuf(_))));
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let outcome = (0..Outcome::ALL.len()).prop_map(|at| Outcome::ALL[at]);
    let address = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
    let times =
        (0..=MAX_OFFSET_US, proptest::option::of(1..2_000_000_000_u32), proptest::option::of(0..2_000_000_000_u32));
    let protocol = (0..Protocol::ALL.len()).prop_map(|at| Protocol::ALL[at]);
    (0..5, times, outcome, 0..4_u32, any::<bool>(), (proptest::option::of(address), protocol)).prop_map(
        |(target, (offset_us, rtt_us, connect_us), outcome, retransmits, v6, (address, protocol))| Sample {
            target: TargetId::new(&format!("target-{target}")).unwrap(),
            offset_us,
            protocol,
            outcome,
            rtt_us: rtt_us.filter(|_| outcome == Outcome::Answered),
            connect_us,
            retransmits,
            family: if v6 { Family::V6 } else { Family::V4 },
            address,
        },
    )
}

fn any_gap() -> impl Strategy<Value = Option<Gap>> {
    let gap = (0..GapReason::ALL.len(), 0..=MAX_GAP_ROUNDS, any::<i64>());
    let gap = gap.prop_map(|(at, rounds, micros)| Gap { reason: GapReason::ALL[at], rounds, micros });
    proptest::option::of(gap)
}

/// Our own reader and protobuf's: what one refuses as no message the other does too, and both read the same.
fn agrees_with_prost(bytes: &[u8]) -> Result<(), TestCaseError> {
    let expected = ProbeRound::decode(bytes);
    let round = match decode(bytes) {
        Err(EventError::Protobuf(why)) => {
            prop_assert!(expected.is_err() || why.contains("wire type"), "{}", why);
            return Ok(());
        }
        Err(_) => return Ok(()),
        Ok(round) => round,
    };
    prop_assert!(expected.is_ok(), "{:?}", expected);
    let wire = expected.unwrap();
    prop_assert_eq!((round.id.vantage.as_str(), round.id.epoch), (wire.vantage_id.as_str(), wire.epoch));
    prop_assert_eq!((round.id.number, round.started_at.0), (wire.number, wire.started_at_us));
    prop_assert_eq!(round.gap.map(|gap| (gap.rounds, gap.micros)), wire.gap.map(|gap| (gap.rounds, gap.micros)));
    prop_assert_eq!(round.samples.len(), wire.target.len());
    for (at, sample) in round.samples.iter().enumerate() {
        prop_assert_eq!(sample.target.as_str(), &wire.targets[wire.target[at] as usize]);
        prop_assert_eq!((sample.offset_us, sample.rtt_us.unwrap_or(0)), (wire.offset_us[at], wire.rtt_us[at]));
        let excess = sample.connect_us.map(|connect| i64::from(connect) - i64::from(wire.rtt_us[at]));
        prop_assert!(excess.is_none_or(|excess| excess == i64::from(wire.connect_excess_us[at])));
        prop_assert_eq!(sample.retransmits, wire.retransmits.get(at).copied().unwrap_or(0));
    }
    Ok(())
}

fn golden_change() -> RouteChange {
    RouteChange {
        vantage: VantageId::new("us-east-1").unwrap(),
        target: TargetId::new("ap-south-1").unwrap(),
        protocol: Protocol::TcpConnect,
        family: Family::V4,
        minute: UtcMicros(1_767_225_720_000_000),
        found_at: UtcMicros(1_767_225_961_000_000),
        before_us: 186_250,
        after_us: 198_410,
        score: 1.75,
        ended: Level {
            since: UtcMicros(1_767_139_200_000_000),
            count: 86_400,
            percentiles_us: Some([186_050.0, 186_251.5, 186_900.0, 188_444.25]),
        },
        addresses: None,
    }
}

#[test]
fn golden_bytes_of_a_route_change_are_read_and_written_unchanged() {
    let before = IpAddr::from([192, 0, 2, 7]);
    let moved = |after| RouteChange { addresses: Some(Addresses { before, after }), ..golden_change() };
    let after = IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | 1));
    for (name, change) in [("change-v1.hex", golden_change()), ("change-v1-addresses.hex", moved(after))] {
        let path = format!("{}/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, hex(&encode_change(&change)) + "\n").unwrap();
        }
        let golden = std::fs::read_to_string(path).unwrap();
        assert_eq!(hex(&encode_change(&change)), golden.trim());
        assert_eq!(decode_change(&unhex(&golden)).unwrap(), change);
    }
    assert_eq!(decode_change(&encode_change(&moved(before))).unwrap(), moved(before));
    let mut unmeasured = golden_change();
    unmeasured.ended = Level { count: 0, percentiles_us: None, ..unmeasured.ended };
    assert_eq!(decode_change(&encode_change(&unmeasured)).unwrap(), unmeasured);
}

#[test]
fn a_route_change_is_no_round_and_a_round_is_no_route_change() {
    let change = encode_change(&golden_change());
    assert!(is_change(&change) && decode(&change).is_err());
    for golden in [GOLDEN_V1, GOLDEN_V2] {
        assert!(!is_change(&unhex(golden)) && decode_change(&unhex(golden)).is_err());
    }
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(
        epoch in 0..1_u64 << 63, number in 0..1_u64 << 63, started in STARTS, gap in any_gap(),
        samples in proptest::collection::vec(any_sample(), 0..40),
    ) {
        let id = RoundId { vantage: VantageId::new("us-east-1").unwrap(), epoch, number };
        let round = Round { id, started_at: UtcMicros(started), gap, samples };
        prop_assert_eq!(decode(&encode(&round)).unwrap(), round);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        agrees_with_prost(&bytes)?;
        let _ = decode_change(&bytes);
    }

    #[test]
    fn no_damage_makes_the_reader_panic(at in 0..200_usize, value: u8) {
        let mut bytes = unhex(GOLDEN_V2);
        let at = at % bytes.len();
        bytes[at] = value;
        agrees_with_prost(&bytes)?;
    }

    #[test]
    fn no_cut_makes_the_reader_panic(at in 0..200_usize) {
        let bytes = unhex(GOLDEN_V2);
        agrees_with_prost(&bytes[..at % bytes.len()])?;
    }
}

#[test]
fn a_route_change_that_no_table_could_hold_is_refused() {
    let refused = |change: RouteChange| decode_change(&encode_change(&change)).unwrap_err().to_string();
    let golden = golden_change();
    let before_1970 = RouteChange { minute: UtcMicros(-60_000_000), ..golden.clone() };
    assert_eq!(refused(before_1970), "event: minute_us[0] is -60000000, expected a time of the years 1970 to 9998");
    let far = RouteChange { found_at: UtcMicros(i64::MAX), ..golden.clone() };
    assert!(refused(far).starts_with("event: found_at_us[0]"));
    let slow = RouteChange { after_us: 1 << 31, ..golden };
    assert_eq!(refused(slow), "event: after_us[0] is 2147483648, expected at most 2^31 - 1");
}
