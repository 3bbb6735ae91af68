//! `cargo xtask package`: the programs that run on AWS, each as an archive that can be uploaded; with `--static`, what goes to any host
//! ([`host`]).
//!
//! cargo-lambda builds them, because its linker (zig's) takes the version of glibc to link for: a program linked on a newer
//! distribution would not start in Lambda. The archives are made here and not by it, so that the same program gives the same
//! archive, byte for byte, and a deployment uploads what changed and nothing else.

mod archive;
pub mod deb;
pub mod host;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::project::{Package, Project};
use crate::shell;
use crate::test::python;

use archive::Archive;

/// glibc of Lambda's `provided.al2023`, the oldest that the programs must start on.
const GLIBC: &str = "2.34";
/// Made for this: see the root `Cargo.toml`.
const PROFILE: &str = "lambda";

/// A processor that Lambda has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arch {
    X86,
    Arm,
}

impl Arch {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "x86_64" => Ok(Self::X86),
            "arm64" => Ok(Self::Arm),
            other => Err(Failure::usage(format!("package: --arch is `{other}`, expected x86_64 or arm64"))),
        }
    }

    /// As Lambda calls it.
    fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        }
    }

    /// As Rust calls it.
    fn target(self) -> &'static str {
        match self {
            Self::X86 => "x86_64-unknown-linux-gnu",
            Self::Arm => "aarch64-unknown-linux-gnu",
        }
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    names: Vec<&'a str>,
    arch: Arch,
    profile: &'a str,
}

impl<'a> Request<'a> {
    fn parse(args: &'a [String]) -> Result<Self> {
        let mut request = Self { names: Vec::new(), arch: Arch::X86, profile: PROFILE };
        let mut words = args.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| Failure::usage(format!("package: {word} without a value, expected one")));
            match word {
                "--arch" => request.arch = Arch::parse(value()?)?,
                "--profile" => request.profile = value()?,
                _ if word.starts_with('-') => {
                    return Err(Failure::usage(format!(
                        "package: unexpected `{word}`, expected --arch, --profile or --static"
                    )));
                }
                name => request.names.push(name),
            }
        }
        Ok(request)
    }
}

/// A program of a `*/aws` package.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    package: String,
    /// The binary, as cargo calls it.
    binary: String,
    /// What a person calls it.
    name: String,
    /// What it is called in its archive.
    entry: String,
}

impl Program {
    /// `cloudping-NAME-lambda` is a function, which Lambda wants to be called `bootstrap`; any other program keeps its name.
    fn new(package: &str, binary: &str) -> Self {
        let short = binary.strip_prefix("cloudping-").unwrap_or(binary);
        let (name, entry) = match short.strip_suffix("-lambda") {
            Some(function) => (function, "bootstrap"),
            None => (short, binary),
        };
        Self { package: package.into(), binary: binary.into(), name: name.into(), entry: entry.into() }
    }
}

/// Builds the programs that `args` name, or all, and writes `target/packages/NAME-ARCH.zip` for each.
///
/// # Errors
/// A wrong command line, a missing target of Rust (with how to install it), and what the build says.
pub fn run(project: &Project, args: &[String]) -> Result<()> {
    if args.first().is_some_and(|arg| arg == "--static") {
        return host::run(project, args);
    }
    let request = Request::parse(args)?;
    let programs = select(programs(&project.packages), &request.names)?;
    require_target(request.arch, &standard_library(request.arch)?)?;
    let folder = folder(project);
    let built = folder.join(format!("{}-{}", request.arch.name(), request.profile));
    for program in &programs {
        // What an earlier build left must not pass for this one's.
        let stale = built.join(&program.binary);
        if stale.exists() {
            fs::remove_dir_all(&stale).map_err(|error| Failure::io(stale.display(), &error))?;
        }
    }
    let wanted = programs.iter().flat_map(|program| ["--package", &program.package, "--bin", &program.binary]);
    build(project, &request, &built, wanted)?;
    println!("{:<28}{:>12}{:>12}  sha-256", "package", "program", "archive");
    for program in &programs {
        let path = folder.join(format!("{}-{}.zip", program.name, request.arch.name()));
        let bytes = read(&built.join(&program.binary).join("bootstrap"))?;
        let archive = Archive::of_program(&program.entry, &bytes)?;
        fs::write(&path, archive.bytes()).map_err(|error| Failure::io(path.display(), &error))?;
        let name = format!("{} ({})", program.name, request.arch.name());
        let (size, zipped) = (mebibytes(bytes.len()), mebibytes(archive.bytes().len()));
        println!("{name:<28}{size:>12}{zipped:>12}  {}", archive.sha256());
    }
    println!("they are in {}", folder.display());
    Ok(())
}

/// Packages what `cargo xtask bench cold-start` starts, and builds the function that it holds them against in the same way; returns
/// the folder of the archives, which holds the programs in `x86_64-lambda/BINARY/bootstrap`.
///
/// # Errors
/// As [`run`].
pub fn for_cold_start(project: &Project) -> Result<PathBuf> {
    run(project, &["producer".to_owned(), "stream-processor".to_owned()])?;
    let (request, folder) = (Request::parse(&[])?, folder(project));
    let built = folder.join(format!("{}-{}", request.arch.name(), request.profile));
    build(project, &request, &built, ["--package", "cloudping-telemetry", "--example", "hello"])?;
    Ok(folder)
}

/// Where the archives are.
pub fn folder(project: &Project) -> PathBuf {
    project.target.join("packages")
}

/// The binaries of all thin cloud packages, by name.
fn programs(packages: &[Package]) -> Vec<Program> {
    let thin = packages.iter().filter(|package| package.manifest_path.ends_with("aws/Cargo.toml"));
    let mut found: Vec<Program> = thin
        .flat_map(|package| package.targets.iter().map(move |target| (package, target)))
        .filter(|(_, target)| target.kind.iter().any(|kind| kind == "bin"))
        .map(|(package, target)| Program::new(&package.name, &target.name))
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn select(programs: Vec<Program>, names: &[&str]) -> Result<Vec<Program>> {
    if let Some(unknown) = names.iter().find(|name| programs.iter().all(|program| program.name != **name)) {
        let known: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
        return Err(Failure::usage(format!("package: no program `{unknown}`, expected some of: {}", known.join(", "))));
    }
    let wanted = |program: &Program| names.is_empty() || names.contains(&program.name.as_str());
    Ok(programs.into_iter().filter(wanted).collect())
}

/// Where Rust's standard library for a processor is, if it is installed.
fn standard_library(arch: Arch) -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    let path = shell::capture(rustc.args(["--print", "target-libdir", "--target", arch.target()]))?;
    Ok(PathBuf::from(path.trim()))
}

fn require_target(arch: Arch, library: &Path) -> Result<()> {
    if library.is_dir() {
        return Ok(());
    }
    let (name, target) = (arch.name(), arch.target());
    Err(Failure::usage(format!(
        "package: Rust's standard library for {name} is not installed: run `rustup target add {target}`, then try again \
         (the compiler and linker for it come with cargo-lambda)"
    )))
}

/// Builds what `wanted` names, each into a folder of its own below `into`, where cargo-lambda calls it `bootstrap`.
fn build<'a>(
    project: &Project,
    request: &Request<'_>,
    into: &Path,
    wanted: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    fs::create_dir_all(into).map_err(|error| Failure::io(into.display(), &error))?;
    let python = python::ensure(project)?;
    let mut build = Command::new(python.with_file_name("cargo-lambda"));
    // It asks the first Python on the path for zig, which was installed with it.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = python.parent().map(Path::to_owned);
    let path = std::env::join_paths(first.into_iter().chain(std::env::split_paths(&path)))
        .map_err(|error| Failure::usage(format!("package: PATH and {}: {error}", python.display())))?;
    build.env("PATH", path).current_dir(&project.root).args(["lambda", "build", "--profile", request.profile]);
    build.args(["--target", &format!("{}.{GLIBC}", request.arch.target())]).arg("--lambda-dir").arg(into);
    shell::run("building the programs", build.args(wanted))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Failure::io(format!("{}: the build should have made it", path.display()), &error))
}

fn mebibytes(bytes: usize) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Target;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn packages() -> Vec<Package> {
        let target = |name: &str, kind: &str| Target { name: name.to_owned(), kind: vec![kind.to_owned()] };
        let package = |folder: &str, targets| Package {
            name: format!("cloudping-{}", folder.replace('/', "-")),
            manifest_path: format!("/work/{folder}/Cargo.toml").into(),
            dependencies: Vec::new(),
            targets,
        };
        let bins = vec![target("cloudping-producer-lambda", "bin"), target("cloudping-producer-agent", "bin")];
        vec![package("producers/aws", bins), package("cloudping", vec![target("cloudping", "bin")])]
    }

    #[test]
    fn the_programs_are_those_of_the_thin_packages() {
        let found = programs(&packages());
        let seen: Vec<(&str, &str)> = found.iter().map(|found| (found.name.as_str(), found.entry.as_str())).collect();
        assert_eq!(seen, [("producer", "bootstrap"), ("producer-agent", "cloudping-producer-agent")]);
        assert_eq!(select(found.clone(), &[]).expect("all"), found);
        assert_eq!(select(found.clone(), &["producer"]).expect("one"), found[..1]);
        let failure = select(found, &["producers"]).expect_err("no such program");
        assert_eq!(failure.to_string(), "package: no program `producers`, expected some of: producer, producer-agent");
    }

    #[test]
    fn the_command_line() {
        let args = words("producer --arch arm64 stream-processor --profile release");
        let expected = Request { names: vec!["producer", "stream-processor"], arch: Arch::Arm, profile: "release" };
        assert_eq!(Request::parse(&args).expect("valid"), expected);
        let cases = [
            ("--arch sparc", "package: --arch is `sparc`, expected x86_64 or arm64"),
            ("--arch", "package: --arch without a value, expected one"),
            ("--fast", "package: unexpected `--fast`, expected --arch, --profile or --static"),
        ];
        for (line, expected) in cases {
            let failure = Request::parse(&words(line)).expect_err("not a command line");
            assert_eq!((failure.to_string().as_str(), failure.code()), (expected, 2));
        }
    }

    #[test]
    fn a_target_that_is_not_installed_is_said_with_its_remedy() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(require_target(Arch::Arm, here).is_ok());
        let failure = require_target(Arch::Arm, &here.join("nowhere")).expect_err("it is not there");
        let expected = "package: Rust's standard library for arm64 is not installed: \
                        run `rustup target add aarch64-unknown-linux-gnu`, then try again";
        assert!(failure.to_string().starts_with(expected), "{failure}");
        assert_eq!(failure.code(), 2);
    }

    #[test]
    fn rustc_knows_where_a_targets_library_would_be() {
        for arch in [Arch::X86, Arch::Arm] {
            let library = standard_library(arch).expect("rustc says it, installed or not");
            assert!(library.to_string_lossy().contains(arch.target()), "{}", library.display());
        }
    }
}
