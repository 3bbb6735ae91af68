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
}

#[derive(Clone, Copy)]
enum Rtt {
    Micros(usize),
    Millis(usize),
}

impl<R: BufRead> CsvTable<R> {
    /// Reads the header; `None` if it lacks a column.
    pub(super) fn open(reader: R) -> io::Result<Option<Self>> {
        let mut lines = Records::new(reader, Layout::Lines);
        let Some((_, header)) = lines.next().transpose()? else { return Ok(None) };
        let mut splitter = Splitter::new();
        let Ok(Row(header)) = splitter.split(&header) else { return Ok(None) };
        let find = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let rtt = find("rtt_us").map(Rtt::Micros).or_else(|| find("rtt_ms").map(Rtt::Millis));
        let (Some(ts), Some(source), Some(target), Some(rtt)) = (find("ts"), find("source"), find("target"), rtt)
        else {
            return Ok(None);
        };
        let columns = Columns {
            ts,
            source,
            target,
            rtt,
            outcome: find("outcome"),
            protocol: find("protocol"),
            family: find("family"),
            address: find("address"),
        };
        Ok(Some(Self { lines, splitter, columns, width: header.len() }))
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
        let content = [
            target.as_str(),
            &started_at.0.to_string(),
            name,
            &family.number().to_string(),
            outcome.name(),
            &rtt_us.map(|rtt| rtt.to_string()).unwrap_or_default(),
            &address.map(|address| address.to_string()).unwrap_or_default(),
        ];
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
            assert!(CsvTable::open(text.as_bytes()).unwrap().is_none(), "{text:?}");
        }
    }
}
