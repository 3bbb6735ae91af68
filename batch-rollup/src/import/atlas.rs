//! Ping results of RIPE Atlas: <https://atlas.ripe.net/docs/apis/result-format/>, of firmware 4400 and later.

use std::net::IpAddr;

use cloudping_model::{Family, Outcome, Protocol, Round, Sample, TargetId};
use cloudping_schemas::tables::Origin;
use serde_json::Value;

use super::Taken;
use super::fault::Fault;
use super::fields::Fields;
use super::identity::identity;
use super::mapping::Mapping;
use super::values;

/// A probe's packets leave a second after each other, unless the measurement asks for another interval, which its results do not tell.
const BETWEEN_PINGS_US: u32 = 1_000_000;
/// A result of more packets is none.
const MAX_PINGS: usize = 600;

/// One result: the packets that a probe sent to a target.
pub(super) fn read(bytes: &[u8], mapping: &Mapping) -> Result<Taken, Fault> {
    let parsed: Value = serde_json::from_slice(bytes).map_err(|error| Fault::new("record", error, "JSON"))?;
    let row = Fields::of(&parsed)?;
    if row.has("type") && row.text("type")? != "ping" {
        return Err(row.fault("type", "ping"));
    }
    if row.has("proto") && !row.text("proto")?.eq_ignore_ascii_case("ICMP") {
        return Err(row.fault("proto", "ICMP"));
    }
    let probe = row.whole("prb_id")?;
    let vantage = mapping.probe(probe.into());
    let host = if row.has("dst_name") { row.text("dst_name")? } else { row.text("dst_addr")? };
    let target = mapping.target(host).map_err(|_| {
        Fault::new("dst_name", host, "a host that --map names, or 1 to 64 characters out of a-z, 0-9 and . _ : -")
    })?;
    let text = row.whole("timestamp")?.to_string();
    let started_at = values::time("timestamp", &text)?;
    let samples = packets(&row, &target)?;
    if samples.is_empty() {
        return Ok(Taken::Skipped);
    }
    let measurement = row.get("msm_id").map(Value::to_string).unwrap_or_default();
    let (probe, family) = (probe.to_string(), samples[0].family.number().to_string());
    let id = identity(Origin::RipeAtlas, vantage, &[&probe, &measurement, target.as_str(), &text, &family]);
    Ok(Taken::Round(Round { id, started_at, gap: None, samples }, Origin::RipeAtlas))
}

fn packets(row: &Fields, target: &TargetId) -> Result<Vec<Sample>, Fault> {
    let address: Option<IpAddr> = match row.has("dst_addr") {
        true => Some(row.text("dst_addr")?.parse().map_err(|_| row.fault("dst_addr", "an IP address"))?),
        false => None,
    };
    let family = match (address, row.has("af")) {
        (Some(address), _) => Family::of(address),
        (None, true) => match row.whole("af")? {
            4 => Family::V4,
            6 => Family::V6,
            _ => return Err(row.fault("af", "4 or 6")),
        },
        (None, false) => Family::V4,
    };
    let packet = |nth: u32| values::sample(target, Protocol::IcmpEcho, nth * BETWEEN_PINGS_US, (family, address));
    if row.has("dnserr") {
        return Ok(vec![Sample { outcome: Outcome::DnsFailure, ..packet(0) }]);
    }
    let results = row.list("result")?;
    if results.len() > MAX_PINGS {
        return Err(Fault::new("result", format!("{} packets", results.len()), "at most 600 packets"));
    }
    let mut samples = Vec::with_capacity(results.len());
    for (result, nth) in results.iter().zip(0_u32..) {
        let of_result = |fault: Fault| Fault { field: format!("result[{nth}].{}", fault.field), ..fault };
        let result = Fields::of(result).map_err(of_result)?;
        // A second answer to a packet, or one to a packet that had been given up, is nothing.
        if result.has("dup") || result.has("late") {
            continue;
        }
        let sample = packet(u32::try_from(samples.len()).unwrap_or(nth));
        samples.push(match (result.has("rtt"), result.has("x"), result.has("error")) {
            (true, ..) => {
                let rtt = result.number("rtt").map_err(of_result)?;
                values::answered(sample, values::rtt_us(&format!("result[{nth}].rtt"), rtt)?)
            }
            (false, true, _) => sample,
            // The probe's own machine refused to send it.
            (false, false, true) => Sample { outcome: Outcome::NotSent, ..sample },
            _ => return Err(of_result(result.fault("rtt", "a number, or beside it x or error"))),
        });
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = r#"{"fw":5080,"lts":12,"dst_name":"dynamodb.eu-west-1.amazonaws.com","af":4,"dst_addr":"52.119.244.1","src_addr":"10.0.0.2",
        "proto":"ICMP","ttl":230,"size":48,"dup":1,"rcvd":2,"sent":3,"min":24.6,"max":26.1,"avg":25.3,"msm_id":1001,"prb_id":6012,
        "timestamp":1620129603,"msm_name":"Ping","from":"192.0.2.9","type":"ping",
        "result":[{"rtt":24.604},{"rtt":24.7,"dup":1},{"x":"*"},{"rtt":26.1}]}"#;

    fn samples(text: &str) -> Vec<(u32, Option<u32>, Outcome)> {
        let Ok(Taken::Round(round, Origin::RipeAtlas)) = read(text.as_bytes(), &Mapping::default()) else {
            panic!("no round");
        };
        round.samples.iter().map(|sample| (sample.offset_us, sample.rtt_us, sample.outcome)).collect()
    }

    #[test]
    fn a_result_is_its_packets() {
        let expected = [
            (0, Some(24_604), Outcome::Answered),
            (1_000_000, None, Outcome::Timeout),
            (2_000_000, Some(26_100), Outcome::Answered),
        ];
        assert_eq!(samples(RESULT), expected);
        let mut mapping = Mapping::default();
        mapping
            .add("[probes]\n6012 = \"eu-central-1\"\n[targets]\n\"dynamodb.eu-west-1.amazonaws.com\" = \"eu-west-1\"")
            .unwrap();
        let Ok(Taken::Round(round, _)) = read(RESULT.as_bytes(), &mapping) else { panic!("no round") };
        assert_eq!((round.id.vantage.as_str(), round.samples[0].target.as_str()), ("eu-central-1", "eu-west-1"));
        assert_eq!(round.samples[0].protocol, Protocol::IcmpEcho);
        assert_eq!(round.samples[0].address, "52.119.244.1".parse().ok());
        assert_eq!(round.started_at.0, 1_620_129_603_000_000);
    }

    #[test]
    fn what_never_left_is_no_loss() {
        let error = r#"{"prb_id":1,"dst_addr":"2001:db8::1","timestamp":1620129603,"result":[{"error":"sendto failed: Network is unreachable"}]}"#;
        assert_eq!(samples(error), [(0, None, Outcome::NotSent)]);
        let name = r#"{"prb_id":1,"dst_name":"h.example","af":6,"timestamp":1620129603,"dnserr":"non-recoverable failure","result":[]}"#;
        assert_eq!(samples(name), [(0, None, Outcome::DnsFailure)]);
        let none = r#"{"prb_id":1,"dst_name":"h.example","timestamp":1620129603,"result":[]}"#;
        assert_eq!(read(none.as_bytes(), &Mapping::default()), Ok(Taken::Skipped));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, field) in [
            ("[", "record"),
            (r#"{"type":"traceroute","prb_id":1}"#, "type"),
            (r#"{"proto":"UDP","prb_id":1}"#, "proto"),
            (r#"{"dst_name":"h"}"#, "prb_id"),
            (r#"{"prb_id":1}"#, "dst_addr"),
            (r#"{"prb_id":1,"dst_name":"h"}"#, "timestamp"),
            (r#"{"prb_id":1,"dst_name":"h h","timestamp":1}"#, "dst_name"),
            (r#"{"prb_id":1,"dst_name":"h","dst_addr":"x","timestamp":1}"#, "dst_addr"),
            (r#"{"prb_id":1,"dst_name":"h","timestamp":1}"#, "result"),
            (r#"{"prb_id":1,"dst_name":"h","timestamp":1,"result":[{"rtt":1},{"y":1}]}"#, "result[1].rtt"),
            (r#"{"prb_id":1,"dst_name":"h","timestamp":1,"result":[{"rtt":-1}]}"#, "result[0].rtt"),
        ] {
            assert_eq!(read(text.as_bytes(), &Mapping::default()).unwrap_err().field, field, "{text}");
        }
    }
}
