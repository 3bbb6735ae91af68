//! The packet counter: a destination of the UDP gateway that tells each sender how many of its packets were in a batch.
//!
//! Packets are counted by the sender's address, whatever its port. Each address gets one reply, on the tag of its first packet: `12
//! eu-west-1` and a line's end, where the region is the counter's own, or the number alone where there is only one counter.
//! [`Counter`] counts packets as a gateway holds them; [`answer`] counts a batch as a function is given it.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use cloudping_model::UtcMicros;
use cloudping_schemas::gateway::{Answer, Batch, FormatError, Message, Reply};

/// What an address is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<T> {
    /// The address.
    pub address: IpAddr,
    /// The tag of its first packet in the batch.
    pub tag: T,
    /// Its packets in the batch.
    pub packets: u64,
}

impl<T> Count<T> {
    /// The reply's payload, to be written where it goes out; with a region where there is more than one counter.
    #[must_use]
    pub fn body<'a>(&self, region: Option<&'a str>) -> Body<'a> {
        Body { packets: self.packets, region }
    }
}

/// A reply's payload: displays as `12 eu-west-1` or `12`, and a line's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Body<'a> {
    packets: u64,
    region: Option<&'a str>,
}

impl fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.region {
            Some(region) => writeln!(f, "{} {region}", self.packets),
            None => writeln!(f, "{}", self.packets),
        }
    }
}

/// Counts batches, one after the other, in memory that it keeps: as much as the batch with the most addresses took.
#[derive(Debug, Clone)]
pub struct Counter<T> {
    counts: Vec<Count<T>>,
    /// Where an address is in `counts`. Senders choose their addresses, so it hashes with a secret.
    places: HashMap<IpAddr, usize>,
}

impl<T> Default for Counter<T> {
    fn default() -> Self {
        Self { counts: Vec::new(), places: HashMap::new() }
    }
}

impl<T> Counter<T> {
    /// Counts a batch: each packet is its sender's address and its tag. The counts are in the order of the first packets.
    pub fn count(&mut self, packets: impl IntoIterator<Item = (IpAddr, T)>) -> &[Count<T>] {
        self.counts.clear();
        self.places.clear();
        let mut last = None;
        for (address, tag) in packets {
            // Packets of one sender often follow each other.
            let place = match last {
                Some((same, place)) if same == address => place,
                _ => *self.places.entry(address).or_insert(self.counts.len()),
            };
            last = Some((address, place));
            match self.counts.get_mut(place) {
                Some(count) => count.packets += 1,
                None => self.counts.push(Count { address, tag, packets: 1 }),
            }
        }
        &self.counts
    }
}

/// The answer to a batch, made at `now`. Each reply is in the formatter of the message that it answers.
///
/// # Errors
/// [`FormatError`] where a message's formatter cannot write the region.
pub fn answer<'a>(batch: &'a Batch<'_>, region: Option<&str>, now: UtcMicros) -> Result<Answer<'a>, FormatError> {
    let mut counter = Counter::default();
    let counts = counter.count(batch.messages.iter().map(|message| (message.remote.ip_address, message)));
    let reply = |count: &Count<&'a Message<'_>>| {
        let data = count.tag.formatter.write(count.body(region).to_string().as_bytes())?;
        Ok(Reply { tag: count.tag.tag.as_ref().into(), generated_at: Some(now), data: data.into() })
    };
    Ok(Answer { replies: counts.iter().map(reply).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use cloudping_schemas::gateway::Formatter;
    use proptest::prelude::*;

    use super::*;

    const NOW: UtcMicros = UtcMicros(1_773_238_981_500_000);

    fn batch(messages: &[(&str, &str, u16, Formatter)]) -> Batch<'static> {
        let message = |&(tag, address, port, formatter): &(&str, &str, u16, Formatter)| {
            format!(
                r#"{{"Tag":"{tag}","Remote":{{"IpAddress":"{address}","Port":{port}}},"Local":{{"Domain":"ingress-1","Port":2061}},
                    "ReceivedAt":"2026-03-11T14:23:01.412Z","IngressRegion":"us-west-2","Formatter":"{formatter}","Data":""}}"#
            )
        };
        let messages: Vec<String> = messages.iter().map(message).collect();
        let json = format!(r#"{{"Messages":[{}]}}"#, messages.join(","));
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn each_address_is_told_on_its_first_tag_whatever_its_port() {
        let batch = batch(&[
            ("a1", "203.0.113.5", 51_234, Formatter::Utf8),
            ("a2", "203.0.113.6", 51_234, Formatter::Utf8),
            ("a3", "203.0.113.5", 51_235, Formatter::Utf8),
            ("a4", "2001:db8::5", 51_234, Formatter::Utf8),
            ("a5", "203.0.113.5", 51_234, Formatter::Utf8),
        ]);
        let told = |region| {
            let answer = answer(&batch, region, NOW).unwrap();
            let tell = |reply: &Reply| (reply.tag.to_string(), reply.data.to_string());
            answer.replies.iter().map(tell).collect::<Vec<_>>()
        };
        let expected = |one: &str, three: &str| {
            [("a1", three), ("a2", one), ("a4", one)].map(|(tag, data)| (tag.to_owned(), data.to_owned()))
        };
        assert_eq!(told(Some("eu-west-1")), expected("1 eu-west-1\n", "3 eu-west-1\n"));
        assert_eq!(told(None), expected("1\n", "3\n"));
    }

    #[test]
    fn replies_are_written_as_the_messages_were() {
        for formatter in Formatter::ALL {
            let batch = batch(&[("a1", "203.0.113.5", 1, formatter)]);
            let answer = answer(&batch, Some("us-west-2"), NOW).unwrap();
            assert_eq!(formatter.read(&answer.replies[0].data).unwrap(), b"1 us-west-2\n");
        }
        let batch = batch(&[("a1", "203.0.113.5", 1, Formatter::Base64)]);
        let known = r#"{"Replies":[{"Tag":"a1","GeneratedAt":"2026-03-11T14:23:01.500Z","Data":"MSB1cy13ZXN0LTIK"}]}"#;
        let answer = answer(&batch, Some("us-west-2"), NOW).unwrap();
        assert_eq!(serde_json::to_string(&answer).unwrap(), known);
    }

    #[test]
    fn an_empty_batch_is_answered_by_nothing() {
        assert_eq!(answer(&batch(&[]), None, NOW).unwrap(), Answer::default());
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_plain_map(batches in proptest::collection::vec(
            proptest::collection::vec(0..6_u8, 0..50), 1..4,
        )) {
            let mut counter = Counter::default();
            for batch in batches {
                let address = |last: u8| IpAddr::V4(Ipv4Addr::new(203, 0, 113, last));
                let counts = counter.count(batch.iter().copied().map(address).zip(0..));
                let mut expected = BTreeMap::<IpAddr, (usize, u64)>::new();
                for (tag, last) in batch.iter().enumerate() {
                    expected.entry(address(*last)).or_insert((tag, 0)).1 += 1;
                }
                let counted: BTreeMap<_, _> = counts.iter().map(|one| (one.address, (one.tag, one.packets))).collect();
                prop_assert_eq!(counts.len(), expected.len());
                prop_assert_eq!(counted, expected);
                prop_assert!(counts.is_sorted_by_key(|one| one.tag));
                prop_assert_eq!(counts.iter().map(|one| one.packets).sum::<u64>(), batch.len() as u64);
            }
        }
    }
}
