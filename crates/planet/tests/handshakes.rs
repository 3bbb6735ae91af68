//! Real handshakes over a real planet, as root (if the test is) and as an ordinary user.
//!
//! Not under libtest, which starts threads: rights must be acquired before the first one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use cloudping_planet::{Capture, Entrance, Options, Place, Planet, PlanetError, Scenario, World, acquire_rights};
use cloudping_testkit::own_harness;
use socket2::{Domain, Socket, Type};

/// Set in the child process that runs as an ordinary user.
const ORDINARY: &str = "PLANET_TEST_ORDINARY_USER";
const NOBODY: u32 = 65_534;
/// How far a kernel's measurement may be off on a busy test machine.
const TOLERANCE_MS: f64 = 1.0;

/// How the child says that the TUN device is closed to ordinary users.
const TUN_REFUSED: u8 = 77;

fn main() -> ExitCode {
    if own_harness::is_listing("real_handshakes_take_what_the_world_says") {
        return ExitCode::SUCCESS;
    }
    // SAFETY: takes no pointers and cannot fail.
    let user = unsafe { libc::getuid() };
    if user != 0 {
        too_late_is_said();
    }
    if let Err(error) = acquire_rights() {
        eprintln!("user {user}: {error}");
        let refused = matches!(error, PlanetError::TunRefused { .. });
        return ExitCode::from(if refused { TUN_REFUSED } else { 1 });
    }
    println!("user {user}: {}", namespace_note(user));
    rights_stay();
    empty_world_is_refused();
    one_thread_is_left();
    for (name, case) in CASES {
        let before = held();
        case(&start());
        one_thread_is_left();
        assert_eq!(held(), before, "{name}: what a planet takes it gives back");
        println!("user {user}: {name} ... ok");
    }
    if user == 0 && std::env::var_os(ORDINARY).is_none() {
        return as_ordinary_user();
    }
    ExitCode::SUCCESS
}

/// Threads and open files of this process.
fn held() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).expect("own process").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// The kernel takes a moment longer to forget a thread than to let it be joined.
fn one_thread_is_left() {
    wait_until("one thread is left", || held().0 == 1);
}

type Case = (&'static str, fn(&Planet));

const CASES: [Case; 9] = [
    ("the process stays in the machine's network", stays_outside),
    ("every pair has the RTT asked for", every_pair),
    ("IPv6 too", ipv6),
    ("a closed port refuses", refused),
    ("certain loss times out", certain_loss),
    ("outage and route change while running", changes),
    ("a watched file is followed", watched_file),
    ("half of the SYNs lost is half of the connections", half_lost),
    ("the capture agrees with the router", capture),
];

fn namespace_note(user: u32) -> &'static str {
    let mapping = std::fs::read_to_string("/proc/self/uid_map").expect("own mapping");
    let mapped: Vec<&str> = mapping.split_whitespace().collect();
    if mapped == ["0", &user.to_string(), "1"] { "in a user namespace of its own" } else { "with the rights it had" }
}

/// Runs this test again as `nobody`, from a copy that `nobody` can reach.
fn as_ordinary_user() -> ExitCode {
    let copy = std::env::temp_dir().join(format!("planet-handshakes-{}", std::process::id()));
    std::fs::copy(std::env::current_exe().expect("own path"), &copy).expect("a copy of this test");
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let status = Command::new(&copy).env(ORDINARY, "1").current_dir("/").uid(NOBODY).gid(NOBODY).status();
    std::fs::remove_file(&copy).expect("the copy");
    let code = status.expect("the copy runs").code();
    let closed = std::fs::metadata("/dev/net/tun").expect("the device").permissions().mode() & 0o006 != 0o006;
    match code {
        Some(0) => ExitCode::SUCCESS,
        Some(code) if code == i32::from(TUN_REFUSED) && closed => {
            println!("not tested as an ordinary user: this machine closes /dev/net/tun to them");
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

fn start() -> Planet {
    let place = |id: &str, latitude, longitude| Place { id: id.into(), latitude, longitude };
    let world = World::from_places(&[
        place("dublin", 53.35, -6.26),
        place("london", 51.51, -0.13),
        place("ashburn", 39.04, -77.49),
        place("sydney", -33.87, 151.21),
    ]);
    Planet::start(world, Options { ledger: 1_000, ..Options::default() }).expect("a planet")
}

/// With a second thread running, an ordinary user's process cannot move into a user namespace any more.
fn too_late_is_said() {
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let second = std::thread::spawn(move || wait.recv());
    let error = acquire_rights().expect_err("two threads");
    assert!(matches!(error, PlanetError::NotSingleThreaded { threads: 2 } | PlanetError::TunRefused { .. }), "{error}");
    drop(go_on);
    second.join().expect("no panic").expect_err("nothing was sent");
    one_thread_is_left();
}

fn rights_stay() {
    let inside = std::thread::spawn(acquire_rights).join().expect("no panic");
    assert!(inside.is_ok(), "{inside:?}");
}

fn empty_world_is_refused() {
    let none = Planet::start(World::from_places(&[]), Options::default());
    assert!(matches!(none, Err(PlanetError::RegionCount { found: 0, .. })));
}

/// One connection, and the kernel's RTT of its handshake in milliseconds.
fn connect(entrance: &Entrance, from: IpAddr, to: SocketAddr, timeout: Duration) -> io::Result<f64> {
    let entrance = entrance.clone();
    let probe = move || {
        entrance.enter()?;
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.connect_timeout(&to.into(), timeout)?;
        let rtt = kernel_rtt_ms(&socket)?;
        socket.set_linger(Some(Duration::ZERO))?;
        Ok(rtt)
    };
    std::thread::spawn(probe).join().expect("no panic")
}

fn kernel_rtt_ms(socket: &Socket) -> io::Result<f64> {
    // SAFETY: all-zero is a valid tcp_info.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    let (fd, to) = (socket.as_raw_fd(), (&raw mut info).cast());
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `info`.
    let result = unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, to, &mut length) };
    if result == 0 { Ok(f64::from(info.tcpi_rtt) / 1e3) } else { Err(io::Error::last_os_error()) }
}

fn probe(planet: &Planet, source: &str, target: &str) -> io::Result<f64> {
    let from = planet.vantage_address(source).expect("known");
    let to = planet.target_address(target).expect("known");
    connect(&planet.entrance(), from, to, Duration::from_millis(900))
}

fn asked_ms(planet: &Planet, source: &str, target: &str) -> f64 {
    planet.world().link(source, target).expect("known").rtt.as_secs_f64() * 1e3
}

fn assert_asked(planet: &Planet, source: &str, target: &str) {
    let asked = asked_ms(planet, source, target);
    assert_rtt(&format!("{source} to {target}"), asked, || probe(planet, source, target));
}

/// The best of a few tries, since a busy test machine may delay any one of them; none may be early.
fn assert_rtt(what: &str, asked: f64, probe: impl Fn() -> io::Result<f64>) {
    const TRIES: usize = 10;
    let mut measured = Vec::new();
    while measured.len() < TRIES {
        let rtt = probe().expect("a connection");
        assert!(rtt > asked - 0.05, "{what}: asked {asked} ms, measured only {rtt} ms");
        if rtt < asked + TOLERANCE_MS {
            return;
        }
        measured.push(rtt);
    }
    panic!("{what}: asked {asked} ms, measured {measured:?} ms");
}

/// Waits until `condition` holds, which must be within 5 s.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..100 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("waited in vain: {what}");
}

fn every_pair(planet: &Planet) {
    let ids: Vec<String> = planet.world().places().iter().map(|place| place.id.clone()).collect();
    for source in &ids {
        for target in &ids {
            assert_asked(planet, source, target);
        }
    }
    wait_until("all are recorded", || planet.accuracy().handshakes >= 16);
    let accuracy = planet.accuracy();
    assert_eq!(accuracy.unstamped, 0);
    assert_eq!(planet.take_asked().len() as u64, accuracy.handshakes);
    let address = planet.vantage_address("sydney").expect("known");
    assert_eq!(planet.region_of(address).as_deref(), Some("sydney"));
    assert_eq!(planet.vantage_address("atlantis"), None);
}

/// Only threads that enter are moved: a server of this process stays reachable, and the planet is not reached from outside.
fn stays_outside(planet: &Planet) {
    let network = || std::fs::read_link("/proc/thread-self/ns/net").expect("own namespace");
    let outside = network();
    let entrance = planet.entrance();
    let inside = std::thread::spawn(move || entrance.enter().map(|()| network())).join().expect("no panic");
    assert_ne!(inside.expect("entered"), outside);
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a server");
    let address = server.local_addr().expect("bound");
    std::thread::spawn(move || std::net::TcpStream::connect(address)).join().expect("no panic").expect("reachable");
    assert_eq!(network(), outside);
}

fn ipv6(planet: &Planet) {
    let (Some(from), Some(to)) = (planet.vantage_address_v6("dublin"), planet.target_address_v6("sydney")) else {
        println!("this kernel refuses IPv6 in a namespace: not tested");
        return;
    };
    let asked = asked_ms(planet, "dublin", "sydney");
    assert_rtt("dublin to sydney", asked, || connect(&planet.entrance(), from, to, Duration::from_millis(900)));
}

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).expect("valid")
}

fn refused(planet: &Planet) {
    let from = planet.vantage_address("dublin").expect("known");
    let mut to = planet.target_address("london").expect("known");
    to.set_port(444);
    let error = connect(&planet.entrance(), from, to, Duration::from_millis(900)).expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

fn certain_loss(planet: &Planet) {
    let lossy = "[[link]]\nsource=\"dublin\"\ntarget=\"london\"\nsymmetric=false\nloss=1\n";
    planet.apply(&scenario(lossy)).expect("known regions");
    let error = probe(planet, "dublin", "london").expect_err("every SYN is lost");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_asked(planet, "london", "dublin");
}

/// The bounds are five standard deviations of the binomial distribution.
fn half_lost(planet: &Planet) {
    const PROBES: usize = 64;
    let lossy = "[[link]]\nsource=\"dublin\"\ntarget=\"london\"\nloss=0.5\n";
    planet.apply(&scenario(lossy)).expect("known regions");
    let (from, to) =
        (planet.vantage_address("dublin").expect("known"), planet.target_address("london").expect("known"));
    let arrived = std::thread::scope(|scope| {
        let probe = || connect(&planet.entrance(), from, to, Duration::from_millis(900)).is_ok();
        let probes: Vec<_> = (0..PROBES).map(|_| scope.spawn(probe)).collect();
        probes.into_iter().map(|probe| usize::from(probe.join().expect("no panic"))).sum::<usize>()
    });
    assert!((12..=52).contains(&arrived), "{arrived} of {PROBES}");
}

fn changes(planet: &Planet) {
    assert_asked(planet, "dublin", "ashburn");
    let down = "[[link]]\nsource=\"dublin\"\ntarget=\"ashburn\"\ndown=true\n";
    planet.apply(&scenario(down)).expect("known regions");
    for (source, target) in [("dublin", "ashburn"), ("ashburn", "dublin")] {
        let error = probe(planet, source, target).expect_err("nothing gets through");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
    assert_asked(planet, "dublin", "london");
    let longer = "[[link]]\nsource=\"*\"\ntarget=\"ashburn\"\nrtt_ms=180\n";
    planet.apply(&scenario(longer)).expect("known regions");
    assert_eq!(asked_ms(planet, "dublin", "ashburn"), 180.0);
    assert_asked(planet, "dublin", "ashburn");
    let unknown = "[[link]]\nsource=\"*\"\ntarget=\"atlantis\"\ndown=true\n";
    planet.apply(&scenario(unknown)).expect_err("unknown region");
    assert_eq!(asked_ms(planet, "dublin", "ashburn"), 180.0);
}

fn watched_file(planet: &Planet) {
    let path = std::env::temp_dir().join(format!("planet-scenario-{}.toml", std::process::id()));
    let write = |rtt_ms: u32| {
        let text = format!("[[link]]\nsource=\"dublin\"\ntarget=\"london\"\nrtt_ms={rtt_ms}\n");
        std::fs::write(&path, text).expect("temporary file");
    };
    write(30);
    planet.watch(&path).expect("valid");
    assert_eq!(asked_ms(planet, "dublin", "london"), 30.0);
    assert_asked(planet, "dublin", "london");
    write(100);
    wait_until("the file is followed", || asked_ms(planet, "dublin", "london") == 100.0);
    assert_asked(planet, "dublin", "london");
    std::fs::remove_file(&path).expect("temporary file");
}

fn capture(planet: &Planet) {
    let capture = Capture::start(planet).expect("a capture");
    let kernel = probe(planet, "dublin", "sydney").expect("a connection");
    let down = "[[link]]\nsource=\"dublin\"\ntarget=\"london\"\ndown=true\n";
    planet.apply(&scenario(down)).expect("known regions");
    probe(planet, "dublin", "london").expect_err("nothing gets through");
    let seen = capture.stop().expect("handshakes");
    wait_until("it is recorded", || planet.accuracy().handshakes == 1);
    let asked = planet.take_asked();
    let [answered, unanswered] = seen.as_slice() else { panic!("{seen:?}") };
    let [asked] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(answered.flow, asked.flow);
    assert_eq!(answered.syn_count, 1);
    assert!(answered.syn_at_ns.abs_diff(asked.syn_at_ns) < 1_000_000);
    let wire = (answered.synack_at_ns.expect("answered") - answered.syn_at_ns) as f64 / 1e6;
    assert!((wire - kernel).abs() < TOLERANCE_MS, "wire {wire} ms, kernel {kernel} ms");
    assert!((wire - asked.delivered.as_secs_f64() * 1e3).abs() < TOLERANCE_MS, "wire {wire} ms, {asked:?}");
    assert_eq!(unanswered.synack_at_ns, None);
}
