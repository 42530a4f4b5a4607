//! Keys and texts: four data sets, the same for every engine and every run with one seed.
//!
//! | name | keys |
//! |---|---|
//! | uniform | nine independent components from 1 to 16,383 |
//! | clustered | 2,000 clouds of Zipf-distributed weight, normally distributed in each dimension |
//! | hierarchy | numbered like documents: domain, document, part, chapter, section, ... |
//! | agent | memory of agents: tenant, agent, session, day, kind, topic, entity, turn, chunk |
//!
//! Texts are 150 to 250 bytes of words, 200 on average, and follow from the seed and the key's rank.

use clap::ValueEnum;
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::tally::{Tally, coordinate_sum, text_sum};

/// Which keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    Uniform,
    Clustered,
    Hierarchy,
    Agent,
}

impl Shape {
    /// As on the command line and in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Uniform => "uniform",
            Shape::Clustered => "clustered",
            Shape::Hierarchy => "hierarchy",
            Shape::Agent => "agent",
        }
    }
}

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

    /// The ranks in an order that has nothing to do with that of the keys.
    pub(crate) fn shuffled_ranks(&self) -> Vec<u32> {
        let count = u32::try_from(self.keys.len()).expect("fewer keys than 2^32");
        let mut ranks: Vec<u32> = (0..count).collect();
        ranks.shuffle(&mut StdRng::seed_from_u64(self.seed ^ 0x5_0ff1e));
        ranks
    }

    /// A source of random numbers for one purpose in one round.
    pub(crate) fn random(&self, purpose: u64, round: usize) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ (purpose << 32) ^ (round as u64 + 1))
    }

    /// The rank of a stored key.
    pub(crate) fn random_rank(&self, random: &mut StdRng) -> usize {
        random.random_range(0..self.keys.len())
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

    fn range(&self, rank: usize) -> std::ops::Range<usize> {
        let start = rank.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[rank] as usize
    }

    /// The text of the key with this rank.
    #[inline]
    pub(crate) fn at(&self, rank: usize) -> &[u8] {
        &self.bytes[self.range(rank)]
    }

    /// Bytes of all texts.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}

const WORDS: [&str; 32] = [
    "the ",
    "of ",
    "and ",
    "store ",
    "scroll ",
    "page ",
    "in ",
    "table ",
    "key ",
    "memory ",
    "to ",
    "is ",
    "block ",
    "order ",
    "by ",
    "disk ",
    "a ",
    "with ",
    "segment ",
    "writes ",
    "reads ",
    "for ",
    "each ",
    "value ",
    "log ",
    "that ",
    "dimension ",
    "it ",
    "sync ",
    "curve ",
    "index ",
    "on ",
];

/// Appends a text of 150 to 250 bytes that begins with its seed, so that no two are equal.
pub(crate) fn write_text(seed: u64, out: &mut Vec<u8>) {
    let mut state = mix(seed);
    let end = out.len() + 150 + (state % 101) as usize;
    out.extend_from_slice(format!("{seed:016x} ").as_bytes());
    while out.len() < end {
        state = mix(state);
        for shift in (0..60).step_by(5) {
            out.extend_from_slice(WORDS[(state >> shift & 31) as usize].as_bytes());
        }
    }
    out.truncate(end);
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Draws keys until there are enough distinct ones.
fn distinct_keys(shape: Shape, count: usize, seed: u64) -> Vec<Coordinate> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut draw = sampler(shape, &mut random);
    let mut keys = Vec::with_capacity(count + count / 8);
    while keys.len() < count {
        let missing = count - keys.len();
        keys.extend((0..missing + missing / 8).map(|_| coordinate(draw(&mut random))));
        keys.sort_unstable();
        keys.dedup();
    }
    // Surplus goes at random places: cutting the end off would cut a region off.
    while keys.len() > count {
        let surplus = keys.len() - count;
        let mut dropped = rand::seq::index::sample(&mut random, keys.len(), surplus).into_vec();
        dropped.sort_unstable();
        let mut rank = 0;
        keys.retain(|_| {
            rank += 1;
            dropped.binary_search(&(rank - 1)).is_err()
        });
    }
    keys
}

fn coordinate(components: [u32; DIMENSIONS]) -> Coordinate {
    Coordinate::new(components).expect("samplers draw components of at least 1")
}

type Sampler = Box<dyn FnMut(&mut StdRng) -> [u32; DIMENSIONS]>;

fn sampler(shape: Shape, random: &mut StdRng) -> Sampler {
    match shape {
        Shape::Uniform => {
            Box::new(|random| std::array::from_fn(|_| random.random_range(1..16_384)))
        }
        Shape::Clustered => clustered(random),
        Shape::Hierarchy => hierarchy(random),
        Shape::Agent => agent(random),
    }
}

fn clustered(random: &mut StdRng) -> Sampler {
    let clusters: Vec<([f64; DIMENSIONS], f64)> = (0..2_000)
        .map(|_| {
            let centre = std::array::from_fn(|_| random.random_range(1.0..16_384.0));
            (centre, 20.0 * 20f64.powf(random.random()))
        })
        .collect();
    let weights = Zipf::new(clusters.len(), 0.8);
    Box::new(move |random| {
        let (centre, deviation) = clusters[weights.draw(random)];
        centre.map(|mean| {
            let value = mean + deviation * normal(random);
            value.clamp(1.0, 16_383.0) as u32
        })
    })
}

/// A normally distributed number (Box and Muller 1958).
fn normal(random: &mut StdRng) -> f64 {
    let (radius, angle): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Mean number of children from parts down to revisions.
const CHILDREN: [f64; DIMENSIONS - 2] = [3.0, 5.0, 4.0, 4.0, 3.0, 3.0, 1.2];

/// Walks through documents: each step goes on at the innermost level that is not full.
fn hierarchy(random: &mut StdRng) -> Sampler {
    let domains: Vec<u32> = (0..18).map(|_| random.random_range(1..10_000)).collect();
    let mut place = [0; DIMENSIONS];
    Box::new(move |random| {
        let level = (2..DIMENSIONS).rev().find(|&level| {
            place[1] > 0 && random.random::<f64>() < 1.0 - 1.0 / CHILDREN[level - 2]
        });
        match level {
            Some(level) => {
                place[level] += 1;
                place[level + 1..].fill(1);
            }
            None => {
                place = [1; DIMENSIONS];
                place[0] = domains[random.random_range(0..domains.len())];
                place[1] = random.random_range(1..100_000);
            }
        }
        place
    })
}

fn agent(random: &mut StdRng) -> Sampler {
    let mut sparse = |count: usize| -> Vec<u32> {
        (0..count)
            .map(|_| random.random_range(1..1_000_000))
            .collect()
    };
    let (topics, entities) = (sparse(800), sparse(4_000));
    let (tenant, kind) = (Zipf::new(64, 1.0), Zipf::new(12, 1.0));
    let (topic, entity) = (Zipf::new(topics.len(), 1.0), Zipf::new(entities.len(), 1.0));
    Box::new(move |random| {
        let session = random.random_range(1..=934);
        [
            tenant.draw(random) as u32 + 1,
            random.random_range(1..=8),
            session,
            session * 3 / 4 + random.random_range(1..=3),
            kind.draw(random) as u32 + 1,
            topics[topic.draw(random)],
            entities[entity.draw(random)],
            random.random_range(1..=30),
            random.random_range(1..=3),
        ]
    })
}

/// Numbers below a bound, of which the i-th is drawn in proportion to `1 / (i + 1)^exponent`.
struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new(count: usize, exponent: f64) -> Zipf {
        let mut total = 0.0;
        let cumulative = (1..=count)
            .map(|rank| {
                total += (rank as f64).powf(-exponent);
                total
            })
            .collect();
        Zipf { cumulative }
    }

    fn draw(&self, random: &mut StdRng) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let drawn = random.random::<f64>() * total;
        let rank = self.cumulative.partition_point(|&sum| sum <= drawn);
        rank.min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_gives_distinct_sorted_keys_again_and_again() {
        for &shape in Shape::value_variants() {
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
