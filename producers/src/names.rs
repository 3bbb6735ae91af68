//! Looks names up and decides when to look again: when the answer's TTL is over.
//!
//! The system's resolver functions tell no TTL, so the question goes out from here, to the name servers of
//! `/etc/resolv.conf`; `/etc/hosts` is asked first, since a name in it need not be known to any server. A machine whose
//! configuration cannot be read is left to its own resolver (`getaddrinfo`).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, Resolver, TokioResolver, system_conf};
use tokio::sync::Mutex;

/// No answer is asked for again sooner, however short its TTL.
const SOONEST: Duration = Duration::from_secs(5);
/// No answer is believed for longer, however long its TTL.
const LATEST: Duration = Duration::from_secs(60 * 60);
/// When to ask again for an answer without a TTL, and when to read the system's configuration again.
const UNTIMED: Duration = Duration::from_secs(60);
/// The longest wait after a failure.
const LATEST_RETRY: Duration = Duration::from_secs(60);
/// How long one look-up may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);
/// How long one question may wait for its answer; with its repeats it fits in [`LOOKUP_LIMIT`].
const QUESTION_LIMIT: Duration = Duration::from_millis(1500);
/// How often a question without an answer is repeated.
const REPEATS: usize = 2;

/// What a look-up came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It found addresses, valid for as long as their TTL, if one was told.
    Found { ttl: Option<Duration> },
    /// It found nothing, so many times in a row, this one included.
    Failed { in_a_row: u32 },
}

/// When to look up again, after a look-up that ended `now`.
///
/// After the TTL, between [`SOONEST`] and [`LATEST`]; after a failure in 5, 10, 20, 40 s and then every [`LATEST_RETRY`].
pub(crate) fn next_lookup(ended: Ended, now: Instant) -> Instant {
    let wait = match ended {
        Ended::Found { ttl } => ttl.unwrap_or(UNTIMED).clamp(SOONEST, LATEST),
        Ended::Failed { in_a_row } => {
            let doubled = 2_u32.saturating_pow(in_a_row.saturating_sub(1));
            SOONEST.saturating_mul(doubled).min(LATEST_RETRY)
        }
    };
    now + wait
}

/// Why a look-up found no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("no answer in {LOOKUP_LIMIT:?}")]
    Late,
    #[error("the system's resolver: {0}")]
    System(#[from] std::io::Error),
    #[error("the name servers: {0}")]
    Servers(#[from] NetError),
}

/// The addresses of a name, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) addresses: Vec<IpAddr>,
    /// How long they are valid, where that was told.
    pub(crate) ttl: Option<Duration>,
}

/// Where a name is looked up.
#[derive(Clone)]
pub(crate) enum Source {
    /// In the hosts file, then at the name servers.
    Servers { hosts: Arc<Hosts>, resolver: Arc<TokioResolver> },
    /// By `getaddrinfo`.
    System,
}

impl Source {
    /// Reads the system's configuration.
    fn read() -> Result<Self, NetError> {
        let (config, options) = system_conf::read_system_conf()?;
        // A machine without a hosts file has no names in it.
        Self::servers(Hosts::from_system().unwrap_or_default(), config, options)
    }

    /// Asks these servers, once the hosts file has not the name.
    fn servers(hosts: Hosts, config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, NetError> {
        options.timeout = options.timeout.min(QUESTION_LIMIT);
        options.attempts = options.attempts.min(REPEATS);
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.use_hosts_file = ResolveHosts::Never;
        // A look-up is only made when the last answer is over, or none was had: nothing to keep.
        options.cache_size = 0;
        options.negative_max_ttl = Some(Duration::ZERO);
        let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        Ok(Self::Servers { hosts: Arc::new(hosts), resolver: Arc::new(resolver.build()?) })
    }

    /// Looks a name up.
    pub(crate) async fn look_up(&self, host: &str) -> Result<Answer, LookupError> {
        let answer = async {
            match self {
                Self::System => {
                    let found = tokio::net::lookup_host((host, 0)).await?;
                    Ok(Answer { addresses: found.map(|address| address.ip()).collect(), ttl: None })
                }
                Self::Servers { hosts, resolver } => ask(hosts, resolver, host).await,
            }
        };
        tokio::time::timeout(LOOKUP_LIMIT, answer).await.map_err(|_elapsed| LookupError::Late)?
    }
}

async fn ask(hosts: &Hosts, resolver: &TokioResolver, host: &str) -> Result<Answer, LookupError> {
    let name = Name::from_str_relaxed(host).map_err(NetError::from)?;
    let in_file = |kind| hosts.lookup_static_host(&Query::query(name.clone(), kind));
    let lines = [RecordType::A, RecordType::AAAA].into_iter().filter_map(in_file);
    let addresses: Vec<IpAddr> = lines
        .flat_map(|it| it.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>())
        .collect();
    if !addresses.is_empty() {
        return Ok(Answer { addresses, ttl: None });
    }
    let found = resolver.lookup_ip(name).await?;
    let ttl = found.as_lookup().answers().iter().map(|record| record.ttl).min();
    Ok(Answer { addresses: found.iter().collect(), ttl: ttl.map(|seconds| Duration::from_secs(seconds.into())) })
}

/// The system's source of names, read again when it is a minute old: networks come and go, and their servers with them.
#[derive(Clone, Default)]
pub(crate) struct Names {
    held: Arc<Mutex<Option<(Instant, Source)>>>,
}

impl Names {
    /// This source, until it is a minute old.
    #[cfg(test)]
    fn held(source: Source, read_at: Instant) -> Self {
        Self { held: Arc::new(Mutex::new(Some((read_at, source)))) }
    }

    /// The source to ask at this time.
    pub(crate) async fn source(&self, now: Instant) -> Source {
        let mut held = self.held.lock().await;
        if let Some((read_at, source)) = &*held
            && now.saturating_duration_since(*read_at) < UNTIMED
        {
            return source.clone();
        }
        let source = or_system(Source::read(), held.as_ref().map(|(_, source)| source));
        *held = Some((now, source.clone()));
        source
    }
}

/// What was read, or the system's own resolver, which is logged when it takes over.
fn or_system(read: Result<Source, NetError>, before: Option<&Source>) -> Source {
    read.unwrap_or_else(|error| {
        if !matches!(before, Some(Source::System)) {
            tracing::warn!(%error, "resolver configuration not read: names are asked of the system every {UNTIMED:?}");
        }
        Source::System
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::{Mutex, PoisonError};

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use tokio::net::UdpSocket;

    use super::*;

    /// A DNS server on loopback that has one A record for every name.
    pub(crate) struct Server {
        pub(crate) address: SocketAddr,
        /// Its address and TTL in seconds; without it, every name is unknown.
        pub(crate) record: Arc<Mutex<Option<(Ipv4Addr, u32)>>>,
        /// When it was asked for an A record.
        pub(crate) asked: Arc<Mutex<Vec<Instant>>>,
    }

    impl Server {
        pub(crate) async fn start(record: Option<(Ipv4Addr, u32)>) -> Self {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            let (record, asked) = (Arc::new(Mutex::new(record)), Arc::new(Mutex::new(Vec::new())));
            let (records, times) = (Arc::clone(&record), Arc::clone(&asked));
            tokio::spawn(async move {
                let mut packet = [0; 512];
                while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                    let (question, is_a) = question(&packet[..length]);
                    if is_a {
                        times.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                    }
                    let record = *records.lock().unwrap_or_else(PoisonError::into_inner);
                    let reply = reply(&packet[..2], question, record, is_a);
                    socket.send_to(&reply, from).await.unwrap();
                }
            });
            Self { address, record, asked }
        }

        pub(crate) fn names(&self) -> Names {
            let mut server = NameServerConfig::udp(self.address.ip());
            let mut connection = ConnectionConfig::udp();
            connection.port = self.address.port();
            server.connections = vec![connection];
            let mut hosts = Hosts::default();
            hosts.read_hosts_conf("192.0.2.77 filed.example\n2001:db8::77 filed.example\n".as_bytes()).unwrap();
            let config = ResolverConfig::from_parts(None, vec![], vec![server]);
            Names::held(Source::servers(hosts, config, ResolverOpts::default()).unwrap(), Instant::now() + LATEST)
        }
    }

    /// The bytes of the question (RFC 1035, 4.1.2), and whether it is for an A record.
    fn question(packet: &[u8]) -> (&[u8], bool) {
        let mut end = 12;
        while packet[end] != 0 {
            end += 1 + usize::from(packet[end]);
        }
        (&packet[12..end + 5], packet[end + 2] == 1)
    }

    fn reply(id: &[u8], question: &[u8], record: Option<(Ipv4Addr, u32)>, is_a: bool) -> Vec<u8> {
        let flags = if record.is_some() { [0x81, 0x80] } else { [0x81, 0x83] };
        let answer = record.filter(|_| is_a);
        let counts = [0, 1, 0, u8::from(answer.is_some()), 0, 0, 0, 0];
        let mut reply = [id, &flags, &counts, question].concat();
        if let Some((address, ttl)) = answer {
            // The name of the question, A, IN, TTL, four bytes of address.
            reply.extend([0xc0, 12, 0, 1, 0, 1]);
            reply.extend(ttl.to_be_bytes());
            reply.extend([0, 4]);
            reply.extend(address.octets());
        }
        reply
    }

    #[test]
    fn the_next_look_up_is_at_the_end_of_the_ttl_within_bounds() {
        let now = Instant::now();
        let after = |ttl| (next_lookup(Ended::Found { ttl }, now) - now).as_secs();
        for (ttl, expected) in [(0, 5), (1, 5), (5, 5), (6, 6), (300, 300), (3600, 3600), (86_400, 3600)] {
            assert_eq!(after(Some(Duration::from_secs(ttl))), expected, "TTL {ttl}");
        }
        assert_eq!(after(None), 60);
    }

    #[test]
    fn a_failure_is_tried_again_ever_later_up_to_a_minute() {
        let now = Instant::now();
        let after = |in_a_row| (next_lookup(Ended::Failed { in_a_row }, now) - now).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, u32::MAX].map(after), [5, 10, 20, 40, 60, 60, 60]);
    }

    #[tokio::test]
    async fn a_server_tells_address_and_ttl_and_the_hosts_file_goes_first() {
        let server = Server::start(Some(([192, 0, 2, 1].into(), 42))).await;
        let source = server.names().source(Instant::now()).await;
        let answer = source.look_up("shop_1.example").await.unwrap();
        assert_eq!(answer, Answer { addresses: vec![[192, 0, 2, 1].into()], ttl: Some(Duration::from_secs(42)) });
        let asked = server.asked.lock().unwrap().len();
        let filed = source.look_up("filed.example").await.unwrap();
        assert_eq!(
            filed,
            Answer { addresses: vec![[192, 0, 2, 77].into(), "2001:db8::77".parse().unwrap()], ttl: None }
        );
        let local = source.look_up("localhost").await.unwrap();
        assert!(local.addresses.contains(&[127, 0, 0, 1].into()));
        assert_eq!(server.asked.lock().unwrap().len(), asked, "neither is a question for a server");
        *server.record.lock().unwrap() = None;
        let unknown = source.look_up("shop_1.example").await.unwrap_err();
        assert!(matches!(unknown, LookupError::Servers(_)), "{unknown}");
    }

    #[tokio::test]
    async fn the_systems_resolver_tells_no_ttl() {
        let local = Source::System.look_up("localhost").await.unwrap();
        assert!(local.addresses.contains(&[127, 0, 0, 1].into()));
        assert_eq!(local.ttl, None);
    }

    #[cfg(unix)]
    #[test]
    fn without_name_servers_the_system_is_asked() {
        let read = |text: &str| {
            let (config, options) = system_conf::parse_resolv_conf(text)?;
            Source::servers(Hosts::default(), config, options)
        };
        assert!(matches!(or_system(read("search corp.example\n"), None), Source::System));
        assert!(matches!(or_system(read("nameserver 192.0.2.53\n"), None), Source::Servers { .. }));
    }
}
