//! How far long work is, for whoever waits for it.

/// Is told how far long work is. `()` does not listen.
pub trait Progress: Send + Sync {
    /// A stage begins: what is done in it, how many steps it has (0 where that is unknown), and what a step is ("rows", "files", "hours").
    fn stage(&self, doing: &str, steps: u64, unit: &'static str);

    /// So many more steps of the stage are done.
    fn advance(&self, steps: u64);
}

impl Progress for () {
    fn stage(&self, _doing: &str, _steps: u64, _unit: &'static str) {}

    fn advance(&self, _steps: u64) {}
}
