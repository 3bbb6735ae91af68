//! A user's own targets and vantage points: a TOML file, or texts on the command line. Reading them is pure; every error
//! names the line, the field and what was expected.
//!
//! ```toml
//! [[target]]
//! id = "shop"
//! endpoint = "shop.example:8443"   # a name or address; port 443 unless given
//! protocol = "tls"                 # tcp unless given
//! interval = "30s"                 # or every = 3, in rounds; every round unless given
//! burst = 3                        # probes each time; 1 unless given
//! timeout = "5s"                   # the vantage point's unless given
//!
//! [[vantage]]
//! id = "office-line-2"
//! source = "192.0.2.10"            # the address to probe from
//! ```

use std::collections::HashSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use cloudping_model::{Protocol, TargetId, VantageId};
use serde::Deserialize;
use toml::Spanned;

use crate::schedule::Rate;
use crate::targets::{Endpoint, Target, TargetPlan};

const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const BURSTS: RangeInclusive<u32> = 1..=100;
const PROTOCOLS: &str = "tcp, tls, https, icmp or udp";

/// What a user's file holds.
#[derive(Debug, Clone, Default)]
pub struct TargetFile {
    /// The targets, each id once.
    pub targets: Vec<Target>,
    /// The vantage points, each id once. None: the program's own.
    pub vantages: Vec<VantageLine>,
}

/// A place on this machine to measure from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VantageLine {
    /// Its id.
    pub id: VantageId,
    /// The address to probe from; `None` leaves the choice to the kernel.
    pub source: Option<IpAddr>,
}

/// Why a text names no targets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetFileError {
    /// Not the TOML that is expected; the message names line and field.
    #[error("{file}: {message}")]
    Toml {
        /// The file.
        file: String,
        /// What the TOML reader says.
        message: String,
    },
    /// A field holds what it must not.
    #[error("{file}, line {line}: {field} is {found:?}, expected {expected}")]
    Field {
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// Which field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// An argument of `--target` is none.
    #[error("--target {text:?}: {field} is {found:?}, expected {expected}")]
    Argument {
        /// The argument.
        text: String,
        /// Which part of it.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    target: Vec<TargetRow>,
    #[serde(default)]
    vantage: Vec<VantageRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetRow {
    id: Spanned<String>,
    endpoint: Spanned<String>,
    protocol: Option<Spanned<String>>,
    every: Option<Spanned<u32>>,
    interval: Option<Spanned<String>>,
    burst: Option<Spanned<u32>>,
    timeout: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VantageRow {
    id: Spanned<String>,
    source: Option<Spanned<String>>,
}

/// What is wrong with a field: its name, where and what it is, what was expected.
struct Fault {
    field: &'static str,
    at: Range<usize>,
    found: String,
    expected: String,
}

fn fault<T: ToString>(field: &'static str, value: &Spanned<T>, expected: impl ToString) -> Fault {
    Fault { field, at: value.span(), found: value.get_ref().to_string(), expected: expected.to_string() }
}

impl TargetFile {
    /// Reads a file's text; `file` is its name, for errors.
    ///
    /// # Errors
    /// [`TargetFileError`], the first that is found.
    pub fn parse(file: &str, text: &str) -> Result<Self, TargetFileError> {
        let rows: File = toml::from_str(text)
            .map_err(|error| TargetFileError::Toml { file: file.to_owned(), message: error.to_string() })?;
        read(rows).map_err(|Fault { field, at, found, expected }| {
            let line = 1 + text.as_bytes()[..at.start].iter().filter(|byte| **byte == b'\n').count();
            TargetFileError::Field { file: file.to_owned(), line, field, found, expected }
        })
    }
}

fn read(rows: File) -> Result<TargetFile, Fault> {
    once(rows.target.iter().map(|row| &row.id), "an id that no other target has")?;
    once(rows.vantage.iter().map(|row| &row.id), "an id that no other vantage point has")?;
    Ok(TargetFile {
        targets: rows.target.iter().map(target).collect::<Result<_, _>>()?,
        vantages: rows.vantage.iter().map(vantage).collect::<Result<_, _>>()?,
    })
}

fn once<'a>(ids: impl Iterator<Item = &'a Spanned<String>>, expected: &str) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id.get_ref()) {
            return Err(fault("id", id, expected));
        }
    }
    Ok(())
}

fn target(row: &TargetRow) -> Result<Target, Fault> {
    let id = TargetId::new(row.id.get_ref())
        .map_err(|_| fault("id", &row.id, "1 to 64 characters out of a-z, 0-9 and . _ : -"))?;
    let endpoint = Endpoint::parse(row.endpoint.get_ref())
        .map_err(|_| fault("endpoint", &row.endpoint, "HOST:PORT, such as example.com:443 or [2001:db8::1]:443"))?;
    let protocol = match &row.protocol {
        Some(name) => Protocol::from_name(name.get_ref()).ok_or_else(|| fault("protocol", name, PROTOCOLS))?,
        None => Protocol::TcpConnect,
    };
    let burst = row.burst.as_ref().map_or(Ok(1), |burst| match burst.get_ref() {
        count if BURSTS.contains(count) => Ok(*count),
        _ => Err(fault("burst", burst, "1 to 100")),
    })?;
    let plan = TargetPlan {
        protocol,
        rate: rate(row)?,
        burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
        timeout: row.timeout.as_ref().map(|text| duration("timeout", text, &TIMEOUTS)).transpose()?,
    };
    Ok(Target::new(id, endpoint).planned(plan))
}

fn rate(row: &TargetRow) -> Result<Rate, Fault> {
    match (&row.every, &row.interval) {
        (None, None) => Ok(Rate::EveryRound),
        (Some(every), None) => match NonZeroU32::new(*every.get_ref()) {
            Some(rounds) => Ok(Rate::Every(rounds)),
            None => Err(fault("every", every, "a number of rounds, 1 or more")),
        },
        (None, Some(text)) => duration("interval", text, &INTERVALS).map(Rate::Interval),
        (Some(_), Some(text)) => Err(fault("interval", text, "either every or interval, not both")),
    }
}

fn duration(field: &'static str, text: &Spanned<String>, within: &RangeInclusive<Duration>) -> Result<Duration, Fault> {
    let expected = || format!("a time such as 500ms or 10s, from {:?} to {:?}", within.start(), within.end());
    let found = humantime::parse_duration(text.get_ref()).ok();
    found.filter(|time| within.contains(time)).ok_or_else(|| fault(field, text, expected()))
}

fn vantage(row: &VantageRow) -> Result<VantageLine, Fault> {
    let id = VantageId::new(row.id.get_ref())
        .map_err(|_| fault("id", &row.id, "1 to 64 characters out of a-z, 0-9 and . _ : -"))?;
    let source = row.source.as_ref().map(|text| {
        let address = text.get_ref().parse();
        address.map_err(|_| fault("source", text, "an IPv4 or IPv6 address of this machine"))
    });
    Ok(VantageLine { id, source: source.transpose()? })
}

/// Reads `ID=HOST:PORT` or `ID=HOST:PORT/PROTOCOL`.
///
/// # Errors
/// [`TargetFileError::Argument`], naming the part that is wrong.
pub fn parse_argument(text: &str) -> Result<Target, TargetFileError> {
    let wrong = |field, found: &str, expected: &str| TargetFileError::Argument {
        text: text.to_owned(),
        field,
        found: found.to_owned(),
        expected: expected.to_owned(),
    };
    let (id, rest) =
        text.split_once('=').ok_or_else(|| wrong("the whole", text, "ID=HOST:PORT or ID=HOST:PORT/PROTOCOL"))?;
    let (endpoint, protocol) = match rest.rsplit_once('/') {
        Some((endpoint, name)) => {
            (endpoint, Protocol::from_name(name).ok_or_else(|| wrong("protocol", name, PROTOCOLS))?)
        }
        None => (rest, Protocol::TcpConnect),
    };
    let id = TargetId::new(id).map_err(|_| wrong("id", id, "1 to 64 characters out of a-z, 0-9 and . _ : -"))?;
    let endpoint = Endpoint::parse(endpoint)
        .map_err(|_| wrong("endpoint", endpoint, "HOST:PORT, such as example.com:443 or [2001:db8::1]:443"))?;
    Ok(Target::new(id, endpoint).planned(TargetPlan { protocol, ..TargetPlan::default() }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = r#"
[[target]]
id = "shop"
endpoint = "shop.example:8443"
protocol = "tls"
interval = "30s"
burst = 3
timeout = "5s"

[[target]]
id = "dns"
endpoint = "192.0.2.53:53"
every = 2

[[vantage]]
id = "office-2"
source = "192.0.2.10"
"#;

    #[test]
    fn a_file_is_read_with_all_its_fields() {
        let file = TargetFile::parse("t.toml", FILE).unwrap();
        let [shop, dns] = &file.targets[..] else { panic!("{file:?}") };
        assert_eq!((shop.id().as_str(), &*shop.host(), shop.port()), ("shop", "shop.example", 8443));
        let plan = TargetPlan {
            protocol: Protocol::TlsHandshake,
            rate: Rate::Interval(Duration::from_secs(30)),
            burst: NonZeroU32::new(3).unwrap(),
            timeout: Some(Duration::from_secs(5)),
        };
        assert_eq!(*shop.plan(), plan);
        let every = Rate::Every(NonZeroU32::new(2).unwrap());
        assert_eq!(*dns.plan(), TargetPlan { rate: every, ..TargetPlan::default() });
        let source = Some(IpAddr::from([192, 0, 2, 10]));
        assert_eq!(file.vantages, [VantageLine { id: VantageId::new("office-2").unwrap(), source }]);
        assert!(TargetFile::parse("empty.toml", "").unwrap().targets.is_empty());
    }

    fn complaint(from: &str, to: &str) -> String {
        assert!(FILE.contains(from));
        TargetFile::parse("t.toml", &FILE.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_file_line_field_and_what_was_expected() {
        for (from, to, expected) in [
            (
                "\"shop\"",
                "\"Shop!\"",
                "line 3: id is \"Shop!\", expected 1 to 64 characters out of a-z, 0-9 and . _ : -",
            ),
            ("\"dns\"", "\"shop\"", "line 11: id is \"shop\", expected an id that no other target has"),
            (
                "192.0.2.53:53",
                "x:0",
                "line 12: endpoint is \"x:0\", expected HOST:PORT, such as example.com:443 or [2001:db8::1]:443",
            ),
            ("\"tls\"", "\"smtp\"", "line 5: protocol is \"smtp\", expected tcp, tls, https, icmp or udp"),
            ("30s", "soon", "line 6: interval is \"soon\", expected a time such as 500ms or 10s, from 100ms to 86400s"),
            ("\"5s\"", "\"2h\"", "line 8: timeout is \"2h\", expected a time such as 500ms or 10s, from 10ms to 60s"),
            ("burst = 3", "burst = 0", "line 7: burst is \"0\", expected 1 to 100"),
            ("every = 2", "every = 0", "line 13: every is \"0\", expected a number of rounds, 1 or more"),
            ("burst = 3", "every = 3", "line 6: interval is \"30s\", expected either every or interval, not both"),
            ("192.0.2.10", "here", "line 17: source is \"here\", expected an IPv4 or IPv6 address of this machine"),
        ] {
            assert_eq!(complaint(from, to), format!("t.toml, {expected}"));
        }
    }

    #[test]
    fn what_is_no_such_toml_is_named_with_its_line() {
        for (from, to, parts) in [
            ("burst = 3", "brust = 3", ["line 7", "brust"]),
            ("burst = 3", "burst = \"three\"", ["line 7", "string"]),
            ("id = \"dns\"\n", "", ["line 10", "id"]),
            ("[[vantage]]", "[[vantage", ["line 15", "vantage"]),
        ] {
            let error = complaint(from, to);
            assert!(error.starts_with("t.toml: ") && parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }

    #[test]
    fn an_argument_is_read_or_its_wrong_part_named() {
        let read = |text| {
            let target = parse_argument(text)?;
            Ok::<_, TargetFileError>((target.host().to_string(), target.port(), target.plan().protocol))
        };
        assert_eq!(read("shop=shop.example:8443"), Ok(("shop.example".into(), 8443, Protocol::TcpConnect)));
        assert_eq!(read("shop=shop.example/https"), Ok(("shop.example".into(), 443, Protocol::HttpsTtfb)));
        assert_eq!(read("v6=[2001:db8::1]:80/tcp"), Ok(("2001:db8::1".into(), 80, Protocol::TcpConnect)));
        for (text, part) in [
            ("shop.example", "the whole is \"shop.example\", expected ID=HOST:PORT"),
            ("SHOP=a:1", "id is \"SHOP\", expected 1 to 64"),
            ("a=b:1/ftp", "protocol is \"ftp\", expected tcp, tls"),
            ("a=b:99999", "endpoint is \"b:99999\", expected HOST:PORT"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--target {text:?}: {part}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC*", damage in 0..400_usize) {
            let _any_answer = (TargetFile::parse("t", &text), parse_argument(&text));
            let cut: String = FILE.chars().take(damage).chain(text.chars()).collect();
            let _any_answer = TargetFile::parse("t", &cut);
        }
    }
}
