//! `cloudping agent` beside `cloudping up --ingest`, as processes: joining, an outage of the door, `kill -9`, and what is refused.

mod support;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudping_environment::now;
use cloudping_ingest_client::Key;
use cloudping_ingest_door::{Door, Limits, registry, serve};
use cloudping_model::{Round, UtcMicros, VantageId};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use cloudping_testkit::{MemoryLog, MemoryStore};
use serde_json::Value;
use support::{Server, cloudping};
use tempfile::TempDir;

/// A vantage point: its folder with its key, and an address at which a door may be.
struct Place {
    folder: TempDir,
    door: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::generate(VantageId::new("office").unwrap()).unwrap();
        key.write_new(&folder.path().join("ingest.key")).unwrap();
        let door = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { folder, door }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn key(&self) -> Key {
        Key::read(&self.path("ingest.key")).unwrap()
    }

    /// Measures a port that refuses, three times a second.
    fn command(&self) -> Command {
        let mut command = cloudping();
        command.args(["agent", "--join", &format!("http://{}", self.door), "--key-file"]).arg(self.path("ingest.key"));
        command.arg("--spool").arg(self.path("spool")).args(["--no-catalogue", "--target", "shop=127.0.0.1:9"]);
        command.args(["--interval", "300ms", "--timeout", "200ms"]);
        for variable in [
            "CLOUDPING_INGEST_URL",
            "CLOUDPING_INGEST_KEY_FILE",
            "CLOUDPING_INGEST_CA_FILE",
            "CREDENTIALS_DIRECTORY",
            "NOTIFY_SOCKET",
        ] {
            command.env_remove(variable);
        }
        command
    }

    fn agent(&self) -> Agent {
        Agent(self.command().stderr(Stdio::null()).spawn().unwrap())
    }

    fn check(&self) -> Output {
        self.command().arg("--check").output().unwrap()
    }

    /// `up`, with a door and nothing to measure but a port that refuses.
    fn up(&self) -> Server {
        let door = self.door.to_string();
        let own = ["--no-catalogue", "--target", "shop=127.0.0.1:9", "--interval", "10s", "--ingest", &door];
        Server::up(&self.path("data"), &own)
    }

    fn register(&self) {
        let fingerprint = self.key().fingerprint().to_string();
        let mut command = cloudping();
        command.args(["ingest-key", "add", "--vantage", "office", "--fingerprint", &fingerprint, "--data"]);
        assert!(command.arg(self.path("data")).output().unwrap().status.success());
    }
}

struct Agent(Child);

impl Agent {
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM: an orderly end with exit code 0.
    fn stop(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the agent did not stop");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} within a minute");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The check of this name.
fn check(output: &Output, name: &str) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let checks = report["checks"].as_array().unwrap().clone();
    checks.into_iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// Runs to the end; exit code 2, and one line on standard error that holds every part.
fn refused(mut command: Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), text.trim_end().lines().count()), (Some(2), 1), "{text}");
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in {text:?}"));
}

#[test]
fn an_agent_joins_and_is_shown() {
    let place = Place::new();
    // The data directory is made by its first `up`, and keys are registered while none runs.
    place.up().stop();
    let unknown = {
        let _up = place.up();
        place.check()
    };
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    let door = check(&unknown, "door");
    assert!(door["found"].as_str().unwrap().contains("401 unauthorized"), "{door}");
    let register = format!("ingest-key add --vantage office --fingerprint {}", place.key().fingerprint());
    assert!(door["next"].as_str().unwrap().contains(&register), "{door}");

    place.register();
    let up = place.up();
    let known = place.check();
    assert_eq!(known.status.code(), Some(0), "{known:?}");
    assert_eq!((&check(&known, "door")["status"], &check(&known, "time")["status"]), (&"ok".into(), &"ok".into()));
    assert!(!place.path("spool").exists(), "a check makes nothing");
    let agent = place.agent();
    until("rounds of the office", || {
        let cells = up.get("/api/v1/matrix?window=5m&source=office");
        cells["cells"][0]["source"] == "office"
    });
    agent.stop();
    up.stop();
}

/// A door in this process, whose log can be looked into, on a runtime of its own.
struct OwnDoor {
    log: Arc<MemoryLog>,
    store: Arc<MemoryStore>,
    runtime: tokio::runtime::Runtime,
}

impl OwnDoor {
    fn new(place: &Place) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (log, store) = (Arc::new(MemoryLog::default()), Arc::new(MemoryStore::new()));
        let vantage = VantageId::new("office").unwrap();
        let added = registry::add(&*store, &vantage, place.key().fingerprint(), "", now());
        runtime.block_on(added).unwrap();
        Self { log, store, runtime }
    }

    /// Open until what is returned is dropped.
    fn open(&self, at: SocketAddr, clock: fn() -> UtcMicros) -> tokio::sync::oneshot::Sender<()> {
        let door = Door::new(self.log.clone(), self.store.clone(), clock, Limits::default());
        let listener = self.runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(at).unwrap();
            socket.listen(16).unwrap()
        });
        let (open, closed) = tokio::sync::oneshot::channel();
        self.runtime.spawn(serve(listener, door, async {
            let _dropped: Result<(), _> = closed.await;
        }));
        open
    }

    fn rounds(&self) -> Vec<Round> {
        self.runtime.block_on(async {
            let mut rounds = Vec::new();
            for shard in self.log.shards().await.unwrap() {
                let records = self.log.read(&shard.id, None, 10_000).await.unwrap();
                rounds.extend(records.iter().map(|record| event::decode(&record.data).unwrap()));
            }
            rounds
        })
    }
}

/// That no number is missing within an epoch, and the epochs follow each other.
fn without_a_hole(rounds: &[Round]) -> usize {
    let mut ids: Vec<(u64, u64)> = rounds.iter().map(|round| (round.id.epoch, round.id.number)).collect();
    ids.dedup();
    assert!(ids.is_sorted(), "{ids:?}");
    let mut epochs: Vec<u64> = ids.iter().map(|id| id.0).collect();
    epochs.dedup();
    for epoch in &epochs {
        let numbers: Vec<u64> = ids.iter().filter(|id| id.0 == *epoch).map(|id| id.1).collect();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    }
    assert!(rounds.iter().all(|round| round.gap.is_none()), "nothing was lost");
    epochs.len()
}

#[test]
fn no_round_is_lost_when_the_door_is_away_and_the_agent_is_killed_meanwhile() {
    let place = Place::new();
    let door = OwnDoor::new(&place);
    let agent = place.agent();
    // Nobody is at the door: all of these wait on disk.
    std::thread::sleep(Duration::from_millis(2_500));
    agent.kill();
    let agent = place.agent();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(door.rounds().len(), 0);
    let open = door.open(place.door, now);
    until("rounds of both epochs", || {
        let rounds = door.rounds();
        rounds.len() >= 12 && rounds.first().map(|round| round.id.epoch) != rounds.last().map(|round| round.id.epoch)
    });
    // Away again, in the middle.
    drop(open);
    std::thread::sleep(Duration::from_secs(1));
    let before = door.rounds().len();
    let _open = door.open(place.door, now);
    until("rounds after the second outage", || door.rounds().len() > before + 5);
    agent.stop();
    assert_eq!(without_a_hole(&door.rounds()), 2);
}

#[test]
fn a_wrong_clock_is_named_by_how_much() {
    let place = Place::new();
    let door = OwnDoor::new(&place);
    let _open = door.open(place.door, || UtcMicros(now().0 + 3_600_000_000));
    let output = place.check();
    let said = check(&output, "door");
    assert_eq!((output.status.code(), &said["status"]), (Some(1), &"fail".into()));
    assert!(said["found"].as_str().unwrap().contains("signed 3600 s behind the door's clock"), "{said}");
    assert!(said["next"].as_str().unwrap().contains("set this host's clock"), "{said}");
}

#[test]
fn what_is_no_door_is_told_from_nothing() {
    let place = Place::new();
    let nothing = check(&place.check(), "door");
    assert!(nothing["found"].as_str().unwrap().contains("cannot be reached"), "{nothing}");
    let up = Server::up(&place.path("data"), &["--no-catalogue", "--target", "shop=127.0.0.1:9"]);
    let mut command = place.command();
    command.env("RUST_LOG", "off").args(["--check", "-o", "table"]);
    let other = ["--join", &*up.url];
    // The last `--join` is the one that counts, as with any option.
    let output = replace_join(command, other).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.lines().any(|line| line.starts_with("FAIL  door") && line.contains("expected an ingest door")),
        "{text}"
    );
    up.stop();
}

/// The same command with another door.
fn replace_join(command: Command, join: [&str; 2]) -> Command {
    let mut other = cloudping();
    let mut arguments = command.get_args();
    while let Some(argument) = arguments.next() {
        if argument == "--join" {
            arguments.next();
            other.args(join);
        } else {
            other.arg(argument);
        }
    }
    other
}

#[test]
fn a_wrong_key_or_address_ends_it_at_once() {
    let place = Place::new();
    let set_mode =
        |mode| std::fs::set_permissions(place.path("ingest.key"), std::fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o644);
    refused(place.command(), &["--key-file", "its mode is 644, expected 600", "chmod 600"]);
    set_mode(0o600);
    refused(replace_join(place.command(), ["--join", "ingest.example.com"]), &["--join", "expected https://HOST"]);
    std::fs::write(place.path("ingest.key"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    refused(place.command(), &["--key-file", "not a key", "cloudping ingest-key new"]);
    std::fs::remove_file(place.path("ingest.key")).unwrap();
    refused(place.command(), &["--key-file", "ingest.key", "No such file"]);
}

/// An authority of one's own, as PEM, and what serves a certificate of it for 127.0.0.1.
fn private_authority() -> (String, tokio_rustls::TlsAcceptor) {
    let own = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&own).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(params, own);
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let secret = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = builder.with_single_cert(vec![leaf.der().clone()], secret).unwrap();
    (authority.pem(), tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

/// TLS before a door that has none: as a load balancer would be.
async fn tls_before(door: SocketAddr, acceptor: tokio_rustls::TlsAcceptor) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outside = acceptor.accept(stream).await?;
                let mut inside = tokio::net::TcpStream::connect(door).await?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    address
}

#[test]
fn a_door_of_a_private_authority_is_believed_by_its_certificate() {
    let place = Place::new();
    let door = OwnDoor::new(&place);
    let _open = door.open(place.door, now);
    let (authority, acceptor) = private_authority();
    let join = format!("https://{}", door.runtime.block_on(tls_before(place.door, acceptor)));
    let file = place.path("ca.pem");
    let command = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = replace_join(place.command(), ["--join", &join]);
        command.arg("--ca-file").arg(&file);
        command
    };
    let checked = |mut command: Command| command.arg("--check").env("RUST_LOG", "off").output().unwrap();

    let public = check(&checked(replace_join(place.command(), ["--join", &join])), "door");
    assert!(public["found"].as_str().unwrap().contains("UnknownIssuer"), "{public}");
    assert!(public["next"].as_str().unwrap().contains("--ca-file"), "{public}");
    let other = check(&checked(command(&private_authority().0)), "door");
    assert!(other["status"] == "fail" && other["found"].as_str().unwrap().contains("certificate"), "{other}");
    let known = checked(command(&authority));
    assert_eq!((known.status.code(), &check(&known, "door")["status"]), (Some(0), &"ok".into()), "{known:?}");
    let agent = Agent(command(&authority).stderr(Stdio::null()).spawn().unwrap());
    until("rounds through TLS", || door.rounds().len() > 2);
    agent.stop();

    refused(command(""), &["--ca-file", "ca.pem: it is empty, expected certificates of authorities as PEM"]);
    refused(command("hello"), &["--ca-file", "it has no certificate"]);
    let mut plain = place.command();
    plain.arg("--ca-file").arg(&file);
    refused(plain, &["--ca-file", "--join is http://", "expected https://HOST"]);
    let gone = command(&authority);
    std::fs::remove_file(&file).unwrap();
    refused(gone, &["--ca-file", "ca.pem: No such file"]);
}

#[test]
fn a_spool_in_use_is_named() {
    let place = Place::new();
    let agent = place.agent();
    until("a spool", || place.path("spool/office.redb").exists());
    std::thread::sleep(Duration::from_millis(300));
    let mut second = place.command();
    second.env("RUST_LOG", "off");
    refused(second, &["--spool", "office.redb", "stop who uses it"]);
    agent.stop();
}

#[test]
fn systemd_is_told_when_it_measures_and_when_it_stops() {
    let place = Place::new();
    let socket = UnixDatagram::bind(place.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = place.command();
    command.env("NOTIFY_SOCKET", place.path("notify")).stderr(Stdio::null());
    let agent = Agent(command.spawn().unwrap());
    let receive = || {
        let mut text = [0; 1_024];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    };
    let ready = receive();
    assert!(ready.contains("READY=1") && ready.contains("STATUS=measuring 1 targets as office"), "{ready}");
    agent.stop();
    assert!(receive().contains("STOPPING=1"));
}
