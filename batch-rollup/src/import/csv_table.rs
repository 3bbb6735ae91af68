//! A plain table in CSV: one row a probe.

use std::io::{self, BufRead};
use std::net::IpAddr;

use cloudping_model::{Family, Outcome, Protocol, Round, Sample};
use cloudping_schemas::tables::Origin;
use csv_core::ReadRecordResult;

use super::Taken;
use super::fault::Fault;
use super::identity::identity;
use super::records::{Layout, Records};
use super::values;

/// The header that a file must have.
pub(super) const HEADER: &str = "a first line that names the columns ts, source, target and rtt_us or rtt_ms, and any of outcome, protocol, family, address";

/// What a header must not have.
const BOTH_RTTS: &str = "a first line with one of the columns rtt_us and rtt_ms, not with both";

/// The rows of a file, one a line.
pub(super) struct CsvTable<R> {
    lines: Records<R>,
    splitter: Splitter,
    columns: Columns,
    width: usize,
}

/// Where each column stands.
struct Columns {
    ts: usize,
    source: usize,
    target: usize,
    rtt: Rtt,
    outcome: Option<usize>,
    protocol: Option<usize>,
    family: Option<usize>,
    address: Option<usize>,
    /// Columns that no sample has: their names in small letters and where they stand, sorted.
    unknown: Vec<(String, usize)>,
}

#[derive(Clone, Copy)]
enum Rtt {
    Micros(usize),
    Millis(usize),
}

impl<R: BufRead> CsvTable<R> {
    /// Reads the header; what was expected if it is none.
    pub(super) fn open(reader: R) -> io::Result<Result<Self, &'static str>> {
        let mut lines = Records::new(reader, Layout::Lines);
        let Some((_, header)) = lines.next().transpose()? else { return Ok(Err(HEADER)) };
        let mut splitter = Splitter::new();
        let Ok(Row(header)) = splitter.split(&header) else { return Ok(Err(HEADER)) };
        let width = header.len();
        Ok(Columns::of(&header).map(|columns| Self { lines, splitter, columns, width }))
    }

    fn row(&mut self, line: &[u8]) -> Result<Taken, Fault> {
        let row = self.splitter.split(line)?;
        if row.0.len() != self.width {
            let expected = format!("{} fields, as the first line has", self.width);
            return Err(Fault::new("row", format!("{} fields", row.0.len()), expected));
        }
        self.columns.read(&row)
    }
}

impl<R: BufRead> Iterator for CsvTable<R> {
    type Item = io::Result<(u64, Result<Taken, Fault>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        Some(line.map(|(line, bytes)| (line, self.row(&bytes))))
    }
}

/// Splits lines into fields (RFC 4180). One reader for the whole file would not say on which line a row stands where some are blank or end in CR LF.
struct Splitter {
    reader: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Splitter {
    fn new() -> Self {
        Self { reader: csv_core::Reader::new(), text: Vec::new(), ends: Vec::new() }
    }

    /// The fields of a line, without the blanks around them.
    fn split(&mut self, line: &[u8]) -> Result<Row, Fault> {
        // No field is longer than its line, and no line has more fields than bytes and one: nothing can be full.
        self.text.resize(line.len() + 1, 0);
        self.ends.resize(line.len() + 1, 0);
        self.reader.reset();
        let (result, _, mut length, mut count) = self.reader.read_record(line, &mut self.text, &mut self.ends);
        if result == ReadRecordResult::InputEmpty {
            // A line without its end.
            let (_, _, more, fields) = self.reader.read_record(&[], &mut self.text[length..], &mut self.ends[count..]);
            (length, count) = (length + more, count + fields);
        }
        let text = std::str::from_utf8(&self.text[..length]);
        let text = text.map_err(|_| Fault::new("row", String::from_utf8_lossy(line).trim(), "UTF-8 text"))?;
        let starts = std::iter::once(0).chain(self.ends[..count].iter().copied());
        let bounds = starts.zip(&self.ends[..count]);
        // An end within a character would be none of ours: the reader splits at commas.
        Ok(Row(bounds.map(|(start, &end)| text.get(start..end).unwrap_or_default().trim().to_owned()).collect()))
    }
}

/// A line's fields.
struct Row(Vec<String>);

impl Row {
    fn get(&self, at: usize) -> &str {
        self.0.get(at).map_or("", String::as_str)
    }
}

impl Columns {
    fn of(header: &[String]) -> Result<Self, &'static str> {
        let find = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let rtt = match (find("rtt_us"), find("rtt_ms")) {
            (Some(_), Some(_)) => return Err(BOTH_RTTS),
            (Some(at), None) => Rtt::Micros(at),
            (None, Some(at)) => Rtt::Millis(at),
            (None, None) => return Err(HEADER),
        };
        let (Some(ts), Some(source), Some(target)) = (find("ts"), find("source"), find("target")) else {
            return Err(HEADER);
        };
        let [outcome, protocol, family, address] = ["outcome", "protocol", "family", "address"].map(find);
        let (Rtt::Micros(rtt_at) | Rtt::Millis(rtt_at)) = rtt;
        let known = [Some(ts), Some(source), Some(target), Some(rtt_at), outcome, protocol, family, address];
        let names = header.iter().map(|name| name.to_ascii_lowercase());
        let mut unknown: Vec<_> = names.zip(0..).filter(|(_, at)| !known.contains(&Some(*at))).collect();
        unknown.sort();
        Ok(Self { ts, source, target, rtt, outcome, protocol, family, address, unknown })
    }

    fn read(&self, row: &Row) -> Result<Taken, Fault> {
        let field = |at: usize| row.get(at);
        let optional = |at: Option<usize>| at.map(field).filter(|text| !text.is_empty());
        let started_at = values::time("ts", field(self.ts))?;
        let vantage = values::vantage("source", field(self.source))?;
        let target = values::target("target", field(self.target))?;
        let rtt_us = self.rtt_us(row)?;
        let outcome = outcome(optional(self.outcome), rtt_us)?;
        let name = optional(self.protocol).unwrap_or("tcp");
        let protocol =
            Protocol::from_name(name).ok_or_else(|| Fault::new("protocol", name, "tcp, tls, https, icmp or udp"))?;
        let (family, address) = place(optional(self.family), optional(self.address))?;
        let sample = Sample {
            outcome,
            rtt_us,
            retransmits: u32::from(outcome == Outcome::Retransmitted),
            ..values::sample(&target, protocol, 0, (family, address))
        };
        let (micros, family) = (started_at.0.to_string(), family.number().to_string());
        let rtt_us = rtt_us.map(|rtt| rtt.to_string()).unwrap_or_default();
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        let mut content = vec![target.as_str(), &micros, name, &family, outcome.name(), &rtt_us, &address];
        // A number of the probe, say: rows that differ in nothing else are different probes.
        let unknown = self.unknown.iter().map(|(name, at)| (name.as_str(), field(*at)));
        content.extend(unknown.filter(|(_, text)| !text.is_empty()).flat_map(|(name, text)| [name, text]));
        let id = identity(Origin::Csv, vantage, &content);
        Ok(Taken::Round(Round { id, started_at, gap: None, samples: vec![sample] }, Origin::Csv))
    }

    fn rtt_us(&self, row: &Row) -> Result<Option<u32>, Fault> {
        let (name, at, ms) = match self.rtt {
            Rtt::Micros(at) => ("rtt_us", at, 0.001),
            Rtt::Millis(at) => ("rtt_ms", at, 1.0),
        };
        let text = row.get(at);
        if text.is_empty() {
            return Ok(None);
        }
        let number: f64 =
            text.parse().map_err(|_| Fault::new(name, text, "a number, or nothing where there is no answer"))?;
        let checked = values::rtt_us(name, number * ms);
        checked.map(Some).map_err(|fault| Fault { found: text.to_owned(), ..fault })
    }
}

/// Without a name, a probe with a time was answered and one without was not.
fn outcome(name: Option<&str>, rtt_us: Option<u32>) -> Result<Outcome, Fault> {
    let Some(name) = name else {
        return Ok(if rtt_us.is_some() { Outcome::Answered } else { Outcome::Timeout });
    };
    let known = Outcome::ALL.into_iter().find(|outcome| outcome.name() == name);
    let expected = "answered, retransmitted, timeout, refused, unreachable, reset, dns_failure or not_sent";
    let outcome = known.ok_or_else(|| Fault::new("outcome", name, expected))?;
    match rtt_us.is_some() && outcome != Outcome::Answered {
        true => Err(Fault::new("outcome", name, "answered where there is a round-trip time")),
        false => Ok(outcome),
    }
}

fn place(family: Option<&str>, address: Option<&str>) -> Result<(Family, Option<IpAddr>), Fault> {
    let address: Option<IpAddr> = match address {
        Some(text) => Some(text.parse().map_err(|_| Fault::new("address", text, "an IP address"))?),
        None => None,
    };
    let of_address = address.map(Family::of);
    let family = match family {
        None => of_address.unwrap_or(Family::V4),
        Some("4") => Family::V4,
        Some("6") => Family::V6,
        Some(other) => return Err(Fault::new("family", other, "4 or 6")),
    };
    match of_address.is_none_or(|of_address| of_address == family) {
        true => Ok((family, address)),
        false => Err(Fault::new("family", family.number(), "that of the address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (u64, Result<Sample, String>);

    fn rows(text: &str) -> Vec<Row> {
        let table = CsvTable::open(text.as_bytes()).unwrap().expect("a header");
        let row = |(line, taken): (u64, Result<Taken, Fault>)| match taken {
            Ok(Taken::Round(round, Origin::Csv)) => (line, Ok(round.samples[0].clone())),
            Ok(other) => panic!("{other:?}"),
            Err(fault) => (line, Err(fault.field)),
        };
        table.map(|taken| row(taken.unwrap())).collect()
    }

    #[test]
    fn rows_are_probes() {
        let text = "TS, source,target,rtt_ms,outcome,protocol,family,address\n\
            2026-03-01T10:00:00Z,a,b,68.41,,,,\n\
            \n\
            1772359200,a,b,,,icmp,6,\n\
            1772359200,\"a\",b,,retransmitted,tls,,192.0.2.1\n";
        let rows = rows(text);
        let figures: Vec<_> = rows
            .iter()
            .map(|(line, row)| {
                let sample = row.as_ref().unwrap();
                (*line, sample.rtt_us, sample.outcome, sample.protocol, sample.family, sample.retransmits)
            })
            .collect();
        let expected = [
            (2, Some(68_410), Outcome::Answered, Protocol::TcpConnect, Family::V4, 0),
            (4, None, Outcome::Timeout, Protocol::IcmpEcho, Family::V6, 0),
            (5, None, Outcome::Retransmitted, Protocol::TlsHandshake, Family::V4, 1),
        ];
        assert_eq!(figures, expected);
        assert_eq!(
            self::rows("ts,source,target,rtt_us\n1772359200,a,b,68410")[0].1.as_ref().unwrap().rtt_us,
            Some(68_410)
        );
    }

    #[test]
    fn a_bad_row_is_named_and_the_next_one_read() {
        let text = "ts,source,target,rtt_us,outcome,family,address\r\n\
            soon,a,b,1,,,\n1,A,b,1,,,\n1,a,,1,,,\n1,a,b,x,,,\r\n1,a,b,0,,,\n1,a,b,1,timeout,,\n1,a,b,1,good,,\n1,a,b,1,,5,\n1,a,b,1,,6,192.0.2.1\n\
            1,a,b,1,,,x\n1,a,b\n1,a,b,7,,,\n";
        let fields: Vec<Result<Option<u32>, String>> =
            rows(text).into_iter().map(|(_, row)| row.map(|sample| sample.rtt_us)).collect();
        let bad =
            ["ts", "source", "target", "rtt_us", "rtt_us", "outcome", "outcome", "family", "family", "address", "row"];
        let expected: Vec<_> = bad.iter().map(|field| Err((*field).to_owned())).chain([Ok(Some(7))]).collect();
        assert_eq!(fields, expected);
        assert_eq!(rows(text).iter().map(|(line, _)| *line).collect::<Vec<_>>(), (2..=13).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_without_its_columns_is_none() {
        for text in ["", "ts,source,target\n", "a,b\n1,2\n"] {
            assert_eq!(CsvTable::open(text.as_bytes()).unwrap().err(), Some(HEADER), "{text:?}");
        }
    }

    #[test]
    fn a_file_with_two_columns_of_round_trip_times_is_none() {
        for text in ["ts,source,target,rtt_us,rtt_ms\n", "ts,source,RTT_MS,target,rtt_us\n1,a,2,b,\n"] {
            assert_eq!(CsvTable::open(text.as_bytes()).unwrap().err(), Some(BOTH_RTTS), "{text:?}");
        }
    }

    fn epochs(text: &str) -> Vec<u64> {
        let table = CsvTable::open(text.as_bytes()).unwrap().expect("a header");
        let epoch = |taken| match taken {
            Ok((_, Ok(Taken::Round(round, _)))) => round.id.epoch,
            other => panic!("{other:?}"),
        };
        table.map(epoch).collect()
    }

    #[test]
    fn rows_that_differ_in_any_column_are_different_probes() {
        let plain = epochs("ts,source,target,rtt_ms\n1772359200,a,b,\n");
        assert_eq!(plain, [PLAIN]);
        let numbered = epochs("ts,seq,source,target,rtt_ms\n1772359200,1,a,b,\n1772359200,2,a,b,\n1772359200,2,a,b,\n");
        assert!(numbered[0] != numbered[1] && numbered[1] == numbered[2] && !numbered.contains(&PLAIN), "{numbered:?}");
        let elsewhere = epochs("source,target,Run,ts,rtt_ms,SEQ\na,b,,1772359200,,2\na,b,2,1772359200,,\n");
        assert_eq!(elsewhere[0], numbered[1], "the order of the columns is no matter");
        assert_ne!(elsewhere[1], numbered[1], "the column's name is");
    }

    /// What is in tables depends on it.
    const PLAIN: u64 = 7_425_249_610_930_765_487;
}
