//! A cloudping process under test.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod agreement;
pub mod planet;

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary under test.
pub fn cloudping() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cloudping"))
}

/// Twelve regions on all continents that have some.
pub const REGIONS: &str = "us-east-1,us-west-2,eu-west-1,eu-central-1,ap-south-1,ap-northeast-1,ap-southeast-2,sa-east-1,af-south-1,me-south-1,ca-central-1,il-central-1";

/// The doors of a query service.
pub struct Api {
    pub url: String,
}

impl Api {
    /// The JSON at a path of the API.
    pub fn get(&self, path: &str) -> Value {
        let mut response = ureq::get(format!("{}{path}", self.url)).call().unwrap();
        response.body_mut().read_json().unwrap()
    }

    /// Runs `cloudping sql` against it.
    pub fn sql(&self, query: &str) -> Value {
        let output = cloudping().args(["sql", query, "--url", &self.url]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A running `cloudping up`.
pub struct Server {
    child: Child,
    api: Api,
}

impl Deref for Server {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Server {
    /// Starts the planet on a free port and waits until it listens.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::up(data, &[&["--planet"], arguments].concat())
    }

    /// Starts on a free port and waits until it listens.
    pub fn up(data: &Path, arguments: &[&str]) -> Self {
        let mut command = cloudping();
        command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments);
        Self::run(command)
    }

    /// Runs `cloudping up` and waits until it listens.
    pub fn run(command: Command) -> Self {
        Self::run_until(command, |line| line.strip_prefix("listening on ").map(str::to_owned))
    }

    /// Runs a program, and waits until a line of its output says where it listens.
    pub fn run_until(mut command: Command, address: impl Fn(&str) -> Option<String>) -> Self {
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| address(&line.unwrap()));
        let url = url.unwrap_or_else(|| panic!("ended without listening: {:?}", child.wait()));
        assert!(started.elapsed() < Duration::from_secs(30), "slow start");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, api: Api { url } }
    }

    /// SIGKILL: no instruction more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ctrl-C: an orderly end with exit code 0.
    pub fn stop(mut self) {
        let interrupt = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(interrupt.unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(25);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("did not stop");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone in most cases.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
