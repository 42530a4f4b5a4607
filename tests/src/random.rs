//! Seeded choices: a run is repeated by its seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{SystemTime, UNIX_EPOCH};

/// The generator of every harness.
pub type Random = StdRng;

/// A generator that repeats the run of this seed.
#[must_use]
pub fn seeded(seed: u64) -> Random {
    StdRng::seed_from_u64(seed)
}

/// A seed for a run that names none.
#[must_use]
pub fn fresh_seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| {
            u64::from(elapsed.subsec_nanos()) ^ elapsed.as_secs()
        })
}

/// True in `of_thousand` cases of a thousand.
pub fn chance(random: &mut Random, of_thousand: u32) -> bool {
    random.random_range(0..1000) < of_thousand
}

/// One of several, evenly.
///
/// # Panics
/// Where there is nothing to choose from.
pub fn pick<'a, T>(random: &mut Random, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}

/// One of several by weight: the weights need no particular sum.
///
/// # Panics
/// Where the weights sum to zero.
pub fn weighted<T: Copy>(random: &mut Random, from: &[(u32, T)]) -> T {
    let total: u32 = from.iter().map(|(weight, _)| weight).sum();
    let mut point = random.random_range(0..total);
    for &(weight, value) in from {
        if point < weight {
            return value;
        }
        point -= weight;
    }
    unreachable!("the point lies below the sum of the weights")
}

const WORDS: [&str; 24] = [
    "scroll",
    "the",
    "book",
    "of",
    "a",
    "memory",
    "agent",
    "is",
    "and",
    "10%",
    "x=1",
    "a&b",
    "q?",
    "#tag",
    "\"quoted\"",
    "back\\slash",
    "<b>",
    "Zürich",
    "日本語",
    "🦉",
    "e\u{301}",
    "+",
    "-",
    "é",
];

/// Words, ASCII and not, with the characters that break query strings and JSON, separated by
/// spaces: at least `length` bytes, and no break bytes.
pub fn words(random: &mut Random, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        if !text.is_empty() {
            text.push(' ');
        }
        let word: &&str = pick(random, &WORDS);
        text.push_str(word);
    }
    text
}
