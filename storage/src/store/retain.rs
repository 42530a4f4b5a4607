//! Which segments stay although no phext uses them any more.
//!
//! | who | until |
//! |---|---|
//! | a named snapshot | it is dropped |
//! | whoever holds, to link or name segments of a state | the hold is released |
//!
//! A merge takes its sources out of the state first and asks for their removal afterwards. So
//! whoever takes a hold and then loads the state finds every segment of it in its place.

use super::Shared;
use crate::error::{Result, StoreError};
use crate::segment::file_name;
use std::collections::BTreeSet;
use std::io;

/// What is held, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Retained {
    holds: usize,
    /// Asked to be removed while there was a hold.
    deferred: BTreeSet<u64>,
}

/// Keeps the segments of every state from being removed.
#[derive(Debug)]
pub(super) struct Hold<'a> {
    shared: &'a Shared,
}

impl Shared {
    /// Keeps segments from being removed.
    pub(super) fn hold_segments(&self) -> Hold<'_> {
        self.retained.lock().holds += 1;
        Hold { shared: self }
    }

    /// Removes segments that no phext uses, but for those that snapshots or holds keep.
    pub(super) fn remove_unretained(&self, unused: &BTreeSet<u64>) -> Result<()> {
        let mut retained = self.retained.lock();
        if retained.holds > 0 {
            retained.deferred.extend(unused);
            return Ok(());
        }
        self.remove_unpinned(unused)
    }

    /// Removes segments that no snapshot pins. The caller has the lock of what is retained, so that
    /// a snapshot which is being created is seen as a hold or as a pin.
    fn remove_unpinned(&self, unused: &BTreeSet<u64>) -> Result<()> {
        let pinned = self.manifests.lock().pinned_segments();
        let directory = &self.paths.segments;
        let mut removed = false;
        for &id in unused.difference(&pinned) {
            let path = directory.join(file_name(id));
            match self.vfs.remove(&path) {
                // A merge and the drop of a snapshot may both have found it unused.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                done => done.map_err(|e| StoreError::io("remove", &path, e))?,
            }
            removed = true;
        }
        if !removed {
            return Ok(());
        }
        self.vfs
            .sync_dir(directory)
            .map_err(|e| StoreError::io("sync", directory, e))
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut retained = self.shared.retained.lock();
        retained.holds -= 1;
        if retained.holds > 0 || retained.deferred.is_empty() {
            return;
        }
        let deferred = std::mem::take(&mut retained.deferred);
        if let Err(error) = self.shared.remove_unpinned(&deferred) {
            // They take space until the next opening, which removes them.
            tracing::warn!(%error, "segments that are not used any more stay");
        }
    }
}
