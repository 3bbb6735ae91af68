//! A record of the event log: `event::decode` and `event::Columns`, whose own protobuf reader must see what `prost` sees.
#![no_main]

use cloudping_fuzz::{comes_back, within};
use cloudping_model::{Round, Sample};
use cloudping_schemas::event::{self, Columns, EventError, Head};
use libfuzzer_sys::fuzz_target;
use prost::Message;

/// A sample takes five bytes at least, and in memory its struct and its target's name.
const FACTOR: usize = 128;
/// What `prost` skips where the field is unknown, and our reader refuses.
const GROUP: &str = "a field has an unknown wire type";

/// `ProbeRound` of schemas/proto/event.proto.
#[derive(Clone, PartialEq, Message)]
struct Wire {
    #[prost(uint32, tag = "1")]
    schema_version: u32,
    #[prost(string, tag = "2")]
    vantage_id: String,
    #[prost(fixed64, tag = "3")]
    epoch: u64,
    #[prost(uint64, tag = "4")]
    number: u64,
    #[prost(int64, tag = "5")]
    started_at_us: i64,
    #[prost(message, optional, tag = "8")]
    gap: Option<WireGap>,
    #[prost(string, repeated, tag = "6")]
    targets: Vec<String>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    addresses: Vec<Vec<u8>>,
    #[prost(uint32, repeated, tag = "10")]
    target: Vec<u32>,
    #[prost(uint32, repeated, tag = "11")]
    offset_us: Vec<u32>,
    #[prost(uint32, repeated, tag = "12")]
    outcome: Vec<u32>,
    #[prost(uint32, repeated, tag = "13")]
    rtt_us: Vec<u32>,
    #[prost(sint32, repeated, tag = "14")]
    connect_excess_us: Vec<i32>,
    #[prost(uint32, repeated, tag = "15")]
    connected: Vec<u32>,
    #[prost(uint32, repeated, tag = "16")]
    retransmits: Vec<u32>,
    #[prost(uint32, repeated, tag = "17")]
    family: Vec<u32>,
    #[prost(uint32, repeated, tag = "18")]
    address: Vec<u32>,
    #[prost(uint32, repeated, tag = "19")]
    protocol: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct WireGap {
    #[prost(uint32, tag = "1")]
    reason: u32,
    #[prost(uint64, tag = "2")]
    rounds: u64,
    #[prost(sint64, tag = "3")]
    micros: i64,
}

fuzz_target!(|bytes: &[u8]| {
    let round = within(bytes.len(), FACTOR, || event::decode(bytes));
    let wire = Wire::decode(bytes);
    let mut columns = Columns::default();
    let head = within(bytes.len(), FACTOR, || columns.read(bytes));
    match (&round, &head, &wire) {
        (Ok(round), Ok(head), Ok(wire)) => {
            comes_back(round, event::encode, event::decode);
            same_as_wire(round, wire);
            same_as_head(round, head);
        }
        // Of a text that comes twice `prost` looks at both, and our reader at the one that counts.
        (Ok(_), Ok(_), Err(error)) if error.to_string().contains("UTF-8") => {}
        (Ok(_), _, _) => panic!("{round:?}\nbut {head:?}\nand {wire:?}"),
        (Err(EventError::Protobuf(reason)), _, Ok(wire)) => assert_eq!(*reason, GROUP, "prost reads {wire:?}"),
        // The columns leave the ids to whoever asks for them.
        (Err(error), Ok(head), Ok(_)) => assert!(
            matches!(error, EventError::Id(_)) && (head.vantage().is_err() || head.targets().count() > 0),
            "{error:?} but {head:?}"
        ),
        (Err(_), _, _) => {}
    }
});

fn same_as_wire(round: &Round, wire: &Wire) {
    let id = &round.id;
    assert_eq!((id.vantage.as_str(), id.epoch, id.number), (&*wire.vantage_id, wire.epoch, wire.number));
    assert_eq!((round.started_at.0, round.samples.len()), (wire.started_at_us, wire.target.len()));
    let gap = round.gap.map(|gap| WireGap { reason: gap.reason as u32 + 1, rounds: gap.rounds, micros: gap.micros });
    assert_eq!(gap, wire.gap);
    for (at, sample) in round.samples.iter().enumerate() {
        assert_eq!(sample.target.as_str(), wire.targets[wire.target[at] as usize]);
        assert_eq!((sample.offset_us, sample.rtt_us.unwrap_or(0)), (wire.offset_us[at], wire.rtt_us[at]));
        same_codes(sample, wire, at);
    }
}

fn same_codes(sample: &Sample, wire: &Wire, at: usize) {
    let or = |column: &[u32], default| column.get(at).copied().unwrap_or(default);
    assert_eq!(sample.outcome as u32, or(&wire.outcome, 0));
    assert_eq!(event::protocol_code(sample.protocol), or(&wire.protocol, 0));
    assert_eq!(u32::from(sample.family.number()), or(&wire.family, 4));
    assert_eq!(sample.retransmits, or(&wire.retransmits, 0));
    let connect = i64::from(wire.rtt_us[at]) + i64::from(wire.connect_excess_us[at]);
    let connect = (or(&wire.connected, 1) == 1).then_some(connect);
    assert_eq!(sample.connect_us.map(i64::from), connect);
    let address = (wire.address[at] as usize).checked_sub(1).map(|index| wire.addresses[index].clone());
    assert_eq!(sample.address.map(octets), address);
}

fn octets(address: std::net::IpAddr) -> Vec<u8> {
    match address {
        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn same_as_head(round: &Round, head: &Head<'_>) {
    assert_eq!(head.vantage().as_ref(), Ok(&round.id.vantage));
    assert_eq!((head.epoch, head.number), (round.id.epoch, round.id.number));
    assert_eq!((head.started_at, head.gap, head.len()), (round.started_at, round.gap, round.samples.len()));
    let targets: Vec<&str> = head.targets().map(|name| name.expect("the round has it")).collect();
    for (at, sample) in round.samples.iter().enumerate() {
        assert_eq!(targets[head.target()[at] as usize], sample.target.as_str());
        assert_eq!((head.offset_us()[at], head.rtt_us()[at]), (sample.offset_us, sample.rtt_us.unwrap_or(0)));
        let kind = (head.outcome(at), head.protocol(at), head.family(at));
        assert_eq!(kind, (sample.outcome, sample.protocol, sample.family));
        assert!(sample.rtt_us != Some(0) && sample.offset_us <= event::MAX_OFFSET_US);
    }
}
