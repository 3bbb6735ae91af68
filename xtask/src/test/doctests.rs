//! Whether there are doc tests at all: running rustdoc over a workspace without any costs minutes for nothing.

use std::fs;

use crate::failure::{Failure, Result};
use crate::project::{Package, Project};
use crate::tidy::tracked_files;

/// Whether any library of the workspace holds a code block that `cargo test --doc` would run.
///
/// # Errors
/// When the files cannot be listed or read.
pub fn any(project: &Project) -> Result<bool> {
    let libraries = source_folders_of_libraries(project);
    for path in tracked_files(project)? {
        if !path.ends_with(".rs") || !libraries.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let text = fs::read_to_string(project.root.join(&path)).map_err(|error| Failure::io(&path, &error))?;
        if has_doctest(&text) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Rustdoc runs the examples of libraries only.
fn source_folders_of_libraries(project: &Project) -> Vec<String> {
    let has_library =
        |package: &&Package| package.targets.iter().flat_map(|target| &target.kind).any(|kind| kind == "lib");
    let libraries = project.packages.iter().filter(has_library);
    libraries.map(|package| project.relative(&package.manifest_path).replace("Cargo.toml", "src/")).collect()
}

fn has_doctest(source: &str) -> bool {
    let mut inside = false;
    for line in source.lines() {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        let Some(fence) = doc.and_then(|doc| doc.trim_start().strip_prefix("```")) else {
            continue;
        };
        inside = !inside;
        if inside && runs(fence.trim()) {
            return true;
        }
    }
    false
}

/// Rustdoc takes a block for Rust unless its label names another language or says `ignore`.
fn runs(label: &str) -> bool {
    label
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .all(|word| matches!(word, "rust" | "no_run" | "should_panic" | "compile_fail") || word.starts_with("edition"))
}

#[cfg(test)]
mod tests {
    use super::has_doctest;

    #[test]
    fn code_blocks_of_rust_count() {
        for label in ["", "rust", "no_run", "should_panic,edition2024"] {
            assert!(has_doctest(&format!("/// Text.\n/// ```{label}\n/// f();\n/// ```\nfn f() {{}}\n")), "{label}");
        }
        assert!(has_doctest("//! ```text\n//! a\n//! ```\n//! ```\n//! f();\n//! ```\n"));
    }

    #[test]
    fn other_blocks_and_plain_comments_do_not() {
        assert!(!has_doctest("/// ```text\n/// a picture\n/// ```\n"));
        assert!(!has_doctest("/// ```ignore\n/// f();\n/// ```\n"));
        assert!(!has_doctest("// ```\n// f();\n// ```\nlet fence = \"```\";\n"));
    }
}
