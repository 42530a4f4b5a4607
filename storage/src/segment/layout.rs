//! Offsets, sizes and the part header of the segment format.

use super::order::Placement;
use super::order_choice::{CANDIDATES, Why};
use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::error::{Result, StoreError};
use crate::log::Lsn;
use std::ops::Range;
use std::path::Path;

/// First bytes of a segment file; the line ends catch transfers that rewrite text.
pub(super) const FILE_MAGIC: [u8; 8] = *b"SQDSEG\r\n";
/// First bytes of a part.
pub(super) const PART_MAGIC: [u8; 8] = *b"SQDPART\n";
/// The version of the segment format that this program writes and reads.
pub(super) const VERSION: u32 = 3;
/// Length of the file header and of the trailer.
pub(super) const FILE_HEADER_BYTES: usize = 64;
/// Sections and parts start at multiples of this.
pub(super) const ALIGNMENT: u64 = 64;
/// Slots in a key block.
pub const BLOCK_SLOTS: usize = 128;
/// Blocks in a group: what the zone map's second level bounds together.
pub(crate) const GROUP_BLOCKS: usize = 64;

/// Slots between two fences.
pub(super) const FENCE_SLOTS: u32 = 32;
/// Length of a fence: nine components.
pub(super) const FENCE_BYTES: usize = DIMENSIONS * 4;

/// The longest name of a phext, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 255;

/// Length of a part's header, without the name behind it.
pub(super) const PART_HEADER_BYTES: usize = 512;
/// Where the length of the name is.
pub(super) const NAME_BYTES_AT: usize = 44;
/// Where each candidate's share is.
const SHARES_AT: [usize; CANDIDATES] = [52, 56, 60, 100];
const DISTINCT_AT: usize = 64;
const LAST_AT: usize = 104;
const SECTION_TABLE_AT: usize = 144;

/// The sections of a part, in the order of the header's table. In the file the texts come first: see
/// [`Section::IN_FILE_ORDER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Dictionaries = 0,
    KeyBlocks = 1,
    ZoneMap = 2,
    Permutation = 3,
    Fences = 4,
    Directory = 5,
    Lines = 6,
    Postings = 7,
    Heap = 8,
    Records = 9,
}

/// Number of sections; the header has room for 23.
pub(super) const SECTIONS: usize = 10;

impl Section {
    /// The sections as a part is written: texts as they come, then what is known when all have come.
    pub(super) const IN_FILE_ORDER: [Section; SECTIONS] = [
        Section::Heap,
        Section::Records,
        Section::Dictionaries,
        Section::KeyBlocks,
        Section::ZoneMap,
        Section::Permutation,
        Section::Fences,
        Section::Directory,
        Section::Lines,
        Section::Postings,
    ];
}

/// Where the first section of a part of this name starts, from the start of the part.
pub(super) fn first_section_at(name: &str) -> u64 {
    ((PART_HEADER_BYTES + name.len()) as u64).next_multiple_of(ALIGNMENT)
}

/// What the start of a part says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartHeader {
    pub(super) phext: u64,
    pub(super) name: String,
    pub(super) slots: u32,
    pub(super) first_lsn: Lsn,
    pub(super) last_lsn: Lsn,
    pub(super) text_bytes: u64,
    pub(super) placement: Placement,
    /// Why it is that one.
    pub(super) why: Why,
    /// Distinct components per dimension.
    pub(super) distinct: [u32; DIMENSIONS],
    /// The greatest coordinate.
    pub(super) last: Coordinate,
    /// Byte ranges of the sections, from the start of the part.
    pub(super) sections: [Range<u64>; SECTIONS],
}

impl PartHeader {
    /// Lays the sections out behind the header and the name.
    pub(super) fn lay_out(name: &str, lengths: [u64; SECTIONS]) -> [Range<u64>; SECTIONS] {
        let mut at = first_section_at(name);
        let mut ranges = [const { 0..0 }; SECTIONS];
        for section in Section::IN_FILE_ORDER {
            let start = at.next_multiple_of(ALIGNMENT);
            at = start + lengths[section as usize];
            ranges[section as usize] = start..at;
        }
        ranges
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; PART_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&PART_MAGIC);
        bytes[8..16].copy_from_slice(&self.phext.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_lsn.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.last_lsn.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.text_bytes.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.slots.to_le_bytes());
        bytes[44..48].copy_from_slice(&(self.name.len() as u32).to_le_bytes());
        bytes[48] = self.placement.prefix;
        bytes[49] = self.placement.key_order_code();
        bytes[50] = self.placement.text_order_code();
        let (why, shares) = self.why.code();
        bytes[51] = why;
        for (at, share) in SHARES_AT.into_iter().zip(shares) {
            bytes[at..at + 4].copy_from_slice(&share.to_le_bytes());
        }
        for (dimension, distinct) in self.distinct.iter().enumerate() {
            let at = DISTINCT_AT + dimension * 4;
            bytes[at..at + 4].copy_from_slice(&distinct.to_le_bytes());
        }
        bytes[LAST_AT..LAST_AT + FENCE_BYTES].copy_from_slice(&encode_coordinate(&self.last));
        for (section, range) in self.sections.iter().enumerate() {
            let at = SECTION_TABLE_AT + section * 16;
            bytes[at..at + 8].copy_from_slice(&range.start.to_le_bytes());
            bytes[at + 8..at + 16].copy_from_slice(&(range.end - range.start).to_le_bytes());
        }
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    /// Reads the header at the start of `bytes`, of a part of this length that starts at `base` of the
    /// file at `path`.
    pub(super) fn decode(
        path: &Path,
        base: u64,
        bytes: &[u8],
        length: usize,
    ) -> Result<PartHeader> {
        let corrupt = |what: &str| StoreError::corrupt(path, base, format!("part header: {what}"));
        if bytes.len() < PART_HEADER_BYTES || bytes[0..8] != PART_MAGIC {
            return Err(corrupt("there is none"));
        }
        let name_end = PART_HEADER_BYTES + u32_at(bytes, NAME_BYTES_AT) as usize;
        let name = bytes
            .get(PART_HEADER_BYTES..name_end)
            .ok_or_else(|| corrupt("name cut"))?;
        let name = String::from_utf8(name.to_vec()).map_err(|_| corrupt("name is not UTF-8"))?;
        let placement = Placement::from_codes(bytes[48], bytes[49], bytes[50])
            .ok_or_else(|| corrupt("unknown order"))?;
        let last =
            coordinate_at(bytes, LAST_AT).ok_or_else(|| corrupt("the last coordinate is none"))?;
        let header = PartHeader {
            phext: u64_at(bytes, 8),
            first_lsn: u64_at(bytes, 16),
            last_lsn: u64_at(bytes, 24),
            text_bytes: u64_at(bytes, 32),
            slots: u32_at(bytes, 40),
            name,
            placement,
            why: Why::from_code(bytes[51], SHARES_AT.map(|at| u32_at(bytes, at)))
                .ok_or_else(|| corrupt("unknown reason of the order"))?,
            distinct: std::array::from_fn(|d| u32_at(bytes, DISTINCT_AT + d * 4)),
            last,
            sections: std::array::from_fn(|s| section_at(bytes, SECTION_TABLE_AT + s * 16)),
        };
        header.check(length as u64).map_err(corrupt)?;
        Ok(header)
    }

    /// Checks that the sections lie inside the part and are as long as the counts say, so that
    /// readers may index by slot, code and block.
    fn check(&self, length: u64) -> std::result::Result<(), &'static str> {
        if self.slots == 0 {
            return Err("no slots");
        }
        if self
            .sections
            .iter()
            .any(|range| range.start > range.end || range.end > length)
        {
            return Err("a section lies outside the part");
        }
        if self
            .distinct
            .iter()
            .any(|&count| count == 0 || count > self.slots)
        {
            return Err("impossible dictionary size");
        }
        let expected = self.expected_lengths();
        let lengths_agree = self.sections.iter().zip(expected).all(|(range, expected)| {
            expected.is_none_or(|expected| range.end - range.start == expected)
        });
        if lengths_agree {
            Ok(())
        } else {
            Err("a section's length does not fit the counts")
        }
    }

    /// The length of each section, where the counts determine it.
    fn expected_lengths(&self) -> [Option<u64>; SECTIONS] {
        let slots = u64::from(self.slots);
        let entries: u64 = self.distinct.iter().map(|&count| u64::from(count)).sum();
        let columns: u64 = self
            .distinct
            .iter()
            .map(|&count| code_width(count) as u64)
            .sum();
        let blocks = slots.div_ceil(BLOCK_SLOTS as u64);
        let permutation = if self.placement.is_lexicographic() {
            0
        } else {
            slots * 4
        };
        let fences = slots.div_ceil(u64::from(FENCE_SLOTS)) * FENCE_BYTES as u64;
        [
            Some(entries * 8),
            Some(blocks * columns * BLOCK_SLOTS as u64),
            Some((blocks + blocks.div_ceil(GROUP_BLOCKS as u64)) * columns * 2),
            Some(permutation),
            Some(fences),
            Some(super::directory::byte_len(self.slots as usize) as u64),
            None,
            None,
            None,
            Some(slots * super::records::RECORD_BYTES as u64),
        ]
    }
}

/// Bytes of a code of a dictionary with `distinct` entries; none where there is only one entry.
pub(super) fn code_width(distinct: u32) -> usize {
    match distinct {
        0 | 1 => 0,
        2..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// Appends a code of `width` bytes.
pub(super) fn push_code(out: &mut Vec<u8>, code: u32, width: usize) {
    out.extend_from_slice(&code.to_le_bytes()[..width]);
}

/// Reads the code at `index` of an array of codes of `width` bytes.
#[inline]
pub(super) fn code_at(bytes: &[u8], index: usize, width: usize) -> u32 {
    match width {
        1 => u32::from(bytes[index]),
        2 => u32::from(u16::from_le_bytes([bytes[index * 2], bytes[index * 2 + 1]])),
        _ => u32_at(bytes, index * 4),
    }
}

fn section_at(bytes: &[u8], at: usize) -> Range<u64> {
    let start = u64_at(bytes, at);
    start..start.saturating_add(u64_at(bytes, at + 8))
}

/// Reads a little-endian `u32`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Reads a little-endian `u64`.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Reads a little-endian integer of 40 bits.
#[inline]
pub(super) fn u40_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(bytes[at + 4]) << 32
}

/// A coordinate as nine little-endian `u32`.
pub(super) fn encode_coordinate(coordinate: &Coordinate) -> [u8; FENCE_BYTES] {
    let mut bytes = [0; FENCE_BYTES];
    for (chunk, component) in bytes.chunks_exact_mut(4).zip(coordinate.components()) {
        chunk.copy_from_slice(&component.to_le_bytes());
    }
    bytes
}

/// Reads what [`encode_coordinate`] wrote; `None` where it is no coordinate.
#[inline]
pub(super) fn coordinate_at(bytes: &[u8], at: usize) -> Option<Coordinate> {
    Coordinate::new(std::array::from_fn(|d| u32_at(bytes, at + d * 4))).ok()
}
