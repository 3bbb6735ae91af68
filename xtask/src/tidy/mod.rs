//! `cargo xtask tidy`: the rules of the house that a machine can check.

mod layering;
mod sizes;
mod source;
mod tokens;

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::shell;

/// A place where a rule is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Relative to the root of the workspace.
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    /// What is there.
    pub what: String,
    /// What should be.
    pub expected: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}, expected {}", self.path, self.line, self.what, self.expected)
    }
}

/// Checks everything and prints each violation on a line of its own.
///
/// # Errors
/// When there is a violation, or something cannot be read.
pub fn run(project: &Project, args: &[String]) -> Result<()> {
    if let Some(extra) = args.first() {
        return Err(Failure::usage(format!("tidy: unexpected `{extra}`, expected no arguments")));
    }
    let files = tracked_files(project)?;
    println!("==> tidy: layering, sizes and source rules over {} files", files.len());
    let mut violations = layering::check(project)?;
    violations.extend(check_files(project, &files)?);
    violations.sort();
    violations.iter().for_each(|violation| println!("{violation}"));
    match violations.len() {
        0 => {
            println!("    tidy: nothing to complain about");
            Ok(())
        }
        count => Err(Failure::new(format!("tidy: {count} violations, expected none"))),
    }
}

/// The files that belong to the project, tracked or not yet tracked, ignored ones left out; sorted, relative to the root.
///
/// # Errors
/// When git is missing or this is not a git work tree.
pub fn tracked_files(project: &Project) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(&project.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut files: Vec<String> = shell::capture(&mut git)?
        .split('\0')
        .filter(|path| !path.is_empty())
        // Deleted in the work tree, but not yet in the index.
        .filter(|path| project.root.join(path).is_file())
        .map(str::to_owned)
        .collect();
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

fn check_files(project: &Project, files: &[String]) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    let mut scans = Vec::new();
    for path in files {
        if !sizes::is_limited(path) {
            continue;
        }
        let text = fs::read_to_string(project.root.join(path)).map_err(|error| Failure::io(path, &error))?;
        violations.extend(sizes::check(path, &text));
        if path.ends_with(".rs") {
            scans.push(source::scan(path, &text));
        }
    }
    // Only after all files are read is it known which are test modules: their parents say so.
    let test_modules: HashSet<String> = scans.iter().flat_map(|scan| scan.test_modules.iter().cloned()).collect();
    violations.extend(scans.into_iter().flat_map(|scan| scan.judge(&test_modules)));
    Ok(violations)
}
