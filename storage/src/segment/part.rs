//! Reading one part of a mapped segment.

use super::directory::BUCKET_BYTES;
use super::file::Segment;
use super::heap::{Front, MAX_HEADER_BYTES, decode_key};
use super::layout::{
    BLOCK_SLOTS, FENCE_BYTES, FENCE_SLOTS, PART_HEADER_BYTES, PartHeader, Section, coordinate_at,
    u32_at,
};
use super::lines::nearest_mark;
use super::order::Order;
use super::records::{RECORD_BYTES, RecordInfo};
use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::error::{Result, StoreError};
use crate::prefetch::prefetch;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The scrolls of one phext in one segment.
#[derive(Debug)]
pub(crate) struct Part {
    segment: Arc<Segment>,
    index: u32,
    uid: u64,
    header: PartHeader,
    first: Coordinate,
    /// What the least and the greatest coordinate lead with.
    pub(super) leading: (u64, u64),
    sections: [Range<usize>; super::layout::SECTIONS],
    /// Buckets of the directory.
    pub(super) buckets: usize,
    pub(super) keys: super::keys::KeyColumns,
}

/// Where a text is in the heap of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextPlace {
    /// Its first byte.
    pub(crate) at: u64,
    /// Its length in bytes.
    pub(crate) length: u32,
}

/// A heap entry that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its slot.
    pub(crate) slot: u32,
    /// Where the entry starts in the heap.
    pub(crate) offset: u64,
    /// Its text.
    pub(crate) text: TextPlace,
}

/// A heap entry with its coordinate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) coordinate: Coordinate,
    pub(crate) found: Found,
}

impl Entry {
    /// Where the next entry starts.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.found.text.at + u64::from(self.found.text.length)
    }
}

impl Part {
    /// Opens the part in `range` of a segment. Header, dictionaries and the first fence are verified
    /// here; the rest when it is touched.
    pub(super) fn open(segment: Arc<Segment>, index: u32, range: Range<usize>) -> Result<Part> {
        let header = {
            // Damage behind the header and the name must not cost the whole part.
            let verified = |bytes: usize| range.start..range.end.min(range.start + bytes);
            segment.bytes(verified(PART_HEADER_BYTES))?;
            let whole = segment.unverified(range.clone());
            let base = range.start as u64;
            let header = PartHeader::decode(segment.path(), base, whole, range.len())?;
            segment.bytes(verified(PART_HEADER_BYTES + header.name.len()))?;
            header
        };
        let mut part = Part::with_header(segment, index, &range, header);
        part.bytes(Section::Dictionaries, 0, part.length(Section::Dictionaries))?;
        part.first = part.fence(0)?;
        part.leading.0 = part.first.leading();
        Ok(part)
    }

    /// Opens a part that starts with `head`, without verifying anything. Whether header and dictionaries are
    /// what was written shows in what they lead to: salvaging believes whole chunks and texts that match
    /// their checksums.
    pub(super) fn open_damaged(
        segment: Arc<Segment>,
        index: u32,
        range: &Range<usize>,
        head: &[u8],
    ) -> Result<Part> {
        let base = range.start as u64;
        let header = PartHeader::decode(segment.path(), base, head, range.len())?;
        Ok(Part::with_header(segment, index, range, header))
    }

    fn with_header(
        segment: Arc<Segment>,
        index: u32,
        range: &Range<usize>,
        header: PartHeader,
    ) -> Part {
        static NEXT_UID: AtomicU64 = AtomicU64::new(0);
        let sections = header.sections.clone().map(|section| {
            range.start + section.start as usize..range.start + section.end as usize
        });
        let dictionaries = segment.unverified(sections[Section::Dictionaries as usize].clone());
        let keys = super::keys::KeyColumns::new(&header.distinct, dictionaries);
        Part {
            segment,
            index,
            uid: NEXT_UID.fetch_add(1, Ordering::Relaxed),
            first: header.last,
            leading: (header.last.leading(), header.last.leading()),
            header,
            buckets: sections[Section::Directory as usize].len() / BUCKET_BYTES,
            sections,
            keys,
        }
    }

    /// The segment that the part lies in.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The part's index in its segment.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The phext's name.
    pub(crate) fn name(&self) -> &str {
        &self.header.name
    }

    /// A number that no other open part of this process has.
    #[inline]
    pub(crate) fn uid(&self) -> u64 {
        self.uid
    }

    /// The phext's id.
    pub(crate) fn phext(&self) -> u64 {
        self.header.phext
    }

    /// Number of slots.
    pub(crate) fn slots(&self) -> u32 {
        self.header.slots
    }

    /// Bytes of text in all slots.
    pub(crate) fn text_bytes(&self) -> u64 {
        self.header.text_bytes
    }

    /// The LSNs of the oldest and newest change the part holds.
    pub(crate) fn lsn_range(&self) -> (u64, u64) {
        (self.header.first_lsn, self.header.last_lsn)
    }

    /// Whether the part lies as this order wants it.
    pub(crate) fn follows(&self, order: Order) -> bool {
        order.is_met_by(self.header.placement, self.header.why)
    }

    /// The order that the part lies in, spelled as [`Order`] is, and why.
    pub(crate) fn placement(&self) -> (String, String) {
        let PartHeader { placement, why, .. } = &self.header;
        (placement.to_string(), why.to_string())
    }

    /// The least and the greatest coordinate.
    pub(crate) fn coordinates(&self) -> (&Coordinate, &Coordinate) {
        (&self.first, &self.header.last)
    }

    /// Bytes the part takes in its file.
    pub(crate) fn byte_len(&self) -> u64 {
        self.header
            .sections
            .iter()
            .map(|range| range.end)
            .max()
            .unwrap_or(0)
    }

    /// Bytes of the heap.
    pub(crate) fn heap_bytes(&self) -> u64 {
        self.length(Section::Heap) as u64
    }

    /// Whether slots are in coordinate order.
    #[inline]
    pub(crate) fn has_coordinate_slots(&self) -> bool {
        self.header.placement.has_coordinate_slots()
    }

    /// The coordinate of a slot.
    pub(crate) fn coordinate(&self, slot: u32) -> Result<Coordinate> {
        Ok(self.entry_of(slot)?.coordinate)
    }

    /// The entry at `offset` of the heap, with its coordinate. Always inlined, since a scan would copy
    /// the result on its way to a lane.
    #[inline(always)]
    pub(crate) fn entry(&self, offset: u64) -> Result<Entry> {
        let bytes = self.entry_bytes(offset)?;
        let front = self.front(bytes, offset)?;
        let (coordinate, length) = decode_key(&bytes[front.key_at..])
            .ok_or_else(|| self.corrupt(Section::Heap, offset as usize, "an entry has no key"))?;
        Ok(Entry {
            coordinate,
            found: self.found(offset, front, length),
        })
    }

    /// The entry of a slot, with its coordinate.
    #[inline]
    pub(crate) fn entry_of(&self, slot: u32) -> Result<Entry> {
        let entry = self.entry(self.record(slot)?.offset)?;
        if entry.found.slot != slot {
            let at = entry.found.offset as usize;
            return Err(self.corrupt(Section::Heap, at, "an entry is of another slot"));
        }
        Ok(entry)
    }

    #[inline]
    pub(super) fn found(&self, offset: u64, front: Front, key_length: usize) -> Found {
        Found {
            slot: front.slot,
            offset,
            text: TextPlace {
                at: offset + (front.key_at + key_length) as u64,
                length: front.text_bytes,
            },
        }
    }

    /// Bytes of a section from `at` to the end of their chunk, if it was verified before.
    #[inline]
    pub(super) fn known(&self, section: Section, at: usize) -> Option<&[u8]> {
        let range = &self.sections[section as usize];
        self.segment.known_from(range.start + at, range.end)
    }

    /// Bytes of the heap from an entry's start, at most as many as its header may have.
    #[inline]
    pub(super) fn entry_bytes(&self, offset: u64) -> Result<&[u8]> {
        let left = (self.length(Section::Heap) as u64).saturating_sub(offset);
        let length = left.min(MAX_HEADER_BYTES as u64) as usize;
        self.bytes(Section::Heap, offset as usize, length)
    }

    #[inline]
    pub(super) fn front(&self, bytes: &[u8], offset: u64) -> Result<Front> {
        match Front::read(bytes) {
            Some(front) if front.slot < self.header.slots => Ok(front),
            _ => Err(self.corrupt(Section::Heap, offset as usize, "there is no entry")),
        }
    }

    /// The record of a slot.
    #[inline]
    pub(crate) fn record(&self, slot: u32) -> Result<RecordInfo> {
        let at = slot as usize * RECORD_BYTES;
        Ok(RecordInfo::decode(self.bytes(
            Section::Records,
            at,
            RECORD_BYTES,
        )?))
    }

    /// A text.
    #[inline]
    pub(crate) fn text_at(&self, place: TextPlace) -> Result<&[u8]> {
        let (at, length) = (place.at as usize, place.length as usize);
        let known = self.known(Section::Heap, at);
        match known.and_then(|bytes| bytes.get(..length)) {
            Some(text) => Ok(text),
            None => self.text_to_verify(at, length),
        }
    }

    #[cold]
    fn text_to_verify(&self, at: usize, length: usize) -> Result<&[u8]> {
        self.bytes(Section::Heap, at, length)
    }

    /// The text of a slot.
    #[inline]
    pub(crate) fn text(&self, slot: u32) -> Result<&[u8]> {
        self.text_at(self.entry_of(slot)?.found.text)
    }

    /// A line of a slot's text at or before `line` (from 0), and where it starts in the text.
    pub(crate) fn nearest_mark(&self, slot: u32, line: u32) -> Result<(u32, u32)> {
        let index = self.bytes(Section::Lines, 0, self.length(Section::Lines))?;
        Ok(nearest_mark(index, slot, line))
    }

    /// Asks for a slot's record, or the start of its entry, to be brought into the cache.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32, text: bool) {
        let records = self.unverified(Section::Records);
        let at = slot as usize * RECORD_BYTES;
        if !text {
            return prefetch(records, at);
        }
        if let Some(record) = records.get(at..at + RECORD_BYTES) {
            self.prefetch_entry(RecordInfo::decode(record).offset);
        }
    }

    /// Asks for the start of a text to be brought into the cache.
    #[inline]
    pub(crate) fn prefetch_text(&self, place: TextPlace) {
        prefetch(self.unverified(Section::Heap), place.at as usize);
    }

    /// The slot whose coordinate is the `rank`-th in coordinate order.
    #[inline]
    pub(crate) fn slot_at_rank(&self, rank: u32) -> Result<u32> {
        match self.has_coordinate_slots() {
            true => Ok(rank),
            false => self.permuted(rank),
        }
    }

    /// The slot whose key is at a position of the key blocks.
    #[inline]
    pub(crate) fn slot_at_position(&self, position: u32) -> Result<u32> {
        let placement = self.header.placement;
        match placement.has_coordinate_slots() && !placement.is_lexicographic() {
            true => self.permuted(position),
            false => Ok(position),
        }
    }

    /// Asks for what leads from a position of the key blocks to its slot to be brought into the cache.
    #[inline]
    pub(crate) fn prefetch_slot_at_position(&self, position: u32) {
        // Empty where positions are slots.
        prefetch(self.unverified(Section::Permutation), position as usize * 4);
    }

    /// The coordinate at a position of the key blocks.
    #[inline]
    pub(crate) fn coordinate_at_position(&self, position: u32) -> Result<Coordinate> {
        let position = position as usize;
        let at = position / BLOCK_SLOTS * self.keys.block_bytes();
        let block = self.bytes(Section::KeyBlocks, at, self.keys.block_bytes())?;
        let dictionaries = self.unverified(Section::Dictionaries);
        self.keys
            .coordinate(dictionaries, block, position % BLOCK_SLOTS)
            .ok_or_else(|| self.corrupt(Section::KeyBlocks, at, "a key holds an unknown code"))
    }

    /// As [`Self::slot_at_position`], of bytes as they stand.
    pub(super) fn claimed_slot(&self, position: u32) -> u32 {
        let placement = self.header.placement;
        match placement.has_coordinate_slots() && !placement.is_lexicographic() {
            true => u32_at(self.unverified(Section::Permutation), position as usize * 4),
            false => position,
        }
    }

    /// As [`Self::coordinate_at_position`], of bytes as they stand.
    pub(super) fn claimed_key(&self, position: u32) -> Option<Coordinate> {
        let position = position as usize;
        let at = position / BLOCK_SLOTS * self.keys.block_bytes();
        let blocks = self.unverified(Section::KeyBlocks);
        let dictionaries = self.unverified(Section::Dictionaries);
        self.keys
            .coordinate(dictionaries, &blocks[at..], position % BLOCK_SLOTS)
    }

    #[inline]
    fn permuted(&self, index: u32) -> Result<u32> {
        let at = index as usize * 4;
        let slot = u32_at(self.bytes(Section::Permutation, at, 4)?, 0);
        if slot >= self.slots() {
            return Err(self.corrupt(Section::Permutation, at, "it leads to no slot"));
        }
        Ok(slot)
    }

    /// The coordinate of a rank that is a multiple of [`FENCE_SLOTS`], by the number of the fence.
    #[inline]
    pub(super) fn fence(&self, index: u32) -> Result<Coordinate> {
        let at = index as usize * FENCE_BYTES;
        let bytes = self.bytes(Section::Fences, at, FENCE_BYTES)?;
        coordinate_at(bytes, 0)
            .ok_or_else(|| self.corrupt(Section::Fences, at, "a fence is no coordinate"))
    }

    /// A rank at or before the first one whose coordinate is not below `bound`, fewer than
    /// [`FENCE_SLOTS`] before it.
    pub(crate) fn rank_before(&self, bound: &Coordinate) -> Result<u32> {
        Ok(self.fences_below(|fence| fence < bound)?.saturating_sub(1) * FENCE_SLOTS)
    }

    /// The first rank whose coordinate is not below `bound`; the number of slots where all are.
    pub(crate) fn lower_bound(&self, bound: &Coordinate) -> Result<u32> {
        self.first_rank(|coordinate| coordinate < bound)
    }

    /// The first rank whose coordinate is above `bound`; the number of slots where none is.
    pub(crate) fn upper_bound(&self, bound: &Coordinate) -> Result<u32> {
        self.first_rank(|coordinate| coordinate <= bound)
    }

    /// The number of ranks, the first ones, at which `is_below` holds.
    fn first_rank(&self, is_below: impl Fn(&Coordinate) -> bool) -> Result<u32> {
        let fences = self.fences_below(&is_below)?;
        let (mut low, mut high) = match fences {
            0 => return Ok(0),
            fences => (
                (fences - 1) * FENCE_SLOTS + 1,
                (fences * FENCE_SLOTS).min(self.slots()),
            ),
        };
        while low < high {
            let middle = low + (high - low) / 2;
            match is_below(&self.entry_of(self.slot_at_rank(middle)?)?.coordinate) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// The number of fences, the first ones, at which `is_below` holds.
    fn fences_below(&self, is_below: impl Fn(&Coordinate) -> bool) -> Result<u32> {
        let (mut low, mut high) = (0, self.slots().div_ceil(FENCE_SLOTS));
        while low < high {
            let middle = low + (high - low) / 2;
            match is_below(&self.fence(middle)?) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// Distinct components per dimension.
    pub(super) fn distinct(&self) -> [u32; DIMENSIONS] {
        self.header.distinct
    }

    /// Length of a section in bytes.
    pub(super) fn length(&self, section: Section) -> usize {
        self.sections[section as usize].len()
    }

    pub(super) fn unverified(&self, section: Section) -> &[u8] {
        self.segment
            .unverified(self.sections[section as usize].clone())
    }

    /// The whole file, and where in it a section begins, to ask for what lies there.
    #[inline]
    pub(super) fn section_at(&self, section: Section) -> (&[u8], usize) {
        (
            self.segment.mapping(),
            self.sections[section as usize].start,
        )
    }

    /// Verified bytes of a section.
    #[inline]
    pub(super) fn bytes(&self, section: Section, at: usize, length: usize) -> Result<&[u8]> {
        let range = &self.sections[section as usize];
        let section_bytes = range.end - range.start;
        if at <= section_bytes && length <= section_bytes - at {
            let start = range.start + at;
            return self.segment.bytes(start..start + length);
        }
        Err(self.corrupt(section, at.min(section_bytes), "an offset leads outside it"))
    }

    /// Damage `at` bytes into a section.
    #[cold]
    pub(super) fn corrupt(&self, section: Section, at: usize, what: &str) -> StoreError {
        let offset = self.sections[section as usize].start + at;
        let what = format!("{section:?} of part {}: {what}", self.index);
        StoreError::corrupt(self.segment.path(), offset as u64, what)
    }
}
