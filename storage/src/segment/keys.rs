//! Key blocks and zone map: coordinates as dictionary codes, a column per dimension.
//!
//! ```text
//! block b   codes of dimension i of positions 128 b .. 128 b + 127 | codes of dimension j | ...
//! zone map  dimension i: least code per block, greatest code per block, least code per group of 64
//!           blocks, greatest code per group | dimension j: ...
//! ```
//!
//! A dimension with a single component has no column. The last block repeats its last key.
//!
//! Groups are what a query looks at first: of a large part it then reads the zones of few blocks only.
//! They are stored, a sixty-fourth of the zone map, rather than worked out when a part is opened or
//! first asked, which would read the whole zone map and keep it in memory.

use super::columns::KeyColumn;
use super::dictionary::Dictionary;
use super::layout::{BLOCK_SLOTS, GROUP_BLOCKS, code_at, code_width, push_code, u32_at};
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
    let width = |dictionary: &Dictionary| code_width(dictionary.len());
    let block_bytes = dictionaries.iter().map(width).sum::<usize>() * BLOCK_SLOTS;
    let mut out = vec![0; positions.len().div_ceil(BLOCK_SLOTS) * block_bytes];
    let mut at = 0;
    // One dimension after the other, so that the codes looked up are those of one.
    for dictionary in varying(dictionaries) {
        let codes = dictionary.codes.iter();
        let blocks = out.chunks_exact_mut(block_bytes);
        let columns = blocks.map(|block| &mut block[at..at + width(dictionary) * BLOCK_SLOTS]);
        // Short codes are looked up in a list that is as short.
        match width(dictionary) {
            1 => {
                let codes: Vec<[u8; 1]> = codes.map(|&code| [code as u8]).collect();
                fill_columns(columns, positions, |key| codes[key]);
            }
            2 => {
                let codes: Vec<[u8; 2]> = codes.map(|&code| (code as u16).to_le_bytes()).collect();
                fill_columns(columns, positions, |key| codes[key]);
            }
            _ => fill_columns(columns, positions, |key| {
                dictionary.codes[key].to_le_bytes()
            }),
        }
        at += width(dictionary) * BLOCK_SLOTS;
    }
    out
}

fn fill_columns<'b, const WIDTH: usize>(
    columns: impl Iterator<Item = &'b mut [u8]>,
    positions: &[u32],
    code: impl Fn(usize) -> [u8; WIDTH],
) {
    for (column, block) in columns.zip(positions.chunks(BLOCK_SLOTS)) {
        let last = *block.last().expect("blocks are not empty");
        let keys = block.iter().copied().chain(std::iter::repeat(last));
        for (place, key) in column.as_chunks_mut::<WIDTH>().0.iter_mut().zip(keys) {
            *place = code(key as usize);
        }
    }
}

/// The zone map of these key blocks.
pub(super) fn encode_zone_map(dictionaries: &[Dictionary; DIMENSIONS], blocks: &[u8]) -> Vec<u8> {
    let width = |dictionary: &Dictionary| code_width(dictionary.len());
    let block_bytes = dictionaries.iter().map(width).sum::<usize>() * BLOCK_SLOTS;
    let mut out = Vec::new();
    let mut at = 0;
    for dictionary in varying(dictionaries) {
        let width = width(dictionary);
        let columns = blocks.chunks_exact(block_bytes);
        let columns = columns.map(|block| &block[at..at + width * BLOCK_SLOTS]);
        let blocks: Vec<Zone> = columns
            .map(|column| Zone::of_column(column, width))
            .collect();
        let groups: Vec<Zone> = blocks.chunks(GROUP_BLOCKS).map(Zone::of_zones).collect();
        for zones in [blocks, groups] {
            for code in zones.iter().map(|zone| zone.least) {
                push_code(&mut out, code, width);
            }
            for code in zones.iter().map(|zone| zone.greatest) {
                push_code(&mut out, code, width);
            }
        }
        at += width * BLOCK_SLOTS;
    }
    out
}

/// The least and the greatest code of a block or group.
#[derive(Clone, Copy)]
struct Zone {
    least: u32,
    greatest: u32,
}

impl Zone {
    const EMPTY: Zone = Zone {
        least: u32::MAX,
        greatest: 0,
    };

    /// The zone of a block's codes.
    fn of_column(column: &[u8], width: usize) -> Zone {
        match width {
            1 => Zone::of_codes(column, |&[code]| u32::from(code)),
            2 => Zone::of_codes(column, |&code| u32::from(u16::from_le_bytes(code))),
            _ => Zone::of_codes(column, |&code| u32::from_le_bytes(code)),
        }
    }

    fn of_codes<const WIDTH: usize>(column: &[u8], code: impl Fn(&[u8; WIDTH]) -> u32) -> Zone {
        let codes = column.as_chunks::<WIDTH>().0.iter().map(code);
        codes.fold(Zone::EMPTY, |zone, code| zone.with(code, code))
    }

    fn of_zones(zones: &[Zone]) -> Zone {
        let zones = zones.iter();
        zones.fold(Zone::EMPTY, |all, zone| all.with(zone.least, zone.greatest))
    }

    fn with(self, least: u32, greatest: u32) -> Zone {
        Zone {
            least: self.least.min(least),
            greatest: self.greatest.max(greatest),
        }
    }
}

fn varying(dictionaries: &[Dictionary; DIMENSIONS]) -> impl Iterator<Item = &Dictionary> {
    dictionaries
        .iter()
        .filter(|dictionary| dictionary.len() > 1)
}
