//! One probe as one line: newline-delimited JSON or CSV.

use std::net::SocketAddr;

use serde::Serialize;

use super::tally::{Shot, Tally};
use crate::clock;

/// What is printed of one probe. Times in ms, `None` where nothing is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// When it left, RFC 3339 in UTC.
    pub time: String,
    /// As it was named on the command line.
    pub target: String,
    /// What it was: tcp, tls, https, icmp or udp.
    pub kind: &'static str,
    /// Address and port that were probed.
    pub address: Option<SocketAddr>,
    /// From 1, by time of departure.
    pub number: u64,
    /// What became of it.
    pub outcome: &'static str,
    /// The time that the kind measures.
    pub rtt_ms: Option<f64>,
    /// What user space saw of the same exchange.
    pub connect_ms: Option<f64>,
    /// How often the kernel sent again.
    pub retransmits: u32,
}

/// First line of the CSV.
pub const CSV_HEADER: &str = "time,target,kind,address,number,outcome,rtt_ms,connect_ms,retransmits";

impl Record {
    /// The record of a probe of that tally's target.
    pub fn new(shot: &Shot, tally: &Tally) -> Self {
        let ms = |us: u32| f64::from(us) / 1_000.0;
        Self {
            time: clock::rfc3339(shot.sent_at),
            target: tally.target.clone(),
            kind: tally.kind.name(),
            address: tally.address,
            number: shot.number,
            outcome: shot.reading.outcome.name(),
            rtt_ms: shot.reading.rtt_us.map(ms),
            connect_ms: shot.reading.connect_us.map(ms),
            retransmits: shot.reading.retransmits,
        }
    }

    /// As a line of CSV, without its end. No field can hold a comma or a quote: a target is a name or an address.
    pub fn csv(&self) -> String {
        let text = |value: Option<String>| value.unwrap_or_default();
        [
            self.time.clone(),
            self.target.clone(),
            self.kind.to_owned(),
            text(self.address.map(|address| address.to_string())),
            self.number.to_string(),
            self.outcome.to_owned(),
            text(self.rtt_ms.map(|rtt| rtt.to_string())),
            text(self.connect_ms.map(|connect| connect.to_string())),
            self.retransmits.to_string(),
        ]
        .join(",")
    }
}

#[cfg(test)]
mod tests {
    use cloudping_model::{Outcome, Protocol, UtcMicros};
    use cloudping_producers::probers::Reading;

    use super::*;

    #[test]
    fn a_line_has_a_field_for_each_of_the_header() {
        let reading = Reading { rtt_us: Some(12_345), connect_us: Some(12_400), ..Reading::failed(Outcome::Answered) };
        let shot = Shot { target: 0, number: 7, sent_at: UtcMicros(1_700_000_000_000_001), reading };
        let tally = |address| Tally::new("example.com", Protocol::TcpConnect, address);
        let record = Record::new(&shot, &tally(Some(([192, 0, 2, 1], 443).into())));
        let expected = "2023-11-14T22:13:20.000001Z,example.com,tcp,192.0.2.1:443,7,answered,12.345,12.4,0";
        assert_eq!(record.csv(), expected);
        let lost = Record::new(&Shot { reading: Reading::failed(Outcome::Timeout), ..shot }, &tally(None));
        assert_eq!(lost.csv(), "2023-11-14T22:13:20.000001Z,example.com,tcp,,7,timeout,,,0");
        let json = serde_json::to_value(&record).unwrap();
        let names: Vec<&str> = CSV_HEADER.split(',').collect();
        assert!(names.iter().all(|name| json.get(name).is_some()) && json.as_object().unwrap().len() == names.len());
    }
}
