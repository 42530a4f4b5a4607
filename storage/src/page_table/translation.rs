//! The translation cache: where the coordinates that a thread asked for last were found.
//!
//! 1024 entries in 256 sets of four, one cache per thread, so per core where threads are pinned. An
//! entry says "the coordinate with this hash was in that part, at this offset of its heap". That is
//! only a hint: the key at the offset confirms it, memtables are asked first and the shadow last, so
//! a stale entry costs time and nothing else, and nothing ever has to be invalidated. A hit saves the
//! directories of all parts that are newer than the one that has the scroll.
//!
//! ```text
//! set   hash | part | offset    x 4, the last one used first
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

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    hint: Hint,
}

const EMPTY: Entry = Entry {
    hash: 0,
    hint: Hint {
        part: u64::MAX,
        offset: 0,
    },
};

#[derive(Debug)]
struct Cache {
    sets: Box<[[Entry; WAYS]]>,
}

impl Cache {
    fn new() -> Cache {
        Cache {
            sets: vec![[EMPTY; WAYS]; SETS].into_boxed_slice(),
        }
    }

    /// The hint for a hash, which becomes the set's first.
    #[inline]
    fn look_up(&mut self, hash: u64) -> Option<Hint> {
        let set = &mut self.sets[set_of(hash)];
        let way = set.iter().position(|entry| entry.hash == hash)?;
        set[..=way].rotate_right(1);
        (set[0].hint.part != u64::MAX).then_some(set[0].hint)
    }

    /// Puts a hint first in its set, in the place of the one that was not used for longest.
    #[inline]
    fn insert(&mut self, hash: u64, hint: Hint) {
        let set = &mut self.sets[set_of(hash)];
        let way = set.iter().position(|entry| entry.hash == hash);
        set[..=way.unwrap_or(WAYS - 1)].rotate_right(1);
        set[0] = Entry { hash, hint };
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
    CACHE.with_borrow_mut(|cache| cache.as_mut()?.look_up(hash))
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
    fn the_hint_not_used_for_longest_goes() {
        let mut cache = Cache::new();
        (1..=4).for_each(|n| cache.insert(hash(n), hint(n)));
        assert_eq!(cache.look_up(hash(1)), Some(hint(1)));
        cache.insert(hash(5), hint(5));
        assert_eq!(cache.look_up(hash(2)), None);
        for n in [1, 3, 4, 5] {
            assert_eq!(cache.look_up(hash(n)), Some(hint(n)));
        }
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
