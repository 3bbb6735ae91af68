//! A round read as columns: nothing is built for each sample, and buffers are used again.

use std::ops::Range;

use cloudping_model::{Family, Gap, GapReason, Outcome, Protocol, UtcMicros, VantageId};

use super::wire_reader::{Field, Fields, WireError};
use super::{EventError, MAX_GAP_ROUNDS, MAX_OFFSET_US, SCHEMA_VERSION, STARTS, family_of, wrong_value};

/// The greatest number that a table of signed numbers holds.
const MAX_SIGNED: u32 = i32::MAX as u32;

/// Buffers for the columns of one round after another.
#[derive(Debug, Default)]
pub struct Columns {
    targets: Vec<Range<usize>>,
    addresses: Vec<Range<usize>>,
    target: Vec<u32>,
    offset_us: Vec<u32>,
    outcome: Vec<u32>,
    rtt_us: Vec<u32>,
    /// Zigzag.
    connect_excess_us: Vec<u32>,
    connected: Vec<u32>,
    retransmits: Vec<u32>,
    family: Vec<u32>,
    address: Vec<u32>,
    protocol: Vec<u32>,
}

/// A round whose samples have been checked: all that [`super::decode`] refuses is refused, but for the ids of the vantage point and the
/// targets, which are checked when they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    bytes: &'a [u8],
    columns: &'a Columns,
    vantage: &'a str,
    /// The producer's epoch.
    pub epoch: u64,
    /// The round's number in it.
    pub number: u64,
    /// When it started.
    pub started_at: UtcMicros,
    /// What is missing before it.
    pub gap: Option<Gap>,
    names: Option<&'a [u8]>,
}

/// The fields that are no columns.
#[derive(Default)]
struct Scalars<'a> {
    version: u32,
    vantage: &'a [u8],
    epoch: u64,
    number: u64,
    started_at_us: i64,
    gap: Option<(u32, u64, i64)>,
    /// Where the first and the last name of a target stand; `None` if something else stands between them.
    names: Option<Range<usize>>,
    scattered: bool,
}

impl Columns {
    /// Reads the columns of a round of any version that was ever written.
    ///
    /// # Errors
    /// [`EventError`], naming the field and what was expected.
    pub fn read<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Head<'a>, EventError> {
        self.clear();
        let scalars = self.scan(bytes).map_err(EventError::Protobuf)?;
        if !(1..=SCHEMA_VERSION).contains(&scalars.version) {
            return Err(EventError::Version(scalars.version));
        }
        let vantage =
            std::str::from_utf8(scalars.vantage).map_err(|_| EventError::Protobuf("vantage_id is no UTF-8"))?;
        self.check_lengths()?;
        self.check_addresses()?;
        self.check_codes()?;
        self.check_times()?;
        for (field, value) in [("epoch", scalars.epoch), ("number", scalars.number)] {
            i64::try_from(value).map_err(|_| wrong_value(field, 0, value, "at most 2^63 - 1"))?;
        }
        if !STARTS.contains(&scalars.started_at_us) {
            return Err(wrong_value("started_at_us", 0, scalars.started_at_us, "a time of the years 1970 to 9998"));
        }
        let names = scalars.names.filter(|_| !scalars.scattered);
        Ok(Head {
            bytes,
            columns: self,
            vantage,
            epoch: scalars.epoch,
            number: scalars.number,
            started_at: UtcMicros(scalars.started_at_us),
            gap: scalars.gap.map(read_gap).transpose()?,
            names: names.map(|range| &bytes[range]),
        })
    }

    fn clear(&mut self) {
        self.targets.clear();
        self.addresses.clear();
        let columns = [&mut self.target, &mut self.offset_us, &mut self.outcome, &mut self.rtt_us];
        columns.into_iter().for_each(Vec::clear);
        let columns = [&mut self.connect_excess_us, &mut self.connected, &mut self.retransmits];
        columns.into_iter().for_each(Vec::clear);
        let columns = [&mut self.family, &mut self.address, &mut self.protocol];
        columns.into_iter().for_each(Vec::clear);
    }

    fn scan<'a>(&mut self, bytes: &'a [u8]) -> Result<Scalars<'a>, WireError> {
        let mut scalars = Scalars::default();
        let mut fields = Fields::of(bytes);
        let mut before = 0;
        while let Some((number, field)) = fields.next()? {
            let after = fields.position();
            match number {
                1 => scalars.version = field.varint()? as u32,
                2 => scalars.vantage = field.bytes()?,
                3 => scalars.epoch = field.fixed64()?,
                4 => scalars.number = field.varint()?,
                5 => scalars.started_at_us = field.varint()? as i64,
                6 => {
                    self.targets.push(after - field.bytes()?.len()..after);
                    fields.texts(6, &mut self.targets);
                    scalars.name(before..fields.position());
                }
                7 => {
                    self.addresses.push(after - field.bytes()?.len()..after);
                    fields.quads(7, &mut self.addresses);
                }
                8 => scalars.gap = Some(scan_gap(field.bytes()?, scalars.gap)?),
                _ => self.column(number, field)?,
            }
            before = fields.position();
        }
        Ok(scalars)
    }

    fn column(&mut self, number: u32, field: Field<'_>) -> Result<(), WireError> {
        let column = match number {
            10 => &mut self.target,
            11 => &mut self.offset_us,
            12 => &mut self.outcome,
            13 => &mut self.rtt_us,
            14 => &mut self.connect_excess_us,
            15 => &mut self.connected,
            16 => &mut self.retransmits,
            17 => &mut self.family,
            18 => &mut self.address,
            19 => &mut self.protocol,
            _ => return Ok(()),
        };
        field.append_to(column)
    }

    fn check_lengths(&self) -> Result<(), EventError> {
        let expected = self.target.len();
        let columns = [
            ("offset_us", &self.offset_us, false),
            ("rtt_us", &self.rtt_us, false),
            ("connect_excess_us", &self.connect_excess_us, false),
            ("address", &self.address, false),
            ("outcome", &self.outcome, true),
            ("connected", &self.connected, true),
            ("retransmits", &self.retransmits, true),
            ("family", &self.family, true),
            ("protocol", &self.protocol, true),
        ];
        for (field, column, may_be_left_out) in columns {
            let found = column.len();
            if found != expected && !(may_be_left_out && found == 0) {
                return Err(EventError::Length { field, found, expected });
            }
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), EventError> {
        for (at, range) in self.addresses.iter().enumerate() {
            if !matches!(range.len(), 4 | 16) {
                return Err(wrong_value("addresses", at, format!("{} bytes", range.len()), "4 or 16 bytes"));
            }
        }
        let count = |ranges: &[Range<usize>]| u32::try_from(ranges.len()).unwrap_or(u32::MAX);
        let (targets, addresses) = (count(&self.targets), count(&self.addresses));
        at_most("target", &self.target, targets.checked_sub(1), "an index into targets")?;
        at_most("address", &self.address, Some(addresses), "1 + an index into addresses")
    }

    fn check_codes(&self) -> Result<(), EventError> {
        let (outcomes, protocols) = (Outcome::ALL.len() as u32, Protocol::ALL.len() as u32);
        at_most("outcome", &self.outcome, Some(outcomes - 1), "0 to 7")?;
        at_most("connected", &self.connected, Some(1), "0 or 1")?;
        at_most("protocol", &self.protocol, Some(protocols - 1), "0 to 4")?;
        let wrong = self.family.iter().position(|number| family_of(*number).is_none());
        wrong.map_or(Ok(()), |at| Err(wrong_value("family", at, self.family[at], "4 or 6")))
    }

    fn check_times(&self) -> Result<(), EventError> {
        at_most("offset_us", &self.offset_us, Some(MAX_OFFSET_US), "at most 600000000 (ten minutes)")?;
        at_most("rtt_us", &self.rtt_us, Some(MAX_SIGNED), "at most 2^31 - 1")?;
        at_most("retransmits", &self.retransmits, Some(MAX_SIGNED), "at most 2^31 - 1")?;
        let answered_late = |(rtt, outcome): (&u32, &u32)| *rtt > 0 && *outcome != 0;
        if let Some(at) = self.rtt_us.iter().zip(&self.outcome).position(answered_late) {
            let found = self.rtt_us[at];
            return Err(wrong_value("rtt_us", at, found, "0 for a probe that was not answered"));
        }
        self.check_connect()
    }

    fn check_connect(&self) -> Result<(), EventError> {
        // A round-trip time has 31 bits: their sum as 32 bits has its uppermost set exactly if it is below 0 or above 2^31 - 1.
        let connect = |(rtt, excess): (&u32, &u32)| rtt.wrapping_add(unzigzag(*excess) as u32);
        let all = self.rtt_us.iter().zip(&self.connect_excess_us).map(connect);
        if all.fold(0, |any, connect| any | connect) <= MAX_SIGNED {
            return Ok(());
        }
        let all = self.rtt_us.iter().zip(&self.connect_excess_us).map(connect).enumerate();
        let mut wrong = all.filter(|(at, connect)| *connect > MAX_SIGNED && self.connected.get(*at) != Some(&0));
        let found = wrong.next().map(|(at, _)| {
            let excess = unzigzag(self.connect_excess_us[at]);
            wrong_value("connect_excess_us", at, excess, "a connect time of 0 to 2^31 - 1")
        });
        found.map_or(Ok(()), Err)
    }
}

impl Scalars<'_> {
    fn name(&mut self, range: Range<usize>) {
        match &mut self.names {
            None => self.names = Some(range),
            Some(names) if names.end == range.start => names.end = range.end,
            Some(_) => self.scattered = true,
        }
    }
}

impl<'a> Head<'a> {
    /// Who measured.
    ///
    /// # Errors
    /// [`EventError::Id`].
    pub fn vantage(&self) -> Result<VantageId, EventError> {
        Ok(VantageId::new(self.vantage)?)
    }

    /// Who measured, as it stands in the event.
    #[must_use]
    pub fn vantage_text(&self) -> &'a str {
        self.vantage
    }

    /// The names of the targets as the event's bytes: equal bytes are equal names. `None` where they do not stand together.
    #[must_use]
    pub fn names(&self) -> Option<&'a [u8]> {
        self.names
    }

    /// The targets that samples point to.
    ///
    /// # Errors
    /// Each is [`EventError::Protobuf`] where it is no UTF-8.
    pub fn targets(&self) -> impl Iterator<Item = Result<&'a str, EventError>> {
        let (bytes, columns) = (self.bytes, self.columns);
        let text = |range: &Range<usize>| std::str::from_utf8(&bytes[range.clone()]);
        columns.targets.iter().map(move |range| text(range).map_err(|_| EventError::Protobuf("a target is no UTF-8")))
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.target.len()
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.target.is_empty()
    }

    /// Each sample's place in [`Head::targets`].
    #[must_use]
    pub fn target(&self) -> &'a [u32] {
        &self.columns.target
    }

    /// Each sample's µs after the start of the round.
    #[must_use]
    pub fn offset_us(&self) -> &'a [u32] {
        &self.columns.offset_us
    }

    /// Each sample's round-trip time in µs; 0 is unknown.
    #[must_use]
    pub fn rtt_us(&self) -> &'a [u32] {
        &self.columns.rtt_us
    }

    /// Whether every sample was answered over TCP and IPv4.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let columns = self.columns;
        columns.outcome.is_empty() && self.is_tcp_v4()
    }

    /// Whether every sample is of TCP and IPv4.
    #[must_use]
    pub fn is_tcp_v4(&self) -> bool {
        self.columns.family.is_empty() && self.columns.protocol.is_empty()
    }

    /// A sample's outcome.
    #[must_use]
    pub fn outcome(&self, at: usize) -> Outcome {
        let code = self.columns.outcome.get(at).copied().unwrap_or(0);
        Outcome::ALL.get(code as usize).copied().unwrap_or(Outcome::Answered)
    }

    /// A sample's protocol.
    #[must_use]
    pub fn protocol(&self, at: usize) -> Protocol {
        let code = self.columns.protocol.get(at).copied().unwrap_or(0);
        Protocol::ALL.get(code as usize).copied().unwrap_or(Protocol::TcpConnect)
    }

    /// A sample's address family.
    #[must_use]
    pub fn family(&self, at: usize) -> Family {
        self.columns.family.get(at).and_then(|number| family_of(*number)).unwrap_or(Family::V4)
    }

    /// A sample's user-space time in µs, where it has one.
    #[must_use]
    pub fn connect_us(&self, at: usize) -> Option<u32> {
        let columns = self.columns;
        let excess = i64::from(unzigzag(columns.connect_excess_us[at]));
        let connect = u32::try_from(i64::from(columns.rtt_us[at]) + excess).ok();
        connect.filter(|_| columns.connected.get(at) != Some(&0))
    }

    /// How often a sample's probe was sent again.
    #[must_use]
    pub fn retransmits(&self, at: usize) -> u32 {
        self.columns.retransmits.get(at).copied().unwrap_or(0)
    }

    /// The resolved addresses that samples point to: 4 or 16 bytes each.
    pub fn addresses(&self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        self.columns.addresses.iter().map(move |range| &bytes[range.clone()])
    }

    /// For each sample 1 + its place in [`Head::addresses`]; 0 where there is none.
    #[must_use]
    pub fn address_places(&self) -> &'a [u32] {
        &self.columns.address
    }

    /// The address that a sample's probe went to: 4 or 16 bytes.
    #[must_use]
    pub fn address(&self, at: usize) -> Option<&'a [u8]> {
        let index = (self.columns.address[at] as usize).checked_sub(1)?;
        Some(&self.bytes[self.columns.addresses[index].clone()])
    }
}

/// Refuses the first value of a column that is too great; any, where there is no greatest.
fn at_most(field: &'static str, column: &[u32], most: Option<u32>, expected: &'static str) -> Result<(), EventError> {
    let greatest = column.iter().copied().max();
    if greatest <= most.filter(|_| greatest.is_some()) {
        return Ok(());
    }
    let wrong = |value: &u32| most.is_none_or(|most| *value > most);
    let found = column.iter().position(wrong);
    found.map_or(Ok(()), |at| Err(wrong_value(field, at, column[at], expected)))
}

fn scan_gap(bytes: &[u8], earlier: Option<(u32, u64, i64)>) -> Result<(u32, u64, i64), WireError> {
    // A message that comes twice is merged.
    let mut gap = earlier.unwrap_or_default();
    let mut fields = Fields::of(bytes);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => gap.0 = field.varint()? as u32,
            2 => gap.1 = field.varint()?,
            3 => {
                let value = field.varint()?;
                gap.2 = (value >> 1) as i64 ^ -((value & 1) as i64);
            }
            _ => {}
        }
    }
    Ok(gap)
}

fn read_gap((reason, rounds, micros): (u32, u64, i64)) -> Result<Gap, EventError> {
    let found = GapReason::ALL.get((reason as usize).wrapping_sub(1)).copied();
    let reason = found.ok_or_else(|| wrong_value("gap.reason", 0, reason, "1 to 4"))?;
    if rounds > MAX_GAP_ROUNDS {
        return Err(wrong_value("gap.rounds", 0, rounds, "at most 2^32"));
    }
    Ok(Gap { reason, rounds, micros })
}

fn unzigzag(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}
