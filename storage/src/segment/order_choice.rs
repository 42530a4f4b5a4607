//! Which order the key blocks of a part get under [`Order::Auto`](super::Order::Auto), and why a part
//! lies in the order that it lies in.
//!
//! The candidates are coordinate order, the prefix that the keys suggest with Hilbert behind it,
//! Hilbert over all dimensions, and the leaves of a k-d tree. They are compared on a sample of the keys by a fixed mix of synthetic
//! queries, each around a key of the sample: by how many blocks of the sample survive the zone map,
//! for that is what the queries go through. Prefixes and ranges are not in the mix, since texts lie in
//! coordinate order whichever it is.
//!
//! | query | the dimensions that differ |
//! |---|---|
//! | wildcard | two, or four, are free; the others are fixed |
//! | box | five are within a twentieth of the keys to each side; the others are free |
//! | nearest | the sum of the distances in all is at most that of the tenth nearest key of the sample |
//!
//! Coordinate order stays unless another leaves less than four fifths of its blocks: the other costs
//! four bytes a key, and a way through a permutation from a key to its text. A part of few keys is not
//! measured. The sample is an eighth of the keys and at most [`MOST_SAMPLED`], so that choosing is a
//! small part of building. What was measured is kept in the part's header.

use super::dictionary::{self, Dictionary};
use super::layout::BLOCK_SLOTS;
use super::order::Placement;
use crate::coordinate::{Coordinate, DIMENSIONS};
use std::fmt;

/// Keys from which on the candidates are measured.
const LEAST_MEASURED: usize = 1 << 14;
/// One key in so many is sampled.
const SAMPLE_STEP: usize = 8;
/// Sampled keys at most.
const MOST_SAMPLED: usize = 1 << 16;
/// Queries of each kind.
const QUERIES: usize = 24;
/// Sampled keys that a search for the nearest is for.
const NEIGHBOURS: usize = 10;
/// Placements that are compared.
pub(super) const CANDIDATES: usize = 4;
/// Shares are kept in parts of this.
const WHOLE: u64 = 10_000;

/// Why a part has its placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The phext's order says so.
    Given,
    /// The order is `auto`, and the part is too small for an order to matter.
    Small,
    /// The order is `auto`, and the keys suggest it; they are too few to measure.
    Suggested,
    /// The order is `auto`, and the candidates were measured: the mean share of blocks that survive, in
    /// ten-thousandths, in coordinate order, with the prefix suggested, with Hilbert alone, and as
    /// k-d leaves.
    Measured([u32; CANDIDATES]),
}

impl Why {
    /// The code on disk, and the shares measured.
    pub(super) fn code(self) -> (u8, [u32; CANDIDATES]) {
        match self {
            Why::Given => (0, [0; CANDIDATES]),
            Why::Small => (1, [0; CANDIDATES]),
            Why::Suggested => (2, [0; CANDIDATES]),
            Why::Measured(shares) => (3, shares),
        }
    }

    /// The reason with this code on disk.
    pub(super) fn from_code(code: u8, shares: [u32; CANDIDATES]) -> Option<Why> {
        match code {
            0 => Some(Why::Given),
            1 => Some(Why::Small),
            2 => Some(Why::Suggested),
            3 => Some(Why::Measured(shares)),
            _ => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Given => f.write_str("as the phext's order says"),
            Why::Small => f.write_str("auto: too small for an order to matter"),
            Why::Suggested => f.write_str("auto: suggested by the keys, which are few"),
            Why::Measured(shares) => {
                let [coordinates, prefixed, hilbert, leaves] =
                    shares.map(|share| f64::from(share) / 100.0);
                write!(
                    f,
                    "auto: a query goes through {coordinates:.2} % of the blocks in coordinate order, \
                     {prefixed:.2} % behind a prefix, {hilbert:.2} % along Hilbert, \
                     {leaves:.2} % as k-d leaves"
                )
            }
        }
    }
}

/// The placement for keys in coordinate order, of which `suggested` is the one that they suggest.
pub(super) fn choose(keys: &[Coordinate], suggested: Placement) -> (Placement, Why) {
    if keys.len() < LEAST_MEASURED {
        return (suggested, Why::Suggested);
    }
    let candidates = [
        Placement::LEXICOGRAPHIC,
        suggested,
        Placement::HILBERT,
        Placement::LEAVES,
    ];
    let shares = measure(keys, candidates);
    let best = (1..candidates.len())
        .min_by_key(|&candidate| shares[candidate])
        .expect("there are candidates");
    let is_worth_it = shares[best] * 5 < shares[0] * 4;
    (
        candidates[if is_worth_it { best } else { 0 }],
        Why::Measured(shares),
    )
}

/// The mean share of blocks that survive, of each candidate.
fn measure(keys: &[Coordinate], candidates: [Placement; CANDIDATES]) -> [u32; CANDIDATES] {
    let step = SAMPLE_STEP.max(keys.len().div_ceil(MOST_SAMPLED));
    let sample: Vec<Coordinate> = keys.iter().step_by(step).copied().collect();
    let dictionaries = dictionary::build(&sample);
    let sampled = Sample::new(&sample, &dictionaries);
    let queries = sampled.queries();
    let share = |candidate: Placement| {
        let positions = candidate.positions(&sample, &dictionaries);
        let blocks: Vec<Block> = positions
            .chunks(BLOCK_SLOTS)
            .map(|block| sampled.block(block))
            .collect();
        let survive = |query: &Query| blocks.iter().filter(|block| block.survives(query)).count();
        let surviving: usize = queries.iter().map(survive).sum();
        (surviving as u64 * WHOLE / (blocks.len() * queries.len()) as u64) as u32
    };
    let mut shares = [0; CANDIDATES];
    for (index, &candidate) in candidates.iter().enumerate() {
        let same = candidates[..index].iter().position(|&c| c == candidate);
        shares[index] = same.map_or_else(|| share(candidate), |same| shares[same]);
    }
    shares
}

/// The least and the greatest number in each dimension: of a block's keys, or of what a query wants.
#[derive(Debug, Clone, Copy)]
struct Bounds([(u32, u32); DIMENSIONS]);

/// A synthetic query.
#[derive(Debug)]
enum Query {
    /// The keys with these ranks.
    Ranks(Bounds),
    /// The keys at a distance of at most `limit`.
    Near { to: Coordinate, limit: u64 },
}

/// What the zone map says of a block.
struct Block {
    ranks: Bounds,
    components: Bounds,
}

impl Block {
    /// Whether a query goes through it.
    fn survives(&self, query: &Query) -> bool {
        match query {
            Query::Ranks(bounds) => self.ranks.meets(bounds),
            Query::Near { to, limit } => self.components.distance(to) <= *limit,
        }
    }
}

impl Bounds {
    fn meets(&self, query: &Bounds) -> bool {
        let pairs = self.0.iter().zip(&query.0);
        pairs.fold(true, |all, (block, query)| {
            all & (block.0 <= query.1) & (block.1 >= query.0)
        })
    }

    /// The least distance that a key within has.
    fn distance(&self, to: &Coordinate) -> u64 {
        let pairs = self.0.iter().zip(to.components());
        let gaps = pairs.map(|(&(least, greatest), &to)| {
            u64::from(least.saturating_sub(to).max(to.saturating_sub(greatest)))
        });
        gaps.sum()
    }
}

/// The sampled keys, with their equi-depth ranks in each dimension.
struct Sample<'a> {
    keys: &'a [Coordinate],
    dictionaries: &'a [Dictionary; DIMENSIONS],
    /// By key. Codes ascend with ranks and with components.
    codes: Vec<[u32; DIMENSIONS]>,
    /// The dimensions in which keys differ.
    varying: Vec<usize>,
}

impl<'a> Sample<'a> {
    fn new(keys: &'a [Coordinate], dictionaries: &'a [Dictionary; DIMENSIONS]) -> Sample<'a> {
        let varies = |&d: &usize| dictionaries[d].len() > 1;
        let codes = |key: usize| dictionaries.each_ref().map(|d| d.codes[key]);
        Sample {
            keys,
            dictionaries,
            codes: (0..keys.len()).map(codes).collect(),
            varying: (0..DIMENSIONS).filter(varies).collect(),
        }
    }

    fn rank(&self, dimension: usize, key: usize) -> u32 {
        self.dictionaries[dimension].below[self.codes[key][dimension] as usize]
    }

    fn block(&self, keys: &[u32]) -> Block {
        let (mut least, mut greatest) = ([u32::MAX; DIMENSIONS], [0; DIMENSIONS]);
        for codes in keys.iter().map(|&key| &self.codes[key as usize]) {
            least = std::array::from_fn(|d| least[d].min(codes[d]));
            greatest = std::array::from_fn(|d| greatest[d].max(codes[d]));
        }
        let bounds = |numbers: fn(&Dictionary) -> &[u32]| {
            Bounds(std::array::from_fn(|d| {
                let numbers = numbers(&self.dictionaries[d]);
                (numbers[least[d] as usize], numbers[greatest[d] as usize])
            }))
        };
        Block {
            ranks: bounds(|dictionary| &dictionary.below),
            components: bounds(|dictionary| &dictionary.components),
        }
    }

    /// The mix of queries, the same for the same keys.
    fn queries(&self) -> Vec<Query> {
        let mut dice = Dice(0x5eed);
        let mut queries = Vec::with_capacity(4 * QUERIES);
        for _ in 0..QUERIES {
            let all = self.varying.len();
            for fixed in [all.saturating_sub(2), all.saturating_sub(4)] {
                queries.push(self.around(&mut dice, fixed.max(1), 0));
            }
            queries.push(self.around(&mut dice, 5.min(all), self.keys.len() / 20));
            queries.push(self.nearest(&mut dice));
        }
        queries
    }

    /// A query around a key: so many of the varying dimensions within so many ranks of its own.
    fn around(&self, dice: &mut Dice, dimensions: usize, within: usize) -> Query {
        let anchor = dice.below(self.keys.len());
        let mut bounds = [(0, u32::MAX); DIMENSIONS];
        let mut left = self.varying.clone();
        for _ in 0..dimensions.min(left.len()) {
            let dimension = left.swap_remove(dice.below(left.len()));
            let rank = self.rank(dimension, anchor);
            let within = within as u32;
            bounds[dimension] = (rank.saturating_sub(within), rank.saturating_add(within));
        }
        Query::Ranks(Bounds(bounds))
    }

    /// The search for the nearest keys of the sample around one of them.
    fn nearest(&self, dice: &mut Dice) -> Query {
        let to = self.keys[dice.below(self.keys.len())];
        let distance = |key: &Coordinate| -> u64 {
            let pairs = key.components().iter().zip(to.components());
            pairs.map(|(&a, &b)| u64::from(a.abs_diff(b))).sum()
        };
        let mut least = [u64::MAX; NEIGHBOURS];
        for distance in self.keys.iter().map(distance) {
            if distance < least[NEIGHBOURS - 1] {
                let place = least.partition_point(|&other| other <= distance);
                least[place..].rotate_right(1);
                least[place] = distance;
            }
        }
        let limit = least[NEIGHBOURS.min(self.keys.len()) - 1];
        Query::Near { to, limit }
    }
}

/// Random numbers that are the same each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((u128::from(mixed) * limit as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    const KEYS: usize = 40_000;

    fn sorted(mut keys: Vec<Coordinate>) -> Vec<Coordinate> {
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn chosen(keys: &[Coordinate]) -> (Placement, [u32; CANDIDATES]) {
        let suggested = Placement::prefixed(1);
        let (placement, why) = choose(keys, suggested);
        assert_eq!(
            choose(keys, suggested),
            (placement, why),
            "the same each time"
        );
        match why {
            Why::Measured(shares) => (placement, shares),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_without_a_hierarchy_get_leaves() {
        let mut dice = StdRng::seed_from_u64(1);
        let mut key = || Coordinate::new(std::array::from_fn(|_| dice.random_range(1..1000)));
        let keys = sorted((0..KEYS).map(|_| key().unwrap()).collect());
        let (placement, shares) = chosen(&keys);
        assert_eq!(placement, Placement::LEAVES, "{shares:?}");
        assert!(shares[3] < shares[2], "{shares:?}");
    }

    /// Two dimensions make up nearly all of every distance, and are the last ones that a curve or
    /// coordinate order would cut.
    #[test]
    fn distances_count() {
        let mut dice = StdRng::seed_from_u64(2);
        let mut key = || {
            let mut components = [(); 9].map(|()| dice.random_range(1..=30));
            components[5] *= 30_000;
            components[6] *= 20_000;
            Coordinate::new(components).unwrap()
        };
        let keys = sorted((0..KEYS).map(|_| key()).collect());
        let (placement, shares) = chosen(&keys);
        assert_eq!(placement, Placement::LEAVES, "{shares:?}");
        assert!(shares[3] * 5 < shares[2] * 4, "{shares:?}");
    }

    /// Only the last dimension varies: every order is coordinate order.
    #[test]
    fn keys_that_no_curve_helps_stay_in_coordinate_order() {
        let key = |n: usize| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, 1 + n as u32]).unwrap();
        let keys: Vec<Coordinate> = (0..KEYS).map(key).collect();
        let (placement, shares) = chosen(&keys);
        assert!(placement.is_lexicographic(), "{shares:?}");
    }

    #[test]
    fn few_keys_are_not_measured() {
        let key = |n: usize| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, 1 + n as u32]).unwrap();
        let keys: Vec<Coordinate> = (0..LEAST_MEASURED - 1).map(key).collect();
        let suggested = Placement::prefixed(7);
        assert_eq!(choose(&keys, suggested), (suggested, Why::Suggested));
    }

    #[test]
    fn reasons_are_read_back() {
        for why in [
            Why::Given,
            Why::Small,
            Why::Suggested,
            Why::Measured([5, 0, 7, 3]),
        ] {
            let (code, shares) = why.code();
            assert_eq!(Why::from_code(code, shares), Some(why));
        }
        assert_eq!(Why::from_code(4, [0; CANDIDATES]), None);
    }
}
