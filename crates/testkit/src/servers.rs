//! Real servers, each a process of its own on free ports of this machine, ended when dropped.
//!
//! `cargo xtask test` installs them and says by environment variables where they are; without these a test is skipped, and
//! says so.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    /// What it leaves behind when it is ended at once.
    leftover: Option<PathBuf>,
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

    /// Starts the Lambda Runtime API (cargo-lambda from PyPI) for functions that are started by the test.
    ///
    /// `None`, said on standard error, where `CLOUDPING_TEST_PYTHON` does not name the Python that it was installed for.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn lambda_runtime() -> Option<Self> {
        let python = variable("CLOUDPING_TEST_PYTHON")?;
        let port = free_port();
        let mut command = Command::new(Path::new(&python).with_file_name("cargo-lambda"));
        command.args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1"]);
        command.args(["--invoke-port", &port.to_string()]);
        Some(Self::start(command, port))
    }

    /// Starts DynamoDB (ministack from PyPI). It answers after a second or two, and keeps nothing when it ends.
    ///
    /// `None`, said on standard error, where `CLOUDPING_TEST_MINISTACK` does not name the program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn dynamodb() -> Option<Self> {
        let program = variable("CLOUDPING_TEST_MINISTACK")?;
        let port = free_port();
        let mut command = Command::new(program);
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
        // Its MQTT broker would take a port that others may need.
        command.env("SERVICES", "dynamodb").env("IOT_MTLS_ENABLED", "0");
        let mut server = Self::start(command, port);
        server.leftover = Some(std::env::temp_dir().join(format!("ministack-{port}.pid")));
        Some(server)
    }

    fn start(mut command: Command, port: u16) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, port, leftover: None }
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
        if let Some(path) = &self.leftover {
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
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on this machine");
    listener.local_addr().expect("a bound socket has an address").port()
}
