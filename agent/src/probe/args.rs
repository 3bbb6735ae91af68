//! Arguments of `probe`.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use cloudping_model::{Family, Protocol};

/// How to print probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProbeFormat {
    /// A table for people, live in a terminal; histograms at the end
    Table,
    /// One JSON document at the end: the statistics of each target
    Json,
    /// A line a probe, as it ends, with a header
    Csv,
    /// A line of JSON a probe, as it ends
    Ndjson,
}

/// Arguments of `probe`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping probe example.com
  cloudping probe 192.0.2.1:22 [2001:db8::1]:443 --count 0 --interval 200ms
  cloudping probe example.com --count 5 -o json | jq '.[0].p50_ms'
  cloudping probe example.com --kind https
  cloudping probe 192.0.2.1:862 --kind udp         (there: cloudping reflect)
  cloudping probe example.com --count 0 -o csv > example.csv
  cloudping probe api.example.com --count 50 --fail-above 80ms --fail-loss 1% || alert

A probe is one TCP handshake, timed by the kernel from the SYN to its SYN-ACK, unless
--kind says otherwise. Names are resolved once, before the first probe. What had to be
sent again is a lost probe, never a latency. Ctrl-C ends with the summary.

Exit codes:
  0  every target was measured, none is above a threshold
  1  a target could not be measured: its name has no address, or nothing could be sent
  2  the command line is wrong
  3  --fail-above: the median of a target is above it, or no probe to it was answered
  4  --fail-loss: the loss of a target is above it (where 3 holds too, it is 4)")]
pub struct ProbeArgs {
    /// HOST[:PORT] (port 443 unless given)
    #[arg(required = true, value_name = "HOST[:PORT]")]
    pub targets: Vec<String>,
    /// What a probe is: a TCP handshake, a TLS handshake, the time to an HTTPS answer's first byte, an ICMP echo, or a STAMP
    /// test packet over UDP (`cloudping reflect` must run at the target)
    #[arg(long, default_value = "tcp", value_parser = kinds())]
    pub kind: Protocol,
    /// Probes to each target; 0 goes on until Ctrl-C
    #[arg(short = 'n', long, default_value_t = 10)]
    pub count: u64,
    /// Time between probes to a target, whatever became of the last one
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s", value_name = "TIME")]
    pub interval: Duration,
    /// How long a probe waits for its answer; may be longer than the interval
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2s", value_name = "TIME")]
    pub timeout: Duration,
    /// Addresses of names: IPv4 only or IPv6 only
    #[command(flatten)]
    pub family: FamilyArgs,
    /// Exit with 3 when the median of any target is above this
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub fail_above: Option<Duration>,
    /// Exit with 4 when the loss of any target is above this, such as 1%
    #[arg(long, value_parser = percentage, value_name = "PERCENT")]
    pub fail_loss: Option<f64>,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    pub output: Option<ProbeFormat>,
}

/// Which address family to use.
#[derive(Debug, Args)]
pub struct FamilyArgs {
    /// Only over IPv4
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Only over IPv6
    #[arg(short = '6', long)]
    ipv6: bool,
}

impl FamilyArgs {
    /// The family asked for, if one was.
    pub fn family(&self) -> Option<Family> {
        match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        }
    }
}

fn kinds() -> impl TypedValueParser<Value = Protocol> {
    let parser = PossibleValuesParser::new(Protocol::ALL.map(Protocol::name));
    parser.map(|name| Protocol::from_name(&name).expect("one of the names above"))
}

/// Reads `1%` as 0.01.
fn percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let within = number.filter(|number| (0.0..=100.0).contains(number));
    within.map(|number| number / 100.0).ok_or_else(|| "expected 0% to 100%, such as 1% or 0.5%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_need_their_sign() {
        assert_eq!(percentage("1%"), Ok(0.01));
        assert_eq!(percentage("0 %"), Ok(0.0));
        assert_eq!(percentage("100%"), Ok(1.0));
        for bad in ["1", "", "%", "-1%", "101%", "x%", "nan%", "0.01"] {
            assert!(percentage(bad).is_err(), "{bad}");
        }
    }
}
