//! When sealing and merging run.
//!
//! Each has a thread of its own, started when there is something to do and gone when there is not: a
//! seal that writers wait for does not queue behind a merge that takes minutes, and an idle store has
//! no threads. Without background threads both run on the thread whose write made them due.

use super::Shared;
use super::huge::Haste;
use super::merge::{Attempt, share};
use super::seal::Occasion;
use crate::error::{Result, StoreError};
use crate::sync::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Memtables may grow to this many times their limit while the previous ones are being sealed; then
/// writers wait.
pub(super) const STALL_FACTOR: u64 = 2;
/// The longest that one commit group is held back because memtables fill faster than they are sealed.
/// It is below what counts as a stall.
const LONGEST_DELAY: Duration = Duration::from_millis(20);

/// The name of the thread that merges.
const MERGE_THREAD: &str = "sqd-merge";
/// The name of the thread that brings segments into huge pages.
const HUGE_PAGE_THREAD: &str = "sqd-huge-pages";
/// How far a merge's thread, or one that brings segments into huge pages, makes way for others, which have somebody waiting for them. A merge that
/// falls behind for it slows writers down and so gets the processor back.
const MERGE_NICENESS: i32 = 10;

/// Lowers the priority of the calling thread unless it is the one that seals.
fn make_way(name: &str) {
    // Elsewhere it would be the whole process's.
    if cfg!(target_os = "linux") && matches!(name, MERGE_THREAD | HUGE_PAGE_THREAD) {
        // Where it is refused merging is as important as all else.
        let _ = rustix::process::nice(MERGE_NICENESS);
    }
}

/// The kinds of background work.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    sealing: Worker,
    merging: Worker,
    enlarging: Worker,
}

/// At most one thread that works until nobody asks for more.
#[derive(Debug, Default)]
struct Worker {
    inner: Mutex<Inner>,
    finished: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    is_running: bool,
    /// Asked for since the work under way began.
    is_requested: bool,
    is_closed: bool,
    /// The last attempt ended for lack of space.
    is_full: bool,
    /// The thread that runs, or the last one that ran.
    thread: Option<JoinHandle<()>>,
}

/// What background threads keep alive.
pub(super) type Handle = Arc<Shared>;

impl Worker {
    /// Notes that work is wanted; `true` where the caller must see to it that somebody does it.
    fn request(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.is_requested = !inner.is_closed;
        let must_start = inner.is_requested && !inner.is_running;
        inner.is_running |= must_start;
        must_start
    }

    /// Has `work` done by a thread of this name, or by this thread where there can be none.
    fn start(&self, name: &'static str, handle: Option<Handle>, work: fn(&Shared), here: &Shared) {
        let Some(shared) = handle else {
            return work(here);
        };
        let spawned = thread::Builder::new().name(name.into()).spawn(move || {
            make_way(name);
            work(&shared);
        });
        match spawned {
            Ok(thread) => {
                let previous = self.inner.lock().thread.replace(thread);
                // It has said that it is done and ends any moment.
                previous.map(JoinHandle::join);
            }
            Err(error) => {
                tracing::warn!(%error, name, "no thread for background work; doing it here");
                work(here);
            }
        }
    }

    /// Calls `once` until it fails or nobody has asked for more meanwhile.
    fn run(&self, once: impl Fn() -> Result<()>) {
        loop {
            self.inner.lock().is_requested = false;
            let outcome = once();
            let mut inner = self.inner.lock();
            inner.is_full = matches!(outcome, Err(StoreError::DiskFull { .. }));
            inner.is_running = inner.is_requested && !inner.is_closed && outcome.is_ok();
            self.finished.notify_all();
            if !inner.is_running {
                return;
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.inner.lock().is_closed
    }

    /// Waits for what is running and lets nothing more start.
    ///
    /// The thread is joined, not only waited for: until it is gone it holds the store, and with it
    /// the lock on the directory.
    fn close(&self) {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        while inner.is_running {
            self.finished.wait(&mut inner);
        }
        let thread = inner.thread.take();
        drop(inner);
        join(thread);
    }
}

/// Waits for a background thread to be gone.
pub(super) fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread
        && thread.join().is_err()
    {
        tracing::error!("a background thread panicked");
    }
}

impl Shared {
    /// Sees to it that memtables are sealed soon, or seals them now where the store has no threads.
    pub(super) fn request_seal(&self) {
        let worker = &self.maintenance.sealing;
        if worker.request() {
            worker.start("sqd-seal", self.background(), Shared::run_sealing, self);
        }
    }

    /// Sees to it that what is due is merged soon, or merges it now where the store has no threads.
    pub(super) fn request_merge(&self) {
        let worker = &self.maintenance.merging;
        if worker.request() {
            worker.start(MERGE_THREAD, self.background(), Shared::run_merging, self);
        }
    }

    /// Sees to it that large segments are soon in huge pages, where the store has threads.
    pub(super) fn request_huge_pages(&self) {
        let worker = &self.maintenance.enlarging;
        let is_due = || !self.small_paged().is_empty() && self.vfs.has_room_for_maps();
        if let Some(handle) = self.background()
            && is_due()
            && worker.request()
        {
            worker.start(HUGE_PAGE_THREAD, Some(handle), Shared::run_enlarging, self);
        }
    }

    fn run_enlarging(&self) {
        let worker = &self.maintenance.enlarging;
        worker.run(|| {
            self.unless_it_panics("bringing segments into huge pages", || {
                self.enlarge_pages(Haste::Background, || worker.is_closed());
                Ok(())
            })
        });
    }

    fn run_sealing(&self) {
        self.maintenance.sealing.run(|| {
            self.attempt("sealing", || {
                loop {
                    self.seal(Occasion::Full)?;
                    self.measure_debt();
                    self.request_merge();
                    self.maintenance.sealing.finished.notify_all();
                    let is_due = self.state.load().active_bytes > self.options.memtable_bytes;
                    if !is_due || self.maintenance.sealing.is_closed() {
                        return Ok(());
                    }
                }
            })
        });
    }

    fn run_merging(&self) {
        self.maintenance.merging.run(|| {
            self.attempt("merging", || {
                // One that is given up leaves less to be tried, so this ends.
                while !matches!(self.merge(self.budget())?, Attempt::Idle)
                    && !self.maintenance.merging.is_closed()
                {}
                self.request_huge_pages();
                Ok(())
            })
        });
    }

    pub(super) fn attempt(&self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.unless_it_panics(name, work).map_err(|error| {
            if matches!(error, StoreError::Closed) {
                return error;
            }
            tracing::error!(%error, "{name} failed");
            self.poison_unless_full(error)
        })
    }

    /// Lets a commit group go on where there is room for it: holds it back a little where sealing or
    /// merging are late, and until there is room where there is none.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] where sealing cannot make room.
    pub(super) fn make_room(&self) -> Result<()> {
        let limit = self.options.memtable_bytes;
        let most = limit.saturating_mul(STALL_FACTOR);
        if self.state.load().active_bytes > most {
            self.wait_for_sealing(most)?;
        }
        if !self.options.background {
            return Ok(());
        }
        if self.pace.must_wait() {
            self.wait_for_merging();
        }
        let above = self.state.load().active_bytes.saturating_sub(limit);
        let filling =
            (above > limit / 2).then(|| share(LONGEST_DELAY, above - limit / 2, limit / 2));
        if let Some(delay) = filling.max(self.pace.delay()) {
            thread::sleep(delay);
            self.counters.slowed_down(delay);
        }
        Ok(())
    }

    fn wait_for_sealing(&self, most: u64) -> Result<()> {
        let start = Instant::now();
        self.request_seal();
        let worker = &self.maintenance.sealing;
        let mut inner = worker.inner.lock();
        while self.state.load().active_bytes > most && inner.is_running {
            worker.finished.wait(&mut inner);
        }
        self.counters.stalled(start.elapsed());
        self.check_poison()?;
        if self.state.load().active_bytes > most && inner.is_full {
            return Err(StoreError::DiskFull {
                path: self.paths.segments.clone(),
            });
        }
        Ok(())
    }

    fn wait_for_merging(&self) {
        let start = Instant::now();
        self.request_merge();
        while self.pace.must_wait() && self.maintenance.merging.inner.lock().is_running {
            self.pace.wait();
        }
        self.counters.stalled(start.elapsed());
    }

    /// Ends background work and lets nothing more start.
    pub(super) fn close_maintenance(&self) {
        self.idleness.close();
        self.pace.close();
        self.maintenance.sealing.close();
        self.maintenance.merging.close();
        self.maintenance.enlarging.close();
    }
}
