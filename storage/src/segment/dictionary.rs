//! Dictionaries: the distinct components of each dimension, and how many slots lie below each.
//!
//! A component is stored as its index here, its *code*. The counts are the equi-depth ranks that
//! space-filling curves order by.

use super::layout::push_code;
use crate::coordinate::{Coordinate, DIMENSIONS};
use std::collections::HashMap;

/// The components of one dimension, with every key's code.
#[derive(Debug)]
pub(super) struct Dictionary {
    /// Distinct components, ascending.
    pub(super) components: Vec<u32>,
    /// Per component, the number of keys with a smaller one.
    pub(super) below: Vec<u32>,
    /// Per key, the index of its component.
    pub(super) codes: Vec<u32>,
}

impl Dictionary {
    /// The dictionary of `dimension` over `keys`, of which there are at most `u32::MAX`.
    fn build(keys: &[Coordinate], dimension: usize) -> Dictionary {
        let mut counts: HashMap<u32, u32> = HashMap::new();
        for run in keys.chunk_by(|a, b| a.components()[dimension] == b.components()[dimension]) {
            *counts.entry(run[0].components()[dimension]).or_default() += run.len() as u32;
        }
        let mut entries: Vec<(u32, u32)> = counts.iter().map(|(&c, &count)| (c, count)).collect();
        entries.sort_unstable();
        let mut below = Vec::with_capacity(entries.len());
        let mut total = 0;
        for (code, &(component, count)) in entries.iter().enumerate() {
            below.push(total);
            total += count;
            counts.insert(component, code as u32);
        }
        let codes = codes(keys, dimension, &counts);
        Dictionary {
            components: entries.into_iter().map(|(c, _)| c).collect(),
            below,
            codes,
        }
    }

    /// Number of distinct components.
    pub(super) fn len(&self) -> u32 {
        self.components.len() as u32
    }

    /// Appends the section's bytes for this dimension.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.components
            .iter()
            .chain(&self.below)
            .for_each(|&value| push_code(out, value, 4));
    }
}

fn codes(keys: &[Coordinate], dimension: usize, code_of: &HashMap<u32, u32>) -> Vec<u32> {
    let mut codes = Vec::with_capacity(keys.len());
    for run in keys.chunk_by(|a, b| a.components()[dimension] == b.components()[dimension]) {
        let code = code_of[&run[0].components()[dimension]];
        codes.resize(codes.len() + run.len(), code);
    }
    codes
}

/// The dictionaries of all dimensions over `keys`.
pub(super) fn build(keys: &[Coordinate]) -> [Dictionary; DIMENSIONS] {
    std::array::from_fn(|dimension| Dictionary::build(keys, dimension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_become_codes_and_ranks() {
        let key = |scroll| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap();
        let keys: Vec<Coordinate> = [7, 7, 3, 20_260_222, 3, 7].map(key).to_vec();
        let [first, .., last] = build(&keys);
        assert_eq!((first.components, first.below), (vec![1], vec![0]));
        assert_eq!(last.components, [3, 7, 20_260_222]);
        assert_eq!(last.below, [0, 2, 5]);
        assert_eq!(last.codes, [1, 1, 0, 2, 0, 1]);
    }
}
