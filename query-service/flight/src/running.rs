//! Which statement a cancel request means: one of a run that the client was given with its ticket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prost::bytes::Bytes;
use tokio::sync::Notify;

/// The runs under way. There are no more of them than the SQL door lets run or wait.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashMap<Bytes, Arc<Notify>>>);

impl Running {
    /// Adds a run; it is known until what this returns is dropped.
    pub fn enter(self: &Arc<Self>, run: &Bytes) -> Run {
        let cancel = Arc::new(Notify::new());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone(), Arc::clone(&cancel));
        Run { run: run.clone(), cancel, running: Arc::clone(self) }
    }

    /// Ends a run; whether there was one.
    pub fn cancel(&self, run: &Bytes) -> bool {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
        // One that has not begun to wait for it yet ends as soon as it does.
        found.is_some_and(|cancel| {
            cancel.notify_one();
            true
        })
    }
}

/// A run's place among them.
#[derive(Debug)]
pub struct Run {
    run: Bytes,
    cancel: Arc<Notify>,
    running: Arc<Running>,
}

impl Run {
    /// Ends when it is cancelled.
    pub async fn cancelled(&self) {
        self.cancel.notified().await;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The same ticket may be run twice: the later run is not this one's to remove.
        if running.get(&self.run).is_some_and(|cancel| Arc::ptr_eq(cancel, &self.cancel)) {
            running.remove(&self.run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_is_cancelled_by_its_name_and_once() {
        let running = Arc::new(Running::default());
        let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
        let run = running.enter(&one);
        assert!(!running.cancel(&two));
        assert!(running.cancel(&one));
        run.cancelled().await;
        assert!(!running.cancel(&one));
        let again = running.enter(&one);
        drop(run);
        assert!(running.cancel(&one));
        drop(again);
        assert!(running.0.lock().unwrap().is_empty());
    }
}
