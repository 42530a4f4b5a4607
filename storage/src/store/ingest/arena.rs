//! Scrolls that were pushed and are not in a part yet.
//!
//! Texts lie behind each other in blocks, so that a scroll costs no allocation of its own and growing
//! copies nothing. Large blocks ask for huge pages: faulting in 200 MB page by page costs a processor
//! as much as copying them.

use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::prefetch::prefetch;
use std::io;

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

/// What an entry takes in an arena.
#[cfg(test)]
pub(super) const HELD_BYTES: u64 = size_of::<Entry>() as u64;

/// Scrolls in the order they were pushed, or sorted.
#[derive(Debug, Default)]
pub(super) struct Arena {
    entries: Vec<Entry>,
    blocks: Vec<Block>,
    text_bytes: u64,
    is_unsorted: bool,
    /// Texts do not lie in the order of entries.
    is_shuffled: bool,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    coordinate: Coordinate,
    block: u32,
    start: u32,
    length: u32,
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
        let follows = |last: &Entry| last.coordinate < coordinate;
        self.is_unsorted |= !self.entries.last().is_none_or(follows);
        self.entries.push(Entry {
            coordinate,
            block: index as u32,
            start: block.used as u32,
            length: text.len() as u32,
        });
        block.used = end;
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
        self.entries.len()
    }

    /// Everything pushed, leaving nothing.
    pub(super) fn take(&mut self) -> Arena {
        std::mem::take(self)
    }

    /// Brings scrolls into coordinate order and drops all but the last at each coordinate.
    pub(super) fn sort(&mut self) {
        if !self.is_unsorted {
            return;
        }
        let order = order_of(&self.entries);
        let mut sorted: Vec<Entry> = Vec::with_capacity(self.entries.len());
        for &index in &order {
            let entry = self.entries[index as usize];
            match sorted.last_mut() {
                Some(last) if last.coordinate == entry.coordinate => *last = entry,
                _ => sorted.push(entry),
            }
        }
        self.entries = sorted;
        self.is_unsorted = false;
        self.is_shuffled = true;
    }

    /// The coordinate of scroll `index`.
    pub(super) fn coordinate(&self, index: usize) -> Coordinate {
        self.entries[index].coordinate
    }

    /// Whether scroll `index` has no text.
    pub(super) fn is_empty_at(&self, index: usize) -> bool {
        self.entries[index].length == 0
    }

    /// The text of scroll `index`. Faster where indexes are asked for in ascending order.
    #[inline]
    pub(super) fn text(&self, index: usize) -> &[u8] {
        if self.is_shuffled
            && let Some(later) = self.entries.get(index + AHEAD)
        {
            let block = &self.blocks[later.block as usize].bytes;
            let (start, last) = (
                later.start as usize,
                later.length.saturating_sub(1) as usize,
            );
            prefetch(block, start);
            prefetch(block, start + last);
        }
        let entry = &self.entries[index];
        let start = entry.start as usize;
        &self.blocks[entry.block as usize].bytes[start..start + entry.length as usize]
    }
}

/// The entries' indexes in coordinate order, and in their own order at the same coordinate.
fn order_of(entries: &[Entry]) -> Vec<u32> {
    let mut greatest = [0; DIMENSIONS];
    for entry in entries {
        for (most, &component) in greatest.iter_mut().zip(entry.coordinate.components()) {
            *most |= component;
        }
    }
    let widths = greatest.map(|most| u32::BITS - most.leading_zeros());
    match widths.iter().sum::<u32>() {
        0..=64 => order_by(entries, |coordinate| pack(coordinate, &widths) as u64),
        65..=128 => order_by(entries, |coordinate| pack(coordinate, &widths)),
        _ => order_by(entries, |coordinate| *coordinate),
    }
}

fn order_by<K: Ord + Send>(entries: &[Entry], key: impl Fn(&Coordinate) -> K) -> Vec<u32> {
    let keys = entries.iter().map(|entry| key(&entry.coordinate));
    let mut keys: Vec<(K, u32)> = keys.zip(0..).collect();
    if keys.len() < PARALLEL_ENTRIES {
        keys.sort_unstable();
        return keys.into_iter().map(|(_, index)| index).collect();
    }
    let (first, second) = keys.split_at_mut(entries.len() / 2);
    let is_helped = std::thread::scope(|scope| {
        let helper = std::thread::Builder::new().name("sqd-ingest".to_owned());
        let helper = helper.spawn_scoped(scope, || first.sort_unstable());
        second.sort_unstable();
        helper.is_ok()
    });
    if !is_helped {
        first.sort_unstable();
    }
    merge_indexes(first, second)
}

/// The indexes of two sorted lists, as one sorted list has them.
fn merge_indexes<K: Ord>(first: &[(K, u32)], second: &[(K, u32)]) -> Vec<u32> {
    let mut merged = Vec::with_capacity(first.len() + second.len());
    let (mut left, mut right) = (0, 0);
    while left < first.len() && right < second.len() {
        let is_right = second[right] < first[left];
        merged.push(if is_right {
            second[right].1
        } else {
            first[left].1
        });
        right += usize::from(is_right);
        left += usize::from(!is_right);
    }
    let rest = first[left..].iter().chain(&second[right..]);
    merged.extend(rest.map(|&(_, index)| index));
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
