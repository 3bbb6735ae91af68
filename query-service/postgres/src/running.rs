//! Which statement a cancel request means. It comes on a connection of its own, with the number and the secret that the other
//! connection was given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use pgwire::api::cancel::CancelHandler;
use pgwire::messages::cancel::CancelRequest;
use tokio::sync::Notify;

type Secret = (i32, Bytes);

/// The connections that can be told to leave what they are doing.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashMap<Secret, Arc<Notify>>>);

impl Running {
    /// Adds a connection; it is known until what this returns is dropped.
    pub fn enter(self: &Arc<Self>, secret: Secret, cancel: Arc<Notify>) -> Entered {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.clone(), cancel);
        Entered { secret, running: Arc::clone(self) }
    }

    /// Ends the statement under way on that connection; whoever does not know its secret ends nothing.
    fn cancel(&self, secret: &Secret) {
        if let Some(cancel) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(secret) {
            // Only who waits now is woken: a request that comes too late must not end the next statement.
            cancel.notify_waiters();
        }
    }
}

/// A connection's place among them.
#[derive(Debug)]
pub struct Entered {
    secret: Secret,
    running: Arc<Running>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.secret);
    }
}

#[async_trait]
impl CancelHandler for Running {
    async fn on_cancel_request(&self, request: CancelRequest) {
        self.cancel(&(request.pid, request.secret_key.to_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_secret_ends_a_statement_and_only_one_that_runs() {
        let (running, cancel) = (Arc::new(Running::default()), Arc::new(Notify::new()));
        let entered = running.enter((7, Bytes::from_static(b"abcd")), Arc::clone(&cancel));
        running.cancel(&(7, Bytes::from_static(b"abcd")));
        let mut statement = std::pin::pin!(cancel.notified());
        for wrong in [(7, Bytes::from_static(b"abce")), (8, Bytes::from_static(b"abcd"))] {
            running.cancel(&wrong);
            assert!(futures::poll!(statement.as_mut()).is_pending(), "{wrong:?}");
        }
        running.cancel(&(7, Bytes::from_static(b"abcd")));
        assert!(futures::poll!(statement.as_mut()).is_ready());
        drop(entered);
        assert!(running.0.lock().unwrap().is_empty());
    }
}
