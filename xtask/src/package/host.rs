//! `cargo xtask package --static`: what goes to any host. The agent's program, which asks nothing of the system but a kernel, and a Debian
//! package of it with its service; with `--whole`, all of cloudping as such a program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::deb::{self, Compression, Content};
use super::{folder, mebibytes, read};
use crate::dashboard;
use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

/// Made for this: see the root `Cargo.toml`.
const PROFILE: &str = "dist";

/// The agent's own program, as cargo calls it.
pub const AGENT: &str = "cloudping-agent";

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// What a host needs that measures.
    Agent,
    /// All of it, AWS included.
    Whole,
}

impl Program {
    /// What cargo calls the package and its binary.
    fn name(self) -> &'static str {
        match self {
            Self::Agent => AGENT,
            Self::Whole => "cloudping",
        }
    }

    fn features(self) -> &'static [&'static str] {
        match self {
            Self::Agent => &[],
            Self::Whole => &["--features", "aws"],
        }
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    program: Program,
    /// A binary to pack in place of one that is built.
    binary: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn parse(args: &'a [String]) -> Result<Self> {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match args[..] {
            ["--static"] => Ok(Self { program: Program::Agent, binary: None }),
            ["--static", "--whole"] => Ok(Self { program: Program::Whole, binary: None }),
            ["--static", "--binary", file] => Ok(Self { program: Program::Agent, binary: Some(file) }),
            _ => Err(Failure::usage(format!(
                "package: unexpected `{}`, expected --static, --static --whole or --static --binary FILE",
                args.join(" ")
            ))),
        }
    }
}

/// Builds a static program for this machine's processor, unless `args` name one; the agent's is packed.
///
/// # Errors
/// A wrong command line; when a tool or target is missing, with how to install it; and what the build says.
pub fn run(project: &Project, args: &[String]) -> Result<()> {
    let request = Request::parse(args)?;
    let arch = std::env::consts::ARCH;
    let binary = match request.binary {
        Some(file) => PathBuf::from(file),
        None => build(project, request.program, arch)?,
    };
    let folder = folder(project);
    fs::create_dir_all(&folder).map_err(|error| Failure::io(folder.display(), &error))?;
    let copy = folder.join(format!("{}-{arch}-linux", request.program.name()));
    fs::copy(&binary, &copy).map_err(|error| Failure::io(binary.display(), &error))?;
    let mut made = vec![copy.clone()];
    if request.program == Program::Agent {
        let content = Content { root: &project.root, binary: &copy, version: version(&copy)?, arch: deb::arch(arch)? };
        made.push(deb::build(&content, &folder, Compression::Xz)?);
    }
    println!("{:<36}{:>12}  sha-256", "file", "size");
    for path in made {
        let bytes = read(&path)?;
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        println!("{name:<36}{:>12}  {digest}", mebibytes(bytes.len()));
    }
    println!("they are in {}", folder.display());
    Ok(())
}

/// What the binary says of itself.
///
/// # Errors
/// When it does not start, or says something else.
pub fn version(binary: &Path) -> Result<String> {
    let said = shell::capture(Command::new(binary).arg("--version"))?;
    let version = said.trim().strip_prefix("cloudping ").map(str::to_owned);
    version.ok_or_else(|| {
        Failure::new(format!("{} says `{}`, expected `cloudping VERSION`", binary.display(), said.trim()))
    })
}

/// Builds a static program for a processor.
///
/// # Errors
/// As [`run`].
pub fn build(project: &Project, program: Program, arch: &str) -> Result<PathBuf> {
    let target = format!("{arch}-unknown-linux-musl");
    require_musl(&target)?;
    if program == Program::Whole {
        dashboard::ensure_built(project)?;
    }
    let mut cargo = project.cargo();
    cargo.args(["build", "--profile", PROFILE, "--target", &target]);
    cargo.args(["--package", program.name(), "--bin", program.name()]).args(program.features());
    shell::run("building the static program", &mut cargo)?;
    Ok(project.target.join(&target).join(PROFILE).join(program.name()))
}

fn require_musl(target: &str) -> Result<()> {
    let library = shell::capture(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
    if !Path::new(library.trim()).is_dir() {
        return Err(Failure::usage(format!(
            "package: Rust's standard library for musl is not installed: run `rustup target add {target}`, then try again"
        )));
    }
    if !shell::is_present("musl-gcc") {
        shell::apt_install(&["musl-tools"], "the static program has parts in C")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let parsed = |line: &str| {
            let words = words(line);
            Request::parse(&words).map(|Request { program, binary }| (program, binary.map(str::to_owned)))
        };
        assert_eq!(parsed("--static").expect("valid"), (Program::Agent, None));
        assert_eq!(parsed("--static --whole").expect("valid"), (Program::Whole, None));
        assert_eq!(parsed("--static --binary /b").expect("valid"), (Program::Agent, Some("/b".to_owned())));
        for line in ["--static producer", "--static --binary", "--static --arch arm64"] {
            let failure = Request::parse(&words(line)).expect_err("not a command line");
            assert!(failure.to_string().contains(line), "{failure}");
        }
    }
}
