//! A memtable: scrolls in memory, in coordinate order.
//!
//! ```text
//! places    coordinate -> number of its text     an ordered map
//! texts     0: text, 1: text, ...                in the order they came; for all versions
//! ```
//!
//! Versions share what did not change of the map. A commit copies a node of it for nearly each scroll
//! that it changes: nodes hold numbers, so that a copy is one of plain bytes and touches none of the
//! neighbours' texts, whose counts of references would be a wait for memory each. Texts are only
//! added: what a version has no number of, it does not see. One that was replaced stays until the
//! memtable goes; the limit on memtables counts it.

use crate::coordinate::Coordinate;
use bytes::Bytes;
use imbl::ordmap::RangedIter;
use imbl::shared_ptr::DefaultSharedPtr;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// One version of a memtable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memtable {
    places: imbl::OrdMap<Coordinate, u32>,
    texts: Arc<boxcar::Vec<Bytes>>,
}

impl Memtable {
    /// Number of scrolls.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no scroll.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The scroll at a coordinate.
    #[inline]
    pub(crate) fn get(&self, coordinate: &Coordinate) -> Option<&Bytes> {
        self.places.get(coordinate).map(|&place| self.text(place))
    }

    /// Makes `text` the scroll at `coordinate`. Gives the length of the one that was there.
    pub(crate) fn insert(&mut self, coordinate: Coordinate, text: Bytes) -> Option<usize> {
        let place = u32::try_from(self.texts.push(text))
            .expect("memtables are sealed long before 2^32 changes, which take 400 GB");
        let replaced = self.places.insert(coordinate, place)?;
        Some(self.text(replaced).len())
    }

    /// Removes the scroll at a coordinate. Gives its length.
    pub(crate) fn remove(&mut self, coordinate: &Coordinate) -> Option<usize> {
        let removed = self.places.remove(coordinate)?;
        Some(self.text(removed).len())
    }

    /// All scrolls, in coordinate order.
    pub(crate) fn iter(&self) -> Range<'_> {
        self.range(..)
    }

    /// The scrolls of a range, in coordinate order.
    pub(crate) fn range(&self, range: impl RangeBounds<Coordinate>) -> Range<'_> {
        Range {
            places: self.places.range(range),
            memtable: self,
        }
    }

    /// Frees memtables on this thread, for whoever lets go of the last version of one frees all its texts,
    /// 100 ms of work where it was full. Waits for other threads to let go first, but no longer than
    /// `longest`: who holds a version for more than that frees it.
    pub(crate) fn free_last(memtables: Vec<Memtable>, longest: Duration) {
        const STEP: Duration = Duration::from_millis(1);
        let begun = Instant::now();
        let has_others = |memtable: &Memtable| Arc::strong_count(&memtable.texts) > 1;
        while memtables.iter().any(has_others) && begun.elapsed() < longest {
            thread::sleep(STEP);
        }
        drop(memtables);
    }

    #[inline]
    fn text(&self, place: u32) -> &Bytes {
        self.texts
            .get(place as usize)
            .expect("a place is that of a text, and texts stay")
    }
}

impl FromIterator<(Coordinate, Bytes)> for Memtable {
    fn from_iter<I: IntoIterator<Item = (Coordinate, Bytes)>>(scrolls: I) -> Memtable {
        let mut memtable = Memtable::default();
        for (coordinate, text) in scrolls {
            memtable.insert(coordinate, text);
        }
        memtable
    }
}

/// Scrolls of a memtable, in coordinate order.
pub(crate) struct Range<'a> {
    places: RangedIter<'a, Coordinate, u32, DefaultSharedPtr>,
    memtable: &'a Memtable,
}

impl std::fmt::Debug for Range<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Range").finish_non_exhaustive()
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = (&'a Coordinate, &'a Bytes);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (coordinate, &place) = self.places.next()?;
        Some((coordinate, self.memtable.text(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;
    use std::thread::ThreadId;

    fn at(last: u32) -> Coordinate {
        Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, last]).unwrap()
    }

    fn scrolls(memtable: &Memtable) -> Vec<(u32, &[u8])> {
        let scrolls = memtable.iter();
        let scrolls = scrolls.map(|(c, text)| (c.components()[8], &text[..]));
        scrolls.collect()
    }

    #[test]
    fn versions_do_not_see_each_other() {
        let first: Memtable = (1..=100).map(|n| (at(n), Bytes::from("first"))).collect();
        let mut second = first.clone();
        assert_eq!(second.insert(at(7), Bytes::from("second")), Some(5));
        assert_eq!(second.insert(at(101), Bytes::from("new")), None);
        assert_eq!(second.remove(&at(1)), Some(5));
        assert_eq!(second.remove(&at(1)), None);
        let mut third = first.clone();
        assert_eq!(third.insert(at(8), Bytes::from("third")), Some(5));
        assert_eq!((first.len(), second.len(), third.len()), (100, 100, 100));
        let expected = |n: u32| (n, &b"first"[..]);
        assert_eq!(scrolls(&first), (1..=100).map(expected).collect::<Vec<_>>());
        let of_second = |n| match n {
            7 => (7, &b"second"[..]),
            101 => (101, &b"new"[..]),
            n => expected(n),
        };
        assert_eq!(
            scrolls(&second),
            (2..=101).map(of_second).collect::<Vec<_>>()
        );
        let of_third = |n| match n {
            8 => (8, &b"third"[..]),
            n => expected(n),
        };
        assert_eq!(scrolls(&third), (1..=100).map(of_third).collect::<Vec<_>>());
        assert_eq!(second.get(&at(7)).unwrap(), "second");
        assert!(first.get(&at(101)).is_none() && second.get(&at(1)).is_none());
    }

    /// Notes the thread that frees it.
    struct Text(Arc<OnceLock<ThreadId>>);

    impl AsRef<[u8]> for Text {
        fn as_ref(&self) -> &[u8] {
            b"text"
        }
    }

    impl Drop for Text {
        fn drop(&mut self) {
            self.0.set(thread::current().id()).unwrap();
        }
    }

    #[test]
    fn whoever_frees_a_memtable_waits_for_others_to_let_go_of_it() {
        let freed_by = Arc::new(OnceLock::new());
        let text = Bytes::from_owner(Text(Arc::clone(&freed_by)));
        let memtable = Memtable::from_iter([(at(1), text)]);
        // Another version, as earlier states have it.
        let mut earlier = memtable.clone();
        earlier.insert(at(2), Bytes::from("other"));
        let free = || Memtable::free_last(vec![memtable], Duration::from_secs(3600));
        thread::scope(|scope| {
            let freeing = scope.spawn(free);
            drop(earlier);
            let id = freeing.thread().id();
            freeing.join().unwrap();
            assert_eq!(freed_by.get(), Some(&id));
        });
    }

    #[test]
    fn a_memtable_that_is_held_for_long_is_left_to_its_holder() {
        let freed_by = Arc::new(OnceLock::new());
        let text = Bytes::from_owner(Text(Arc::clone(&freed_by)));
        let memtable = Memtable::from_iter([(at(1), text)]);
        let held = memtable.clone();
        Memtable::free_last(vec![memtable], Duration::from_millis(2));
        assert_eq!(held.get(&at(1)).unwrap(), "text");
        assert_eq!(freed_by.get(), None);
    }

    #[test]
    fn a_range_is_what_lies_in_it() {
        let memtable: Memtable = (1..=100)
            .rev()
            .map(|n| (at(n), Bytes::from(n.to_string())))
            .collect();
        let found: Vec<_> = memtable.range(at(40)..=at(42)).collect();
        let expected = ["40", "41", "42"].map(Bytes::from);
        assert!(found.iter().map(|(_, text)| *text).eq(&expected));
        assert_eq!(memtable.range(at(100)..).count(), 1);
        assert_eq!(memtable.range(at(101)..).count(), 0);
    }
}
