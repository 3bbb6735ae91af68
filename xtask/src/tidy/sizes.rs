//! Files stay short enough to be read in one sitting.

use super::Violation;

const MOST_LINES: usize = 499;
const LIMITED: [&str; 4] = [".rs", ".ts", ".svelte", ".css"];

/// Whether the length of such a file is limited.
pub fn is_limited(path: &str) -> bool {
    LIMITED.iter().any(|ending| path.ends_with(ending))
}

/// Checks the length of one file.
pub fn check(path: &str, text: &str) -> Option<Violation> {
    let lines = text.lines().count();
    (lines > MOST_LINES).then(|| Violation {
        path: path.to_owned(),
        line: lines,
        what: format!("the file has {lines} lines"),
        expected: "under 500".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_499_lines() {
        assert_eq!(check("a.rs", &"x\n".repeat(499)), None);
        let violation = check("a.rs", &"x\n".repeat(500)).expect("too long");
        assert_eq!(violation.to_string(), "a.rs:500: the file has 500 lines, expected under 500");
    }

    #[test]
    fn only_code_is_limited() {
        for path in ["a.rs", "b/c.ts", "d.svelte", "e.css"] {
            assert!(is_limited(path), "{path}");
        }
        for path in ["Cargo.lock", "README.md", "schemas/regions.toml", "package-lock.json"] {
            assert!(!is_limited(path), "{path}");
        }
    }
}
