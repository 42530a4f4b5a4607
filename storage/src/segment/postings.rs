//! Postings: per dimension and code, the positions in the key blocks that have the code.
//!
//! ```text
//! table    nine u64: where a dimension's offsets start in the section, 0 where it has no postings
//! per dimension with postings:
//!   offsets  u32 per code and one more, from the start of the offsets: where a bitmap starts, and so
//!            where the one before ends
//!   bitmaps  one per code: roaring, in the portable serialisation
//! ```
//!
//! A zone map prunes where keys with a code lie together. Where they are strewn over all blocks, a
//! posting list says where they are, at a price per slot that a dimension has to be worth: see
//! [`BYTES_PER_SLOT`]. The length of a list follows from the dictionary, so that plans are made
//! without looking at it.

use super::dictionary::Dictionary;
use super::layout::{BLOCK_SLOTS, code_at, code_width, u64_at};
use crate::coordinate::DIMENSIONS;
use roaring::RoaringBitmap;
use std::ops::Range;

/// Bytes of the table.
pub(super) const TABLE_BYTES: usize = DIMENSIONS * 8;
/// Bytes of an offset.
pub(super) const OFFSET_BYTES: usize = 4;

/// A part with fewer slots has no postings: its key blocks are scanned in a few microseconds.
const LEAST_SLOTS: usize = 64 * BLOCK_SLOTS;

/// What postings may take in all, per slot. The dimensions that take least come first.
const BYTES_PER_SLOT: usize = 4;

/// What one dimension may take, in quarters of a byte per slot: an entry of two bytes, and a little
/// for the frames. Dimensions whose codes are so many that frames outweigh entries stay without.
const QUARTER_BYTES_PER_SLOT_OF_A_DIMENSION: usize = 9;

/// Positions that share a roaring container.
const CONTAINER_POSITIONS: usize = 1 << 16;
/// What a container takes besides its entries: key, cardinality, offset, kind, number of runs.
const CONTAINER_BYTES: usize = 11;
/// What a bitmap takes besides its containers, with its offset in the section.
const BITMAP_BYTES: usize = 8 + OFFSET_BYTES;
/// The entries of a container that is a plain bitmap.
const PLAIN_BYTES: usize = CONTAINER_POSITIONS / 8;

/// A dimension's codes, read back from the key blocks: in their order, without the permutation.
struct Column<'a> {
    dictionary: &'a Dictionary,
    blocks: &'a [u8],
    block_bytes: usize,
    /// Where the dimension's codes start in a block.
    at: usize,
    width: usize,
    slots: usize,
}

/// The section of a part with these key blocks; empty where nothing pays.
pub(super) fn encode(
    dictionaries: &[Dictionary; DIMENSIONS],
    blocks: &[u8],
    slots: usize,
) -> Vec<u8> {
    let columns = columns(dictionaries, blocks, slots);
    let chosen = choose(&columns, slots);
    if chosen.is_empty() {
        return Vec::new();
    }
    let mut out = vec![0; TABLE_BYTES];
    for dimension in chosen {
        let start = out.len() as u64;
        out[dimension * 8..dimension * 8 + 8].copy_from_slice(&start.to_le_bytes());
        columns[dimension].encode(&mut out);
    }
    out
}

fn columns<'a>(
    dictionaries: &'a [Dictionary; DIMENSIONS],
    blocks: &'a [u8],
    slots: usize,
) -> [Column<'a>; DIMENSIONS] {
    let width = |dictionary: &Dictionary| code_width(dictionary.len());
    let block_bytes = dictionaries.iter().map(width).sum::<usize>() * BLOCK_SLOTS;
    let mut end = 0;
    dictionaries.each_ref().map(|dictionary| {
        let at = end;
        end += width(dictionary) * BLOCK_SLOTS;
        Column {
            dictionary,
            blocks,
            block_bytes,
            at,
            width: width(dictionary),
            slots,
        }
    })
}

/// The dimensions whose postings pay, ascending.
fn choose(columns: &[Column<'_>; DIMENSIONS], slots: usize) -> Vec<usize> {
    if slots < LEAST_SLOTS {
        return Vec::new();
    }
    let of_one = slots * QUARTER_BYTES_PER_SLOT_OF_A_DIMENSION / 4;
    let most = of_one.min(u32::MAX as usize);
    let sizes = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.width > 0);
    // What the frames take at least rules most dimensions of many codes out without a look.
    let sizes = sizes.filter(|(_, column)| column.codes_len() * BITMAP_BYTES <= most);
    let sizes = sizes.map(|(dimension, column)| (column.most_bytes(), dimension));
    let mut sizes: Vec<(usize, usize)> = sizes.filter(|&(bytes, _)| bytes <= most).collect();
    sizes.sort_unstable();
    let mut left = slots * BYTES_PER_SLOT;
    let fits = |&(bytes, _): &(usize, usize)| {
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    };
    let mut chosen: Vec<usize> = sizes.into_iter().take_while(fits).map(|(_, d)| d).collect();
    chosen.sort_unstable();
    chosen
}

impl Column<'_> {
    fn codes_len(&self) -> usize {
        self.dictionary.len() as usize
    }

    /// How many runs of the same code there are. Block by block, which compares many codes at once.
    fn runs<const WIDTH: usize>(&self) -> usize {
        let columns = self.blocks.chunks_exact(self.block_bytes);
        let columns = columns.map(|block| &block[self.at..self.at + WIDTH * BLOCK_SLOTS]);
        let mut last = None;
        let changes = columns.map(|column| {
            // The last block repeats its last code, which begins no run.
            let codes = column.as_chunks::<WIDTH>().0;
            let pairs = codes.iter().zip(&codes[1..]);
            let within: u32 = pairs.map(|(a, b)| u32::from(a != b)).sum();
            let before = std::mem::replace(&mut last, codes.last());
            within as usize + usize::from(before != codes.first())
        });
        changes.sum()
    }

    /// The codes by position.
    fn codes(&self) -> impl Iterator<Item = u32> {
        let &Column { at, width, .. } = self;
        let columns = self.blocks.chunks_exact(self.block_bytes);
        let columns = columns.map(move |block| &block[at..at + width * BLOCK_SLOTS]);
        let codes = columns.flat_map(move |column| {
            (0..BLOCK_SLOTS).map(move |index| code_at(column, index, width))
        });
        codes.take(self.slots)
    }

    /// What the dimension's postings take at most: all as arrays, all as runs, or all as plain
    /// bitmaps. Each container takes the least of the three, so that the sum is not above any.
    fn most_bytes(&self) -> usize {
        let runs = match self.width {
            1 => self.runs::<1>(),
            2 => self.runs::<2>(),
            _ => self.runs::<4>(),
        };
        let chunks = self.slots.div_ceil(CONTAINER_POSITIONS);
        // A run goes on in the next container where it meets the end of one.
        let runs = runs + chunks;
        let containers = (self.codes_len() * chunks).min(runs);
        let entries = (2 * self.slots).min(4 * runs).min(containers * PLAIN_BYTES);
        entries + containers * CONTAINER_BYTES + self.codes_len() * BITMAP_BYTES
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let codes = self.codes_len();
        out.resize(start + (codes + 1) * OFFSET_BYTES, 0);
        let sorted = self.positions_by_code();
        for code in 0..codes {
            put_offset(out, start, code);
            let positions = sorted[self.range_of(code)].iter().copied();
            let mut bitmap =
                RoaringBitmap::from_sorted_iter(positions).expect("positions are ascending");
            bitmap.optimize();
            bitmap
                .serialize_into(&mut *out)
                .expect("writing to memory does not fail");
        }
        put_offset(out, start, codes);
    }

    /// The positions, sorted by code and then by position.
    fn positions_by_code(&self) -> Vec<u32> {
        let mut next = self.dictionary.below.clone();
        let mut sorted = vec![0; self.slots];
        for (code, position) in self.codes().zip(0..) {
            let place = &mut next[code as usize];
            sorted[*place as usize] = position;
            *place += 1;
        }
        sorted
    }

    /// Where the positions of a code are among all that are sorted by code.
    fn range_of(&self, code: usize) -> Range<usize> {
        let below = &self.dictionary.below;
        let start = |code: usize| below.get(code).map_or(self.slots, |&slots| slots as usize);
        start(code)..start(code + 1)
    }
}

/// Writes where the bitmap of `code` starts: here.
fn put_offset(out: &mut [u8], start: usize, code: usize) {
    let offset = u32::try_from(out.len() - start).expect("chosen dimensions take below 4 GiB");
    let at = start + code * OFFSET_BYTES;
    out[at..at + OFFSET_BYTES].copy_from_slice(&offset.to_le_bytes());
}

/// Where the offsets of a dimension start; `None` where it has no postings.
pub(super) fn start_of(table: &[u8], dimension: usize) -> Option<usize> {
    match u64_at(table, dimension * 8) {
        0 => None,
        start => Some(start as usize),
    }
}

/// Reads a bitmap of positions below `slots`; `None` where the bytes are something else.
pub(super) fn decode(bytes: &[u8], slots: u32) -> Option<RoaringBitmap> {
    let bitmap = RoaringBitmap::deserialize_from(bytes).ok()?;
    bitmap
        .max()
        .is_none_or(|last| last < slots)
        .then_some(bitmap)
}

#[cfg(test)]
mod tests {
    use super::super::{dictionary, keys};
    use super::*;
    use crate::coordinate::Coordinate;

    /// Dictionaries and key blocks of keys in an order that has nothing to do with coordinates.
    fn part(components: impl Fn(u32) -> [u32; 2]) -> ([Dictionary; DIMENSIONS], Vec<u8>, usize) {
        let key = |n| {
            let [shelf, book] = components(n);
            Coordinate::new([1, shelf, 1, 1, 1, book, 1, 1, n + 1]).unwrap()
        };
        let keys: Vec<Coordinate> = (0..70_000).map(key).collect();
        let dictionaries = dictionary::build(&keys);
        let order: Vec<u32> = (0..keys.len() as u32).collect();
        let blocks = keys::encode_blocks(&dictionaries, &order);
        (dictionaries, blocks, keys.len())
    }

    fn scrambled(n: u32) -> u32 {
        n.wrapping_mul(0x9E37_79B1) >> 12
    }

    #[test]
    fn postings_say_where_codes_are() {
        let (dictionaries, blocks, slots) = part(|n| [1 + scrambled(n) % 300, 1 + n / 9000]);
        let section = encode(&dictionaries, &blocks, slots);
        let columns = columns(&dictionaries, &blocks, slots);
        let with: Vec<usize> = (0..DIMENSIONS)
            .filter(|&d| start_of(&section, d).is_some())
            .collect();
        assert_eq!(
            with,
            [1, 5],
            "the scroll dimension has as many codes as slots"
        );
        for dimension in with {
            let start = start_of(&section, dimension).unwrap();
            let offset = |code: u32| {
                let at = start + code as usize * OFFSET_BYTES;
                start + super::super::layout::u32_at(&section, at) as usize
            };
            for code in 0..dictionaries[dimension].len() {
                let bytes = &section[offset(code)..offset(code + 1)];
                let bitmap = decode(bytes, slots as u32).unwrap();
                let codes = columns[dimension].codes().zip(0..);
                let expected = codes.filter(|&(found, _)| found == code).map(|(_, p)| p);
                assert!(bitmap.iter().eq(expected), "code {code} of {dimension}");
                assert_eq!(
                    decode(bytes, bitmap.max().unwrap()),
                    None,
                    "beyond the part"
                );
                assert_eq!(decode(&bytes[..bytes.len() - 1], slots as u32), None, "cut");
            }
        }
    }

    #[test]
    fn postings_take_no_more_than_was_expected() {
        let check = |codes: u32, run: u32, expected: bool| {
            let (dictionaries, blocks, slots) = part(|n| [1, 1 + scrambled(n / run) % codes]);
            let columns = columns(&dictionaries, &blocks, slots);
            let mut out = Vec::new();
            columns[5].encode(&mut out);
            let most = columns[5].most_bytes();
            assert!(out.len() <= most, "{} bytes, {most} expected", out.len());
            assert!(
                most <= 5 * slots,
                "{most} bytes for {slots} slots are no estimate"
            );
            let chosen = choose(&columns, slots).contains(&5);
            assert_eq!(
                chosen, expected,
                "{codes} codes in runs of {run}: {most} bytes"
            );
        };
        check(2, 1, true);
        check(16, 1, true);
        check(300, 1, true);
        check(3000, 1, false);
        check(3000, 40, true);
        check(20, 5000, true);
    }

    #[test]
    fn few_slots_have_no_postings() {
        let (dictionaries, blocks, _) = part(|n| [1 + n % 7, 1]);
        let chosen = |slots| choose(&columns(&dictionaries, &blocks, slots), slots);
        assert!(chosen(LEAST_SLOTS - 1).is_empty());
        assert!(!chosen(LEAST_SLOTS).is_empty());
    }
}
