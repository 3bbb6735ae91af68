//! The fuzz step: a few seconds of fuzzing for each decoder of bytes of unknown origin, on top of the corpus in the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

const MANIFEST: &str = "fuzz/Cargo.toml";
/// For all targets together.
const SECONDS: usize = 84;
/// What cargo-fuzz builds with for `--sanitizer none`, so that neither cargo-fuzz nor a nightly compiler is needed here.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";
const EXECUTED: &str = "stat::number_of_executed_units:";
/// The longest input that is shown as text.
const SHOWN_BYTES: u64 = 8192;

/// Builds the fuzz targets and runs each.
///
/// # Errors
/// When they cannot be built, or a decoder fails: the message then names the input and says how to run it again.
pub fn run(project: &Project) -> Result<Vec<String>> {
    if !shell::is_present("c++") {
        shell::apt_install(&["g++"], "the fuzzer is written in C++")?;
    }
    let manifest = project.root.join(MANIFEST);
    let text = fs::read_to_string(&manifest).map_err(|error| Failure::io(MANIFEST, &error))?;
    let targets = targets(&text)?;
    let mut format = project.cargo();
    format.args(["fmt", "--check", "--manifest-path"]).arg(&manifest);
    shell::run("formatting of the fuzz targets", &mut format)?;
    let programs = build(project, &manifest)?;
    let seconds = SECONDS / targets.len().max(1);
    let mut inputs = 0;
    for target in &targets {
        inputs += Fuzzer::new(project, &programs, target).run(seconds)?;
    }
    Ok(vec![format!("Fuzzing: {inputs} inputs to {} targets, {seconds} s each: no failure", targets.len())])
}

/// The names of the fuzz targets in the text of their `Cargo.toml`.
fn targets(manifest: &str) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Manifest {
        bin: Vec<Bin>,
    }
    #[derive(Deserialize)]
    struct Bin {
        name: String,
    }
    let parsed: Manifest = toml::from_str(manifest)
        .map_err(|error| Failure::new(format!("{MANIFEST}: {error}, expected fuzz targets")))?;
    Ok(parsed.bin.into_iter().map(|bin| bin.name).collect())
}

/// Builds all targets; the folder that they are in.
fn build(project: &Project, manifest: &Path) -> Result<PathBuf> {
    let host = host(&shell::capture(project.cargo().arg("-vV"))?)?;
    let folder = project.target.join("fuzz");
    let mut command = project.cargo();
    // With a target named, the flags are for the targets alone: a build script has no fuzzer to report to.
    command.args(["build", "--release", "--bins", "--target", &host, "--manifest-path"]).arg(manifest);
    command.arg("--target-dir").arg(&folder).env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    shell::run("building the fuzz targets", &mut command)?;
    Ok(folder.join(host).join("release"))
}

fn host(version: &str) -> Result<String> {
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("cargo -vV names no host, expected a line `host: ...`"))
}

/// One target, and the folders that it works with.
struct Fuzzer {
    target: String,
    program: PathBuf,
    /// What it starts from.
    corpus: PathBuf,
    /// Where it keeps what it finds: away from the repository, and not kept, so that every run starts from the same.
    found: PathBuf,
    /// Where it leaves the input that a decoder failed on.
    failures: PathBuf,
}

impl Fuzzer {
    fn new(project: &Project, programs: &Path, target: &str) -> Self {
        Self {
            target: target.to_owned(),
            program: programs.join(target),
            corpus: project.root.join("fuzz/corpus").join(target),
            found: project.target.join("fuzz/found").join(target),
            failures: project.root.join("test-results/fuzz").join(target),
        }
    }

    /// How many inputs the decoder has taken.
    fn run(&self, seconds: usize) -> Result<u64> {
        println!("==> fuzzing {} for {seconds} s", self.target);
        for folder in [&self.found, &self.failures] {
            // There may be nothing to remove.
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).map_err(|error| Failure::io(folder.display(), &error))?;
        }
        let mut command = Command::new(&self.program);
        command.args(["-seed=1", "-verbosity=0", "-print_final_stats=1", "-timeout=10", "-rss_limit_mb=1024"]);
        command.arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-artifact_prefix={}/", self.failures.display()));
        let output = command.arg(&self.found).arg(&self.corpus).output();
        let output = output.map_err(|error| Failure::io(self.program.display(), &error))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            println!("{}", said.trim_end());
            return Err(self.failure());
        }
        let inputs = executed(&said).ok_or_else(|| Failure::new(format!("{}: no line {EXECUTED}", self.target)))?;
        println!("    {}: {inputs} inputs", self.target);
        Ok(inputs)
    }

    /// Says which input it was and how to run it again, as far as is known.
    fn failure(&self) -> Failure {
        let target = &self.target;
        let entries = fs::read_dir(&self.failures).into_iter().flatten();
        let Some(input) = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).min() else {
            return Failure::new(format!("the fuzz target {target} failed and left no input behind"));
        };
        let shown = shown(&input);
        let (input, program) = (input.display(), self.program.display());
        Failure::new(format!(
            "the fuzz target {target} failed on the input {input}{shown}\n  \
             again:     {program} {input}\n  \
             or:        cargo fuzz run --sanitizer none {target} {input}\n  \
             once fixed, keep the input in fuzz/corpus/{target}"
        ))
    }
}

/// A file's content in base64: a file on a build machine may be gone before anybody can fetch it.
fn shown(path: &Path) -> String {
    let is_short = fs::metadata(path).is_ok_and(|file| file.len() <= SHOWN_BYTES);
    let text = is_short.then(|| shell::capture(Command::new("base64").arg("--wrap=0").arg(path)));
    text.and_then(Result::ok).map_or_else(String::new, |text| format!("\n  in base64: {}", text.trim()))
}

fn executed(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.strip_prefix(EXECUTED)).and_then(|count| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A stand-in for a fuzz target: what matters here is how we deal with it.
    fn fuzzer(name: &str, script: &str) -> Fuzzer {
        let folder = std::env::temp_dir().join(format!("xtask-fuzz-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("temp folder");
        let program = folder.join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("temp file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("temp file");
        let (found, failures) = (folder.join("found"), folder.join("failures"));
        Fuzzer { target: name.to_owned(), program, corpus: folder, found, failures }
    }

    #[test]
    fn a_target_that_ends_well_says_how_much_it_did() {
        let fuzzer = fuzzer("well", "echo 'stat::number_of_executed_units: 42' >&2");
        assert_eq!(fuzzer.run(1).expect("exit code 0"), 42);
        fs::remove_dir_all(fuzzer.corpus).expect("temp folder");
    }

    #[test]
    fn a_failure_names_the_input_and_how_to_run_it_again() {
        let script = r#"for word in "$@"; do case "$word" in -artifact_prefix=*) printf abc > "${word#*=}crash-1";; esac; done; exit 77"#;
        let fuzzer = fuzzer("badly", script);
        let failure = fuzzer.run(1).expect_err("exit code 77").to_string();
        let input = fuzzer.failures.join("crash-1");
        for expected in [
            format!("badly failed on the input {}\n", input.display()),
            "in base64: YWJj\n".to_owned(),
            format!("again:     {} {}\n", fuzzer.program.display(), input.display()),
            format!("cargo fuzz run --sanitizer none badly {}\n", input.display()),
        ] {
            assert!(failure.contains(&expected), "{failure}");
        }
        // What an earlier run left there is not taken for this one's.
        fs::write(&fuzzer.program, "#!/bin/sh\nexit 1\n").expect("temp file");
        let failure = fuzzer.run(1).expect_err("exit code 1").to_string();
        assert!(failure.ends_with("left no input behind"), "{failure}");
        fs::remove_dir_all(fuzzer.corpus).expect("temp folder");
    }

    #[test]
    fn every_target_has_its_source_and_something_to_start_from() {
        let project = Project::discover().expect("cargo metadata");
        let text = fs::read_to_string(project.root.join(MANIFEST)).expect("the manifest");
        let mut targets = targets(&text).expect("a list of targets");
        let names = |folder: &str| {
            let entries = fs::read_dir(project.root.join("fuzz").join(folder)).expect("a folder");
            let name = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
            let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry").path())).collect();
            names.sort();
            names
        };
        targets.sort();
        assert_eq!(names("fuzz_targets"), targets);
        assert_eq!(names("corpus"), targets);
        assert!(targets.iter().all(|target| !names(&format!("corpus/{target}")).is_empty()));
    }

    #[test]
    fn the_host_is_read_from_cargos_version() {
        let version = "cargo 1.95.0\nrelease: 1.95.0\nhost: x86_64-unknown-linux-gnu\nos: Debian\n";
        assert_eq!(host(version).expect("a host"), "x86_64-unknown-linux-gnu");
        assert!(host("cargo 1.95.0\n").is_err());
        assert!(targets("[package]\nname = \"x\"\n").is_err());
    }
}
