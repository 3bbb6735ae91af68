//! `cloudping gateway test`: packets to a packet counter behind a gateway, and what it says of them.

mod account;

use std::io::{self, ErrorKind, IsTerminal};
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use clap::Args;
use cloudping_agent::cli::Format;
use cloudping_agent::failure::Failure;
use cloudping_agent::output;
use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use account::{Account, Summary};

/// Takes the most packets at once, whatever the system's default is.
const SEND_BUFFER: usize = 2_000_000;
/// No UDP payload is longer.
const LONGEST: usize = 65_535;
/// What a test may wait for at most, in seconds.
const MOST_SECONDS: f64 = 86_400.0;

/// Arguments of `gateway test`. Values are read here and not by clap, so that a wrong one is told as other such tools tell it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping gateway test ingress.example.com 2061
  cloudping gateway test 127.0.0.1 2061 -n 20 -t 1.5
  cloudping gateway test ingress.example.com 2061 -o json | jq '.regions[].average_ms'

Sends all packets at once, then takes replies until the time is over. A reply `12 eu-west-1` is
the counter's word that 12 packets arrived: it stands for the 12 earliest that no reply stood for
yet. A packet's latency is from its departure to that reply, so it has the gateway's batching in it.

Exit code 1 when a value is wrong, or no reply came.")]
pub struct TestArgs {
    /// The gateway's name or address
    #[arg(value_name = "HOST")]
    host: String,
    /// Its UDP port
    #[arg(value_name = "PORT", allow_hyphen_values = true)]
    port: String,
    /// How many packets: 1 to 100
    #[arg(short = 'n', long = "packets", default_value = "100", value_name = "COUNT", allow_hyphen_values = true)]
    packets: String,
    /// How long to wait for replies, in seconds
    #[arg(short, long, default_value = "5.0", value_name = "SECONDS", allow_hyphen_values = true)]
    timeout: String,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What to do, checked.
#[derive(Debug, PartialEq)]
struct Plan {
    port: u16,
    packets: u32,
    timeout: Duration,
}

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Report {
    /// Where the packets went.
    target: SocketAddr,
    #[serde(flatten)]
    summary: Summary,
}

/// What happened at a socket; times are since the first departure.
#[derive(Debug)]
struct Exchange {
    /// When each packet left that the system took.
    departures: Vec<Duration>,
    /// The replies, as they came.
    replies: Vec<(Duration, Vec<u8>)>,
    /// The other side said that nobody listens there.
    refused: bool,
}

/// Sends, receives, prints.
pub fn run(args: &TestArgs) -> Result<(), Failure> {
    let plan = plan(args).map_err(error)?;
    let socket = connect(&args.host, plan.port).map_err(error)?;
    let target = socket.peer_addr().map_err(Failure::runtime)?;
    if io::stderr().is_terminal() {
        eprintln!("{} packets to {target}, replies within {:?}", plan.packets, plan.timeout);
    }
    let exchange = exchange(&socket, &plan).map_err(|failed| error(format!("{target}: {failed}")))?;
    let mut account = Account::new(plan.packets.into(), exchange.departures);
    for (at, payload) in &exchange.replies {
        account.reply(*at, payload);
    }
    let summary = account.summary();
    let silent = summary.regions.is_empty();
    match output::chosen(args.output) {
        Format::Json => output::json(&Report { target, summary })?,
        Format::Table => output::print(summary)?,
    }
    match (silent, exchange.refused) {
        (false, _) => Ok(()),
        (true, true) => Err(Failure::runtime(format!("nobody listens on {target}: expected a gateway's UDP port"))),
        (true, false) => Err(Failure::runtime(format!(
            "no reply from {target} within {:?}; is it a gateway's port with a packet counter behind it, and are you among its allowed networks?",
            plan.timeout
        ))),
    }
}

fn error(what: String) -> Failure {
    Failure::Verbatim(format!("Error: {what}"))
}

fn plan(args: &TestArgs) -> Result<Plan, String> {
    let port = args.port.parse().ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| format!("PORT is {:?}, expected a number from 1 to 65535", args.port))?;
    let packets = args.packets.parse().ok().filter(|packets| (1..=100).contains(packets));
    let packets = packets.ok_or_else(|| format!("-n is {:?}, expected a number from 1 to 100", args.packets))?;
    let timeout: Option<f64> = args.timeout.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= MOST_SECONDS);
    let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let timeout = timeout
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| format!("-t is {:?}, expected seconds above 0 and up to {MOST_SECONDS}", args.timeout))?;
    Ok(Plan { port, packets, timeout })
}

/// A socket that takes replies of this gateway only.
fn connect(host: &str, port: u16) -> Result<UdpSocket, String> {
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|failed| format!("HOST {host:?}: {failed}, expected a name or an address"))?;
    let mut failed = format!("HOST {host:?} has no address");
    for address in addresses {
        match open(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = format!("{address}: {error}"),
        }
    }
    Err(failed)
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

/// Sends all packets, and takes replies from the first departure on until the timeout after the last.
fn exchange(socket: &UdpSocket, plan: &Plan) -> io::Result<Exchange> {
    let start = Instant::now();
    let mut exchange = Exchange { departures: Vec::new(), replies: Vec::new(), refused: false };
    let mut send_failed = None;
    for number in 1..=plan.packets {
        let at = start.elapsed();
        match socket.send(format!("cloudping {number}").as_bytes()) {
            Ok(_) => exchange.departures.push(at),
            // An earlier packet's fate; this one did not leave.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => exchange.refused = true,
            Err(error) => send_failed = Some(error),
        }
        take(socket, start, None, &mut exchange)?;
    }
    match send_failed {
        Some(error) if exchange.departures.is_empty() => return Err(error),
        _ => {}
    }
    let until = Instant::now() + plan.timeout;
    take(socket, start, Some(until), &mut exchange)?;
    Ok(exchange)
}

/// Takes replies: those that are there, or those that come until a time.
fn take(socket: &UdpSocket, start: Instant, until: Option<Instant>, exchange: &mut Exchange) -> io::Result<()> {
    let mut buffer = [0; LONGEST];
    socket.set_nonblocking(until.is_none())?;
    loop {
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            socket.set_read_timeout(Some(left))?;
        }
        match socket.recv(&mut buffer) {
            Ok(length) => exchange.replies.push((start.elapsed(), buffer[..length].to_vec())),
            Err(error) => match error.kind() {
                ErrorKind::ConnectionRefused => exchange.refused = true,
                ErrorKind::WouldBlock | ErrorKind::TimedOut if until.is_none() => break,
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
    socket.set_nonblocking(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(port: &str, packets: &str, timeout: &str) -> Result<Plan, String> {
        let [port, packets, timeout] = [port, packets, timeout].map(str::to_owned);
        plan(&TestArgs { host: "localhost".to_owned(), port, packets, timeout, output: None })
    }

    #[test]
    fn values_are_taken_up_to_their_bounds() {
        let plan = |port, packets, seconds| Ok(Plan { port, packets, timeout: Duration::from_secs_f64(seconds) });
        assert_eq!(read("1", "1", "0.05"), plan(1, 1, 0.05));
        assert_eq!(read("65535", "100", "86400"), plan(65_535, 100, 86_400.0));
    }

    #[test]
    fn a_wrong_value_is_named_with_what_was_expected() {
        for port in ["0", "65536", "-1", "http", ""] {
            assert_eq!(read(port, "1", "1"), Err(format!("PORT is {port:?}, expected a number from 1 to 65535")));
        }
        for packets in ["0", "101", "-5", "1.5", "many"] {
            assert_eq!(read("1", packets, "1"), Err(format!("-n is {packets:?}, expected a number from 1 to 100")));
        }
        for timeout in ["0", "-1", "nan", "inf", "1e-20", "86401", "5s"] {
            let expected = format!("-t is {timeout:?}, expected seconds above 0 and up to 86400");
            assert_eq!(read("1", "1", timeout), Err(expected));
        }
    }
}
