//! Keys and texts to measure with: four shapes of data, the same for every run with one seed.
//!
//! | name | keys |
//! |---|---|
//! | uniform | nine independent components from 1 to 16,383 |
//! | clustered | 2,000 clouds of Zipf-distributed weight, normally distributed in each dimension |
//! | hierarchy | numbered like documents: domain, document, part, chapter, section, ... |
//! | agent | memory of agents: tenant, agent, session, day, kind, topic, entity, turn, chunk |
//!
//! Texts are 150 to 250 bytes of words, 200 on average, and follow from a number.

use crate::coordinate::{Coordinate, DIMENSIONS};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt;
use std::str::FromStr;

/// Which keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Independent components.
    Uniform,
    /// Clouds of keys.
    Clustered,
    /// Numbered like documents.
    Hierarchy,
    /// Memory of agents.
    Agent,
}

/// A text that names no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a data set: use uniform, clustered, hierarchy or agent")]
pub struct ShapeError(String);

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 4] = [
        Shape::Uniform,
        Shape::Clustered,
        Shape::Hierarchy,
        Shape::Agent,
    ];

    /// As on a command line and in a report.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Uniform => "uniform",
            Shape::Clustered => "clustered",
            Shape::Hierarchy => "hierarchy",
            Shape::Agent => "agent",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Shape, ShapeError> {
        let named = Shape::ALL.into_iter().find(|shape| shape.name() == text);
        named.ok_or_else(|| ShapeError(text.to_owned()))
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
pub fn write_text(seed: u64, out: &mut Vec<u8>) {
    let mut state = mix(seed);
    let end = out.len() + text_len(seed);
    out.extend_from_slice(format!("{seed:016x} ").as_bytes());
    while out.len() < end {
        state = mix(state);
        for shift in (0..60).step_by(5) {
            out.extend_from_slice(WORDS[(state >> shift & 31) as usize].as_bytes());
        }
    }
    out.truncate(end);
}

/// The length of the text of a seed.
pub fn text_len(seed: u64) -> usize {
    150 + (mix(seed) % 101) as usize
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// `count` distinct keys in coordinate order: drawn until there are enough.
pub fn distinct_keys(shape: Shape, count: usize, seed: u64) -> Vec<Coordinate> {
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
        for shape in Shape::ALL {
            let keys = distinct_keys(shape, 5_000, 7);
            assert_eq!(keys.len(), 5_000, "{shape:?}");
            assert!(keys.is_sorted_by(|a, b| a < b), "{shape:?}");
            assert_eq!(keys, distinct_keys(shape, 5_000, 7), "{shape:?}");
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
        let error = "agents".parse::<Shape>().unwrap_err().to_string();
        assert!(
            error.contains("uniform, clustered, hierarchy or agent"),
            "{error}"
        );
    }

    #[test]
    fn texts_are_as_long_as_they_say() {
        for seed in 0..100 {
            let mut text = Vec::new();
            write_text(seed, &mut text);
            assert_eq!(text.len(), text_len(seed));
            assert!((150..=250).contains(&text.len()));
            assert!(crate::phext::validate_text(&text).is_ok());
        }
    }
}
