//! The translation cache: where the coordinates that a thread asked for last were found.
//!
//! 1024 entries in 256 sets of four, one cache per thread, so per core where threads are pinned. An
//! entry says "the coordinate with this hash was in that part, at this offset of its heap". That is
//! only a hint: the key at the offset confirms it, memtables are asked first and the shadow last, so
//! a stale entry costs time and nothing else, and nothing ever has to be invalidated. A hit saves the
//! directories of all parts that are newer than the one that has the scroll.
//!
//! ```text
//! set   hash x 4 | part, offset x 4
//! ```

use std::cell::{Cell, RefCell};

const SETS: usize = 256;
const WAYS: usize = 4;

/// Where a coordinate was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hint {
    /// [`crate::segment::Part::uid`].
    pub(super) part: u64,
    /// The offset of the entry in the part's heap.
    pub(super) offset: u64,
}

const EMPTY: Hint = Hint {
    part: u64::MAX,
    offset: 0,
};

#[derive(Debug, Clone, Copy)]
struct Set {
    hashes: [u64; WAYS],
    hints: [Hint; WAYS],
}

#[derive(Debug)]
struct Cache {
    sets: Box<[Set]>,
    /// Counts insertions: its last bits choose the way that is replaced.
    inserted: usize,
}

impl Cache {
    fn new() -> Cache {
        Cache {
            sets: vec![
                Set {
                    hashes: [0; WAYS],
                    hints: [EMPTY; WAYS],
                };
                SETS
            ]
            .into_boxed_slice(),
            inserted: 0,
        }
    }

    /// The hint for a hash.
    #[inline]
    fn look_up(&self, hash: u64) -> Option<Hint> {
        let set = &self.sets[set_of(hash)];
        let way = set.hashes.iter().position(|&stored| stored == hash)?;
        Some(set.hints[way]).filter(|hint| hint.part != EMPTY.part)
    }

    /// Stores a hint, in the place of an older one for the same hash, else of any: the order of use
    /// would cost every reader more than it saves.
    #[inline]
    fn insert(&mut self, hash: u64, hint: Hint) {
        let set = &mut self.sets[set_of(hash)];
        let same = set.hashes.iter().position(|&stored| stored == hash);
        let way = same.unwrap_or(self.inserted % WAYS);
        self.inserted = self.inserted.wrapping_add(1);
        set.hashes[way] = hash;
        set.hints[way] = hint;
    }
}

/// The directory takes the hash's high bits for the bucket and the low ones for the fingerprint.
#[inline]
fn set_of(hash: u64) -> usize {
    (hash >> 20) as usize % SETS
}

thread_local! {
    static CACHE: RefCell<Option<Cache>> = const { RefCell::new(None) };
    static HITS: Cell<u64> = const { Cell::new(0) };
    static MISSES: Cell<u64> = const { Cell::new(0) };
}

/// The hint for a hash.
#[inline]
pub(super) fn look_up(hash: u64) -> Option<Hint> {
    CACHE.with_borrow(|cache| cache.as_ref()?.look_up(hash))
}

/// Remembers where a coordinate was found.
#[inline]
pub(super) fn insert(hash: u64, hint: Hint) {
    CACHE.with_borrow_mut(|cache| cache.get_or_insert_with(Cache::new).insert(hash, hint));
}

/// Counts whether a hint led to the scroll.
#[inline]
pub(super) fn count(is_hit: bool) {
    let counter = if is_hit { &HITS } else { &MISSES };
    counter.with(|count| count.set(count.get() + 1));
}

/// How many point reads of this thread a hint answered, and how many it did not.
#[inline]
pub fn translations() -> (u64, u64) {
    (HITS.get(), MISSES.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(number: u64) -> Hint {
        Hint {
            part: number,
            offset: number * 10,
        }
    }

    /// A hash of set 0.
    fn hash(number: u64) -> u64 {
        number << 40 | number
    }

    #[test]
    fn a_set_keeps_four() {
        let mut cache = Cache::new();
        (1..=4).for_each(|n| cache.insert(hash(n), hint(n)));
        for n in 1..=4 {
            assert_eq!(cache.look_up(hash(n)), Some(hint(n)));
        }
        cache.insert(hash(5), hint(5));
        assert_eq!(cache.look_up(hash(5)), Some(hint(5)));
        let kept = (1..=4).filter(|&n| cache.look_up(hash(n)) == Some(hint(n)));
        assert_eq!(kept.count(), 3);
    }

    #[test]
    fn a_newer_hint_replaces_the_older() {
        let mut cache = Cache::new();
        assert_eq!(
            cache.look_up(0),
            None,
            "an empty cache has no hint for any hash"
        );
        cache.insert(hash(1), hint(1));
        cache.insert(hash(1), hint(2));
        assert_eq!(cache.look_up(hash(1)), Some(hint(2)));
    }
}
