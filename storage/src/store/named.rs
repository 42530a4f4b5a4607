//! Named snapshots: points in time that stay readable, across restarts, until they are dropped.
//!
//! ```text
//! create   seal, so that little is in memory -> hold -> state -> the rest becomes a segment
//!          -> one catalog change that names the manifests of that state
//! drop     one catalog change -> segments that nothing else needs are removed
//! ```
//!
//! A snapshot costs the space of the segments that only it needs. A crash between the steps leaves
//! a segment that nothing names, which the next opening removes.

use super::open::{Segments, load_phexts};
use super::seal::Occasion;
use super::snapshot::Snapshot;
use super::state::State;
use super::{Shared, Store};
use crate::catalog::{SnapshotRecord, snapshot_removal};
use crate::error::{Result, StoreError};
use crate::log::Lsn;
use crate::segment::file_name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest name in bytes.
const MAX_NAME_BYTES: usize = 100;

/// What there is to say of a named snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// Its name.
    pub name: String,
    /// The last change that it sees.
    pub lsn: Lsn,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// Bytes of segments that no phext uses any more and this snapshot keeps.
    pub kept_bytes: u64,
}

/// Named snapshots that were read, by name.
pub(super) type Loaded = BTreeMap<String, Arc<State>>;

impl Store {
    /// Keeps the current state, which holds every commit acknowledged before, under a name.
    ///
    /// # Errors
    /// [`StoreError::SnapshotName`], [`StoreError::SnapshotExists`], and failures of the file system.
    pub fn create_snapshot(&self, name: &str) -> Result<SnapshotSummary> {
        self.shared.create_snapshot(name)
    }

    /// Drops a named snapshot and gives back the space that only it took. Who reads it goes on.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSnapshot`], and failures of the file system.
    pub fn drop_snapshot(&self, name: &str) -> Result<()> {
        self.shared.drop_snapshot(name)
    }

    /// The named snapshots, by name.
    pub fn snapshots(&self) -> Vec<SnapshotSummary> {
        self.shared.summaries()
    }

    /// A named snapshot, to be read.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSnapshot`]; [`StoreError::Corrupt`] where its segments are damaged.
    pub fn snapshot_named(&self, name: &str) -> Result<Snapshot> {
        self.shared.snapshot_named(name)
    }
}

impl Shared {
    fn create_snapshot(&self, name: &str) -> Result<SnapshotSummary> {
        validate(name)?;
        self.check_absent(name)?;
        self.seal(Occasion::Asked)
            .map_err(|error| self.poison_unless_full(error))?;
        let id = self.next_segment();
        {
            let _hold = self.hold_segments();
            let first_lsn = self.manifests.lock().header.sealed_lsn + 1;
            let state = self.state.load_full();
            let point = self.write_point(&state, first_lsn, &self.paths.segments, id);
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let record = SnapshotRecord {
                created_ms: since.map_or(0, |since| since.as_millis() as u64),
                point: point.map_err(|error| self.poison_unless_full(error))?,
            };
            self.commit_snapshot(name, record, id)?;
        }
        let sequence = self.manifests.lock().header.sequence;
        self.log_checkpoint(sequence)?;
        let found = self.summaries().into_iter().find(|s| s.name == name);
        found.ok_or_else(|| no_such(name))
    }

    /// Names a snapshot in the catalog. Its own segment is `id`, if it has one.
    fn commit_snapshot(&self, name: &str, record: SnapshotRecord, id: u64) -> Result<()> {
        let discard = || {
            // Where this fails the next opening removes it.
            let _ = self.vfs.remove(&self.paths.segments.join(file_name(id)));
        };
        let mut manifests = self.manifests.lock();
        if manifests.snapshots.contains_key(name) {
            discard();
            return Err(exists(name));
        }
        let change = record.change(name);
        let mut header = manifests.header;
        header.next_segment = header.next_segment.max(id + 1);
        let committed = manifests.commit(header, vec![change.clone()]);
        if let Err(error) = committed {
            if manifests.lacks(&[change]) {
                discard();
                return Err(self.poison_unless_full(error));
            }
            // It may be there when the store is opened again, so nothing may be removed from now on.
            return Err(self.poison(&error));
        }
        manifests.snapshots.insert(name.to_owned(), record);
        Ok(())
    }

    fn drop_snapshot(&self, name: &str) -> Result<()> {
        self.check_poison()?;
        // Whoever reads it for the first time at this moment is before or after.
        let mut loaded = self.loaded.lock();
        let (segments, sequence) = {
            let mut manifests = self.manifests.lock();
            let record = manifests.snapshots.get(name).ok_or_else(|| no_such(name))?;
            let segments = record.point.segments();
            let header = manifests.header;
            let committed = manifests.commit(header, vec![snapshot_removal(name)]);
            committed.map_err(|error| self.poison_unless_full(error))?;
            manifests.snapshots.remove(name);
            (segments, manifests.header.sequence)
        };
        loaded.remove(name);
        drop(loaded);
        self.log_checkpoint(sequence)?;
        let in_use = self.state.load().segment_ids();
        let unused: BTreeSet<u64> = segments.difference(&in_use).copied().collect();
        self.remove_unretained(&unused)
            .map_err(|error| self.poison_unless_full(error))
    }

    fn summaries(&self) -> Vec<SnapshotSummary> {
        let in_use = self.state.load().segment_ids();
        let byte_len = |id: &u64| {
            let path = self.paths.segments.join(file_name(*id));
            self.vfs.metadata(&path).map_or(0, |found| found.length)
        };
        let manifests = self.manifests.lock();
        let summary = |(name, record): (&String, &SnapshotRecord)| SnapshotSummary {
            name: name.clone(),
            lsn: record.point.lsn,
            created_ms: record.created_ms,
            kept_bytes: record
                .point
                .segments()
                .difference(&in_use)
                .map(byte_len)
                .sum(),
        };
        manifests.snapshots.iter().map(summary).collect()
    }

    fn snapshot_named(&self, name: &str) -> Result<Snapshot> {
        let mut loaded = self.loaded.lock();
        if let Some(state) = loaded.get(name) {
            let state = Arc::clone(state);
            return Ok(Snapshot { state });
        }
        let record = self.manifests.lock().snapshots.get(name).cloned();
        let record = record.ok_or_else(|| no_such(name))?;
        let mut segments = Segments::new(&*self.vfs, &self.paths, 0);
        let open = self.segments();
        segments.open = open.into_iter().map(|s| (s.id(), s)).collect();
        let state = load_phexts(&record.point.contents(), &mut segments, &self.paths)?;
        let state = Arc::new(state);
        loaded.insert(name.to_owned(), Arc::clone(&state));
        Ok(Snapshot { state })
    }

    fn check_absent(&self, name: &str) -> Result<()> {
        self.check_poison()?;
        match self.manifests.lock().snapshots.contains_key(name) {
            true => Err(exists(name)),
            false => Ok(()),
        }
    }
}

pub(super) fn no_such(name: &str) -> StoreError {
    let name = name.to_owned();
    StoreError::NoSuchSnapshot { name }
}

fn exists(name: &str) -> StoreError {
    let name = name.to_owned();
    StoreError::SnapshotExists { name }
}

/// Names go into commands and into the query of a request, so they have nothing to be escaped.
fn validate(name: &str) -> Result<()> {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    match name.len() {
        1..=MAX_NAME_BYTES if name.bytes().all(is_plain) => Ok(()),
        _ => Err(StoreError::SnapshotName),
    }
}
