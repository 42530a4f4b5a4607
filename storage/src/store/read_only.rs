//! Reading a store beside the process that writes to it.
//!
//! ```text
//! MANIFEST -> segments, mapped -> DURABLE -> log, up to what is proven durable -> state
//! ```
//!
//! A follower takes no lock and writes nothing, so any number may read a directory in use. What it
//! sees is the state after some prefix of the commits, which holds every commit that was
//! acknowledged before the look at the directory began (after a power cut, until the store was
//! opened for writing again: every commit that the log proves durable, which may lack the last
//! group).
//!
//! The writer removes a segment or a log file, or writes to a log file anew, only after it published a
//! manifest that does without.
//! So a failure to load what a manifest names counts only if the manifest is still the current one.
//! Otherwise the newer one is loaded. Segments that a state has mapped stay readable after their
//! names are gone.

use super::named::no_such;
use super::open::{Segments, load_phexts, replay};
use super::options::Options;
use super::snapshot::Snapshot;
use super::state::State;
use super::{CheckProgress, Paths, Statistics, Store, durable};
use crate::catalog::Published;
use crate::error::{Result, StoreError};
use crate::log::tail::read_tail;
use crate::segment::{Segment, is_absent};
use crate::vfs::{RealVfs, Vfs};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// How often the directory is looked at again because it changed meanwhile. Each time the writer
/// has sealed or merged, which takes longer than a look.
const ATTEMPTS: usize = 64;

/// A store that is read beside its writer.
#[derive(Debug)]
pub struct Follower {
    vfs: Arc<dyn Vfs>,
    paths: Paths,
    options: Options,
    state: Arc<State>,
    /// The manifest that the state is made of.
    manifest: u64,
    segments: BTreeMap<u64, Arc<Segment>>,
}

impl Store {
    /// Opens the store in a directory of the system's file system for reading, beside a process
    /// that may be writing to it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where stored bytes are damaged, [`StoreError::Busy`] where the writer
    /// is too fast, and failures of the file system.
    pub fn open_read_only(directory: &Path, options: Options) -> Result<Follower> {
        Store::open_read_only_with(Arc::new(RealVfs), directory, options)
    }

    /// Opens a store for reading through any file system.
    ///
    /// # Errors
    /// As [`Store::open_read_only`].
    pub fn open_read_only_with(
        vfs: Arc<dyn Vfs>,
        directory: &Path,
        options: Options,
    ) -> Result<Follower> {
        let mut follower = Follower {
            vfs,
            paths: Paths::new(directory),
            options,
            state: Arc::default(),
            manifest: 0,
            segments: BTreeMap::new(),
        };
        follower.load()?;
        Ok(follower)
    }
}

impl Follower {
    /// The state as of the last [`Self::refresh`], or of opening.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: Arc::clone(&self.state),
        }
    }

    /// What [`Self::snapshot`] holds. Counts of what a writer does are 0.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.state)
    }

    /// Looks at the directory again. Every commit that was acknowledged before is seen.
    ///
    /// # Errors
    /// As [`Store::open_read_only`]; the earlier state stays.
    pub fn refresh(&mut self) -> Result<Snapshot> {
        let is_current = durable::read(&*self.vfs, &self.paths.root)? == self.state.lsn
            && Published::checksum_now(&*self.vfs, &self.paths.root) == Some(self.manifest);
        if !is_current {
            self.load()?;
        }
        Ok(self.snapshot())
    }

    /// A named snapshot of the store.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSnapshot`], and as [`Store::open_read_only`].
    pub fn snapshot_named(&self, name: &str) -> Result<Snapshot> {
        let vfs = &*self.vfs;
        for _ in 0..ATTEMPTS {
            let published = Published::read(vfs, &self.paths.root)?;
            let snapshots = &published.contents.snapshots;
            let record = snapshots.get(name).ok_or_else(|| no_such(name))?;
            let mut segments = Segments::new(vfs, &self.paths, 0);
            segments.open = self.segments.clone();
            let contents = record.point.contents();
            match load_phexts(&contents, &mut segments, &self.paths) {
                Ok(state) => {
                    let state = Arc::new(state);
                    return Ok(Snapshot { state });
                }
                Err(error) => {
                    let now = Published::checksum_now(vfs, &self.paths.root);
                    if now == Some(published.checksum) {
                        return Err(error);
                    }
                }
            }
        }
        let path = self.paths.root.clone();
        Err(StoreError::Busy { path })
    }

    /// Reads every byte of the segments of [`Self::snapshot`] from the medium and gives what is
    /// damaged. Segments that the writer has removed meanwhile are left out.
    pub fn verify(&self, mut tell: impl FnMut(CheckProgress)) -> Vec<StoreError> {
        let total = self.segments.values().map(|segment| segment.byte_len());
        let mut progress = CheckProgress {
            done: 0,
            total: total.sum(),
        };
        let mut damages = Vec::new();
        for segment in self.segments.values() {
            let read = |bytes| {
                progress.done += bytes;
                tell(progress);
            };
            let damaged = |_, error| damages.push(error);
            let vfs = &*self.vfs;
            let chunks = segment.check_on_medium(vfs, 0..segment.chunks(), read, damaged);
            let outcomes = [chunks, segment.check_tail_on_medium(vfs)];
            let errors = outcomes.into_iter().filter_map(Result::err);
            damages.extend(errors.filter(|error| !is_absent(error)));
        }
        damages
    }

    fn load(&mut self) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let published = Published::read(&*self.vfs, &self.paths.root)?;
            match self.load_published(&published) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let now = Published::checksum_now(&*self.vfs, &self.paths.root);
                    if now == Some(published.checksum) {
                        return Err(error);
                    }
                }
            }
        }
        let path = self.paths.root.clone();
        Err(StoreError::Busy { path })
    }

    fn load_published(&mut self, published: &Published) -> Result<()> {
        let contents = &published.contents;
        let vfs = &*self.vfs;
        let mut segments = Segments::new(vfs, &self.paths, self.options.verify_at_open_bytes);
        segments.open = self.segments.clone();
        let mut state = load_phexts(contents, &mut segments, &self.paths)?;
        let mark = durable::read(vfs, &self.paths.root)?;
        let durable_lsn = mark.max(contents.header.durable_lsn);
        let sealed_lsn = contents.header.sealed_lsn;
        let tail = read_tail(vfs, &self.paths.log, sealed_lsn, durable_lsn)?;
        // Nothing is written, so what could not be hidden hinders nobody.
        replay(&mut state, &tail.records, tail.last_lsn, &self.options);
        self.segments = segments.open;
        let used = state.segment_ids();
        self.segments.retain(|id, _| used.contains(id));
        self.state = Arc::new(state);
        self.manifest = published.checksum;
        Ok(())
    }
}
