//! What scans read of a part: dictionaries, zone map, key blocks and postings, by dimension.
//!
//! A *position* is a place in the key blocks. What is found there leads to a slot by
//! [`Part::slot_at_position`] only.

use super::layout::{BLOCK_SLOTS, GROUP_BLOCKS, Section, code_at, u32_at};
use super::part::Part;
use super::postings;
use crate::coordinate::DIMENSIONS;
use crate::error::Result;
use crate::prefetch::prefetch;
use roaring::RoaringBitmap;
use std::ops::Range;

/// Bytes that come into the cache together.
const LINE_BYTES: usize = 64;

/// Where a dimension's codes are in a key block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyColumn {
    /// Bytes of a code; 0 where the dimension has one component and so no codes.
    pub(crate) width: usize,
    /// Where the 128 codes start.
    pub(crate) at: usize,
}

/// The least and the greatest code of each block, or of each group of blocks, `width` bytes each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zones<'a> {
    pub(crate) width: usize,
    pub(crate) least: &'a [u8],
    pub(crate) greatest: &'a [u8],
}

/// Both levels of the zone map of a dimension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ZoneMap<'a> {
    pub(crate) blocks: Zones<'a>,
    pub(crate) groups: Zones<'a>,
}

impl<'a> Zones<'a> {
    /// The least and the greatest code of a block, or of a group.
    pub(crate) fn ends(&self, index: usize) -> (u32, u32) {
        let code = |codes| code_at(codes, index, self.width);
        (code(self.least), code(self.greatest))
    }

    /// Those of some blocks, or groups.
    #[inline]
    pub(crate) fn range(&self, range: Range<usize>) -> Zones<'a> {
        let bytes = range.start * self.width..range.end * self.width;
        Zones {
            width: self.width,
            least: &self.least[bytes.clone()],
            greatest: &self.greatest[bytes],
        }
    }
}

/// The components of a dimension, by code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Components<'a> {
    /// The components, ascending.
    components: &'a [[u8; 4]],
    /// Per component, how many slots have a smaller one.
    below: &'a [[u8; 4]],
    slots: u32,
}

impl<'a> Components<'a> {
    /// How many there are; at least one.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.components.len() as u32
    }

    /// The component of a code; `None` where there is no such code.
    #[inline]
    pub(crate) fn get(&self, code: u32) -> Option<u32> {
        let bytes = self.components.get(code as usize)?;
        Some(u32::from_le_bytes(*bytes))
    }

    /// The components by code, four little-endian bytes each.
    #[inline]
    pub(crate) fn bytes(&self) -> &'a [[u8; 4]] {
        self.components
    }

    /// The component of the first code.
    pub(crate) fn first(&self) -> u32 {
        self.get(0).expect("a dictionary has at least one entry")
    }

    /// The component of the last code.
    pub(crate) fn last(&self) -> u32 {
        let last = self.get(self.len() - 1);
        last.expect("a dictionary has at least one entry")
    }

    /// The first code whose component is not below `bound`; their number where all are.
    pub(crate) fn code_from(&self, bound: u32) -> u32 {
        let (first, last) = (self.first(), self.last());
        if last - first == self.len() - 1 {
            // Without gaps a code is its component less the first, and nothing is searched.
            return bound.saturating_sub(first).min(self.len());
        }
        let below = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes) < bound;
        self.components.partition_point(below) as u32
    }

    /// How many slots have a component with a code below `code`.
    pub(crate) fn slots_below(&self, code: u32) -> u32 {
        let below = self.below.get(code as usize);
        below.map_or(self.slots, |bytes| u32::from_le_bytes(*bytes))
    }
}

impl Part {
    /// Number of key blocks.
    pub(crate) fn blocks(&self) -> u32 {
        self.slots().div_ceil(BLOCK_SLOTS as u32)
    }

    /// Number of groups of key blocks.
    pub(crate) fn groups(&self) -> u32 {
        self.blocks().div_ceil(GROUP_BLOCKS as u32)
    }

    /// The blocks of a group.
    #[inline]
    pub(crate) fn blocks_of_group(&self, group: u32) -> Range<usize> {
        let first = group as usize * GROUP_BLOCKS;
        first..(first + GROUP_BLOCKS).min(self.blocks() as usize)
    }

    /// Where a dimension's codes are in a key block.
    pub(crate) fn key_column(&self, dimension: usize) -> KeyColumn {
        self.keys.column(dimension)
    }

    /// The codes of a block's 128 keys, dimension by dimension.
    #[inline]
    pub(crate) fn key_block(&self, block: u32) -> Result<&[u8]> {
        let length = self.keys.block_bytes();
        self.bytes(Section::KeyBlocks, block as usize * length, length)
    }

    /// Asks for the codes of a column of a block to be brought into the cache.
    #[inline]
    pub(crate) fn prefetch_column(&self, block: u32, at: usize, width: usize) {
        let start = block as usize * self.keys.block_bytes() + at;
        let section = self.unverified(Section::KeyBlocks);
        for line in (0..width * BLOCK_SLOTS).step_by(LINE_BYTES) {
            prefetch(section, start + line);
        }
    }

    /// Asks for a whole block to be brought into the cache.
    #[inline]
    pub(crate) fn prefetch_block(&self, block: u32) {
        self.prefetch_column(block, 0, self.keys.block_bytes() / BLOCK_SLOTS);
    }

    /// Asks for the codes of one key to be brought into the cache.
    #[inline]
    pub(crate) fn prefetch_key(&self, position: u32) {
        let (block, index) = (
            position as usize / BLOCK_SLOTS,
            position as usize % BLOCK_SLOTS,
        );
        let start = block * self.keys.block_bytes();
        let section = self.unverified(Section::KeyBlocks);
        for dimension in 0..DIMENSIONS {
            let KeyColumn { width, at } = self.keys.column(dimension);
            if width > 0 {
                prefetch(section, start + at + index * width);
            }
        }
    }

    /// Verifies the key blocks as a whole, for readers that want most of them.
    pub(crate) fn verify_key_blocks(&self) -> Result<()> {
        let length = self.length(Section::KeyBlocks);
        self.bytes(Section::KeyBlocks, 0, length).map(|_| ())
    }

    /// The zone map of a dimension that has codes.
    pub(crate) fn zone_map(&self, dimension: usize) -> Result<ZoneMap<'_>> {
        let KeyColumn { width, at } = self.keys.column(dimension);
        let (blocks, groups) = (self.blocks() as usize, self.groups() as usize);
        // Two codes a block and two a group, where a key block has 128.
        let start = at / BLOCK_SLOTS * 2 * (blocks + groups);
        let zones = |start: usize, zones: usize| -> Result<Zones<'_>> {
            let bytes = self.bytes(Section::ZoneMap, start, 2 * zones * width)?;
            let (least, greatest) = bytes.split_at(zones * width);
            Ok(Zones {
                width,
                least,
                greatest,
            })
        };
        Ok(ZoneMap {
            blocks: zones(start, blocks)?,
            groups: zones(start + 2 * blocks * width, groups)?,
        })
    }

    /// The components of a dimension.
    pub(crate) fn components(&self, dimension: usize) -> Components<'_> {
        let (start, distinct) = self.keys.dictionary(dimension);
        // Verified when the part was opened.
        let section = self.unverified(Section::Dictionaries);
        let entries = section[start..start + distinct * 8].as_chunks::<4>().0;
        let (components, below) = entries.split_at(distinct);
        Components {
            components,
            below,
            slots: self.slots(),
        }
    }

    /// The code that the key at a position has in a dimension with codes.
    #[inline]
    pub(crate) fn code_at_position(&self, dimension: usize, position: u32) -> Result<u32> {
        let KeyColumn { width, at } = self.keys.column(dimension);
        let (block, index) = (position / BLOCK_SLOTS as u32, position % BLOCK_SLOTS as u32);
        Ok(code_at(
            &self.key_block(block)?[at..],
            index as usize,
            width,
        ))
    }

    /// Whether a dimension has postings.
    pub(crate) fn has_postings(&self, dimension: usize) -> Result<bool> {
        Ok(self.postings_start(dimension)?.is_some())
    }

    /// The positions of a code, in a dimension that has postings. Only this code's bitmap is read.
    pub(crate) fn posting(&self, dimension: usize, code: u32) -> Result<RoaringBitmap> {
        let start = self.postings_start(dimension)?;
        let start = start.expect("the caller has asked whether there are postings");
        let entry = start.saturating_add(code as usize * postings::OFFSET_BYTES);
        let offsets = self.bytes(Section::Postings, entry, 2 * postings::OFFSET_BYTES)?;
        let (from, to) = (
            u32_at(offsets, 0) as usize,
            u32_at(offsets, postings::OFFSET_BYTES),
        );
        let length = (to as usize).saturating_sub(from);
        let at = start.saturating_add(from);
        let bytes = self.bytes(Section::Postings, at, length)?;
        postings::decode(bytes, self.slots())
            .ok_or_else(|| self.corrupt(Section::Postings, at, "it is no posting list"))
    }

    /// Where the offsets of a dimension's postings start in the section.
    fn postings_start(&self, dimension: usize) -> Result<Option<usize>> {
        if self.length(Section::Postings) == 0 {
            return Ok(None);
        }
        let table = self.bytes(Section::Postings, 0, postings::TABLE_BYTES)?;
        debug_assert!(dimension < DIMENSIONS, "there are nine dimensions");
        Ok(postings::start_of(table, dimension))
    }
}
