//! Reading one part of a mapped segment.

use super::directory::{self, BUCKET_BYTES, Probe};
use super::file::Segment;
use super::keys::KeyColumns;
use super::layout::{BLOCK_SLOTS, PartHeader, Section, u32_at};
use super::order::Order;
use super::records::{HeapKey, RECORD_BYTES, RecordInfo};
use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::error::{Result, StoreError};
use crate::prefetch::prefetch;
use std::ops::Range;
use std::sync::Arc;

/// The scrolls of one phext in one segment.
#[derive(Debug)]
pub(crate) struct Part {
    segment: Arc<Segment>,
    index: u32,
    header: PartHeader,
    sections: [Range<usize>; super::layout::SECTIONS],
    keys: KeyColumns,
}

impl Part {
    /// Opens the part in `range` of a segment. Header and dictionaries are verified here; the rest
    /// when it is touched.
    pub(super) fn open(segment: Arc<Segment>, index: u32, range: Range<usize>) -> Result<Part> {
        let header = {
            let bytes = segment.bytes(range.start..range.end.min(range.start + (1 << 16)))?;
            let mut header = PartHeader::decode(segment.path(), range.start as u64, bytes);
            if header.is_err() {
                // Section ranges are checked against the whole part.
                let whole = segment.unverified(range.clone());
                header = PartHeader::decode(segment.path(), range.start as u64, whole);
            }
            header?
        };
        let sections = header.sections.clone().map(|section| {
            range.start + section.start as usize..range.start + section.end as usize
        });
        let dictionaries = segment.bytes(sections[Section::Dictionaries as usize].clone())?;
        let keys = KeyColumns::new(&header.distinct, dictionaries);
        let part = Part {
            segment,
            index,
            header,
            sections,
            keys,
        };
        let directory = part.length(Section::Directory);
        if directory == 0 || !directory.is_multiple_of(BUCKET_BYTES) {
            return Err(part.corrupt(Section::Directory, 0, "the directory is not whole buckets"));
        }
        Ok(part)
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

    /// Bytes the part takes in its file.
    pub(crate) fn byte_len(&self) -> u64 {
        self.header
            .sections
            .iter()
            .map(|range| range.end)
            .max()
            .unwrap_or(0)
    }

    /// The slot of a coordinate.
    #[inline]
    pub(crate) fn find(&self, coordinate: &Coordinate) -> Result<Option<u32>> {
        let probe = Probe::new(coordinate);
        for at in directory::buckets_of(self.length(Section::Directory), probe) {
            let bucket = self.bytes(Section::Directory, at, BUCKET_BYTES)?;
            for slot in directory::candidates(bucket, probe) {
                if self.holds(slot, coordinate)? {
                    return Ok(Some(slot));
                }
            }
            if !directory::goes_on(bucket) {
                break;
            }
        }
        Ok(None)
    }

    /// Whether the heap entry of `slot` carries this key.
    #[inline]
    fn holds(&self, slot: u32, coordinate: &Coordinate) -> Result<bool> {
        let key = HeapKey::new(coordinate);
        let key = key.as_bytes();
        let offset = self.record(slot)?.offset as usize;
        match offset.checked_sub(key.len()) {
            Some(start) => Ok(self.bytes(Section::Heap, start, key.len())? == key),
            None => Ok(false),
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

    /// The text of a slot.
    #[inline]
    pub(crate) fn text(&self, slot: u32) -> Result<&[u8]> {
        let record = self.record(slot)?;
        self.bytes(
            Section::Heap,
            record.offset as usize,
            record.length as usize,
        )
    }

    /// Asks for a slot's record, or the start of its text, to be brought into the cache.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32, text: bool) {
        let records = self.unverified(Section::Records);
        let at = slot as usize * RECORD_BYTES;
        if !text {
            return prefetch(records, at);
        }
        if let Some(record) = records.get(at..at + RECORD_BYTES) {
            let offset = RecordInfo::decode(record).offset as usize;
            prefetch(self.unverified(Section::Heap), offset);
        }
    }

    /// The coordinate of a slot.
    #[inline]
    pub(crate) fn coordinate(&self, slot: u32) -> Result<Coordinate> {
        let slot = slot as usize;
        let at = slot / BLOCK_SLOTS * self.keys.block_bytes();
        let block = self.bytes(Section::KeyBlocks, at, self.keys.block_bytes())?;
        let dictionaries = self.unverified(Section::Dictionaries);
        self.keys
            .coordinate(dictionaries, block, slot % BLOCK_SLOTS)
            .ok_or_else(|| self.corrupt(Section::KeyBlocks, at, "a key holds an unknown code"))
    }

    /// The slot whose coordinate is the `rank`-th in coordinate order.
    #[inline]
    pub(crate) fn slot_at_rank(&self, rank: u32) -> Result<u32> {
        if self.header.placement.is_lexicographic() {
            return Ok(rank);
        }
        let at = rank as usize * 4;
        let slot = u32_at(self.bytes(Section::ByCoordinate, at, 4)?, 0);
        if slot >= self.slots() {
            return Err(self.corrupt(Section::ByCoordinate, at, "a rank leads to no slot"));
        }
        Ok(slot)
    }

    /// The slot whose key is the `position`-th in the key blocks.
    #[expect(
        dead_code,
        reason = "scans of the key blocks map what they find to slots"
    )]
    #[inline]
    pub(crate) fn slot_at_position(&self, position: u32) -> Result<u32> {
        Ok(position)
    }

    /// The first rank whose coordinate is not below `bound`; the number of slots where all are.
    pub(crate) fn lower_bound(&self, bound: &Coordinate) -> Result<u32> {
        self.first_rank(|coordinate| coordinate >= bound)
    }

    /// The first rank whose coordinate is above `bound`; the number of slots where none is.
    pub(crate) fn upper_bound(&self, bound: &Coordinate) -> Result<u32> {
        self.first_rank(|coordinate| coordinate > bound)
    }

    /// Binary search for the first rank at which `reached` holds.
    fn first_rank(&self, reached: impl Fn(&Coordinate) -> bool) -> Result<u32> {
        let (mut low, mut high) = (0, self.slots());
        while low < high {
            let middle = low + (high - low) / 2;
            if reached(&self.coordinate(self.slot_at_rank(middle)?)?) {
                high = middle;
            } else {
                low = middle + 1;
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

    fn unverified(&self, section: Section) -> &[u8] {
        self.segment
            .unverified(self.sections[section as usize].clone())
    }

    /// Verified bytes of a section.
    #[inline]
    pub(super) fn bytes(&self, section: Section, at: usize, length: usize) -> Result<&[u8]> {
        let range = &self.sections[section as usize];
        match at.checked_add(length) {
            Some(end) if end <= range.len() => {
                self.segment.bytes(range.start + at..range.start + end)
            }
            _ => Err(self.corrupt(section, at.min(range.len()), "an offset leads outside it")),
        }
    }

    /// Damage `at` bytes into a section.
    #[cold]
    pub(super) fn corrupt(&self, section: Section, at: usize, what: &str) -> StoreError {
        let offset = self.sections[section as usize].start + at;
        let what = format!("{section:?} of part {}: {what}", self.index);
        StoreError::corrupt(self.segment.path(), offset as u64, what)
    }
}
