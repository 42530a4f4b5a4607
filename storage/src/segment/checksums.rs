//! Checksums of 64 KiB chunks, kept apart from the data, verified when a chunk is first touched.
//!
//! Each checksum is XXH3-64 seeded with segment id and chunk index, so a chunk that is whole but in
//! the wrong place, or in the wrong file, is found as well.

use crate::error::{Result, StoreError};
use crate::vfs::Mapping;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes covered by one checksum.
pub(crate) const CHUNK_BYTES: usize = 1 << 16;

/// Length of a checksum.
pub(super) const CHECKSUM_BYTES: usize = 8;

/// The checksum of chunk `index` of segment `segment`.
pub(super) fn chunk_checksum(segment: u64, index: usize, chunk: &[u8]) -> u64 {
    let salt = segment.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (index as u64).rotate_left(32);
    xxh3_64_with_seed(chunk, salt)
}

/// The checksums of a mapped segment, and which chunks were found good.
#[derive(Debug)]
pub(super) struct ChunkTable {
    segment: u64,
    checksums: Vec<u64>,
    verified: Vec<AtomicU64>,
    /// Chunks that a scrub found damaged on the medium.
    bad: Vec<AtomicU64>,
}

/// The error of a chunk of these bytes that is not what was written.
pub(super) fn mismatch(path: &Path, start: usize, end: usize) -> StoreError {
    let what = format!("the checksum of bytes {start} to {end} does not match");
    StoreError::corrupt(path, start as u64, what)
}

impl ChunkTable {
    /// A table read from its bytes, eight per chunk.
    pub(super) fn new(segment: u64, bytes: &[u8]) -> ChunkTable {
        let checksums: Vec<u64> = bytes
            .chunks_exact(CHECKSUM_BYTES)
            .map(|chunk| u64::from_le_bytes(chunk.try_into().expect("eight bytes")))
            .collect();
        let words = checksums.len().div_ceil(64);
        let none = || (0..words).map(|_| AtomicU64::new(0)).collect();
        ChunkTable {
            segment,
            checksums,
            verified: none(),
            bad: none(),
        }
    }

    /// Number of chunks.
    pub(super) fn len(&self) -> usize {
        self.checksums.len()
    }

    /// Bytes of memory that it takes.
    pub(super) fn heap_bytes(&self) -> u64 {
        let words = self.checksums.len() + self.verified.len() + self.bad.len();
        words as u64 * 8
    }

    /// Whether `range` lies in one chunk, which was found good.
    #[inline]
    pub(super) fn is_known(&self, range: &Range<usize>) -> bool {
        let chunk = range.start / CHUNK_BYTES;
        range.end.wrapping_sub(1) / CHUNK_BYTES == chunk && self.is_verified(chunk)
    }

    /// Where the chunk at `at` ends, if it was found good.
    #[inline]
    pub(super) fn known_end(&self, at: usize) -> Option<usize> {
        let chunk = at / CHUNK_BYTES;
        self.is_verified(chunk).then(|| (chunk + 1) * CHUNK_BYTES)
    }

    /// Makes sure that the chunks under `range` of a map are good. The checksum table begins at
    /// `data_end`.
    pub(super) fn verify(
        &self,
        path: &Path,
        map: &Mapping,
        data_end: usize,
        range: Range<usize>,
    ) -> Result<()> {
        let first = range.start / CHUNK_BYTES;
        let last = range.end.saturating_sub(1).max(range.start) / CHUNK_BYTES;
        if first == last && self.is_verified(first) {
            return Ok(());
        }
        // An empty range at the end of the file lies in no chunk.
        if range.is_empty() {
            return Ok(());
        }
        self.verify_chunks(path, map, data_end, first..=last)
    }

    fn verify_chunks(
        &self,
        path: &Path,
        map: &Mapping,
        data_end: usize,
        chunks: RangeInclusive<usize>,
    ) -> Result<()> {
        for index in chunks {
            if !self.is_verified(index) {
                self.verify_chunk(path, map, data_end, index)?;
            }
        }
        Ok(())
    }

    /// Verifies every chunk that was not verified before, and bars those that are damaged. Gives the first
    /// damage.
    pub(super) fn verify_each(&self, path: &Path, map: &Mapping, data_end: usize) -> Result<()> {
        let verify = |index| self.verify_chunks(path, map, data_end, index..=index);
        (0..self.len()).map(verify).fold(Ok(()), Result::and)
    }

    /// Whether `chunk` is what chunk `index` was written with.
    pub(super) fn matches(&self, index: usize, chunk: &[u8]) -> bool {
        chunk_checksum(self.segment, index, chunk) == self.checksums[index]
    }

    /// Replaces the checksum of a chunk.
    pub(super) fn set(&mut self, index: usize, checksum: u64) {
        self.checksums[index] = checksum;
    }

    /// Bars a chunk: reads of it fail from now on, whatever the system has cached of it.
    pub(super) fn mark_bad(&self, index: usize) {
        let bit = 1 << (index % 64);
        // In this order, and looked at in the other: a reader that verifies it now sees one of them.
        self.bad[index / 64].fetch_or(bit, Ordering::SeqCst);
        self.verified[index / 64].fetch_and(!bit, Ordering::SeqCst);
    }

    /// Has chunks verified again when they are next touched.
    pub(super) fn forget(&self, chunks: Range<usize>) {
        for index in chunks {
            self.verified[index / 64].fetch_and(!(1 << (index % 64)), Ordering::SeqCst);
        }
    }

    /// Number of chunks that are barred.
    pub(super) fn bad_chunks(&self) -> u64 {
        let words = self.bad.iter();
        words
            .map(|word| u64::from(word.load(Ordering::Relaxed).count_ones()))
            .sum()
    }

    fn is_bad(&self, index: usize) -> bool {
        self.bad[index / 64].load(Ordering::SeqCst) >> (index % 64) & 1 == 1
    }

    #[inline]
    fn is_verified(&self, index: usize) -> bool {
        let word = self.verified.get(index / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (index % 64) & 1 == 1)
    }

    #[cold]
    fn verify_chunk(
        &self,
        path: &Path,
        map: &Mapping,
        data_end: usize,
        index: usize,
    ) -> Result<()> {
        let start = index * CHUNK_BYTES;
        let end = (start + CHUNK_BYTES).min(data_end);
        if self.is_bad(index) {
            return Err(mismatch(path, start, end));
        }
        // One read for the chunk instead of one for each page that the checksum touches.
        map.will_need(start..end);
        if !self.matches(index, &map[start..end]) {
            // Barred, so that the next of its many readers does not hash it again.
            self.mark_bad(index);
            return Err(mismatch(path, start, end));
        }
        self.verified[index / 64].fetch_or(1 << (index % 64), Ordering::SeqCst);
        if self.is_bad(index) {
            self.mark_bad(index);
            return Err(mismatch(path, start, end));
        }
        Ok(())
    }
}
