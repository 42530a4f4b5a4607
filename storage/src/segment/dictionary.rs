//! Dictionaries: the distinct components of each dimension, and how many slots lie below each.
//!
//! A component is stored as its index here, its *code*. The counts are the equi-depth ranks that
//! space-filling curves order by.

use super::layout::push_code;
use crate::coordinate::{Coordinate, DIMENSIONS};

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

/// Where components are below this many times the number of keys, they are counted in a table.
const TABLE_FACTOR: usize = 4;

impl Dictionary {
    /// The dictionary of the components of all keys, of which there are at most `u32::MAX`.
    pub(super) fn build(components: Vec<u32>) -> Dictionary {
        let greatest = components.iter().copied().max().unwrap_or(0) as usize;
        match greatest / TABLE_FACTOR < components.len() {
            true => Dictionary::by_table(components, greatest),
            false => Dictionary::by_sorting(&components),
        }
    }

    /// Counts in a table with an entry for every component that there may be.
    fn by_table(mut components: Vec<u32>, greatest: usize) -> Dictionary {
        let mut table = vec![0u32; greatest + 1];
        components.iter().for_each(|&c| table[c as usize] += 1);
        let mut dictionary = Dictionary::empty();
        let mut total = 0;
        for (component, entry) in (0..).zip(&mut table) {
            if *entry > 0 {
                let code = dictionary.add(component, total);
                total += std::mem::replace(entry, code);
            }
        }
        components.iter_mut().for_each(|c| *c = table[*c as usize]);
        dictionary.codes = components;
        dictionary
    }

    /// Sorts runs of keys with the same component: they are few where components are large, as a
    /// day's number is, and its scrolls follow each other.
    fn by_sorting(components: &[u32]) -> Dictionary {
        let runs = components.chunk_by(|a, b| a == b);
        let runs: Vec<(u32, u32)> = runs.map(|run| (run[0], run.len() as u32)).collect();
        let heads = runs
            .iter()
            .map(|&(component, _)| u64::from(component) << 32);
        let mut order: Vec<u64> = heads.zip(0..).map(|(head, run)| head | run).collect();
        order.sort_unstable();
        let mut dictionary = Dictionary::empty();
        let mut code_of_run = vec![0; runs.len()];
        let mut total = 0;
        for same in order.chunk_by(|a, b| a >> 32 == b >> 32) {
            let code = dictionary.add((same[0] >> 32) as u32, total);
            for run in same.iter().map(|entry| *entry as u32 as usize) {
                total += runs[run].1;
                code_of_run[run] = code;
            }
        }
        dictionary.codes.reserve_exact(total as usize);
        for (&(_, length), &code) in runs.iter().zip(&code_of_run) {
            let codes = &mut dictionary.codes;
            codes.resize(codes.len() + length as usize, code);
        }
        dictionary
    }

    fn empty() -> Dictionary {
        Dictionary {
            components: Vec::new(),
            below: Vec::new(),
            codes: Vec::new(),
        }
    }

    /// Adds the next greater component, and gives its code.
    fn add(&mut self, component: u32, below: u32) -> u32 {
        self.components.push(component);
        self.below.push(below);
        self.components.len() as u32 - 1
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

/// Keys that are taken apart at a time: they stay in the first cache.
const GROUP: usize = 256;

/// The dictionaries of all dimensions over `keys`.
pub(super) fn build(keys: &[Coordinate]) -> [Dictionary; DIMENSIONS] {
    let mut columns: [Vec<u32>; DIMENSIONS] =
        std::array::from_fn(|_| Vec::with_capacity(keys.len()));
    for group in keys.chunks(GROUP) {
        for (dimension, column) in columns.iter_mut().enumerate() {
            column.extend(group.iter().map(|key| key.components()[dimension]));
        }
    }
    columns.map(Dictionary::build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_sorting_give_the_same() {
        let component = |n: u32| 1 + n.wrapping_mul(0x9e37_79b1) % 97 / 3 * 41;
        let components: Vec<u32> = (0..500).map(component).collect();
        let sorted = Dictionary::by_sorting(&components);
        let table = Dictionary::by_table(components, 41 * 97);
        assert_eq!(table.components, sorted.components);
        assert_eq!(table.below, sorted.below);
        assert_eq!(table.codes, sorted.codes);
    }

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
