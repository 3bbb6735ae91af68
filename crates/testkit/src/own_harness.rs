//! Tests that are programs of their own, because they must do something before the first thread starts.

/// Whether the runner only wants to know which tests there are. It is then told `name`: a runner that lists first, as nextest does, runs
/// nothing that is not in the list.
#[must_use]
pub fn is_listing(name: &str) -> bool {
    let asked = |option: &str| std::env::args().any(|argument| argument == option);
    if !asked("--list") {
        return false;
    }
    if !asked("--ignored") {
        println!("{name}: test");
    }
    true
}
