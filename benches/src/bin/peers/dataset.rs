//! Keys and texts, the same for every engine and every run with one seed: the shapes of
//! [`phext_storage::lab::dataset`], and what reading them must add up to.
//!
//! Texts follow from the seed and the key's rank.

use phext_storage::coordinate::Coordinate;
use phext_storage::lab::dataset::distinct_keys;
pub(crate) use phext_storage::lab::dataset::{Shape, write_text};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::tally::{Tally, coordinate_sum, text_sum};

/// Distinct keys in coordinate order, with the sums of their texts.
pub(crate) struct Dataset {
    pub(crate) shape: Shape,
    pub(crate) keys: Vec<Coordinate>,
    text_sums: Vec<u64>,
    seed: u64,
}

/// The texts of a data set, one after the other.
pub(crate) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

impl Dataset {
    /// `count` keys and their texts.
    pub(crate) fn generate(shape: Shape, count: usize, seed: u64) -> (Dataset, Texts) {
        let keys = distinct_keys(shape, count, seed);
        let texts = Texts::generate(count, seed);
        let text_sums = (0..count).map(|rank| text_sum(texts.at(rank))).collect();
        let dataset = Dataset {
            shape,
            keys,
            text_sums,
            seed,
        };
        (dataset, texts)
    }

    /// Keys and texts in an order that has nothing to do with that of the keys.
    pub(crate) fn shuffled(&self, texts: &Texts) -> (Vec<Coordinate>, Texts) {
        let mut ranks: Vec<usize> = (0..self.keys.len()).collect();
        ranks.shuffle(&mut StdRng::seed_from_u64(self.seed ^ 0x5_0ff1e));
        let keys = ranks.iter().map(|&rank| self.keys[rank]).collect();
        (keys, texts.in_order_of(&ranks))
    }

    /// A source of random numbers for one purpose in one round.
    pub(crate) fn random(&self, purpose: u64, round: usize) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ (purpose << 32) ^ (round as u64 + 1))
    }

    /// The rank of a stored key.
    pub(crate) fn random_rank(&self, random: &mut StdRng) -> usize {
        random.random_range(0..self.keys.len())
    }

    /// The sum of the text that was loaded for the key of a rank.
    pub(crate) fn text_sum(&self, rank: usize) -> u64 {
        self.text_sums[rank]
    }

    /// Adds what reading the text of a known key must give.
    pub(crate) fn expect_text(&self, rank: usize, tally: &mut Tally) {
        tally.sums(0, self.text_sums[rank]);
    }

    /// Adds what reading a key with its text must give.
    pub(crate) fn expect_record(&self, rank: usize, tally: &mut Tally) {
        tally.sums(coordinate_sum(&self.keys[rank]), self.text_sums[rank]);
    }
}

impl Texts {
    fn generate(count: usize, seed: u64) -> Texts {
        let mut bytes = Vec::with_capacity(count * 201);
        let mut ends = Vec::with_capacity(count);
        for rank in 0..count {
            write_text(seed ^ rank as u64, &mut bytes);
            ends.push(bytes.len() as u64);
        }
        Texts { bytes, ends }
    }

    /// Copies of them, so that they follow one another as their ranks do here.
    fn in_order_of(&self, ranks: &[usize]) -> Texts {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut ends = Vec::with_capacity(ranks.len());
        for &rank in ranks {
            bytes.extend_from_slice(self.at(rank));
            ends.push(bytes.len() as u64);
        }
        Texts { bytes, ends }
    }

    fn range(&self, rank: usize) -> std::ops::Range<usize> {
        let start = rank.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[rank] as usize
    }

    /// The text of the key with this rank, or with this place where they were put in another order.
    #[inline]
    pub(crate) fn at(&self, rank: usize) -> &[u8] {
        &self.bytes[self.range(rank)]
    }

    /// Bytes of all texts.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_gives_distinct_sorted_keys_again_and_again() {
        for shape in Shape::ALL {
            let (first, texts) = Dataset::generate(shape, 5_000, 7);
            assert_eq!(first.keys.len(), 5_000, "{shape:?}");
            assert!(first.keys.is_sorted_by(|a, b| a < b), "{shape:?}");
            let (second, _) = Dataset::generate(shape, 5_000, 7);
            assert_eq!(first.keys, second.keys, "{shape:?}");
            assert_eq!(first.text_sums, second.text_sums);
            assert!((150..=250).contains(&texts.at(4_999).len()));
            assert!(phext_storage::phext::validate_text(texts.at(0)).is_ok());
        }
    }
}
