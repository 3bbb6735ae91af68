//! The end-to-end step: a real server on a simulated planet, looked at by a real browser.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::FEATURES;
use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::{dashboard, npm, shell};

const CHROMIUM: &str = "/usr/bin/chromium";
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
const ADDRESS_LINE: &str = "listening on ";

/// How long a past the planet gets, in hours.
const PAST_HOURS: &str = "6";
/// The planet's weather at its start; the tests change it. The first step is so fresh in the past that it is found while they run.
const WEATHER: &str = r#"
[defaults]
jitter_ms = 0.3
loss = 0.0005

[[link]]
source = "eu-west-1"
target = "af-south-1"
extra_ms = 25

[[link]]
source = "me-south-1"
target = "*"
down = true
"#;

/// Starts the planet with a past, runs the dashboard's end-to-end tests against it, and stops it as Ctrl-C would.
///
/// # Errors
/// When the server does not come up or does not stop with exit code 0, or a test fails.
pub fn run(project: &Project) -> Result<Vec<String>> {
    ensure()?;
    dashboard::ensure_built(project)?;
    let mut build = project.cargo();
    // The same selection as the tests were built with: another one would build dependencies again with other features.
    shell::run(
        "building cloudping",
        build.args(["build", "--workspace", "--bins", "--tests", "--examples"]).args(FEATURES),
    )?;

    let data = std::env::temp_dir().join(format!("cloudping-e2e-{}", std::process::id()));
    let weather = data.with_extension("toml");
    fs::write(&weather, WEATHER).map_err(|error| Failure::io(weather.display(), &error))?;
    let mut past = Command::new(project.target.join("debug/examples/past"));
    shell::run("giving the planet a past", past.arg(&data).arg(PAST_HOURS).arg(&weather))?;
    let log = project.root.join("test-results/e2e-server.log");
    let mut server = Server::start(&project.target.join("debug/cloudping"), &data, &weather, log)?;
    let tested = server.address().and_then(|address| {
        let mut npm = npm::npm(project, dashboard::FOLDER);
        npm.args(["run", "e2e"]).env("BASE_URL", address).env("CLOUDPING_WEATHER", &weather);
        shell::run_keeping("end-to-end tests in Chromium", &mut npm, is_summary)
    });
    let stopped = server.stop();
    if tested.is_err() || stopped.is_err() {
        server.print_log();
        println!("--- its data is left in {} ---", data.display());
    }
    let lines = tested?;
    stopped?;
    fs::remove_dir_all(&data).map_err(|error| Failure::io(data.display(), &error))?;
    fs::remove_file(&weather).map_err(|error| Failure::io(weather.display(), &error))?;
    Ok(lines)
}

/// Installs the browser where there is none.
///
/// # Errors
/// When apt fails.
pub fn ensure() -> Result<()> {
    if Path::new(CHROMIUM).exists() {
        return Ok(());
    }
    shell::apt_install(&["chromium"], "pages are looked at by a real browser")
}

/// Playwright's closing lines: `  12 passed (34.5s)`, and `  1 flaky` where a test passed at its second try.
fn is_summary(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(|count| count.parse::<u32>().is_ok()) && matches!(words.next(), Some("passed" | "flaky"))
}

struct Server {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Server {
    fn start(binary: &Path, data: &Path, weather: &Path, log: PathBuf) -> Result<Self> {
        let failed = |error: &std::io::Error| Failure::io(log.display(), error);
        fs::create_dir_all(log.parent().unwrap_or(Path::new("."))).map_err(|error| failed(&error))?;
        let file = File::create(&log).map_err(|error| failed(&error))?;
        let errors = file.try_clone().map_err(|error| failed(&error))?;
        let mut command = Command::new(binary);
        command
            .args(["up", "--planet", "--gateway", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .arg("--scenario")
            .arg(weather);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        println!("==> starting the planet on a free port; its output goes to {}", log.display());
        let mut child =
            command.spawn().map_err(|error| Failure::io(format!("cannot start {}", binary.display()), &error))?;
        let lines = watch(child.stdout.take(), file);
        Ok(Self { child, lines, log })
    }

    /// The URL that the server says it listens on.
    fn address(&self) -> Result<String> {
        let start = Instant::now();
        loop {
            let left = READY_WITHIN.saturating_sub(start.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(address) = line.trim().strip_prefix(ADDRESS_LINE) {
                        println!("    listening on {address} after {}", shell::seconds(start.elapsed()));
                        return Ok(address.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let waited = shell::seconds(READY_WITHIN);
                    return Err(Failure::new(format!("the server was not listening after {waited}")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new("the server ended before it was listening"));
                }
            }
        }
    }

    /// Interrupts the server and waits for it to end.
    fn stop(&mut self) -> Result<()> {
        let start = Instant::now();
        if self.ended()?.is_none() {
            // The shell's own `kill`: the program of that name is not on every machine.
            let script = format!("kill -INT {}", self.child.id());
            shell::capture(Command::new("sh").args(["-c", &script]))?;
        }
        while start.elapsed() < STOPPED_WITHIN {
            if let Some(status) = self.ended()? {
                println!("    the server ended after {} ({status})", shell::seconds(start.elapsed()));
                return if status.success() {
                    Ok(())
                } else {
                    Err(Failure::new(format!("the server ended with {status}, expected exit code 0")))
                };
            }
            thread::sleep(Duration::from_millis(50));
        }
        let waited = shell::seconds(STOPPED_WITHIN);
        Err(Failure::new(format!("the server was still running {waited} after an interrupt")))
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(|error| Failure::io("waiting for the server", &error))
    }

    fn print_log(&self) {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        println!("--- the last lines of {} ---", self.log.display());
        lines.iter().skip(lines.len().saturating_sub(40)).for_each(|line| println!("{line}"));
    }
}

impl Drop for Server {
    /// Leaves no server behind when a step fails half-way. Both calls fail harmlessly when it has ended already.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the server's output to its end, so that it never blocks on a full pipe, into the log and the channel.
fn watch(stdout: Option<ChildStdout>, mut log: File) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(stdout) = stdout else { return };
        for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
            let _ = writeln!(log, "{line}");
            // Nobody listens any more once the address is known and the server stopped.
            let _ = sender.send(line);
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A stand-in for the server's command line: what matters here is how we deal with it.
    fn server(name: &str, script: &str) -> Server {
        let folder = std::env::temp_dir().join(format!("xtask-browser-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("temp folder");
        let binary = folder.join("server");
        fs::write(&binary, format!("#!/bin/sh\n{script}\n")).expect("temp file");
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).expect("temp file");
        Server::start(&binary, &folder, &folder.join("weather.toml"), folder.join("log")).expect("it starts")
    }

    fn remove_folder_of(server: &Server) {
        fs::remove_dir_all(server.log.parent().expect("the log lies in it")).expect("temp folder");
    }

    #[test]
    fn the_address_is_read_and_an_interrupt_ends_it_well() {
        let mut server = server(
            "well",
            "trap 'exit 0' INT\necho starting\necho 'listening on http://127.0.0.1:1'\nwhile :; do sleep 0.05; done",
        );
        assert_eq!(server.address().expect("listening"), "http://127.0.0.1:1");
        server.stop().expect("exit code 0");
        remove_folder_of(&server);
    }

    #[test]
    fn a_server_that_fails_is_told_from_one_that_ends_well() {
        let mut server = server("badly", "echo no right to make a TUN >&2\nexit 2");
        assert!(server.address().expect_err("never listening").to_string().contains("ended before"));
        assert!(server.stop().expect_err("exit code 2").to_string().contains("exit status: 2"));
        let log = fs::read_to_string(&server.log).expect("the log");
        assert_eq!(log, "no right to make a TUN\n");
        remove_folder_of(&server);
    }

    #[test]
    fn playwrights_summary_is_recognised() {
        assert!(is_summary("  12 passed (34.5s)"));
        assert!(is_summary("  1 flaky"));
        assert!(!is_summary("  1 failed"));
        assert!(!is_summary("[2/12] page.spec.ts"));
    }
}
