//! Key blocks and zone map: coordinates as dictionary codes, a column per dimension.
//!
//! ```text
//! block b   codes of dimension i of positions 128 b .. 128 b + 127 | codes of dimension j | ...
//! zone map  dimension i: least code per block, greatest code per block | dimension j: ...
//! ```
//!
//! A dimension with a single component has no column. The last block repeats its last key.

use super::columns::KeyColumn;
use super::dictionary::Dictionary;
use super::layout::{BLOCK_SLOTS, code_at, code_width, push_code, u32_at};
use crate::coordinate::{Coordinate, DIMENSIONS};

/// Where a dimension's codes and components are.
#[derive(Debug, Clone, Copy)]
struct Column {
    /// Bytes of a code; 0 where the dimension has one component.
    width: usize,
    /// Start of the column in a block.
    at: usize,
    /// Start of the dimension's components in the dictionary section.
    components_at: usize,
    /// The component, where there is only one.
    constant: u32,
    /// Number of components.
    distinct: u32,
}

/// How to read the keys of a part.
#[derive(Debug, Clone)]
pub(super) struct KeyColumns {
    columns: [Column; DIMENSIONS],
    block_bytes: usize,
}

impl KeyColumns {
    /// The columns of a part with these dictionary sizes and this dictionary section.
    pub(super) fn new(distinct: &[u32; DIMENSIONS], dictionaries: &[u8]) -> KeyColumns {
        let mut components_at = 0;
        let mut at = 0;
        let columns = distinct.map(|distinct| {
            let width = code_width(distinct);
            let constant = u32_at(dictionaries, components_at);
            let column = Column {
                width,
                at,
                components_at,
                constant,
                distinct,
            };
            components_at += distinct as usize * 8;
            at += width * BLOCK_SLOTS;
            column
        });
        KeyColumns {
            columns,
            block_bytes: at,
        }
    }

    /// Bytes of a key block.
    pub(super) fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Where a dimension's codes are in a block.
    #[inline]
    pub(super) fn column(&self, dimension: usize) -> KeyColumn {
        let Column { width, at, .. } = self.columns[dimension];
        KeyColumn { width, at }
    }

    /// Where a dimension's dictionary starts, and how many components it has.
    pub(super) fn dictionary(&self, dimension: usize) -> (usize, usize) {
        let column = &self.columns[dimension];
        (column.components_at, column.distinct as usize)
    }

    /// The coordinate at `index` of `block`; `None` where a code is out of range.
    #[inline]
    pub(super) fn coordinate(
        &self,
        dictionaries: &[u8],
        block: &[u8],
        index: usize,
    ) -> Option<Coordinate> {
        let mut components = [0; DIMENSIONS];
        for (component, column) in components.iter_mut().zip(&self.columns) {
            *component = column.component(dictionaries, block, index)?;
        }
        Coordinate::new(components).ok()
    }
}

impl Column {
    #[inline]
    fn component(&self, dictionaries: &[u8], block: &[u8], index: usize) -> Option<u32> {
        if self.width == 0 {
            return Some(self.constant);
        }
        let code = code_at(&block[self.at..], index, self.width);
        (code < self.distinct).then(|| u32_at(dictionaries, self.components_at + code as usize * 4))
    }
}

/// The key blocks of positions that hold the keys `positions`.
pub(super) fn encode_blocks(dictionaries: &[Dictionary; DIMENSIONS], positions: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in positions.chunks(BLOCK_SLOTS) {
        for dictionary in varying(dictionaries) {
            let width = code_width(dictionary.len());
            let last = *block.last().expect("blocks are not empty");
            let padding = std::iter::repeat_n(&last, BLOCK_SLOTS - block.len());
            for &key in block.iter().chain(padding) {
                push_code(&mut out, dictionary.codes[key as usize], width);
            }
        }
    }
    out
}

/// The zone map of the same blocks.
pub(super) fn encode_zone_map(
    dictionaries: &[Dictionary; DIMENSIONS],
    positions: &[u32],
) -> Vec<u8> {
    let mut out = Vec::new();
    for dictionary in varying(dictionaries) {
        let width = code_width(dictionary.len());
        let codes = |block: &[u32]| {
            block
                .iter()
                .map(|&key| dictionary.codes[key as usize])
                .collect()
        };
        let blocks: Vec<Vec<u32>> = positions.chunks(BLOCK_SLOTS).map(codes).collect();
        for block in &blocks {
            push_code(
                &mut out,
                *block.iter().min().expect("blocks are not empty"),
                width,
            );
        }
        for block in &blocks {
            push_code(
                &mut out,
                *block.iter().max().expect("blocks are not empty"),
                width,
            );
        }
    }
    out
}

fn varying(dictionaries: &[Dictionary; DIMENSIONS]) -> impl Iterator<Item = &Dictionary> {
    dictionaries
        .iter()
        .filter(|dictionary| dictionary.len() > 1)
}
