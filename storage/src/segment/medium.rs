//! Comparing a segment with its checksums as the medium has it, past what is cached and mapped.

use super::checksums::{CHUNK_BYTES, mismatch};
use super::file::Segment;
use super::trailer::{TRAILER_BYTES, trailer_matches};
use crate::error::{Result, StoreError};
use crate::vfs::Vfs;
use std::ops::Range;

/// Chunks read at a time.
const READ_CHUNKS: usize = 16;

impl Segment {
    /// Number of checksummed chunks.
    pub(crate) fn chunks(&self) -> usize {
        self.data_end().div_ceil(CHUNK_BYTES)
    }

    /// Reads chunks from the medium. Calls `read` with the bytes read so far each time, and
    /// `damaged` with the index and the error of each chunk that is not what was written or cannot
    /// be read.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub(crate) fn check_on_medium(
        &self,
        vfs: &dyn Vfs,
        chunks: Range<usize>,
        mut read: impl FnMut(u64),
        mut damaged: impl FnMut(usize, StoreError),
    ) -> Result<()> {
        let mut first = chunks.start;
        while first < chunks.end {
            let end = chunks.end.min(first + READ_CHUNKS);
            let bytes = self.read_chunks(vfs, first..end);
            match bytes {
                Ok(bytes) => self.compare(first..end, &bytes, &mut damaged),
                Err(error) if is_absent(&error) => return Err(error),
                // One chunk at a time tells which of them cannot be read.
                Err(_) => {
                    for index in first..end {
                        match self.read_chunks(vfs, index..index + 1) {
                            Ok(bytes) => self.compare(index..index + 1, &bytes, &mut damaged),
                            Err(error) => damaged(index, error),
                        }
                    }
                }
            }
            read((self.chunk_bytes(first..end).len()) as u64);
            first = end;
        }
        Ok(())
    }

    /// Compares checksum table and trailer, as the medium has them, with the trailer's checksum.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where they do not match, and failures to read.
    pub(crate) fn check_tail_on_medium(&self, vfs: &dyn Vfs) -> Result<()> {
        let length = self.byte_len() as usize - self.data_end();
        let tail = vfs.read_medium(self.path(), self.data_end() as u64, length);
        let tail = tail.map_err(|e| StoreError::io("read", self.path(), e))?;
        if tail.len() < length.max(TRAILER_BYTES) || !trailer_matches(&tail) {
            let what = "the checksum of trailer and checksum table does not match";
            return Err(StoreError::corrupt(
                self.path(),
                self.data_end() as u64,
                what,
            ));
        }
        Ok(())
    }

    fn read_chunks(&self, vfs: &dyn Vfs, chunks: Range<usize>) -> Result<Vec<u8>> {
        let range = self.chunk_bytes(chunks);
        vfs.read_medium(self.path(), range.start as u64, range.len())
            .map_err(|e| StoreError::io("read", self.path(), e))
    }

    fn compare(
        &self,
        chunks: Range<usize>,
        bytes: &[u8],
        damaged: &mut impl FnMut(usize, StoreError),
    ) {
        let base = chunks.start * CHUNK_BYTES;
        for index in chunks {
            let range = self.chunk_bytes(index..index + 1);
            let chunk = bytes.get(range.start - base..range.end - base);
            if !chunk.is_some_and(|chunk| self.chunk_table().matches(index, chunk)) {
                damaged(index, mismatch(self.path(), range.start, range.end));
            }
        }
    }

    fn chunk_bytes(&self, chunks: Range<usize>) -> Range<usize> {
        chunks.start * CHUNK_BYTES..(chunks.end * CHUNK_BYTES).min(self.data_end())
    }
}

/// The file is gone: a merge has removed it meanwhile.
pub(crate) fn is_absent(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}
