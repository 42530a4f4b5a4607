//! Checkpoints: a directory that opens as a store with the state of a moment.
//!
//! ```text
//! INCOMPLETE   created first, durably; a directory that has it does not open as a store
//! segments/    hard links, or copies, and one segment of what was in memory
//! log/         one empty file
//! catalog/     the manifests of the state, and MANIFEST
//! INCOMPLETE   removed last, durably
//! ```
//!
//! The state is a pointer that is taken, so neither readers nor writers wait; merges go on, but what
//! they would remove stays until it is linked. The checkpoint has no named snapshots. A crash, or an
//! error that cleaning up met as well, leaves a directory that says of itself what it is.

use super::{Paths, Shared, Store, open};
use crate::catalog::{Point, setting_change};
use crate::error::{Result, StoreError};
use crate::log::{LogWriter, Lsn};
use crate::segment::{Segment, file_name};
use crate::vfs::FileWriter;
use std::io;
use std::path::{Path, PathBuf};

const MARKER_FILE: &str = "INCOMPLETE";

/// How a checkpoint gets its segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointMode {
    /// Hard links: at once and without space, within one file system.
    Link,
    /// Copies, each verified: for another file system or medium.
    Copy,
}

impl Store {
    /// Makes `directory`, which must be absent or empty, a store with exactly the state of this
    /// moment, which holds every commit acknowledged before. Durable when it returns. Gives the LSN
    /// of the state.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::OtherFileSystem`], and failures of the file system.
    /// The store is as it was then.
    pub fn checkpoint(&self, directory: &Path, mode: CheckpointMode) -> Result<Lsn> {
        self.shared.checkpoint(directory, mode)
    }
}

/// Refuses a directory that a checkpoint did not finish.
pub(super) fn refuse_incomplete(vfs: &dyn crate::vfs::Vfs, directory: &Path) -> Result<()> {
    let marker = marker(directory);
    match vfs.metadata(&marker) {
        Ok(_) => Err(StoreError::Incomplete {
            path: directory.to_path_buf(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("look for", &marker, error)),
    }
}

fn marker(directory: &Path) -> PathBuf {
    directory.join(MARKER_FILE)
}

impl Shared {
    fn checkpoint(&self, directory: &Path, mode: CheckpointMode) -> Result<Lsn> {
        let path = directory.to_path_buf();
        match self.vfs.list(directory) {
            Ok(names) if names.is_empty() => {}
            Ok(_) => return Err(StoreError::Exists { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("list", directory, error)),
        }
        self.create_dir(directory)?;
        let marker = marker(directory);
        match self.vfs.create(&marker) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists { path });
            }
            created => drop(created.map_err(|e| StoreError::io("create", &marker, e))?),
        }
        let filled = self.sync_dir(directory).and_then(|()| {
            let lsn = self.fill(&Paths::new(directory), mode)?;
            self.vfs
                .remove(&marker)
                .map_err(|e| StoreError::io("remove", &marker, e))?;
            self.sync_dir(directory)?;
            Ok(lsn)
        });
        if filled.is_err() {
            // What cannot be removed has the marker, or is whole.
            let _ = self.vfs.remove_dir_all(directory);
        }
        filled
    }

    fn fill(&self, paths: &Paths, mode: CheckpointMode) -> Result<Lsn> {
        for directory in [&paths.log, &paths.segments] {
            self.create_dir(directory)?;
        }
        let _lock = open::take_lock(&*self.vfs, paths)?;
        let id = self.next_segment();
        let (point, settings, next_phext) = {
            let _hold = self.hold_segments();
            let (first_lsn, settings) = {
                let manifests = self.manifests.lock();
                (manifests.header.sealed_lsn + 1, manifests.settings.clone())
            };
            let state = self.state.load_full();
            let point = self.write_point(&state, first_lsn, &paths.segments, id)?;
            self.bring_segments(&point, id, paths, mode)?;
            (point, settings, state.next_phext)
        };
        self.sync_dir(&paths.segments)?;
        let reserve = self.options.log_reserve_bytes;
        LogWriter::create(&*self.vfs, &paths.log, 1, point.lsn + 1, reserve)?;
        let mut manifests = open::open_catalog(&self.vfs, paths)?;
        let header = crate::catalog::Header {
            sealed_lsn: point.lsn,
            durable_lsn: point.lsn,
            next_segment: id + 1,
            next_phext,
            ..crate::catalog::Header::default()
        };
        let settings = settings
            .iter()
            .map(|(name, value)| setting_change(name, value));
        let changes = point.changes().into_iter().chain(settings).collect();
        manifests.commit(header, changes)?;
        Ok(point.lsn)
    }

    /// Links or copies the segments of a point, but for the one that was written for it.
    fn bring_segments(
        &self,
        point: &Point,
        own: u64,
        paths: &Paths,
        mode: CheckpointMode,
    ) -> Result<()> {
        for id in point.segments() {
            let from = self.paths.segments.join(file_name(id));
            let to = paths.segments.join(file_name(id));
            match mode {
                _ if id == own => {}
                CheckpointMode::Link => self.link(&from, &to)?,
                CheckpointMode::Copy => {
                    self.copy(&from, &to)?;
                    Segment::open(&*self.vfs, &paths.segments, id)?.verify()?;
                }
            }
        }
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.vfs
            .hard_link(from, to)
            .map_err(|error| match error.kind() {
                io::ErrorKind::CrossesDevices => StoreError::OtherFileSystem {
                    path: to.to_path_buf(),
                },
                _ => StoreError::io("link", to, error),
            })
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let read_error = |e| StoreError::io("read", from, e);
        let mut source = self.vfs.read(from).map_err(read_error)?;
        let file = self.vfs.create(to);
        let mut writer = FileWriter::new(file.map_err(|e| StoreError::io("create", to, e))?);
        io::copy(&mut source, &mut writer)
            .and_then(|_| writer.finish())
            .map_err(|e| StoreError::io("copy to", to, e))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.vfs
            .create_dir_all(path)
            .map_err(|e| StoreError::io("create", path, e))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.vfs
            .sync_dir(path)
            .map_err(|e| StoreError::io("sync", path, e))
    }
}
