//! TLS and HTTPS probes against servers on this machine: what is a time, and what is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cloudping_model::Outcome;
use cloudping_producers::probers::{Https, Prober, Reading, Request, Tls};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
/// How long the slow server thinks; far more than a handshake on this machine takes.
const THINKING: Duration = Duration::from_millis(300);

/// What a server does with a connection once it is secured.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers every request at once.
    Prompt,
    /// Answers after [`THINKING`].
    Slow,
    /// Answers a request in no language of the web.
    Babbles,
    /// Hangs up when it is asked.
    HangsUp,
    /// Never answers.
    Silent,
}

struct Server {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Server {
    async fn start(ip: IpAddr, manner: Manner) -> Self {
        let (acceptor, certificate) = acceptor(ip);
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_all(listener, acceptor, manner));
        Self { address, certificate }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        roots
    }
}

/// With a certificate of its own for `example.test` and `ip`.
fn acceptor(ip: IpAddr) -> (TlsAcceptor, CertificateDer<'static>) {
    let key = rcgen::generate_simple_self_signed(["example.test".to_owned(), ip.to_string()]).unwrap();
    let certificate = key.cert.der().clone();
    let secret = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()).into();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = builder.with_single_cert(vec![certificate.clone()], secret).unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate)
}

async fn serve_all(listener: TcpListener, acceptor: TlsAcceptor, manner: Manner) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(acceptor.clone(), stream, manner));
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, manner: Manner) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    assert!(request.starts_with(b"HEAD / HTTP/1.1\r\nHost: "));
    let answer: &[u8] = match manner {
        Manner::HangsUp => return None,
        Manner::Silent => std::future::pending().await,
        Manner::Babbles => b"SSH-2.0-OpenSSH_9.9\r\n",
        Manner::Prompt => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        Manner::Slow => {
            tokio::time::sleep(THINKING).await;
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        }
    };
    stream.write_all(answer).await.ok()?;
    stream.flush().await.ok()?;
    std::future::pending().await
}

fn request(address: SocketAddr, host: &str) -> Request {
    Request { address, host: host.into(), source: Some(address.ip()), timeout: Duration::from_secs(10) }
}

#[tokio::test]
async fn a_handshake_and_a_first_byte_have_their_times_over_both_families() {
    for ip in ADDRESSES {
        let server = Server::start(ip, Manner::Prompt).await;
        for host in ["example.test", &*ip.to_string()] {
            let request = request(server.address, host);
            for prober in [&Tls::trusting(server.roots()) as &dyn Prober, &Https::trusting(server.roots())] {
                let reading = prober.probe(&request).await;
                let rtt = reading.rtt_us.expect("a time");
                assert!(rtt > 0 && rtt < 5_000_000, "{reading:?}");
                assert_eq!(reading, Reading { rtt_us: Some(rtt), ..Reading::failed(Outcome::Answered) });
            }
        }
    }
}

#[tokio::test]
async fn a_servers_thinking_is_in_the_first_byte_and_not_in_the_handshake() {
    let server = Server::start(ADDRESSES[0], Manner::Slow).await;
    let request = request(server.address, "example.test");
    let handshake = Tls::trusting(server.roots()).probe(&request).await.rtt_us.unwrap();
    let first_byte = Https::trusting(server.roots()).probe(&request).await.rtt_us.unwrap();
    let thinking = u32::try_from(THINKING.as_micros()).unwrap();
    assert!(first_byte >= thinking && handshake < thinking, "{first_byte} {handshake}");
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_is_refused() {
    let server = Server::start(ADDRESSES[0], Manner::Prompt).await;
    let refused = Reading::failed(Outcome::Refused);
    let probed = |prober: Tls, host: &'static str| {
        let request = request(server.address, host);
        async move { prober.probe(&request).await }
    };
    assert_eq!(probed(Tls::new(), "example.test").await, refused, "nobody vouches for it");
    assert_eq!(probed(Tls::trusting(server.roots()), "other.test").await, refused, "for another name");
    let https = Https::new().probe(&request(server.address, "example.test")).await;
    assert_eq!(https, refused);
    assert_eq!(probed(Tls::trusting(server.roots()), "no name").await, Reading::failed(Outcome::NotSent));
}

#[tokio::test]
async fn what_is_no_answer_has_no_time() {
    for (manner, outcome) in
        [(Manner::Babbles, Outcome::Refused), (Manner::HangsUp, Outcome::Reset), (Manner::Silent, Outcome::Timeout)]
    {
        let server = Server::start(ADDRESSES[0], manner).await;
        let request = Request { timeout: Duration::from_secs(2), ..request(server.address, "example.test") };
        let reading = Https::trusting(server.roots()).probe(&request).await;
        assert_eq!(reading, Reading::failed(outcome));
    }
}

/// The kernel drops the probe's SYN while the backlog is full, and its next one, a second later, finds the server ready.
#[tokio::test]
async fn what_came_of_a_syn_that_was_sent_again_is_no_time() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _fills_it: Vec<_> = (0..3)
        .map(|_| {
            let client = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
            let _in_progress = client.connect(&address.into());
            client
        })
        .collect();
    let (acceptor, certificate) = acceptor(address.ip());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        serve_all(TcpListener::from_std(socket.into()).unwrap(), acceptor, Manner::Prompt).await;
    });
    let server = Server { address, certificate };
    let reading = Tls::trusting(server.roots()).probe(&request(address, "example.test")).await;
    assert_eq!((reading.outcome, reading.rtt_us), (Outcome::Retransmitted, None));
    assert!(reading.retransmits >= 1, "{reading:?}");
}

/// A server that does `with` every connection, without TLS.
async fn plain(with: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            with(stream);
        }
    });
    address
}

#[tokio::test]
async fn a_server_without_tls_has_no_time() {
    let speaks = plain(|mut stream| {
        tokio::spawn(async move {
            stream.write_all(b"220 mail.example ESMTP\r\n").await?;
            stream.read(&mut [0; 9_999]).await
        });
    });
    let silent = plain(|stream| {
        tokio::spawn(async move {
            let _held = stream;
            std::future::pending::<()>().await;
        });
    });
    let hangs_up = plain(drop);
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for (address, outcomes) in [
        (speaks.await, [Outcome::Refused; 2]),
        (silent.await, [Outcome::Timeout; 2]),
        // Whether the end or the reset of the connection comes first, it was hung up.
        (hangs_up.await, [Outcome::Reset; 2]),
        (closed, [Outcome::Refused; 2]),
    ] {
        let request = Request { timeout: Duration::from_secs(2), ..request(address, "example.test") };
        let found = [Tls::new().probe(&request).await, Https::new().probe(&request).await];
        assert_eq!(found, outcomes.map(Reading::failed), "{address}");
    }
}
