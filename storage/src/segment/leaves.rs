//! Key blocks as the leaves of a k-d tree (Bentley 1975).
//!
//! The keys are halved at the median of one dimension, each half again, and so on down to the 128 keys
//! of a block. The halves of a tree of more than one group are whole groups of 64 blocks, so that both
//! levels of the zone map bound subtrees. A curve cuts every dimension as often as any other; a tree
//! cuts where the keys at hand are spread most, and never where they are all the same.
//!
//! What is spread most is a compromise between queries. Boxes and wildcards ask for a share of the
//! keys, whatever their components are: they want cuts where ranks are far apart. Distances ask for
//! components: they want cuts where those are far apart, which is in few dimensions. So the place of a
//! component in its dimension is the sum of both: the share of keys below it, and its distance from the
//! least component as a share of the widest dimension's.
//!
//! A tree is stored nowhere. Readers know the order from the permutation, and zone maps prune.

use super::dictionary::Dictionary;
use super::layout::{BLOCK_SLOTS, GROUP_BLOCKS};

/// Keys by which the spread of more keys is judged.
const SAMPLED: usize = 1024;
/// A share of all keys, or of the widest dimension, is a number up to this.
const WHOLE: u64 = (1 << 31) - 1;

/// A key on its way to its leaf.
struct Item<const D: usize> {
    /// By dimension, the code, or where there are more than 2^16 of them, its upper bits.
    cells: [u16; D],
    key: u32,
}

/// Per dimension and cell, the place of the components there; it does not decrease.
type Places<const D: usize> = [Vec<u32>; D];

/// The keys (indexes in coordinate order) leaf by leaf, in each leaf in coordinate order.
pub(super) fn positions<const D: usize>(dictionaries: [&Dictionary; D]) -> Vec<u32> {
    let shifts = dictionaries.map(shift);
    let item = |key: u32| Item {
        cells: std::array::from_fn(|d| (dictionaries[d].codes[key as usize] >> shifts[d]) as u16),
        key,
    };
    let count = dictionaries[0].codes.len() as u32;
    let mut items: Vec<Item<D>> = (0..count).map(item).collect();
    split(&mut items, &places(dictionaries, shifts));
    items.into_iter().map(|item| item.key).collect()
}

/// By how many bits codes are shortened to fit a cell.
fn shift(dictionary: &Dictionary) -> u32 {
    let last = dictionary.len() - 1;
    (u32::BITS - last.leading_zeros()).saturating_sub(u16::BITS)
}

fn places<const D: usize>(dictionaries: [&Dictionary; D], shifts: [u32; D]) -> Places<D> {
    let spread = |dictionary: &&Dictionary| {
        let (first, last) = (
            dictionary.components[0],
            dictionary.components[dictionary.components.len() - 1],
        );
        u64::from(last - first)
    };
    let widest = dictionaries.iter().map(spread).max().unwrap_or(0).max(1);
    let keys = dictionaries[0].codes.len() as u64;
    std::array::from_fn(|d| {
        let dictionary = &dictionaries[d];
        let first = dictionary.components[0];
        let codes = dictionary.components.iter().zip(&dictionary.below);
        let places = codes.step_by(1 << shifts[d]).map(|(component, below)| {
            let distance = u64::from(component - first);
            (u64::from(*below) * WHOLE / keys + distance * WHOLE / widest) as u32
        });
        places.collect()
    })
}

/// Orders items leaf by leaf.
fn split<const D: usize>(items: &mut [Item<D>], places: &Places<D>) {
    let blocks = items.len().div_ceil(BLOCK_SLOTS);
    let dimension = match blocks {
        0 | 1 => None,
        _ => widest(items, items.len().div_ceil(SAMPLED), places)
            .or_else(|| widest(items, 1, places)),
    };
    let Some(dimension) = dimension else {
        return items.sort_unstable_by_key(|item| item.key);
    };
    let middle = match blocks.div_ceil(GROUP_BLOCKS) {
        1 => blocks / 2,
        groups => groups / 2 * GROUP_BLOCKS,
    };
    let middle = middle * BLOCK_SLOTS;
    // Of keys with the same component, those that come first in coordinate order go to the left.
    items.select_nth_unstable_by_key(middle, |item| (item.cells[dimension], item.key));
    let (left, right) = items.split_at_mut(middle);
    split(left, places);
    split(right, places);
}

/// The dimension in which the places of the items, of which one in `step` is looked at, are spread
/// most; `None` where they are the same in all.
fn widest<const D: usize>(items: &[Item<D>], step: usize, places: &Places<D>) -> Option<usize> {
    let mut least = [u16::MAX; D];
    let mut greatest = [0; D];
    for item in items.iter().step_by(step) {
        for (d, &cell) in item.cells.iter().enumerate() {
            least[d] = cell.min(least[d]);
            greatest[d] = cell.max(greatest[d]);
        }
    }
    let spread = |d: usize| places[d][usize::from(greatest[d])] - places[d][usize::from(least[d])];
    let widest = (0..D).max_by_key(|&d| (spread(d), std::cmp::Reverse(d)))?;
    (spread(widest) > 0).then_some(widest)
}

#[cfg(test)]
mod tests {
    use super::super::dictionary;
    use super::*;
    use crate::coordinate::{Coordinate, DIMENSIONS};
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn keys(count: usize, most: [u32; DIMENSIONS], seed: u64) -> Vec<Coordinate> {
        let dice = &mut StdRng::seed_from_u64(seed);
        let mut key = || Coordinate::new(most.map(|most| dice.random_range(1..=most))).unwrap();
        let mut keys: Vec<Coordinate> = (0..count).map(|_| key()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The dimensions in which two stretches of positions do not overlap by more than a component.
    fn apart(keys: &[Coordinate], left: &[u32], right: &[u32]) -> usize {
        let ends = |positions: &[u32], d: usize| {
            let components = positions
                .iter()
                .map(|&key| keys[key as usize].components()[d]);
            let (least, greatest) = (components.clone().min(), components.max());
            (least.unwrap(), greatest.unwrap())
        };
        let is_apart = |&d: &usize| ends(left, d).1 <= ends(right, d).0;
        (0..DIMENSIONS).filter(is_apart).count()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_key_has_a_position_and_halves_are_apart(
            count in 0..20_000usize,
            most in prop::array::uniform9(prop::sample::select(vec![1u32, 2, 30, 5000, 0x7FFF_FFFF])),
            seed in any::<u64>(),
        ) {
            let keys = keys(count.max(1), most, seed);
            let positions = positions(dictionary::build(&keys).each_ref());
            let mut sorted = positions.clone();
            sorted.sort_unstable();
            prop_assert!(sorted.into_iter().eq(0..keys.len() as u32));
            for block in positions.chunks(BLOCK_SLOTS) {
                prop_assert!(block.is_sorted(), "coordinate order in a block");
            }
            let groups = keys.len().div_ceil(BLOCK_SLOTS * GROUP_BLOCKS);
            if groups > 1 {
                let (left, right) = positions.split_at(groups / 2 * GROUP_BLOCKS * BLOCK_SLOTS);
                prop_assert!(apart(&keys, left, right) > 0);
            }
        }
    }

    /// More components than a cell has numbers: cells stand for several.
    #[test]
    fn wide_dimensions_are_cut_too() {
        let mut most = [1; DIMENSIONS];
        most[2] = 0x7FFF_FFFF;
        let keys = keys(150_000, most, 5);
        let dictionaries = dictionary::build(&keys);
        assert_eq!(shift(&dictionaries[2]), 2);
        let positions = positions(dictionaries.each_ref());
        for block in positions.chunks(BLOCK_SLOTS) {
            let wide = |&key: &u32| keys[key as usize].components()[2];
            let (least, greatest) = (block.iter().map(wide).min(), block.iter().map(wide).max());
            let spread = greatest.unwrap() - least.unwrap();
            // Of 2^31 components, 1172 blocks have two millions each.
            assert!(spread < 4_000_000, "{spread}");
        }
    }
}
