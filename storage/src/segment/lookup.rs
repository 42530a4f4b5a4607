//! Looking up one coordinate in a part: a bucket of the directory, then an entry of the heap.
//!
//! ```text
//! outside of least and greatest?  -> absent
//! bucket: no such fingerprint?    -> absent, where the bucket does not go on
//! entry: is its key this one?     -> found
//! ```

use super::directory::{self, BUCKET_BYTES, Probe};
use super::heap::HeapKey;
use super::layout::Section;
use super::part::{Found, Part};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::prefetch::prefetch;

/// Lines of the cache that a point read asks for at the start of an entry.
const PREFETCH_LINES: usize = 4;
const LINE_BYTES: usize = 64;

/// What a bucket says of a probe.
pub(crate) enum Candidate {
    /// The coordinate is not in the part.
    None,
    /// The entry at this offset of the heap may be it, and nothing else.
    One(u64),
    /// Only the whole search tells.
    Several,
}

impl Part {
    /// The entry of a coordinate.
    #[inline]
    pub(crate) fn find(&self, coordinate: &Coordinate, probe: Probe) -> Result<Option<Found>> {
        if !self.spans(coordinate) {
            return Ok(None);
        }
        let bucket = self.home_bucket(probe)?;
        if let Some(found) = self.find_in(bucket, coordinate, probe)? {
            return Ok(Some(found));
        }
        if directory::goes_on(bucket) {
            return self.find_behind(coordinate, probe);
        }
        Ok(None)
    }

    /// The slot of a coordinate.
    pub(crate) fn slot_of(&self, coordinate: &Coordinate) -> Result<Option<u32>> {
        let found = self.find(coordinate, Probe::new(coordinate))?;
        Ok(found.map(|found| found.slot))
    }

    /// Whether the coordinate lies between the least and the greatest one.
    #[inline]
    fn spans(&self, coordinate: &Coordinate) -> bool {
        let (first, last) = self.coordinates();
        let leading = coordinate.leading();
        // Where leading components tell, as they nearly always do, nothing else is looked at.
        if first.leading() < leading && leading < last.leading() {
            return true;
        }
        coordinate >= first && coordinate <= last
    }

    /// The entry of a coordinate, if this bucket leads to it.
    #[inline]
    fn find_in(
        &self,
        bucket: &[u8; BUCKET_BYTES],
        coordinate: &Coordinate,
        probe: Probe,
    ) -> Result<Option<Found>> {
        for offset in directory::candidates(bucket, probe) {
            self.prefetch_entry(offset);
            if let Some(found) = self.confirm(offset, coordinate)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The entry of a coordinate, if a bucket behind its home leads to it.
    #[cold]
    fn find_behind(&self, coordinate: &Coordinate, probe: Probe) -> Result<Option<Found>> {
        for at in directory::buckets_of(self.length(Section::Directory), probe).skip(1) {
            let bucket = self.bucket(at)?;
            if let Some(found) = self.find_in(bucket, coordinate, probe)? {
                return Ok(Some(found));
            }
            if !directory::goes_on(bucket) {
                break;
            }
        }
        Ok(None)
    }

    /// The entry at `offset` of the heap, if its key is this coordinate's.
    #[inline]
    pub(crate) fn confirm(&self, offset: u64, coordinate: &Coordinate) -> Result<Option<Found>> {
        // Before the entry is looked at, which may take a while to arrive.
        let key = HeapKey::new(coordinate);
        let bytes = self.entry_bytes(offset)?;
        let front = self.front(bytes, offset)?;
        if !key.starts(&bytes[front.key_at..]) {
            return Ok(None);
        }
        Ok(Some(self.found(offset, front, key.as_bytes().len())))
    }

    /// Asks for the bucket of a coordinate to be brought into the cache, if it can be in the part.
    #[inline]
    pub(crate) fn prefetch_bucket(&self, coordinate: &Coordinate, probe: Probe) {
        if !self.spans(coordinate) {
            return;
        }
        let directory = self.unverified(Section::Directory);
        let at = probe.bucket(directory.len() / BUCKET_BYTES) * BUCKET_BYTES;
        prefetch(directory, at);
    }

    /// What the directory says of a coordinate, and asks for the entry it leads to.
    #[inline]
    pub(crate) fn candidate(&self, coordinate: &Coordinate, probe: Probe) -> Result<Candidate> {
        if !self.spans(coordinate) {
            return Ok(Candidate::None);
        }
        let bucket = self.home_bucket(probe)?;
        if directory::goes_on(bucket) {
            return Ok(Candidate::Several);
        }
        let mut candidates = directory::candidates(bucket, probe);
        let Some(offset) = candidates.next() else {
            return Ok(Candidate::None);
        };
        if candidates.next().is_some() {
            return Ok(Candidate::Several);
        }
        self.prefetch_entry(offset);
        Ok(Candidate::One(offset))
    }

    /// Asks for the first lines of an entry: its text is wanted when its key is right.
    #[inline]
    pub(crate) fn prefetch_entry(&self, offset: u64) {
        let heap = self.unverified(Section::Heap);
        let entry = heap.get(offset as usize..).unwrap_or_default();
        match entry.first_chunk::<{ PREFETCH_LINES * LINE_BYTES }>() {
            Some(lines) => (0..PREFETCH_LINES).for_each(|line| prefetch(lines, line * LINE_BYTES)),
            None => prefetch(entry, 0),
        }
    }

    #[inline]
    fn home_bucket(&self, probe: Probe) -> Result<&[u8; BUCKET_BYTES]> {
        let buckets = self.length(Section::Directory) / BUCKET_BYTES;
        self.bucket(probe.bucket(buckets) * BUCKET_BYTES)
    }

    #[inline]
    fn bucket(&self, at: usize) -> Result<&[u8; BUCKET_BYTES]> {
        let bytes = self.bytes(Section::Directory, at, BUCKET_BYTES)?;
        Ok(bytes.try_into().expect("the length was asked for"))
    }
}
