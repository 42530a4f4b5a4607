//! What can go wrong in the store, said for the person who reads it.
//!
//! Every variant carries where (path, offset, coordinate) and, where there is one, what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An error of the storage engine.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An operation of the file system failed.
    #[error("{operation} {path}: {source}", path = .path.display())]
    Io {
        /// What was attempted, as a verb: `write`, `sync`, `map`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system answered.
        source: Arc<io::Error>,
    },
    /// Stored bytes are not what was written.
    #[error("{path} is damaged at byte {offset}: {what}", path = .path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where in the file the damage was noticed.
        offset: u64,
        /// What was expected and what was found.
        what: String,
    },
    /// The data directory was written by a version this program does not read.
    #[error("{path} has format version {found}; this program reads version {supported}", path = .path.display())]
    Version {
        /// The file that carries the version.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The version this program reads and writes.
        supported: u32,
    },
    /// Another process holds the data directory.
    #[error("{path} is held by another process: stop it first, or choose another data directory", path = .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A checkpoint is to be made where there is something already.
    #[error("{path} exists and is not empty: choose another directory", path = .path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A directory holds a checkpoint that was not finished.
    #[error("{path} is a checkpoint that was not finished: remove it", path = .path.display())]
    Incomplete {
        /// The directory.
        path: PathBuf,
    },
    /// Hard links do not reach another file system.
    #[error("{path} is on another file system, which hard links do not reach: have the segments copied", path = .path.display())]
    OtherFileSystem {
        /// The link that could not be made.
        path: PathBuf,
    },
    /// There is no snapshot of that name.
    #[error("there is no snapshot named {name:?}")]
    NoSuchSnapshot {
        /// The name.
        name: String,
    },
    /// There is a snapshot of that name already.
    #[error("there is a snapshot named {name:?} already: drop it, or choose another name")]
    SnapshotExists {
        /// The name.
        name: String,
    },
    /// A snapshot cannot have this name.
    #[error("a snapshot's name has 1 to 100 letters, digits, `.`, `_` and `-`")]
    SnapshotName,
    /// A store that is written to changed faster than it could be read.
    #[error("{path} changed each time while it was read: try again", path = .path.display())]
    Busy {
        /// The data directory.
        path: PathBuf,
    },
    /// An earlier write or sync failed; nothing is written until the store is opened again.
    #[error(
        "writes are refused since an earlier failure: {cause}; reads go on; reopen the store to recover"
    )]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// The disk is full. Writes are refused until there is space; reads go on.
    #[error("no space left for {path}: writes are refused until space is freed; reads go on", path = .path.display())]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The store is on a medium that cannot be written to.
    #[error(
        "{path} is on a read-only medium: `sqd export`, `query`, `statistics`, `check` and `repair` without \
         `--apply` read the store; to serve it or to write, mount the medium writable or copy the directory", path = .path.display()
    )]
    ReadOnlyMedium {
        /// What was to be written.
        path: PathBuf,
    },
    /// There is no space for what opening a store writes.
    #[error(
        "no space left for {path}, without which the store does not open: free some space and try again; \
         nothing is lost", path = .path.display()
    )]
    NoSpaceToOpen {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// A scroll would exceed the size limit.
    #[error("the scroll at {coordinate} would hold {length} bytes; the limit is {limit}")]
    ScrollTooLarge {
        /// Where the scroll is.
        coordinate: crate::coordinate::Coordinate,
        /// The length it would have.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A search for the nearest was asked for more scrolls than it holds, and found more.
    #[error(
        "the nearest {asked} scrolls were asked for and more than {} found, the most that a search \
         holds: ask for fewer, or within a smaller radius",
        crate::page_table::MAX_NEAREST
    )]
    TooManyNearest {
        /// How many it was asked for.
        asked: u32,
    },
    /// A batch would exceed what one log record holds.
    #[error("the batch holds more than {limit} bytes: write it in several")]
    BatchTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A phext name is not acceptable.
    #[error("invalid phext name: {reason}")]
    Name {
        /// Why.
        reason: &'static str,
    },
    /// There is no phext of this name.
    #[error("there is no phext {name:?}")]
    NoSuchPhext {
        /// The name.
        name: String,
    },
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// An [`StoreError::Io`] of `operation` on `path`, or [`StoreError::DiskFull`] where that is
    /// what the system said.
    pub fn io(operation: &'static str, path: &Path, source: io::Error) -> StoreError {
        // A limit for the size of files or for a user's share is met like the end of the disk.
        if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded
        ) {
            return StoreError::DiskFull {
                path: path.to_path_buf(),
            };
        }
        StoreError::Io {
            operation,
            path: path.to_path_buf(),
            source: Arc::new(source),
        }
    }

    /// Whether stored bytes are not what was written, or the medium cannot read them. Any other error says
    /// nothing of what is stored.
    pub fn is_damage(&self) -> bool {
        match self {
            StoreError::Corrupt { .. } => true,
            StoreError::Io { source, .. } => {
                source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
            }
            _ => false,
        }
    }

    /// A [`StoreError::Corrupt`] in `path` at `offset`.
    pub fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt {
            path: path.to_path_buf(),
            offset,
            what: what.into(),
        }
    }
}

/// A result of the storage engine.
pub type Result<T> = std::result::Result<T, StoreError>;
