//! Running other programs so that a person always sees what is going on and how long it took.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// Runs a command to its end, its output going straight to the terminal.
///
/// # Errors
/// When the program cannot be started or ends with anything but exit code 0.
pub fn run(what: &str, command: &mut Command) -> Result<()> {
    timed(what, command, |command| command.status().map_err(|error| cannot_start(command, &error)))
}

/// Like [`run`], and hands back the lines of output that `keep` picks, so that they can be shown again at the end.
pub fn run_keeping(what: &str, command: &mut Command, keep: fn(&str) -> bool) -> Result<Vec<String>> {
    let mut kept = Vec::new();
    timed(what, command, |command| {
        let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| cannot_start(command, &error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            let errors = scope.spawn(|| relay(stderr, keep, |line| eprintln!("{line}")));
            kept.extend(relay(stdout, keep, |line| println!("{line}")));
            kept.extend(errors.join().unwrap_or_default());
        });
        child.wait().map_err(|error| Failure::io(format!("waiting for {}", name(command)), &error))
    })?;
    Ok(kept)
}

/// Runs a command in silence and returns what it wrote to stdout.
///
/// # Errors
/// When it cannot be started or fails; the message then carries what it wrote to stderr.
pub fn capture(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr);
    Err(Failure::new(format!("{} failed ({status}): {}", line_of(command), said.trim())))
}

/// Whether a program can be started at all.
pub fn is_present(program: &str) -> bool {
    let mut probe = Command::new(program);
    probe.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Installs Debian packages through apt-get.
///
/// # Errors
/// With what to do by hand, when this machine has no apt-get or we are not root.
pub fn apt_install(packages: &[&str], why: &str) -> Result<()> {
    let list = packages.join(" ");
    if !is_present("apt-get") {
        return Err(Failure::usage(format!("{why}: please install {list} (there is no apt-get here to do it with)")));
    }
    if capture(Command::new("id").arg("-u"))?.trim() != "0" {
        return Err(Failure::usage(format!("{why}: please run `sudo apt-get install {list}`, then try again")));
    }
    run("refreshing the package lists", Command::new("apt-get").args(["update", "--quiet"]))?;
    run(
        &format!("installing {list}"),
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "--quiet", "--yes", "--no-install-recommends"])
            .args(packages),
    )
}

/// Seconds with the digits that matter: `0.3 s`, `75 s`.
pub fn seconds(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

fn timed(what: &str, command: &mut Command, act: impl FnOnce(&mut Command) -> Result<ExitStatus>) -> Result<()> {
    println!("==> {what}: {}", line_of(command));
    let start = Instant::now();
    let status = act(command)?;
    let took = seconds(start.elapsed());
    if status.success() {
        println!("    {what}: done in {took}");
        return Ok(());
    }
    Err(Failure::new(format!("{what} failed after {took} ({status}): {}", line_of(command))))
}

fn relay(from: Option<impl Read>, keep: fn(&str) -> bool, show: impl Fn(&str)) -> Vec<String> {
    let Some(from) = from else { return Vec::new() };
    let mut kept = Vec::new();
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    // Read as bytes: a line that is not UTF-8 must not end the relay, or the child would block on a full pipe.
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\n', '\r']);
        show(line);
        if keep(line) {
            kept.push(line.to_owned());
        }
        bytes.clear();
    }
    kept
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::usage(format!("`{}` is not installed or not on the PATH", name(command))),
        _ => Failure::io(format!("cannot start {}", line_of(command)), error),
    }
}

fn name(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    program.rsplit('/').next().unwrap_or(&program).to_owned()
}

fn line_of(command: &Command) -> String {
    let mut line = name(command);
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_lines_asked_for_are_kept_from_both_streams() {
        let script = "echo Summary: out; echo noise; printf 'Summary: \\377 err\\n' >&2";
        let kept = run_keeping("a test", &mut sh(script), |line| line.starts_with("Summary")).expect("exit code 0");
        assert_eq!(kept, ["Summary: out", "Summary: \u{fffd} err"]);
    }

    #[test]
    fn a_failing_command_is_a_failure_that_names_it() {
        let failure = run("a test", &mut sh("exit 3")).expect_err("exit code 3");
        assert!(failure.to_string().contains("exit status: 3"), "{failure}");
        let failure = capture(&mut sh("echo broken >&2; exit 1")).expect_err("exit code 1");
        assert!(failure.to_string().ends_with("broken"), "{failure}");
    }

    #[test]
    fn a_missing_program_is_said_to_be_missing() {
        let failure = run("a test", &mut Command::new("/nowhere/frobnicate")).expect_err("no such program");
        assert_eq!(failure.to_string(), "`frobnicate` is not installed or not on the PATH");
        assert!(!is_present("/nowhere/frobnicate"));
    }
}
