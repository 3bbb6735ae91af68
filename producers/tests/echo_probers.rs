//! STAMP and ICMP probes on this machine's own kernel, in a network namespace of their own.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use cloudping_model::Outcome;
use cloudping_producers::probers::{Icmp, Prober, Reading, Request, Stamp, reflect};
use tokio::sync::watch;

const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
const SHORT: Duration = Duration::from_millis(400);

fn request(address: SocketAddr) -> Request {
    Request { address, host: "unused".into(), source: Some(address.ip()), timeout: Duration::from_secs(5) }
}

/// An answered reading has a time that the kernel took, and user space's beside it is not less.
fn assert_answered(reading: Reading) {
    assert_eq!(reading.outcome, Outcome::Answered);
    let (rtt, user) = (reading.rtt_us.expect("a time"), reading.connect_us.expect("stamped by the kernel"));
    assert!(rtt > 0 && rtt <= user + 1 && rtt < 1_000_000, "{reading:?}");
    assert_eq!(reading.retransmits, 0);
}

/// Probes until the kernel has begun to stamp what comes in, which it does soon after it is first asked.
async fn await_stamps(prober: &dyn Prober, request: &Request) {
    for _ in 0..250 {
        if prober.probe(request).await.connect_us.is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the kernel stamps nothing");
}

/// What a reflector makes of a packet.
type Answer = fn(&[u8]) -> Vec<u8>;

/// Answers each packet with what `answers` makes of it.
fn reflector(ip: IpAddr, answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2_000];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            for answer in answers(&buffer[..length]) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    address
}

/// What a reflector that holds a packet for `held_ms` by its own, quite different, clock sends back.
fn reflected(test: &[u8], held_ms: u64) -> Vec<u8> {
    let received = 77_u64 << 32;
    let sent = received + (held_ms << 32) / 1_000;
    let mut answer = [&test[..4], &sent.to_be_bytes(), &[0, 1], &test[14..16], &received.to_be_bytes()].concat();
    answer.extend_from_slice(&test[..14]);
    answer.resize(44, 0);
    answer
}

#[tokio::test]
async fn our_sender_and_our_reflector_understand_each_other_over_both_families() {
    for ip in ADDRESSES {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let reflecting = tokio::spawn(reflect(socket, stopped));
        await_stamps(&Stamp, &request(address)).await;
        for _ in 0..20 {
            assert_answered(Stamp.probe(&request(address)).await);
        }
        stop.send(true).unwrap();
        reflecting.await.unwrap().unwrap();
        let gone = Stamp.probe(&request(address)).await;
        assert_eq!(gone, Reading::failed(Outcome::Refused), "nobody listens there any more");
    }
}

#[tokio::test]
async fn the_time_that_a_reflector_held_a_packet_is_not_latency() {
    let address = reflector(ADDRESSES[0], |test| {
        std::thread::sleep(Duration::from_millis(200));
        vec![reflected(test, 200)]
    });
    let reading = Stamp.probe(&request(address)).await;
    assert!(reading.rtt_us.unwrap() < 150_000, "{reading:?}");
    let boasts = reflector(ADDRESSES[0], |test| vec![reflected(test, 60_000)]);
    let reading = Stamp.probe(&request(boasts)).await;
    assert_eq!(reading, Reading::failed(Outcome::Answered), "held for longer than it was away: no time");
}

#[tokio::test]
async fn forged_truncated_and_stale_answers_are_none() {
    let wrongs: [(&str, Answer); 6] = [
        ("truncated", |test| reflected(test, 0)[..43].to_vec()),
        ("our own packet", <[u8]>::to_vec),
        ("another sequence number", |test| {
            let mut answer = reflected(test, 0);
            answer[27] ^= 1;
            answer
        }),
        ("another time", |test| {
            let mut answer = reflected(test, 0);
            answer[35] ^= 1;
            answer
        }),
        ("another session", |test| {
            let mut answer = reflected(test, 0);
            answer[15] ^= 1;
            answer
        }),
        ("sent before it was received", |test| {
            let mut answer = reflected(test, 0);
            answer[7] -= 1;
            answer
        }),
    ];
    let prompt = reflector(ADDRESSES[0], |test| vec![reflected(test, 0)]);
    await_stamps(&Stamp, &request(prompt)).await;
    for (what, wrong) in wrongs {
        let address = reflector(ADDRESSES[0], move |test| vec![wrong(test)]);
        let reading = Stamp.probe(&Request { timeout: SHORT, ..request(address) }).await;
        assert_eq!(reading, Reading::failed(Outcome::Timeout), "{what}");
        // The true answer still counts after it, and once.
        let address = reflector(ADDRESSES[0], move |test| vec![wrong(test), reflected(test, 0), reflected(test, 0)]);
        assert_answered(Stamp.probe(&request(address)).await);
    }
}

#[tokio::test]
async fn a_reflector_answers_no_service_no_stub_and_never_itself() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, (_stop, stopped)) = (socket.local_addr().unwrap(), watch::channel(false));
    tokio::spawn(reflect(socket.try_clone().unwrap(), stopped));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_nonblocking(true).unwrap();
    let client = tokio::net::UdpSocket::from_std(client).unwrap();
    let mut test = [0; 200];
    test[..16].copy_from_slice(&[7; 16]);
    client.send_to(&test[..43], address).await.unwrap();
    client.send_to(&test, address).await.unwrap();
    let mut buffer = [0; 2_000];
    let (length, _) = tokio::time::timeout(SHORT, client.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!((length, &buffer[24..38], buffer[40]), (44, &[7; 14][..], 64));
    let more = tokio::time::timeout(SHORT, client.recv_from(&mut buffer)).await;
    assert!(more.is_err(), "the packet of 43 octets was answered");
    // From the reflector's own port to itself: if that were answered, it would go round for ever.
    socket.send_to(&test, address).unwrap();
    client.send_to(&test, address).await.unwrap();
    tokio::time::timeout(SHORT, client.recv_from(&mut buffer)).await.unwrap().unwrap();
}

/// Runs `work` where ping sockets are permitted; says why where that cannot be had.
fn where_pings_are_permitted<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send + 'static) {
    let thread = std::thread::spawn(move || {
        // SAFETY: only this thread enters the new namespace, and it has no descriptor of the old one.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            eprintln!("SKIPPED: no network namespace: {}", std::io::Error::last_os_error());
            return;
        }
        if let Err(error) = fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647") {
            eprintln!("SKIPPED: no ping sockets: {error}");
            return;
        }
        raise_loopback();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work());
    });
    thread.join().unwrap();
}

fn raise_loopback() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    // SAFETY: an ifreq of zeros is valid, its name ends in a zero, and it outlives the call.
    let status = unsafe {
        let mut interface: libc::ifreq = std::mem::zeroed();
        interface.ifr_name[0] = b'l'.cast_signed();
        interface.ifr_name[1] = b'o'.cast_signed();
        interface.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&socket), libc::SIOCSIFFLAGS, &raw const interface)
    };
    assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn an_echo_has_the_kernels_time_over_both_families() {
    where_pings_are_permitted(|| async {
        for ip in ADDRESSES {
            let request = request(SocketAddr::new(ip, 443));
            await_stamps(&Icmp, &request).await;
            for _ in 0..20 {
                assert_answered(Icmp.probe(&request).await);
            }
        }
    });
}

#[test]
fn an_echo_that_finds_nobody_has_no_time() {
    where_pings_are_permitted(|| async {
        fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1").unwrap();
        let silent = Request { timeout: SHORT, ..request(SocketAddr::new(ADDRESSES[0], 0)) };
        assert_eq!(Icmp.probe(&silent).await, Reading::failed(Outcome::Timeout));
        let nowhere = Request { source: None, ..request("192.0.2.1:0".parse().unwrap()) };
        assert_eq!(Icmp.probe(&nowhere).await, Reading::failed(Outcome::Unreachable));
    });
}

#[test]
fn an_echo_that_is_not_permitted_is_not_sent() {
    where_pings_are_permitted(|| async {
        // Nobody's group: the first is greater than the last.
        fs::write("/proc/sys/net/ipv4/ping_group_range", "1 0").unwrap();
        let reading = Icmp.probe(&request(SocketAddr::new(ADDRESSES[0], 0))).await;
        assert_eq!(reading, Reading::failed(Outcome::NotSent));
    });
}
