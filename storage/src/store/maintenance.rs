//! When sealing and merging run.
//!
//! One thread at a time does both, started when there is something to do and gone when there is not,
//! so that an idle store has no threads.

use super::Shared;
use crate::error::{Result, StoreError};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Memtables may grow to this many times their limit while the previous ones are being sealed; then
/// writers wait.
const STALL_FACTOR: u64 = 2;

#[derive(Debug, Default)]
pub(super) struct Maintenance {
    inner: Mutex<Inner>,
    finished: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    is_running: bool,
    is_closed: bool,
    /// The last attempt ended for lack of space.
    is_full: bool,
    stalls: u64,
    /// The thread that runs, or the last one that ran.
    thread: Option<JoinHandle<()>>,
}

impl Shared {
    /// Sees to it that memtables are sealed soon, or seals them now where the store has no threads.
    pub(super) fn request_seal(&self) {
        {
            let mut inner = self.maintenance.inner.lock();
            if inner.is_running || inner.is_closed {
                return;
            }
            inner.is_running = true;
        }
        let Some(shared) = self.background() else {
            return self.maintain();
        };
        let spawned = thread::Builder::new()
            .name("sqd-maintenance".into())
            .spawn(move || shared.maintain());
        match spawned {
            Ok(thread) => {
                let previous = self.maintenance.inner.lock().thread.replace(thread);
                // It has said that it is done and ends any moment.
                previous.map(JoinHandle::join);
            }
            Err(error) => {
                tracing::warn!(%error, "no thread for sealing; sealing on the writer's thread");
                self.maintain();
            }
        }
    }

    /// Seals and merges until nothing is due.
    fn maintain(&self) {
        let outcome = self.maintain_until_done();
        let mut inner = self.maintenance.inner.lock();
        inner.is_running = false;
        inner.is_full = matches!(outcome, Err(StoreError::DiskFull { .. }));
        drop(inner);
        self.maintenance.finished.notify_all();
    }

    fn maintain_until_done(&self) -> Result<()> {
        let run = || -> Result<()> {
            loop {
                self.seal()?;
                self.maintenance.finished.notify_all();
                let merged = self.merge()?;
                let is_due = self.state.load().active_bytes > self.options.memtable_bytes;
                if !merged && !is_due || self.maintenance.inner.lock().is_closed {
                    return Ok(());
                }
            }
        };
        self.unless_it_panics("sealing or merging", run)
            .map_err(|error| {
                tracing::error!(%error, "sealing or merging failed");
                self.poison_unless_full(error)
            })
    }

    /// Lets a writer go on while there is room in memory; waits for sealing where there is not.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] where sealing cannot make room.
    pub(super) fn make_room(&self) -> Result<()> {
        let most = self.options.memtable_bytes.saturating_mul(STALL_FACTOR);
        if self.state.load().active_bytes <= most {
            return Ok(());
        }
        self.request_seal();
        let mut inner = self.maintenance.inner.lock();
        inner.stalls += 1;
        while self.state.load().active_bytes > most && inner.is_running {
            self.maintenance.finished.wait(&mut inner);
        }
        self.check_poison()?;
        if self.state.load().active_bytes > most && inner.is_full {
            return Err(StoreError::DiskFull {
                path: self.paths.segments.clone(),
            });
        }
        Ok(())
    }

    /// How often a writer waited for sealing.
    pub(super) fn stalls(&self) -> u64 {
        self.maintenance.inner.lock().stalls
    }

    /// Waits for what is running and lets nothing more start.
    ///
    /// The thread is joined, not only waited for: until it is gone it holds the store, and with it
    /// the lock on the directory.
    pub(super) fn close_maintenance(&self) {
        let mut inner = self.maintenance.inner.lock();
        inner.is_closed = true;
        while inner.is_running {
            self.maintenance.finished.wait(&mut inner);
        }
        let thread = inner.thread.take();
        drop(inner);
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the maintenance thread panicked");
        }
    }
}

/// What background threads keep alive.
pub(super) type Handle = Arc<Shared>;
