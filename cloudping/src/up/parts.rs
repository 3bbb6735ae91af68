//! The parts of the pipeline that must be at work as long as it is, and who notices when one is not.

use std::future::Future;
use std::thread::JoinHandle;

use cloudping_agent::failure::Failure;
use tokio::sync::mpsc;
use tokio::task::JoinHandle as Task;

/// The parts that are at work.
///
/// A part ends when it is told to. One that ends before has panicked or failed: without it the process would go on measuring, and what is measured would be
/// neither counted, archived nor shown.
pub struct Parts {
    started: mpsc::UnboundedSender<&'static str>,
    ended: mpsc::UnboundedReceiver<&'static str>,
}

/// Says that a part has ended when it is dropped, however that comes.
pub struct Presence {
    name: &'static str,
    ended: mpsc::UnboundedSender<&'static str>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        // Nobody listens any more at the end of the process.
        let _ = self.ended.send(self.name);
    }
}

impl Parts {
    /// None yet.
    pub fn new() -> Self {
        let (started, ended) = mpsc::unbounded_channel();
        Self { started, ended }
    }

    /// One part more, which is there as long as what is returned.
    pub fn presence(&self, name: &'static str) -> Presence {
        Presence { name, ended: self.started.clone() }
    }

    /// A part that runs with the others.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let presence = self.presence(name);
        tokio::spawn(async move {
            let _presence = presence;
            work.await
        })
    }

    /// A part whose work is heavy, on a thread of its own.
    ///
    /// # Errors
    /// When there is no room for a thread.
    pub fn thread<F: Future<Output = ()>>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<JoinHandle<()>, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Failure::runtime)?;
        let presence = self.presence(name);
        let work = move || {
            let _presence = presence;
            runtime.block_on(work());
            // What a step that was dropped has begun must not keep the thread.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(Failure::runtime)
    }

    /// Waits for the first part that ends.
    pub async fn first_end(&mut self) -> &'static str {
        match self.ended.recv().await {
            Some(name) => name,
            // Cannot be: a sender is held here.
            None => std::future::pending().await,
        }
    }
}

/// Why the process ends when a part of it has.
pub fn broken(part: &str) -> Failure {
    Failure::runtime(format!(
        "{part} broke off, why is said above; all else was brought to its end, and what is logged is taken up at the next start"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whichever_part_panics_is_noticed_at_once() {
        let mut parts = Parts::new();
        let _at_work = parts.presence("the server");
        let thread = parts.thread("archive", || async { panic!("in the test") }).unwrap();
        assert_eq!(parts.first_end().await, "archive");
        assert!(thread.join().is_err());
        let task = parts.spawn("the audit", async { panic!("in the test") });
        assert_eq!(parts.first_end().await, "the audit");
        assert!(task.await.unwrap_err().is_panic());
        assert!(broken("archive").to_string().starts_with("archive broke off"));
    }

    #[tokio::test]
    async fn parts_at_work_are_left_alone() {
        let mut parts = Parts::new();
        let _thread = parts.thread("archive", std::future::pending::<()>).unwrap();
        let _task = parts.spawn("the audit", std::future::pending::<()>());
        let waited = tokio::time::timeout(std::time::Duration::from_millis(50), parts.first_end()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}
