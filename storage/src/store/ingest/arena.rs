//! Scrolls that were pushed and are not in a part yet.
//!
//! Texts lie behind each other in blocks, so that a scroll costs no allocation of its own and growing
//! copies nothing. Large blocks ask for huge pages: faulting in 200 MB page by page costs a processor
//! as much as copying them.

use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::prefetch::prefetch;
use std::io;
use std::ops::Range;
use std::panic::resume_unwind;

/// The smallest and the largest block, longer texts apart.
const BLOCK_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=32 << 20;
/// From here on huge pages pay.
const HUGE_BYTES: usize = 8 << 20;
/// A generous count of what an entry takes, here and while a part is built of it.
pub(super) const ENTRY_BYTES: u64 = 64;
/// How far ahead texts are asked for that lie in no order.
const AHEAD: usize = 12;
/// From so many entries on a second thread helps to sort.
const PARALLEL_ENTRIES: usize = 1 << 15;

/// The most that an entry takes in an arena: its list may be twice as long as it is full, and its index
/// is in the order.
#[cfg(test)]
pub(super) const HELD_BYTES: u64 = 2 * size_of::<Entry>() as u64 + size_of::<u32>() as u64;
/// What a scroll takes in a [`Selection`], apart from its key.
#[cfg(test)]
pub(super) const PLACE_BYTES: u64 = size_of::<Place>() as u64;

/// Scrolls in the order they were pushed, or sorted.
#[derive(Debug, Default)]
pub(super) struct Arena {
    /// In the order they were pushed.
    entries: Vec<Entry>,
    blocks: Vec<Block>,
    text_bytes: u64,
    /// All bits that components have, by dimension.
    bits: [u32; DIMENSIONS],
    is_unsorted: bool,
    /// The entries' indexes in coordinate order, where that is not their own.
    order: Option<Vec<u32>>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    coordinate: Coordinate,
    place: Place,
}

/// Where a text is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    block: u32,
    start: u32,
    length: u32,
}

/// Scrolls of an arena in coordinate order, out of the way of their texts.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// The coordinates of those that have a text.
    pub(super) keys: Vec<Coordinate>,
    /// Where their texts are.
    pub(super) places: Vec<Place>,
    /// The coordinates of those that have none.
    pub(super) removed: Vec<Coordinate>,
}

#[derive(Debug)]
struct Block {
    bytes: memmap2::MmapMut,
    used: usize,
}

impl Block {
    fn new(length: usize) -> io::Result<Block> {
        let bytes = memmap2::MmapMut::map_anon(length)?;
        #[cfg(target_os = "linux")]
        if length >= HUGE_BYTES {
            // A kernel without huge pages serves small ones.
            let _ = bytes.advise(memmap2::Advice::HugePage);
        }
        Ok(Block { bytes, used: 0 })
    }

    fn room(&self) -> usize {
        self.bytes.len() - self.used
    }
}

impl Arena {
    /// Adds a scroll.
    ///
    /// # Errors
    /// The system has no memory.
    pub(super) fn push(&mut self, coordinate: Coordinate, text: &[u8]) -> io::Result<()> {
        if self
            .blocks
            .last()
            .is_none_or(|last| last.room() < text.len())
        {
            let (least, most) = BLOCK_BYTES.into_inner();
            let length = (self.text_bytes as usize).clamp(least, most);
            self.blocks.push(Block::new(length.max(text.len()))?);
        }
        let index = self.blocks.len() - 1;
        let block = &mut self.blocks[index];
        let end = block.used + text.len();
        block.bytes[block.used..end].copy_from_slice(text);
        let start = block.used as u32;
        block.used = end;
        // Comparing scrolls in no order is a branch that cannot be foreseen.
        if !self.is_unsorted {
            let follows = |last: &Entry| last.coordinate < coordinate;
            self.is_unsorted = !self.entries.last().is_none_or(follows);
        }
        for (bits, &component) in self.bits.iter_mut().zip(coordinate.components()) {
            *bits |= component;
        }
        self.entries.push(Entry {
            coordinate,
            place: Place {
                block: index as u32,
                start,
                length: text.len() as u32,
            },
        });
        self.text_bytes += text.len() as u64;
        Ok(())
    }

    /// Bytes of text.
    pub(super) fn byte_len(&self) -> u64 {
        self.text_bytes
    }

    /// Whether it holds this much text, or entries that take about as much memory.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        self.text_bytes >= bytes || self.entries.len() as u64 * ENTRY_BYTES >= bytes
    }

    /// Number of scrolls.
    pub(super) fn len(&self) -> usize {
        self.order.as_ref().map_or(self.entries.len(), Vec::len)
    }

    /// Everything pushed, leaving nothing.
    pub(super) fn take(&mut self) -> Arena {
        std::mem::take(self)
    }

    /// Brings scrolls into coordinate order and drops all but the last at each coordinate. Nothing is
    /// pushed afterwards.
    pub(super) fn sort(&mut self) {
        if self.is_unsorted {
            self.order = Some(order_of(&self.entries, self.bits));
            self.is_unsorted = false;
        }
    }

    /// The coordinate of scroll `index`.
    pub(super) fn coordinate(&self, index: usize) -> Coordinate {
        self.entry(index).coordinate
    }

    /// The text of scroll `index`. Faster where indexes are asked for in ascending order.
    pub(super) fn text(&self, index: usize) -> &[u8] {
        if self.order.is_some() {
            self.prefetch_entry(index + 2 * AHEAD);
            if index + AHEAD < self.len() {
                self.prefetch_text(self.entry(index + AHEAD).place);
            }
        }
        self.text_in(self.entry(index).place)
    }

    /// The scrolls of a range of indexes.
    pub(super) fn select(&self, range: Range<usize>) -> Selection {
        let mut selection = Selection {
            keys: Vec::with_capacity(range.len()),
            places: Vec::with_capacity(range.len()),
            removed: Vec::new(),
        };
        for index in range {
            self.prefetch_entry(index + AHEAD);
            let entry = self.entry(index);
            if entry.place.length == 0 {
                selection.removed.push(entry.coordinate);
            } else {
                selection.keys.push(entry.coordinate);
                selection.places.push(entry.place);
            }
        }
        selection
    }

    /// The text at `places[index]`. Faster where indexes are asked for in ascending order.
    #[inline]
    pub(super) fn text_at(&self, places: &[Place], index: usize) -> &[u8] {
        if self.order.is_some()
            && let Some(&later) = places.get(index + AHEAD)
        {
            self.prefetch_text(later);
        }
        self.text_in(places[index])
    }

    fn entry(&self, index: usize) -> &Entry {
        match &self.order {
            Some(order) => &self.entries[order[index] as usize],
            None => &self.entries[index],
        }
    }

    fn text_in(&self, place: Place) -> &[u8] {
        let start = place.start as usize;
        &self.blocks[place.block as usize].bytes[start..start + place.length as usize]
    }

    /// Asks for an entry that is not next to the one before: for its first line, and for the one that
    /// the next entry begins in, which is often its last.
    #[inline]
    fn prefetch_entry(&self, index: usize) {
        if let Some(&entry) = self.order.as_ref().and_then(|order| order.get(index)) {
            prefetch(&self.entries, entry as usize);
            prefetch(&self.entries, entry as usize + 1);
        }
    }

    /// Asks for the ends of a text; the processor finds the lines between them.
    #[inline]
    fn prefetch_text(&self, place: Place) {
        let block = &self.blocks[place.block as usize].bytes;
        let (start, last) = (
            place.start as usize,
            place.length.saturating_sub(1) as usize,
        );
        prefetch(block, start);
        prefetch(block, start + last);
    }
}

/// The entries' indexes in coordinate order, of several at one coordinate the last one's. The
/// components have no other bits than these.
fn order_of(entries: &[Entry], bits: [u32; DIMENSIONS]) -> Vec<u32> {
    let widths = bits.map(|bits| u32::BITS - bits.leading_zeros());
    match widths.iter().sum::<u32>() {
        0..=64 => order_by(entries, |coordinate| pack(coordinate, &widths) as u64),
        65..=128 => order_by(entries, |coordinate| pack(coordinate, &widths)),
        _ => order_by(entries, |coordinate| *coordinate),
    }
}

fn order_by<K: Ord + Copy + Send + Sync>(
    entries: &[Entry],
    key: impl Fn(&Coordinate) -> K + Sync,
) -> Vec<u32> {
    let sorted = |range: Range<usize>| -> Vec<(K, u32)> {
        let keys = entries[range.clone()].iter();
        let keys = keys.map(|entry| key(&entry.coordinate));
        let mut keys: Vec<(K, u32)> = keys.zip(range.start as u32..).collect();
        keys.sort_unstable();
        keys
    };
    if entries.len() < PARALLEL_ENTRIES {
        return merge_indexes(&sorted(0..entries.len()), &[]);
    }
    let half = entries.len() / 2;
    let (first, second) = in_two(|| sorted(0..half), || sorted(half..entries.len()));
    // Both are cut before the same key, so that all entries of one coordinate are on one side.
    let middle = first[half / 2].0;
    let before = |keys: &[(K, u32)]| keys.partition_point(|&(key, _)| key < middle);
    let (first_low, first_high) = first.split_at(before(&first));
    let (second_low, second_high) = second.split_at(before(&second));
    let (mut order, high) = in_two(
        || merge_indexes(first_low, second_low),
        || merge_indexes(first_high, second_high),
    );
    order.extend(high);
    order
}

/// Does two things, at once where there is a thread for the first one.
fn in_two<A: Send, B>(first: impl Fn() -> A + Sync, second: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let helper = std::thread::Builder::new().name("sqd-ingest".to_owned());
        let helper = helper.spawn_scoped(scope, &first);
        let second = second();
        let first = match helper {
            Ok(helper) => helper.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => first(),
        };
        (first, second)
    })
}

/// The indexes of two sorted lists, as one sorted list has them; of equal keys, the greatest.
fn merge_indexes<K: Ord + Copy>(first: &[(K, u32)], second: &[(K, u32)]) -> Vec<u32> {
    let mut merged = Vec::with_capacity(first.len() + second.len());
    let mut last = None;
    let mut take = |(key, index): (K, u32)| {
        if last == Some(key) {
            merged.pop();
        }
        last = Some(key);
        merged.push(index);
    };
    let (mut left, mut right) = (0, 0);
    while left < first.len() && right < second.len() {
        let is_right = second[right] < first[left];
        take(if is_right { second[right] } else { first[left] });
        right += usize::from(is_right);
        left += usize::from(!is_right);
    }
    first[left..]
        .iter()
        .chain(&second[right..])
        .for_each(|&entry| take(entry));
    merged
}

/// The components behind each other, each in as many bits as the widest takes.
fn pack(coordinate: &Coordinate, widths: &[u32; DIMENSIONS]) -> u128 {
    let components = coordinate.components().iter().zip(widths);
    components.fold(0, |packed, (&component, &width)| {
        packed << width | u128::from(component)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_scroll_at_a_coordinate_counts() {
        let key = |scroll| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap();
        let mut arena = Arena::default();
        for (scroll, text) in [(3, "a"), (1, "b"), (3, ""), (2, "c"), (3, "d"), (1, "e")] {
            arena.push(key(scroll), text.as_bytes()).unwrap();
        }
        arena.sort();
        let scrolls: Vec<_> = (0..arena.len())
            .map(|index| (arena.coordinate(index), arena.text(index)))
            .collect();
        let expected: [(u32, &[u8]); 3] = [(1, b"e"), (2, b"c"), (3, b"d")];
        assert_eq!(scrolls, expected.map(|(scroll, text)| (key(scroll), text)));
    }

    #[test]
    fn coordinates_of_any_width_sort() {
        for top in [2, 300, 60_000, 0x7FFF_FFFF] {
            let component = |n: u32| 1 + n.wrapping_mul(0x9e37_79b1) % top;
            let coordinate = |n: u32| std::array::from_fn(|d| component(n * 9 + d as u32));
            let mut arena = Arena::default();
            for n in 0..PARALLEL_ENTRIES as u32 + top % 3 {
                let coordinate = Coordinate::new(coordinate(n)).unwrap();
                arena.push(coordinate, &n.to_le_bytes()).unwrap();
            }
            let mut expected: std::collections::BTreeMap<_, _> = Default::default();
            for index in 0..arena.len() {
                expected.insert(arena.coordinate(index), arena.text(index).to_vec());
            }
            arena.sort();
            let found = (0..arena.len()).map(|i| (arena.coordinate(i), arena.text(i).to_vec()));
            assert!(found.eq(expected), "components up to {top}");
        }
    }

    #[test]
    fn a_text_longer_than_a_block_has_its_own() {
        let mut arena = Arena::default();
        let long = vec![7; 40 << 20];
        for text in [&b"a"[..], &long, b"b"] {
            let last = Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, arena.len() as u32 + 1]);
            arena.push(last.unwrap(), text).unwrap();
        }
        assert_eq!(arena.byte_len(), 2 + (40 << 20));
        assert_eq!((arena.text(0), arena.text(2)), (&b"a"[..], &b"b"[..]));
        assert!(arena.text(1) == long);
    }
}
