//! A store that nobody writes to holds no log space.
//!
//! ```text
//! commit -> somebody looks already, or a thread begins to
//! thread -> sleeps; commits meanwhile: sleeps again; none: leaves the log no space, and ends
//! ```
//!
//! What is in memory is sealed where the log holds at least [`LEAST_SEALED_BYTES`]: somebody who writes a
//! little now and then is to have no segment for each time, which merges would write again. Of a
//! smaller log only what it reserved goes.

use super::Shared;
use super::maintenance::join;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A log of an idle store that is as long is sealed.
pub(super) const LEAST_SEALED_BYTES: u64 = 1 << 20;

const THREAD: &str = "sqd-idle";

/// At most one thread that waits for the store to be idle.
#[derive(Debug, Default)]
pub(super) struct Idleness {
    is_watched: AtomicBool,
    inner: Mutex<Inner>,
    closing: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    is_closed: bool,
    /// The thread that looks, or the last one that did.
    thread: Option<JoinHandle<()>>,
}

impl Idleness {
    /// Sleeps. `false` where the store is being closed.
    fn sleep(&self, time: Duration) -> bool {
        let mut inner = self.inner.lock();
        let is_open = |inner: &mut Inner| !inner.is_closed;
        self.closing.wait_while_for(&mut inner, is_open, time);
        !inner.is_closed
    }

    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        self.closing.notify_all();
        let thread = inner.thread.take();
        drop(inner);
        join(thread);
    }
}

/// That somebody watches, for as long as he does: also where he panics, so that the next commit
/// finds another one.
struct Watch<'a>(&'a AtomicBool);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Shared {
    /// Sees to it that somebody notices when no more is committed. Called after a commit was published:
    /// whoever looked and has just stopped looks at the state once more after that.
    pub(super) fn watch_idleness(&self) {
        let idleness = &self.idleness;
        if idleness.is_watched.load(Ordering::SeqCst) {
            return;
        }
        let Some(shared) = self.background() else {
            return;
        };
        let mut inner = idleness.inner.lock();
        if inner.is_closed || idleness.is_watched.swap(true, Ordering::SeqCst) {
            return;
        }
        let thread = thread::Builder::new().name(THREAD.into());
        match thread.spawn(move || shared.await_idleness()) {
            // The previous one has said that it is done and ends any moment.
            Ok(thread) => drop(inner.thread.replace(thread).map(JoinHandle::join)),
            Err(error) => {
                tracing::warn!(%error, "no thread to notice that the store is idle");
                idleness.is_watched.store(false, Ordering::SeqCst);
            }
        }
    }

    fn await_idleness(&self) {
        let is_watched = &self.idleness.is_watched;
        let mut watch = Watch(is_watched);
        let newest = || self.state.load().lsn;
        let mut seen = newest();
        while self.idleness.sleep(self.options.idle_after) {
            let before = std::mem::replace(&mut seen, newest());
            if before != seen {
                continue;
            }
            self.leave_no_log_space();
            drop(watch);
            if newest() == seen || is_watched.swap(true, Ordering::SeqCst) {
                return;
            }
            watch = Watch(is_watched);
            seen = newest();
        }
    }

    fn leave_no_log_space(&self) {
        if self.poison.get().is_some() {
            return;
        }
        // What goes wrong is told, and poisons the store as elsewhere.
        let _ = self.attempt("sealing an idle store", || {
            self.seal_idle()?;
            self.measure_debt();
            self.request_merge();
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_leaves_its_place_to_another() {
        let is_watched = AtomicBool::new(true);
        let panicked = std::panic::catch_unwind(|| {
            let _watch = Watch(&is_watched);
            panic!("as a watching thread might");
        });
        assert!(panicked.is_err());
        assert!(!is_watched.load(Ordering::SeqCst));
    }
}
