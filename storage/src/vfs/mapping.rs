//! The bytes of a complete, immutable file.
//!
//! Address and length lie in the [`Mapping`] itself, whatever is behind it: a point read takes
//! nanoseconds, and each step from pointer to pointer would be one of them.

use super::sigbus;
use bytes::Bytes;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

/// The bytes of a complete, immutable file.
#[derive(Debug, Clone)]
pub struct Mapping {
    bytes: Bytes,
    /// Where the bytes are pages of the system's page cache.
    file: Option<Arc<MappedFile>>,
}

/// A mapped file, known to the handler of unreadable maps while it lives.
#[derive(Debug)]
struct MappedFile {
    // Dropped first: an address is forgotten before the system can use it for something else.
    _registration: sigbus::Registration,
    map: memmap2::Mmap,
}

/// Keeps what the bytes are of.
struct Owner<T>(Arc<T>);

impl AsRef<[u8]> for Owner<MappedFile> {
    fn as_ref(&self) -> &[u8] {
        &self.0.map
    }
}

impl AsRef<[u8]> for Owner<Vec<u8>> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Mapping {
    /// The map of the file at `path`.
    pub(super) fn of_file(map: memmap2::Mmap, path: &Path) -> Mapping {
        let file = Arc::new(MappedFile {
            _registration: sigbus::Registration::new(map.as_ptr() as usize, map.len(), path),
            map,
        });
        Mapping {
            bytes: Bytes::from_owner(Owner(Arc::clone(&file))),
            file: Some(file),
        }
    }

    /// Plain memory, in tests.
    pub(super) fn of_memory(bytes: &Arc<Vec<u8>>) -> Mapping {
        Mapping {
            bytes: Bytes::from_owner(Owner(Arc::clone(bytes))),
            file: None,
        }
    }

    /// The map, where it is of a file.
    #[cfg(target_os = "linux")]
    pub(super) fn file(&self) -> Option<&memmap2::Mmap> {
        self.file.as_ref().map(|file| &file.map)
    }

    /// Asks for bytes to be read in soon, with as few reads as the system can make of it.
    pub fn will_need(&self, range: Range<usize>) {
        if let Some(file) = &self.file {
            // A hint: where it is refused the bytes are read when they are touched.
            let _ = file
                .map
                .advise_range(memmap2::Advice::WillNeed, range.start, range.len());
        }
    }
}

impl Deref for Mapping {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}
