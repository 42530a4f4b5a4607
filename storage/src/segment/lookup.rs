//! Looking up one coordinate in a part: a bucket of the directory, then an entry of the heap.
//!
//! ```text
//! outside of least and greatest?  -> absent
//! bucket: no such fingerprint?    -> absent, where the bucket does not go on
//! entry: is its key this one?     -> found
//! ```
//!
//! There are two ways through it. [`Part::candidate`] and [`Part::confirm_quickly`] know bytes that were
//! verified before, one bucket, and keys of few bytes, which nearly all lookups are about; [`Part::find`]
//! knows everything and tells of damage. The first way is short on purpose, so that the processor can begin
//! with the next lookup while the entry of this one is on its way from memory. How far it does depends on
//! what the caller does in between.

use super::directory::{self, BUCKET_BYTES, Probe};
use super::heap::{Front, HeapKey, KeyWords, MAX_HEADER_BYTES};
use super::layout::Section;
use super::part::{Found, Part};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::prefetch::prefetch_from;

/// Lines of the cache that a point read asks for at the start of an entry.
const PREFETCH_LINES: usize = 4;
const LINE_BYTES: usize = 64;

/// What a bucket says of a probe, as far as that is quickly said.
pub(crate) enum Candidate {
    /// The coordinate is not in the part.
    None,
    /// The entry at this offset of the heap has its fingerprint.
    Likely(u64),
    /// Only [`Part::find`] tells.
    Unknown,
}

/// A heap entry that was found, of which everything was verified before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confirmed<'p> {
    /// Its slot.
    pub(crate) slot: u32,
    /// Its text.
    pub(crate) text: &'p [u8],
}

impl Part {
    /// The entry of a coordinate, whatever is in the way.
    pub(crate) fn find(&self, coordinate: &Coordinate, probe: Probe) -> Result<Option<Found>> {
        if !self.spans(coordinate) {
            return Ok(None);
        }
        for at in directory::buckets_of(self.length(Section::Directory), probe) {
            let bucket = self.bucket(at)?;
            for offset in directory::candidates(bucket, probe) {
                self.prefetch_entry(offset);
                if let Some(found) = self.confirm(offset, coordinate)? {
                    return Ok(Some(found));
                }
            }
            if !directory::goes_on(bucket) {
                break;
            }
        }
        Ok(None)
    }

    /// The slot of a coordinate.
    pub(crate) fn slot_of(&self, coordinate: &Coordinate) -> Result<Option<u32>> {
        let found = self.find(coordinate, Probe::new(coordinate))?;
        Ok(found.map(|found| found.slot))
    }

    /// Whether a coordinate lies between the least and the greatest one.
    #[inline]
    fn spans(&self, coordinate: &Coordinate) -> bool {
        let leading = coordinate.leading();
        // Where leading components tell, as they nearly always do, nothing else is looked at.
        if leading <= self.leading.0 || leading >= self.leading.1 {
            let is_near = leading == self.leading.0 || leading == self.leading.1;
            return is_near && self.spans_closely(coordinate);
        }
        true
    }

    /// Whether a coordinate may lie between the least and the greatest one, without a branch.
    #[inline(always)]
    pub(crate) fn may_span(&self, coordinate: &Coordinate) -> bool {
        let leading = coordinate.leading();
        (self.leading.0 <= leading) & (leading <= self.leading.1)
    }

    #[cold]
    fn spans_closely(&self, coordinate: &Coordinate) -> bool {
        let (first, last) = self.coordinates();
        coordinate >= first && coordinate <= last
    }

    /// The entry at `offset` of the heap, if its key is this coordinate's.
    pub(crate) fn confirm(&self, offset: u64, coordinate: &Coordinate) -> Result<Option<Found>> {
        let key = HeapKey::new(coordinate);
        let bytes = self.entry_bytes(offset)?;
        let front = self.front(bytes, offset)?;
        if !key.starts(&bytes[front.key_at..]) {
            return Ok(None);
        }
        Ok(Some(self.found(offset, front, key.as_bytes().len())))
    }

    /// As [`Self::confirm`], where nothing is in the way; `None` says nothing. Always inlined, since a
    /// result that is put together in memory is there when all reads before it are done.
    #[inline(always)]
    pub(crate) fn confirm_quickly(
        &self,
        offset: u64,
        coordinate: &Coordinate,
    ) -> Option<Confirmed<'_>> {
        // All of this before the entry is asked for, since the processor waits for that anyway.
        let key = KeyWords::new(coordinate);
        if !key.is_whole() {
            return None;
        }
        let bytes = self.known(Section::Heap, offset as usize)?;
        let header = bytes.first_chunk::<MAX_HEADER_BYTES>()?;
        self.prefetch_entry(offset);
        let front = Front::read(header)?;
        if front.slot >= self.slots() || !key.is_at(header, front.key_at) {
            return None;
        }
        let start = front.key_at + key.length();
        Some(Confirmed {
            slot: front.slot,
            text: bytes.get(start..start + front.text_bytes as usize)?,
        })
    }

    /// Asks for the bucket of a coordinate to be brought into the cache.
    #[inline]
    pub(crate) fn prefetch_bucket(&self, probe: Probe) {
        let (file, start) = self.section_at(Section::Directory);
        prefetch_from(file, start + self.home(probe));
    }

    /// What the directory says of a coordinate.
    #[inline(always)]
    pub(crate) fn candidate(&self, coordinate: &Coordinate, probe: Probe) -> Candidate {
        if !self.spans(coordinate) {
            return Candidate::None;
        }
        let at = self.home(probe);
        let (file, start) = self.section_at(Section::Directory);
        prefetch_from(file, start + at);
        let known = self.known(Section::Directory, at);
        let Some(bucket) = known.and_then(<[u8]>::first_chunk) else {
            return Candidate::Unknown;
        };
        match directory::candidates(bucket, probe).next() {
            Some(offset) => Candidate::Likely(offset),
            None if directory::goes_on(bucket) => Candidate::Unknown,
            None => Candidate::None,
        }
    }

    /// Asks for the first lines of an entry: its text is wanted when its key is right.
    #[inline]
    pub(crate) fn prefetch_entry(&self, offset: u64) {
        let (file, start) = self.section_at(Section::Heap);
        let at = start + offset as usize;
        (0..PREFETCH_LINES).for_each(|line| prefetch_from(file, at + line * LINE_BYTES));
    }

    /// Asks for the first line of an entry, and so for its page.
    #[inline]
    pub(crate) fn prefetch_start(&self, offset: u64) {
        let (file, start) = self.section_at(Section::Heap);
        prefetch_from(file, start + offset as usize);
    }

    /// Asks for the lines of an entry behind the first.
    #[inline]
    pub(crate) fn prefetch_rest(&self, offset: u64) {
        let (file, start) = self.section_at(Section::Heap);
        let at = start + offset as usize;
        (1..=PREFETCH_LINES).for_each(|line| prefetch_from(file, at + line * LINE_BYTES));
    }

    /// Where the home bucket of a probe is in the directory.
    #[inline]
    fn home(&self, probe: Probe) -> usize {
        probe.bucket(self.buckets) * BUCKET_BYTES
    }

    #[inline]
    pub(super) fn bucket(&self, at: usize) -> Result<&[u8; BUCKET_BYTES]> {
        let bytes = self.bytes(Section::Directory, at, BUCKET_BYTES)?;
        Ok(bytes.try_into().expect("the length was asked for"))
    }
}
