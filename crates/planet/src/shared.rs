//! What the router shares with the rest of the process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::accuracy::{Accuracy, AskedRtt, Histogram, Ledger};
use crate::world::World;

/// Read and written by the router's thread and by the planet's owner.
pub(crate) struct Shared {
    world: Mutex<Arc<World>>,
    /// Counts changes of `world`, so that the router need not lock to learn that there is none.
    version: AtomicU64,
    book: Mutex<Book>,
}

struct Book {
    lateness: Histogram,
    ledger: Ledger,
    unstamped: u64,
    cpu_ns: u64,
    running_ns: u64,
}

/// What the router has to tell.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub completed: Vec<AskedRtt>,
    pub unstamped: u64,
    /// CPU time of the router so far.
    pub cpu_ns: u64,
    /// Since it started.
    pub running_ns: u64,
}

impl Shared {
    pub fn new(world: World, ledger: usize) -> Self {
        Self {
            world: Mutex::new(Arc::new(world)),
            version: AtomicU64::new(0),
            book: Mutex::new(Book {
                lateness: Histogram::default(),
                ledger: Ledger::new(ledger),
                unstamped: 0,
                cpu_ns: 0,
                running_ns: 0,
            }),
        }
    }

    pub fn world(&self) -> Arc<World> {
        lock(&self.world).clone()
    }

    pub fn set_world(&self, world: World) {
        *lock(&self.world) = Arc::new(world);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The world, unless it is being changed just now.
    pub fn try_world(&self) -> Option<Arc<World>> {
        self.world.try_lock().ok().map(|world| world.clone())
    }

    /// Changes whenever the world does.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Writes `news` down and empties it, unless the book is in use just now: the router never waits.
    pub fn try_record(&self, news: &mut News) {
        let Ok(mut book) = self.book.try_lock() else {
            return;
        };
        for asked in news.completed.drain(..) {
            let late = asked.delivered.saturating_sub(asked.asked);
            book.lateness.record(late.as_nanos() as u64);
            book.ledger.push(asked);
        }
        book.unstamped += std::mem::take(&mut news.unstamped);
        (book.cpu_ns, book.running_ns) = (news.cpu_ns, news.running_ns);
    }

    pub fn accuracy(&self) -> Accuracy {
        let book = lock(&self.book);
        Accuracy {
            handshakes: book.lateness.total(),
            late_median: Duration::from_nanos(book.lateness.quantile(0.5)),
            late_p99: Duration::from_nanos(book.lateness.quantile(0.99)),
            late_max: Duration::from_nanos(book.lateness.max()),
            unstamped: book.unstamped,
            cpu: Duration::from_nanos(book.cpu_ns),
            running: Duration::from_nanos(book.running_ns),
        }
    }

    pub fn take_asked(&self) -> Vec<AskedRtt> {
        lock(&self.book).ledger.take()
    }
}

/// No holder of these locks can panic half-way through a change, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
