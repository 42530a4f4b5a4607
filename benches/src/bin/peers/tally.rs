//! What was read, as a checksum that does not depend on the order of reading.
//!
//! Every engine passes each text it finds to a [`Tally`], which looks at all of its bytes: the same
//! work everywhere, and an engine that skips, repeats or mixes up records gives another sum.

use phext_storage::coordinate::Coordinate;

use crate::key::PACKED_BYTES;

/// Odd multipliers, one a dimension, so that components do not cancel out.
const FACTORS: [u64; 9] = [
    0x9e37_79b9_7f4a_7c15,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0x85eb_ca77_c2b2_ae63,
    0x27d4_eb2f_1656_67c5,
    0xff51_afd7_ed55_8ccd,
    0xc4ce_b9fe_1a85_ec53,
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
];

/// Records read, and a sum over all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many records.
    pub(crate) records: u64,
    sum: u64,
}

impl Tally {
    /// A record whose key the reader knew beforehand.
    #[inline]
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.sums(0, text_sum(text));
    }

    /// A record whose key came with it, packed.
    #[inline]
    pub(crate) fn packed(&mut self, key: &[u8], text: &[u8]) {
        self.sums(packed_sum(key), text_sum(text));
    }

    /// A record whose key came with it, as a coordinate.
    #[inline]
    pub(crate) fn coordinate(&mut self, coordinate: &Coordinate, text: &[u8]) {
        self.sums(coordinate_sum(coordinate), text_sum(text));
    }

    /// A record by the sums of its key and its text. They are mixed so that the texts of two keys
    /// cannot be exchanged unnoticed.
    #[inline]
    pub(crate) fn sums(&mut self, key: u64, text: u64) {
        let mixed = (text ^ key).wrapping_mul(FACTORS[0]);
        self.sum = self.sum.wrapping_add(mixed ^ (mixed >> 29));
        self.records += 1;
    }

    /// Adds what another one holds.
    pub(crate) fn add(&mut self, other: Tally) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.records += other.records;
    }

    /// The checksum, for the report.
    pub(crate) fn checksum(&self) -> String {
        format!("{:016x}", self.sum)
    }
}

/// Bytes that are added at once: few steps a text, so that engines are measured and not the sum.
const BLOCK_BYTES: usize = 32;

/// The sum of a text's whole blocks, of its last bytes as a block, turned, since most of them were in a
/// whole one, and of its length. The sum of a block is that of its 8-byte words.
#[inline]
pub(crate) fn text_sum(text: &[u8]) -> u64 {
    let (blocks, _) = text.as_chunks();
    let last = match text.last_chunk() {
        Some(last) => block_sum([last]),
        None => block_sum([&filled(text)]),
    };
    let sum = block_sum(blocks).wrapping_add(last.rotate_left(17));
    sum.wrapping_add(text.len() as u64)
}

#[inline]
fn block_sum<'t>(blocks: impl IntoIterator<Item = &'t [u8; BLOCK_BYTES]>) -> u64 {
    let mut sums = [0u64; BLOCK_BYTES / 8];
    for block in blocks {
        let (words, _) = block.as_chunks();
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    sums.into_iter().fold(0, u64::wrapping_add)
}

/// A text that is shorter than a block, with zeros behind it.
#[cold]
#[inline(never)]
fn filled(text: &[u8]) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..text.len()].copy_from_slice(text);
    block
}

/// The sum of a coordinate.
#[inline]
pub(crate) fn coordinate_sum(coordinate: &Coordinate) -> u64 {
    let components = coordinate.components().iter().copied();
    weighted(components)
}

/// The same of a packed key.
#[inline]
fn packed_sum(key: &[u8]) -> u64 {
    debug_assert_eq!(
        key.len(),
        PACKED_BYTES,
        "a key that is no packed coordinate"
    );
    let (components, _) = key.as_chunks::<4>();
    weighted(components.iter().map(|bytes| u32::from_be_bytes(*bytes)))
}

#[inline]
fn weighted(components: impl Iterator<Item = u32>) -> u64 {
    let products = components
        .zip(FACTORS)
        .map(|(component, factor)| u64::from(component).wrapping_mul(factor));
    products.fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    #[test]
    fn packed_and_plain_keys_have_one_sum() {
        let coordinate = Coordinate::new([1, 2, 3, 4, 5, 6, 7, 8, 900]).expect("valid");
        let (mut plain, mut packed) = (Tally::default(), Tally::default());
        plain.coordinate(&coordinate, b"some text");
        packed.packed(&Key::new(coordinate).packed, b"some text");
        assert_eq!(plain, packed);
        assert_ne!(plain, Tally::default());
    }

    #[test]
    fn exchanged_texts_are_noticed() {
        let at = |last| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, last]).expect("valid");
        let tally = |rows: [(u32, &str); 2]| {
            let mut tally = Tally::default();
            for (last, text) in rows {
                tally.coordinate(&at(last), text.as_bytes());
            }
            tally
        };
        let right = tally([(1, "one"), (2, "two")]);
        assert_eq!(right, tally([(2, "two"), (1, "one")]), "any order");
        assert_ne!(right, tally([(1, "two"), (2, "one")]));
        assert_ne!(right, tally([(1, "one"), (2, "twp")]));
    }
    #[test]
    fn every_byte_and_the_length_count() {
        for length in 0..100 {
            let text = vec![b'a'; length];
            let sum = text_sum(&text);
            for at in 0..length {
                let mut other = text.clone();
                for bit in 0..8 {
                    other[at] ^= 1 << bit;
                    assert_ne!(sum, text_sum(&other), "byte {at} of {length}");
                    other[at] ^= 1 << bit;
                }
            }
            assert_ne!(sum, text_sum(&[&text[..], &[0]].concat()), "{length}");
        }
    }
}
