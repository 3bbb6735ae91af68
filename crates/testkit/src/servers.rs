//! Real servers, each a process of its own on free ports of this machine, ended when dropped.
//!
//! `cargo xtask test` installs them and says by environment variables where they are; without these a test is skipped, and
//! says so.

use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

/// The access key that the S3 server takes.
pub const S3_KEY: &str = "test";
/// Its secret.
pub const S3_SECRET: &str = "test-secret";

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    /// What it leaves behind when it is ended at once.
    leftovers: Vec<PathBuf>,
    /// Where it keeps its data, until it is dropped.
    _folder: Option<TempDir>,
}

impl Server {
    /// Starts Kinesis (kinesis-local from npm). It answers after a few seconds.
    ///
    /// `None`, said on standard error, where `CLOUDPING_TEST_KINESIS` does not name the package's folder.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn kinesis() -> Option<Self> {
        let folder = variable("CLOUDPING_TEST_KINESIS")?;
        let (port, tls_port) = (free_port(), free_port());
        let mut command = Command::new("node");
        command.arg("main.js").current_dir(folder);
        command.env("KINESIS_MOCK_CERT_PATH", "server.json").env("SHARD_LIMIT", "500");
        command.env("KINESIS_MOCK_PLAIN_PORT", port.to_string()).env("KINESIS_MOCK_TLS_PORT", tls_port.to_string());
        Some(Self::start(command, port))
    }

    /// Starts the Lambda Runtime API (cargo-lambda from PyPI) for functions that are started by the test, and waits until it answers: a function that
    /// finds none ends.
    ///
    /// `None`, said on standard error, where `CLOUDPING_TEST_PYTHON` does not name the Python that it was installed for.
    ///
    /// # Panics
    /// When it cannot be started, or takes no connections within 30 s.
    #[must_use]
    pub fn lambda_runtime() -> Option<Self> {
        let python = variable("CLOUDPING_TEST_PYTHON")?;
        let port = free_port();
        let mut command = Command::new(Path::new(&python).with_file_name("cargo-lambda"));
        command.args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1"]);
        command.args(["--invoke-port", &port.to_string()]);
        Some(Self::start(command, port).listening())
    }

    /// Starts DynamoDB (ministack from PyPI). It answers after a second or two, and keeps nothing when it ends.
    ///
    /// `None`, said on standard error, where `CLOUDPING_TEST_MINISTACK` does not name the program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn dynamodb() -> Option<Self> {
        Self::ministack("dynamodb")
    }

    /// Starts Glue's catalogue and Athena (ministack from PyPI). They answer after a second or two, and keep nothing when they end.
    ///
    /// `None`, said on standard error, where `CLOUDPING_TEST_MINISTACK` does not name the program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn glue() -> Option<Self> {
        Self::ministack("glue,athena,s3")
    }

    /// Starts SNS and SQS (ministack from PyPI). They answer after a second or two, and keep nothing when they end.
    ///
    /// `None`, said on standard error, where `CLOUDPING_TEST_MINISTACK` does not name the program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn sns() -> Option<Self> {
        Self::ministack("sns,sqs,sts,iam")
    }

    /// Starts Lambda, EventBridge, CloudWatch Logs and S3, in each region of an account (ministack from PyPI). They answer after a second or two, and keep
    /// nothing when they end.
    ///
    /// `None`, said on standard error, where `CLOUDPING_TEST_MINISTACK` does not name the program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn functions() -> Option<Self> {
        Self::ministack("lambda,events,logs,monitoring,s3,iam,sts,account")
    }

    fn ministack(services: &str) -> Option<Self> {
        let program = variable("CLOUDPING_TEST_MINISTACK")?;
        let port = free_port();
        let mut command = Command::new(program);
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
        // Its MQTT broker would take a port that others may need.
        command.env("SERVICES", services).env("IOT_MTLS_ENABLED", "0");
        let mut server = Self::start(command, port);
        server.leftovers = vec![std::env::temp_dir().join(format!("ministack-{port}.pid"))];
        Some(server)
    }

    /// Starts S3 (SeaweedFS from PyPI) for [`S3_KEY`] and [`S3_SECRET`]. It takes objects after some seconds.
    ///
    /// `None`, said on standard error, where `CLOUDPING_TEST_SEAWEEDFS` does not name the program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn s3() -> Option<Self> {
        let program = variable("CLOUDPING_TEST_SEAWEEDFS")?;
        let folder = tempfile::tempdir().expect("a temporary folder on this machine");
        let identity = json!({
            "name": "test",
            "credentials": [{ "accessKey": S3_KEY, "secretKey": S3_SECRET }],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        });
        let config = folder.path().join("s3.json");
        std::fs::write(&config, json!({ "identities": [identity] }).to_string()).expect("a new folder takes a file");
        let [port, s3, master, master_rpc, volume, volume_rpc, filer, filer_rpc] = free_ports();
        let mut command = Command::new(program);
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-volume.max=20"]);
        // It would tell its makers of itself otherwise.
        command.args(["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        for (option, value) in [
            ("s3.port", port),
            ("s3.port.grpc", s3),
            ("master.port", master),
            ("master.port.grpc", master_rpc),
            ("volume.port", volume),
            ("volume.port.grpc", volume_rpc),
            ("filer.port", filer),
            ("filer.port.grpc", filer_rpc),
        ] {
            command.arg(format!("-{option}={value}"));
        }
        let place = |option: &str, path: &Path| format!("-{option}={}", path.display());
        command.arg(place("dir", folder.path())).arg(place("s3.config", &config));
        for part in ["s3", "filer"] {
            command.arg(place(&format!("{part}.localSocket"), &folder.path().join(format!("{part}.sock"))));
        }
        command.env("TMPDIR", folder.path());
        let mut server = Self::start(command, port);
        let sockets = [("s3", s3), ("master", master_rpc), ("volume", volume_rpc), ("filer", filer_rpc)];
        let socket = |(part, port)| PathBuf::from(format!("/tmp/seaweedfs-{part}-grpc-{port}.sock"));
        server.leftovers = sockets.map(socket).into();
        server._folder = Some(folder);
        Some(server)
    }

    fn start(mut command: Command, port: u16) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, port, leftovers: Vec::new(), _folder: None }
    }

    /// The server, once it takes connections.
    fn listening(self) -> Self {
        let address = self.address();
        let mut tries = (0..1_500).inspect(|_| std::thread::sleep(Duration::from_millis(20)));
        assert!(tries.any(|_| TcpStream::connect(&address).is_ok()), "nobody listens at {address} after 30 s");
        self
    }

    /// Its address, such as `127.0.0.1:4568`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for path in &self.leftovers {
            // It is not there if the server never came up.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn variable(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name);
    if value.is_none() {
        eprintln!("SKIPPED: set {name}, as `cargo xtask test` does");
    }
    value
}

fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// Ports that differ: all are bound before one is given back.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port on this machine"));
    listeners.map(|listener| listener.local_addr().expect("a bound socket has an address").port())
}
