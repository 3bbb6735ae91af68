//! The signals that end a command in order.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Ctrl-C and SIGTERM, caught for as long as the process lives.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Catches both from here on. Must be called within a runtime.
    ///
    /// # Errors
    /// When the system lets them not be caught.
    pub fn catch() -> Result<Self, Failure> {
        let caught = |kind| signal(kind).map_err(Failure::runtime);
        Ok(Self { interrupt: caught(SignalKind::interrupt())?, terminate: caught(SignalKind::terminate())? })
    }

    /// Waits for the next of either.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
