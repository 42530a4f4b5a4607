//! One bit of a segment's frame that is wrong, put right.
//!
//! | piece | told by |
//! |---|---|
//! | file header | the format, the file's name |
//! | part table, headers of parts | the checksum of their chunk: it matches when the bit is flipped back |
//! | checksum table | the chunk whose checksum does not match, and the trailer's checksum |
//! | trailer | see [`Trailer::derive`](super::trailer::Trailer::derive) |
//!
//! Checksums of 64 bits match by chance no bytes that were not written, so what is found is what was
//! written, and everything else in the chunk is as well. Each bit costs a checksum of 64 KiB, two
//! to three microseconds, which is why texts are mended by their own: see [`salvage`](super::salvage).

use super::checksums::{CHECKSUM_BYTES, CHUNK_BYTES, chunk_checksum};
use super::file::{PART_ENTRY_BYTES, Segment, file_header};
use super::layout::{FILE_HEADER_BYTES, MAX_NAME_BYTES, NAME_BYTES_AT, PART_HEADER_BYTES, u32_at};
use super::part::Part;
use super::trailer::{TRAILER_BYTES, Trailer};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The chunks that are known to be what was written, apart from the file header and from one bit.
pub(super) type Mended = BTreeMap<usize, Option<WrongBit>>;

/// Where a bit of the file is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct WrongBit {
    at: usize,
    mask: u8,
}

impl Segment {
    /// The part table as it was written, or as it stands where that is not known.
    pub(super) fn mended_part_table(&self, table: Range<usize>) -> Vec<u8> {
        let frames = vec![table.clone()];
        let mended = self.mended_with(table.clone(), &self.wrong_bits(frames));
        mended.unwrap_or_else(|| self.unverified(table).to_vec())
    }

    /// The bytes of a range as they were written; `None` where that is not known.
    fn mended(&self, range: Range<usize>) -> Option<Vec<u8>> {
        let frames = || {
            let headers = (0..self.parts()).filter_map(|index| self.part_range(index).ok());
            let headers = headers.map(|part| self.head_range(&part));
            let table_bytes = self.parts() as usize * PART_ENTRY_BYTES;
            let table = self.data_end() - table_bytes..self.data_end();
            headers.chain([table]).collect()
        };
        let mended = self.mended_chunks(|| self.wrong_bits(frames()));
        self.mended_with(range, mended)
    }

    fn mended_with(&self, range: Range<usize>, mended: &Mended) -> Option<Vec<u8>> {
        let data = &self.mapping()[..self.data_end()];
        let mut bytes = data.get(range.clone())?.to_vec();
        for (chunk, within) in self.by_chunk(range.clone()) {
            if self.bytes(within.clone()).is_ok() {
                continue;
            }
            if let Some(wrong) = mended.get(&chunk)?
                && within.contains(&wrong.at)
            {
                bytes[wrong.at - range.start] ^= wrong.mask;
            }
        }
        Some(bytes)
    }

    /// The damaged chunks in which flipping one bit of these ranges, or none, makes the checksum match.
    fn wrong_bits(&self, frames: Vec<Range<usize>>) -> Mended {
        let mut by_chunk: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
        for frame in frames {
            for (chunk, within) in self.by_chunk(frame) {
                by_chunk.entry(chunk).or_default().push(within);
            }
        }
        let damaged = by_chunk.into_iter();
        let damaged = damaged.filter(|(chunk, _)| self.bytes(self.chunk_range(*chunk)).is_err());
        let wrong = |(chunk, frames)| Some((chunk, self.wrong_bit(chunk, frames)?));
        damaged.filter_map(wrong).collect()
    }

    fn wrong_bit(&self, chunk: usize, frames: Vec<Range<usize>>) -> Option<Option<WrongBit>> {
        let range = self.chunk_range(chunk);
        let mut bytes = self.mapping()[range.clone()].to_vec();
        if chunk == 0 {
            let header = bytes.get_mut(..FILE_HEADER_BYTES)?;
            header.copy_from_slice(&file_header(self.id()));
        }
        let matches = |bytes: &[u8]| self.chunk_table().matches(chunk, bytes);
        if matches(&bytes) {
            return Some(None);
        }
        // Parts that a damaged part table names may lie over each other.
        let mut places: Vec<usize> = frames.into_iter().flatten().collect();
        places.sort_unstable();
        places.dedup();
        for at in places {
            for mask in (0..u8::BITS).map(|bit| 1 << bit) {
                bytes[at - range.start] ^= mask;
                if matches(&bytes) {
                    return Some(Some(WrongBit { at, mask }));
                }
                bytes[at - range.start] ^= mask;
            }
        }
        None
    }

    /// Puts the checksum of the one chunk right that does not match it, where the trailer's checksum proves
    /// that it was the table that is damaged.
    pub(super) fn mend_checksums(&mut self, trailer: &Trailer) {
        let map = self.mapping();
        let table = |index| {
            self.chunk_table()
                .matches(index, &map[self.chunk_range(index)])
        };
        let mut wrong = (0..self.chunks()).filter(|&index| !table(index));
        let (Some(index), None) = (wrong.next(), wrong.next()) else {
            return;
        };
        let checksum = chunk_checksum(self.id(), index, &map[self.chunk_range(index)]);
        let mut checksums = map[trailer.checksums_at..map.len() - TRAILER_BYTES].to_vec();
        checksums[index * CHECKSUM_BYTES..][..CHECKSUM_BYTES]
            .copy_from_slice(&checksum.to_le_bytes());
        if trailer.checksum(self.id(), &checksums) == Trailer::stored_checksum(map) {
            self.chunk_table_mut().set(index, checksum);
        }
    }

    /// Opens a part for [`Part::salvage`], with a header that is what was written. `None` where that is not
    /// known, or says what cannot be.
    pub(crate) fn mended_part(self: &Arc<Self>, index: u32) -> Option<Arc<Part>> {
        let range = self.part_range(index).ok()?;
        let head = self.mended_head(&range)?;
        let part = Part::open_damaged(Arc::clone(self), index, &range, &head);
        part.ok().map(Arc::new)
    }

    /// Header and name of a part.
    fn mended_head(&self, part: &Range<usize>) -> Option<Vec<u8>> {
        let claimed = self.head_range(part);
        let head = self.mended(claimed.clone())?;
        let length =
            PART_HEADER_BYTES + u32_at(head.get(..PART_HEADER_BYTES)?, NAME_BYTES_AT) as usize;
        match length == claimed.len() {
            true => Some(head),
            false => self.mended(part.start..part.end.min(part.start + length)),
        }
    }

    /// Where header and name of a part are, as the header stands.
    fn head_range(&self, part: &Range<usize>) -> Range<usize> {
        let header = &self.mapping()[part.start..part.end];
        let header = header.get(..PART_HEADER_BYTES);
        let name_bytes = header.map_or(0, |header| u32_at(header, NAME_BYTES_AT) as usize);
        let length = PART_HEADER_BYTES + name_bytes.min(MAX_NAME_BYTES);
        part.start..part.end.min(part.start + length)
    }

    /// A range that lies before the checksum table, cut where chunks end.
    fn by_chunk(&self, range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let chunks = range.start / CHUNK_BYTES..range.end.div_ceil(CHUNK_BYTES);
        chunks.map(move |chunk| {
            let whole = self.chunk_range(chunk);
            (
                chunk,
                whole.start.max(range.start)..whole.end.min(range.end),
            )
        })
    }

    fn chunk_range(&self, chunk: usize) -> Range<usize> {
        chunk * CHUNK_BYTES..((chunk + 1) * CHUNK_BYTES).min(self.data_end())
    }
}
