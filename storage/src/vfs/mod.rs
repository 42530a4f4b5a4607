//! The only door to files.
//!
//! The engine reaches files, directories, maps, locks and the catalog through [`Vfs`] and nothing
//! else, so that a test can stand in for the medium: [`MemoryVfs`] loses what was not synced, tears
//! writes and fails the N-th operation, and [`RealVfs`] is the system's file system.
//!
//! | what | durable after |
//! |---|---|
//! | bytes written to a [`File`] | [`File::sync_data`] |
//! | a created, renamed or removed entry | [`Vfs::sync_dir`] of its directory |
//! | a change of the catalog | [`Catalog::apply`] returning |

mod file_size_limit;
#[cfg(target_os = "linux")]
mod huge;
mod mapping;
mod medium;
mod memory;
mod real;
mod sigbus;
mod sled_catalog;

pub use file_size_limit::refuse_writes_beyond_file_size_limit;
pub use mapping::Mapping;
pub use memory::{Fault, Losses, MemoryVfs, Moment};
pub use real::RealVfs;
pub use sigbus::{UNREADABLE_MAP_EXIT_CODE, stop_cleanly_on_unreadable_maps};

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

/// Bytes of a huge page, where there are any.
pub const HUGE_PAGE_BYTES: usize = 2 << 20;

/// A file system as the engine sees it.
pub trait Vfs: Debug + Send + Sync {
    /// Creates a directory and its parents, durably; one that exists is fine.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Creates a file that must not exist, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Reads an existing file from its start, without the right to change it.
    fn read(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>>;
    /// Maps an existing file for reading. The file must be complete and never change again.
    fn map(&self, path: &Path) -> io::Result<Mapping>;
    /// Renames a file, replacing what `to` named.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Gives a file a second name; [`io::ErrorKind::CrossesDevices`] where that is on another file
    /// system.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a directory and all in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the exclusive lock of a file, creating it; [`io::ErrorKind::WouldBlock`] where another
    /// process has it. The lock is held until the value is dropped.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>>;
    /// Length and time of last change of a file.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Opens the catalog kept in a directory, creating it where absent.
    fn open_catalog(&self, path: &Path) -> io::Result<Box<dyn Catalog>>;
    /// The entries of the catalog kept in a directory, in key order, without changing a byte of it.
    /// [`io::ErrorKind::NotFound`] where there is none.
    fn scan_catalog(&self, path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>>;
    /// Moves a catalog that nobody has open, durably. There must be none at `to`.
    fn rename_catalog(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Reads up to `length` bytes of a file from the medium, past what the system has cached where
    /// it can. Fewer only at the end of the file.
    fn read_medium(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Tells the system that a file's cached bytes will not be read again soon.
    fn release(&self, path: &Path) -> io::Result<()>;
    /// Whether the system can be expected to keep all that is mapped in memory.
    fn has_room_for_maps(&self) -> bool {
        false
    }
    /// Has the system hold [`HUGE_PAGE_BYTES`] of a map of the file at `path`, from `start`, in a huge
    /// page, for which it may read them from the medium again. Says whether it was asked to.
    ///
    /// # Errors
    /// Where these bytes can no longer be read.
    fn enlarge_pages(&self, _path: &Path, _map: &Mapping, _start: usize) -> io::Result<bool> {
        Ok(false)
    }
    /// Bytes of a map that are mapped by huge pages now.
    fn bytes_in_huge_pages(&self, _map: &Mapping) -> u64 {
        0
    }
}

/// What a directory entry says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Length in bytes.
    pub length: u64,
    /// Time of the last change.
    pub modified: SystemTime,
}

/// An open file.
pub trait File: Debug + Send + Sync {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads the whole file.
    fn read_all(&self) -> io::Result<Vec<u8>>;
    /// Cuts the file to `length` bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Reserves space up to `length` bytes, which read as zeros until written. Where the file
    /// system cannot reserve, this does nothing.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Makes the file's bytes and length durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// Begins to bring written bytes to the medium, so that a later [`File::sync_data`] has less to
    /// wait for. Promises nothing, and does nothing where the system has no such call.
    fn begin_write_back(&self, _range: Range<u64>) -> io::Result<()> {
        Ok(())
    }
    /// Waits for write-back of a range that was begun before. Promises nothing either: what it brought
    /// to the medium may still be in the drive's cache.
    fn await_write_back(&self, _range: Range<u64>) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a file from its start, gathering small writes.
#[derive(Debug)]
pub struct FileWriter {
    file: Box<dyn File>,
    buffer: Vec<u8>,
    flushed: u64,
}

impl FileWriter {
    const BUFFER_BYTES: usize = 1 << 20;

    /// Writes to `file`, which is empty.
    pub fn new(file: Box<dyn File>) -> FileWriter {
        FileWriter {
            file,
            buffer: Vec::with_capacity(Self::BUFFER_BYTES),
            flushed: 0,
        }
    }

    /// Writes what is left and makes the file's bytes durable.
    ///
    /// # Errors
    /// As the file's.
    pub fn finish(mut self) -> io::Result<()> {
        io::Write::flush(&mut self)?;
        self.file.sync_data()
    }
}

impl io::Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > Self::BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= Self::BUFFER_BYTES {
            self.file.write_at(self.flushed, bytes)?;
            self.flushed += bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.flushed, &self.buffer)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// A small ordered map with atomic, durable changes: the catalog.
pub trait Catalog: Debug + Send + Sync {
    /// Everything in it, in key order.
    fn scan(&self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>>;
    /// Applies all changes or none (`None` removes a key), durably when it returns.
    fn apply(&self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> io::Result<()>;
    /// Makes what [`Catalog::scan`] gives durable: a process that was killed may have left changes
    /// that only the system's memory holds.
    fn sync(&self) -> io::Result<()>;
}
