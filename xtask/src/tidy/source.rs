//! Rules on Rust source: function sizes, no `unwrap`, no clock in domain code, nothing unfinished.
//!
//! They work on token trees and not on a syntax tree, so that code inside macros (`proptest!`, `json!`, `println!`) is seen too.

use std::collections::HashSet;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Violation;
use super::tokens::{
    attribute, group, has_blank_reason, is_call, is_macro, is_now, is_punct, is_test_attribute, module_in_file,
    module_name_before, path_attribute,
};

const MOST_FUNCTION_LINES: usize = 59;
/// Where time is an argument. The thin cloud packages nested in them are the edge, and free to read a clock.
const DOMAIN: [&str; 8] = [
    "crates/model",
    "crates/digest",
    "crates/ports",
    "crates/windows",
    "schemas",
    "stream-processor",
    "batch-rollup",
    "ingest-door",
];
const CLOCKS: [&str; 4] = ["Instant", "SystemTime", "Utc", "Local"];
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// What one file holds, before it is known whether the whole file is a test module.
pub struct Scan {
    path: String,
    /// The paths, without `.rs`, of modules in files of their own that this file declares under `#[cfg(test)]`.
    pub test_modules: Vec<String>,
    findings: Vec<Finding>,
}

struct Finding {
    violation: Violation,
    /// The rule holds in tests too.
    also_in_tests: bool,
    in_test: bool,
}

/// What the attributes before an item say about it.
#[derive(Default)]
struct Item {
    is_test: bool,
    /// Of `#[path = "..."]`.
    file: Option<String>,
}

/// Reads one file; `path` is relative to the root of the workspace.
pub fn scan(path: &str, text: &str) -> Scan {
    let mut scan = Scan { path: path.to_owned(), test_modules: Vec::new(), findings: Vec::new() };
    match TokenStream::from_str(text) {
        Ok(tokens) => scan.walk(tokens, false, &module_folder(path)),
        Err(error) => scan.report(error.span().start().line, true, false, "a lexing error", "valid Rust"),
    }
    scan
}

impl Scan {
    /// The violations that remain once the modules that exist only in tests are known.
    pub fn judge(self, test_modules: &HashSet<String>) -> Vec<Violation> {
        let is_test = is_test_path(&self.path) || is_in_module(&self.path, test_modules);
        self.findings
            .into_iter()
            .filter(|finding| finding.also_in_tests || !(finding.in_test || is_test))
            .map(|finding| finding.violation)
            .collect()
    }

    /// One nesting level. An attribute speaks for what follows it, up to the next `;` or closing brace.
    fn walk(&mut self, tokens: TokenStream, inherited: bool, folder: &str) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut level_is_test = inherited;
        let mut item = Item::default();
        for (index, token) in tokens.iter().enumerate() {
            let rest = &tokens[index..];
            if let Some((attribute, inner)) = attribute(rest) {
                let is_test = is_test_attribute(attribute);
                level_is_test |= inner && is_test;
                item.is_test |= !inner && is_test;
                item.file = item.file.or_else(|| path_attribute(attribute));
                continue;
            }
            let in_test = level_is_test || item.is_test;
            self.look(rest, index.checked_sub(1).map(|before| &tokens[before]), in_test);
            if in_test && let Some(name) = module_in_file(rest) {
                self.test_modules.push(match &item.file {
                    Some(file) => beside(&self.path, file),
                    None => format!("{folder}/{name}"),
                });
            }
            match token {
                TokenTree::Group(group) => {
                    let inside = module_name_before(&tokens[..index]).map(|name| format!("{folder}/{name}"));
                    self.walk(group.stream(), in_test, inside.as_deref().unwrap_or(folder));
                    if group.delimiter() == Delimiter::Brace {
                        item = Item::default();
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => item = Item::default(),
                _ => {}
            }
        }
    }

    /// Holds the rules against the tokens that start at `rest[0]`.
    fn look(&mut self, rest: &[TokenTree], before: Option<&TokenTree>, in_test: bool) {
        let Some(TokenTree::Ident(ident)) = rest.first() else {
            return;
        };
        let (word, line) = (ident.to_string(), ident.span().start().line);
        let method = is_punct(before, '.');
        match word.as_str() {
            "fn" => self.measure_function(rest, in_test),
            "unwrap" | "unwrap_err" if (method && is_call(rest)) || is_punct(before, ':') => {
                let what = format!("`{word}` outside tests");
                self.report(line, false, in_test, &what, "a handled error, or `expect` with the reason it cannot fail");
            }
            "expect" | "expect_err" if method && has_blank_reason(rest) => {
                self.report(line, false, in_test, "`expect` without a reason", "the invariant that makes it safe");
            }
            _ if is_macro(rest) && UNFINISHED.contains(&word.as_str()) => {
                self.report(line, true, in_test, &format!("`{word}!`"), "finished code");
            }
            _ if CLOCKS.contains(&word.as_str()) && is_now(rest) && is_domain(&self.path) => {
                let what = format!("`{word}::now` in domain code");
                self.report(line, false, in_test, &what, "time as an argument");
            }
            _ => {}
        }
    }

    fn measure_function(&mut self, rest: &[TokenTree], in_test: bool) {
        // `fn(u8) -> u8` is a type, `fn $name` a macro's pattern.
        let (Some(keyword), Some(TokenTree::Ident(name))) = (rest.first(), rest.get(1)) else {
            return;
        };
        let body = rest
            .iter()
            .take_while(|token| !is_punct(Some(token), ';'))
            .find_map(|token| group(Some(token), Delimiter::Brace));
        let Some(body) = body else { return };
        let first = keyword.span().start().line;
        let lines = body.span_close().end().line + 1 - first;
        if lines > MOST_FUNCTION_LINES {
            self.report(first, true, in_test, &format!("function {name} has {lines} lines"), "under 60");
        }
    }

    fn report(&mut self, line: usize, also_in_tests: bool, in_test: bool, what: &str, expected: &str) {
        let violation =
            Violation { path: self.path.clone(), line, what: what.to_owned(), expected: expected.to_owned() };
        self.findings.push(Finding { violation, also_in_tests, in_test });
    }
}

/// Files that cargo only ever compiles for tests, benches and examples.
fn is_test_path(path: &str) -> bool {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').any(|folder| matches!(folder, "tests" | "benches" | "examples"))
}

fn is_in_module(path: &str, modules: &HashSet<String>) -> bool {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let ancestors = stem.match_indices('/').map(|(at, _)| &stem[..at]).chain([stem]);
    ancestors.into_iter().any(|ancestor| modules.contains(ancestor))
}

fn is_domain(path: &str) -> bool {
    DOMAIN.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with("/src/")))
}

/// The module that `#[path = "file"]` in the source file `path` names, without `.rs`.
fn beside(path: &str, file: &str) -> String {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    path.rsplit_once('/').map_or_else(|| stem.to_owned(), |(folder, _)| format!("{folder}/{stem}"))
}

/// Where the files of the modules that `path` declares lie: beside a `mod.rs`, `lib.rs` or `main.rs`, else in a folder of its name.
fn module_folder(path: &str) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder.to_owned(),
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line: what` of each violation in a file that is no test module.
    fn found(path: &str, text: &str) -> Vec<String> {
        let violations = scan(path, text).judge(&HashSet::new());
        violations.iter().map(|violation| format!("{}: {}", violation.line, violation.what)).collect()
    }

    fn in_domain(text: &str) -> Vec<String> {
        found("crates/model/src/lib.rs", text)
    }

    #[test]
    fn unwrap_is_found_in_methods_paths_and_macros() {
        assert_eq!(in_domain("fn f() {\n  x.unwrap();\n}"), ["2: `unwrap` outside tests"]);
        assert_eq!(in_domain("fn f() { xs.map(Option::unwrap); }"), ["1: `unwrap` outside tests"]);
        assert_eq!(in_domain("fn f() { println!(\"{}\", x.unwrap()); }"), ["1: `unwrap` outside tests"]);
        assert_eq!(in_domain("fn f() { x.unwrap_err(); }"), ["1: `unwrap_err` outside tests"]);
    }

    #[test]
    fn what_only_looks_like_unwrap_is_left_alone() {
        for text in [
            "fn f() { x.unwrap_or(1); x.unwrap_or_default(); }",
            "/// Never `.unwrap()` here.\n// x.unwrap()\nfn unwrap() {}",
            "const S: &str = \".unwrap()\";",
            "struct S { unwrap: bool }",
        ] {
            assert!(in_domain(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn tests_may_unwrap() {
        for text in [
            "#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }",
            "#[cfg(all(test, unix))] mod tests { fn f() { x.unwrap(); } }",
            "#[test]\n#[ignore]\nfn f() { x.unwrap(); }",
            "#[tokio::test(start_paused = true)]\nasync fn f() { x.unwrap(); }",
            "#![cfg(test)]\nfn f() { x.unwrap(); }",
            "#[cfg(test)] impl A { fn f() { x.unwrap(); } }",
        ] {
            assert!(in_domain(text).is_empty(), "{text}");
        }
        for path in ["crates/model/tests/a.rs", "crates/model/benches/a.rs", "producers/examples/a.rs"] {
            assert!(found(path, "fn f() { x.unwrap(); }").is_empty(), "{path}");
        }
    }

    #[test]
    fn the_exemption_of_a_test_ends_with_it() {
        for text in [
            "#[cfg(test)] mod tests { }\nfn f() { x.unwrap(); }",
            "#[cfg(test)] use a::b;\nfn f() { x.unwrap(); }",
            "\n#[cfg(not(test))] fn f() { x.unwrap(); }",
            "\n#[derive(Debug)] #[doc = \"test\"] fn f() { x.unwrap(); }",
        ] {
            assert_eq!(in_domain(text), ["2: `unwrap` outside tests"], "{text}");
        }
    }

    #[test]
    fn modules_declared_for_tests_are_tests_in_their_own_files_too() {
        let parents = [
            ("a/src/lib.rs", "#[cfg(test)] mod oracle;", "a/src/oracle"),
            ("a/src/b.rs", "#[cfg(test)] mod oracle;", "a/src/b/oracle"),
            ("a/src/b.rs", "mod c { #[cfg(test)] mod oracle; }", "a/src/b/c/oracle"),
            ("a/src/b.rs", "#[cfg(test)] #[path = \"b_tests.rs\"] mod tests;", "a/src/b_tests"),
        ];
        for (path, text, expected) in parents {
            let modules: HashSet<String> = scan(path, text).test_modules.into_iter().collect();
            assert_eq!(modules, HashSet::from([expected.to_owned()]));
            let judge = |path: &str| scan(path, "fn f() { x.unwrap(); }").judge(&modules).len();
            assert_eq!(judge(&format!("{expected}.rs")), 0);
            assert_eq!(judge(&format!("{expected}/mod.rs")), 0);
            assert_eq!(judge(&format!("{expected}s.rs")), 1);
        }
        assert!(scan("a/src/lib.rs", "mod oracle;").test_modules.is_empty());
    }

    #[test]
    fn expect_needs_a_reason() {
        assert_eq!(in_domain("fn f() { x.expect(\"\"); }"), ["1: `expect` without a reason"]);
        assert_eq!(in_domain("fn f() { x.expect(r\" \"); }"), ["1: `expect` without a reason"]);
        assert!(in_domain("fn f() { x.expect(\"checked above\"); x.expect(WHY); p.expect(b'x'); }").is_empty());
    }

    #[test]
    fn domain_code_reads_no_clock() {
        for clock in ["Instant", "std::time::SystemTime", "chrono::Utc", "Local"] {
            let text = format!("fn f() {{ {clock}::now(); }}");
            assert_eq!(in_domain(&text).len(), 1, "{clock}");
            assert_eq!(found("schemas/src/a.rs", &text).len(), 1, "{clock}");
            for elsewhere in ["cloudping/src/main.rs", "batch-rollup/lambda/src/main.rs", "schemas/tests/a.rs"] {
                assert!(found(elsewhere, &text).is_empty(), "{elsewhere}");
            }
        }
        assert!(in_domain("fn f(now: Instant) { now.elapsed(); Clock::now(); }").is_empty());
    }

    #[test]
    fn nothing_unfinished_stays_even_in_tests() {
        for word in UNFINISHED {
            assert_eq!(in_domain(&format!("#[test] fn f() {{ {word}!(x) }}")), [format!("1: `{word}!`")]);
        }
        assert!(in_domain("// todo!()\nfn todo() { let dbg = 1; if dbg != 2 {} }").is_empty());
    }

    #[test]
    fn functions_end_within_59_lines() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "x();\n".repeat(lines - 2));
        assert!(in_domain(&function(59)).is_empty());
        assert_eq!(in_domain(&function(60)), ["1: function f has 60 lines"]);
        let wrapped = format!("#[cfg(test)] mod tests {{ proptest! {{\n#[test]\n{} }} }}", function(60));
        assert_eq!(in_domain(&wrapped), ["3: function f has 60 lines"]);
    }

    #[test]
    fn a_function_without_a_body_has_no_size() {
        let text = format!(
            "trait T {{ fn f(&self);\n const N: usize;\n fn g() {{}} }}\ntype F = fn(u8);\n{}",
            "\n".repeat(80)
        );
        assert!(in_domain(&(text + "mod m {}")).is_empty());
    }

    #[test]
    fn a_file_that_is_not_rust_is_reported() {
        assert_eq!(in_domain("fn f() {\n  \"open"), ["2: a lexing error"]);
    }
}
