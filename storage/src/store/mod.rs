//! The store: many phexts, durable writes, snapshots.
//!
//! ```text
//! commit  -> queue -> leader: log, fdatasync -> next state -> acknowledge
//! seal    -> memtables become a segment, manifests change, the log is trimmed
//! merge   -> parts of a phext become one
//! read    -> snapshot of the current state; nothing above happens to it
//! ```
//!
//! An acknowledged batch is on the medium, and a crash leaves a prefix of the commit order. Any
//! failed write or sync poisons the store: writes fail with the first cause, no sync is tried again,
//! reads go on up to the last durable LSN. A full disk refuses writes until there is space.

mod batch;
mod check;
mod checkpoint;
mod commit;
mod durable;
mod huge;
mod idle;
mod ingest;
mod maintenance;
mod manifest;
mod memtable;
mod merge;
mod named;
mod open;
mod options;
mod orders;
mod point;
mod read_only;
mod repair;
mod retain;
mod scrub;
mod seal;
mod shadow;
mod snapshot;
mod state;
mod statistics;
mod writer;

pub use batch::{Commit, WriteBatch, WriteOp, validate_name};
pub use check::{CheckProgress, CheckReport, Damage, check, check_with};
pub use checkpoint::CheckpointMode;
pub use commit::OnCommit;
pub use ingest::{Ingest, IngestMode, IngestSummary};
pub(crate) use memtable::{Memtable, Range as MemtableRange};
pub use named::SnapshotSummary;
pub use options::{MemoryBudget, MemoryBudgetTooSmall, Options};
pub use orders::PartSummary;
pub use read_only::Follower;
pub use repair::{Loss, RepairMode, RepairReport, repair, repair_with};
pub use scrub::ScrubStep;
pub use snapshot::Snapshot;
pub use state::{Derived, PartView, Phext};
pub use statistics::Statistics;

use crate::error::{Result, StoreError};
use crate::segment::Segment;
use crate::sync::{ArcSwap, Mutex};
use crate::vfs::{RealVfs, Vfs};
use state::State;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// An open store. Dropping it waits for background work; everything acknowledged is durable already.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

/// What the store's threads share.
///
/// Locks are taken in this order: `merging`, `frost`, `manifests`, `writer`.
#[derive(Debug)]
struct Shared {
    state: ArcSwap<State>,
    queue: commit::Queue,
    writer: Mutex<writer::Writer>,
    manifests: Mutex<manifest::Manifests>,
    frost: Mutex<Option<seal::Frost>>,
    /// Touched only by whoever holds `frost`.
    log_spare: Mutex<Option<crate::log::Spare>>,
    merging: Mutex<()>,
    maintenance: maintenance::Maintenance,
    idleness: idle::Idleness,
    retained: Mutex<retain::Retained>,
    loaded: Mutex<named::Loaded>,
    scrub: Mutex<scrub::Scrub>,
    enlarging: Mutex<()>,
    pace: merge::Pace,
    counters: statistics::Counters,
    poison: OnceLock<String>,
    next_segment: AtomicU64,
    recovery: Recovery,
    _lock: Box<dyn Debug + Send + Sync>,
    vfs: Arc<dyn Vfs>,
    paths: Paths,
    options: Options,
    me: Weak<Shared>,
}

/// Where things are in the data directory.
#[derive(Debug, Clone)]
struct Paths {
    root: PathBuf,
    catalog: PathBuf,
    log: PathBuf,
    segments: PathBuf,
    lock: PathBuf,
}

impl Paths {
    fn new(root: &Path) -> Paths {
        Paths {
            root: root.to_path_buf(),
            catalog: root.join("catalog"),
            log: root.join("log"),
            segments: root.join("segments"),
            lock: root.join(Store::LOCK_FILE),
        }
    }
}

/// What opening a store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Log records that were not in segments yet.
    pub replayed_records: u64,
    /// The file and offset of a torn tail that was cut off: writes that were never acknowledged.
    pub torn_tail: Option<(PathBuf, u64)>,
}

impl Store {
    /// The file in a data directory whose lock the one process that uses it holds. Every store has
    /// it.
    pub const LOCK_FILE: &str = "LOCK";

    /// Opens the store in a directory of the system's file system, creating it where absent.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process has it, [`StoreError::Corrupt`] where stored
    /// bytes are damaged, [`StoreError::NoSpaceToOpen`], [`StoreError::ReadOnlyMedium`], and failures of the file system. A store that was
    /// opened before opens on a full disk too, where its `MANIFEST` is whole.
    pub fn open(directory: &Path, options: Options) -> Result<Store> {
        Store::open_with(Arc::new(RealVfs), directory, options)
    }

    /// Opens a store through any file system.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(vfs: Arc<dyn Vfs>, directory: &Path, options: Options) -> Result<Store> {
        let shared = open::open(vfs, directory, options).map_err(with_way_out)?;
        let shared = Arc::new_cyclic(|me| Shared {
            me: Weak::clone(me),
            ..shared
        });
        // What the log holds since the last time is not to stay there until somebody writes again.
        if shared.writer.lock().log.len() >= idle::LEAST_SEALED_BYTES {
            shared.watch_idleness();
        }
        Ok(Store { shared })
    }

    /// Whether a directory of the system's file system holds a store, whole or not.
    pub fn is_in(directory: &Path) -> bool {
        let paths = Paths::new(directory);
        let is_there = |path: &Path| RealVfs.metadata(path).is_ok();
        let manifest = crate::catalog::published_path(directory);
        let directories = [&paths.catalog, &paths.log, &paths.segments];
        is_there(&paths.lock)
            || is_there(&manifest)
            || directories.iter().all(|path| is_there(path))
    }

    /// The current state.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.shared.state.load_full(),
        }
    }

    /// Commits a batch and returns when it is durable.
    ///
    /// # Errors
    /// Nothing of the batch was applied where it is refused: [`StoreError::ScrollTooLarge`],
    /// [`StoreError::Name`], [`StoreError::DiskFull`], [`StoreError::Poisoned`]. After
    /// [`StoreError::Io`] it may or may not be there when the store is opened again.
    pub fn commit(&self, batch: WriteBatch) -> Result<Commit> {
        self.shared
            .queue
            .commit(batch, |requests| self.shared.lead(requests))
    }

    /// Queues a batch; `on_commit` is called when it is durable, or has failed as
    /// [`Store::commit`] does. Where this returns `true` the caller must call [`Store::drive`]
    /// soon, on a thread that may block.
    #[must_use]
    pub fn submit(&self, batch: WriteBatch, on_commit: OnCommit) -> bool {
        self.shared.queue.submit(batch, on_commit)
    }

    /// Commits what was submitted until now. `true` where more was submitted meanwhile: the caller
    /// must call this again, on a thread of its choice.
    #[must_use]
    pub fn drive(&self) -> bool {
        self.shared
            .queue
            .drive(|requests| self.shared.lead(requests))
    }

    /// Seals what is in memory into a segment now.
    ///
    /// # Errors
    /// Failures of the file system. What was in memory stays there and in the log.
    pub fn seal(&self) -> Result<()> {
        self.shared
            .seal(seal::Occasion::Asked)
            .map_err(|error| self.shared.poison_unless_full(error))
    }

    /// Merges until nothing more would make the store smaller or reads cheaper, and brings large
    /// segments into huge pages where the system has them.
    ///
    /// # Errors
    /// The first damage that was met, as [`StoreError::Corrupt`], after everything else was merged: the
    /// segment concerned stays as it is, and merges leave it out until the store is opened again.
    /// Failures of the file system. What was to be merged stays as it was.
    pub fn merge(&self) -> Result<()> {
        let mut damage = None;
        loop {
            let attempt = self.shared.merge(merge::Effort::Asked);
            match attempt.map_err(|error| self.shared.poison_unless_full(error))? {
                merge::Attempt::Idle => break,
                merge::Attempt::Merged => {}
                merge::Attempt::GivenUp(error) => damage = damage.or(Some(error)),
            }
        }
        self.shared.enlarge_pages(huge::Haste::Asked, || false);
        damage.map_or(Ok(()), Err)
    }

    /// A setting of the store's user, by name.
    pub fn setting(&self, name: &str) -> Option<Vec<u8>> {
        self.shared.manifests.lock().settings.get(name).cloned()
    }

    /// Stores a setting, durably.
    ///
    /// # Errors
    /// Failures of the file system, after which it may or may not be stored.
    pub fn set_setting(&self, name: &str, value: &[u8]) -> Result<()> {
        self.shared.set_setting(name, value)
    }

    /// Verifies every byte of every segment in use, as it is mapped; [`check`] does more, on a store
    /// that is not open. Returns how many bytes that were;
    /// `progress` is called after each segment with its path.
    ///
    /// # Errors
    /// The first damage, with file and offset.
    pub fn verify(&self, mut progress: impl FnMut(&Path)) -> Result<u64> {
        let mut bytes = 0;
        for segment in self.shared.segments() {
            segment.verify()?;
            bytes += segment.byte_len();
            progress(segment.path());
        }
        Ok(bytes)
    }

    /// The first failure after which writes are refused.
    pub fn poison(&self) -> Option<&str> {
        self.shared.poison.get().map(String::as_str)
    }

    /// What opening found.
    pub fn recovery(&self) -> &Recovery {
        &self.shared.recovery
    }

    /// Figures for operators.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }
}

/// Tells who cannot open a store what to do about it.
fn with_way_out(error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { path, offset, what } => StoreError::Corrupt {
            path,
            offset,
            what: format!(
                "{what}; `sqd check` lists all that is damaged, `sqd repair` says what can be kept"
            ),
        },
        StoreError::DiskFull { path } => StoreError::NoSpaceToOpen { path },
        StoreError::Io { path, source, .. }
            if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem =>
        {
            StoreError::ReadOnlyMedium { path }
        }
        error => error,
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.close_maintenance();
    }
}

impl Shared {
    /// A handle for a background thread; `None` where the store is to have none.
    fn background(&self) -> Option<maintenance::Handle> {
        if self.options.background {
            self.me.upgrade()
        } else {
            None
        }
    }

    /// The segments in use, by id.
    fn segments(&self) -> Vec<Arc<Segment>> {
        self.state.load().segments()
    }

    fn set_setting(&self, name: &str, value: &[u8]) -> Result<()> {
        self.check_poison()?;
        let stored = self.manifests.lock().set(name, value);
        let sequence = stored.map_err(|error| self.poison_unless_full(error))?;
        self.log_checkpoint(sequence)
    }

    fn next_segment(&self) -> u64 {
        self.next_segment.fetch_add(1, Ordering::Relaxed)
    }

    fn check_poison(&self) -> Result<()> {
        match self.poison.get() {
            Some(cause) => Err(StoreError::Poisoned {
                cause: cause.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Refuses all further writes because of `error`. Gives the error back.
    fn poison(&self, error: &StoreError) -> StoreError {
        if self.poison.set(error.to_string()).is_ok() {
            tracing::error!(%error, "writes are refused from now on");
        }
        error.clone()
    }

    /// Runs `work`. A panic in it poisons the store, so that nobody waits for what will not come.
    fn unless_it_panics<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let cause = format!("{name} panicked; the log says where");
            let _ = self.poison.set(cause.clone());
            tracing::error!(cause, "writes are refused from now on");
            Err(StoreError::Poisoned { cause })
        })
    }

    fn poison_unless_full(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::DiskFull { .. } | StoreError::Poisoned { .. } => error,
            _ => self.poison(&error),
        }
    }
}
