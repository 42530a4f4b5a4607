//! Ending streams from elsewhere, because nobody waits for their answer any more.

use super::error::PoolError;
use super::queue::Job;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Says whether an answer is still wanted. Once it is not, the stream that is run for it ends, and no
/// other is begun: [`CorePool::run_until`](super::CorePool::run_until).
#[derive(Default)]
pub struct Cancel {
    is_cancelled: AtomicBool,
    /// What is run for the answer, by the pool.
    running: Mutex<Option<Arc<dyn Job>>>,
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Cancel {
    /// Ends what is run for the answer with [`PoolError::Cancelled`].
    pub fn cancel(&self) {
        let mut running = self.running();
        // Under the lock: who watches next sees it.
        self.is_cancelled.store(true, Ordering::Relaxed);
        let job = running.take();
        drop(running);
        if let Some(job) = job {
            job.fail(PoolError::Cancelled);
        }
    }

    /// Whether the answer is wanted no more.
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Ends a stream with the answer, as long as what this gives lives.
    pub(super) fn watch(&self, job: Arc<dyn Job>) -> Watching<'_> {
        let mut running = self.running();
        match self.is_cancelled() {
            true => {
                drop(running);
                job.fail(PoolError::Cancelled);
            }
            false => *running = Some(job),
        }
        Watching(self)
    }

    fn running(&self) -> MutexGuard<'_, Option<Arc<dyn Job>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that ends with the answer.
pub(super) struct Watching<'c>(&'c Cancel);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.running().take();
    }
}
