//! The store that paths run over. Keys and texts follow from constants alone, not from a crate of
//! random numbers, whose next version may draw others.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};

use crate::Outcome;

/// Coordinates drawn; of those that are drawn twice one is left.
const DRAWN: u64 = 30_000;
/// How many components each dimension has.
const WIDTHS: [u64; DIMENSIONS] = [4, 4, 8, 8, 16, 8, 32, 32, 500];
const PHEXT: &str = "ground";

/// An open store with its keys.
pub(crate) struct Ground {
    /// Ascending.
    pub(crate) keys: Vec<Coordinate>,
    pub(crate) phext: Arc<Phext>,
    _store: Store,
}

impl Ground {
    /// Opens the store that [`build`] left in a directory.
    pub(crate) fn open(directory: &Path) -> Outcome<Ground> {
        let store = Store::open(directory, options())?;
        let phext = store.snapshot().phext(PHEXT).cloned();
        Ok(Ground {
            keys: keys(),
            phext: phext.ok_or("the phext is not there")?,
            _store: store,
        })
    }

    /// Some of the keys, in no order.
    pub(crate) fn some_keys(&self, count: u64, salt: u64) -> Vec<Coordinate> {
        let key = |n| self.keys[(mix(salt << 32 | n) % self.keys.len() as u64) as usize];
        (0..count).map(key).collect()
    }
}

/// Puts the store into an empty directory.
pub(crate) fn build(directory: &Path) -> Outcome {
    let store = Store::open(directory, options())?;
    store.commit(puts(PHEXT, &keys()))?;
    store.seal()?;
    Ok(())
}

/// A store without threads of its own: sealing runs on the thread that asks for it.
pub(crate) fn options() -> Options {
    Options {
        background: false,
        ..Options::default()
    }
}

/// A batch that puts a text at each of these.
pub(crate) fn puts(phext: &str, keys: &[Coordinate]) -> WriteBatch {
    let put = |(&coordinate, n): (&Coordinate, u64)| WriteOp::Put {
        coordinate,
        text: text(n),
    };
    WriteBatch {
        phext: phext.to_owned(),
        operations: keys.iter().zip(0..).map(put).collect(),
    }
}

fn keys() -> Vec<Coordinate> {
    let mut keys: Vec<Coordinate> = (0..DRAWN).map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn key(n: u64) -> Coordinate {
    let component = |d: usize| (mix(n * DIMENSIONS as u64 + d as u64) % WIDTHS[d]) as u32 + 1;
    Coordinate::new(std::array::from_fn(component)).expect("components are from 1")
}

/// 100 to 299 letters.
pub(crate) fn text(n: u64) -> Bytes {
    let letter = |at: u64| b'a' + (mix(n ^ at << 32) % 26) as u8;
    (0..100 + mix(n) % 200).map(letter).collect()
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn mix(seed: u64) -> u64 {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
