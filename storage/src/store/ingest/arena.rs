//! Scrolls that were pushed and are not in a part yet.
//!
//! Texts lie behind each other in blocks, so that a scroll costs no allocation of its own and growing
//! copies nothing. Faulting in 200 MB page by page takes a processor as long as copying them, so that
//! the memory of the next block is asked for on a thread of its own while one is filled. Huge pages
//! would have fewer faults, but nobody knows what they cost: where memory is in pieces they are put
//! together first, and a virtual machine that gave its free memory back to its host, which it does by
//! huge pages, fetches it again. 200 MB of them were seen to take 0.5 s and more, of small pages 0.1 s.
//!
//! Scrolls in no order are parted by coordinate as they come, into as many ranges as the first ones suggest.
//! A range with its texts stays in the processor's caches, and its pages in reach of its translation
//! buffers, while it is sorted and while its texts are gathered.

use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::prefetch::prefetch;
use parking_lot::Mutex;
use std::io;
use std::ops::{Range, RangeInclusive};
use std::panic::resume_unwind;
use std::thread::JoinHandle;

/// The smallest and the largest block, longer texts apart.
const BLOCK_BYTES: RangeInclusive<usize> = 64 << 10..=8 << 20;
/// Blocks as long are asked for before they are wanted.
const AHEAD_BYTES: usize = 1 << 20;
/// A block is this part of what there is already, so that little memory waits to be filled.
pub(super) const TEXT_BY_BLOCK: u64 = 8;
/// A generous count of what an entry takes, here and while a part is built of it.
pub(super) const ENTRY_BYTES: u64 = 64;
/// How far ahead texts are asked for that lie in no order.
const AHEAD: usize = 12;
/// Cache lines of room that are asked for before a text comes.
const ROOM_LINES: usize = 4;
const LINE_BYTES: usize = 64;
/// From so many entries on a second thread helps to sort a range.
const PARALLEL_ENTRIES: usize = 1 << 17;

/// Entries that tell where ranges begin.
const SAMPLE_ENTRIES: usize = 1 << 14;
/// Ranges that entries are parted into. A full arena of default size has 4 MiB of text in each.
const RANGES: usize = 64;
/// Texts of a range share this much of a block, as little as keeps a sixteenth of the memory waiting.
const CHUNK_BYTES: RangeInclusive<usize> = 4 << 10..=64 << 10;
/// All chunks are this part of what there is already.
pub(super) const TEXT_BY_CHUNKS: u64 = 16;
/// Texts longer than this part of a chunk have a place of their own, so that little of it stays empty.
const CHUNK_BY_TEXT: usize = 8;

/// The most that an entry takes in an arena: its list may be twice as long as it is full, or be copied
/// into the order of an index.
#[cfg(test)]
pub(super) const HELD_BYTES: u64 = 2 * size_of::<Entry>() as u64 + size_of::<u32>() as u64;
/// What a scroll takes in a [`Selection`], apart from its key.
#[cfg(test)]
pub(super) const PLACE_BYTES: u64 = size_of::<Place>() as u64;

/// Scrolls in the order they were pushed, or sorted.
#[derive(Debug)]
pub(super) struct Arena {
    /// Ranges of coordinates, ascending. One, until scrolls in no order are enough to be parted.
    ranges: Vec<ArenaRange>,
    /// The least coordinates of all ranges but the first.
    splitters: Vec<Coordinate>,
    /// Number of scrolls.
    length: usize,
    blocks: Vec<Block>,
    /// The block that will be wanted next, on its way.
    next_block: Option<JoinHandle<io::Result<Block>>>,
    text_bytes: u64,
    /// The scroll pushed last, while each exceeded the one before.
    last: Option<Coordinate>,
    is_unsorted: bool,
    /// Whether texts lie in another order than entries.
    is_permuted: bool,
}

impl Default for Arena {
    fn default() -> Arena {
        Arena {
            ranges: vec![ArenaRange::default()],
            splitters: Vec::new(),
            length: 0,
            blocks: Vec::new(),
            next_block: None,
            text_bytes: 0,
            last: None,
            is_unsorted: false,
            is_permuted: false,
        }
    }
}

/// The scrolls of a range of coordinates.
#[derive(Debug, Default)]
struct ArenaRange {
    /// In the order they were pushed, or sorted.
    entries: Vec<Entry>,
    /// How many entries ranges before have, once sorted.
    start: usize,
    /// Where texts go.
    chunk: Chunk,
}

/// Room for texts in a block.
#[derive(Debug, Default, Clone)]
struct Chunk {
    block: usize,
    room: Range<usize>,
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
        Ok(Block { bytes, used: 0 })
    }

    /// A block whose memory is there already.
    fn populated(length: usize) -> io::Result<Block> {
        let block = Block::new(length)?;
        #[cfg(target_os = "linux")]
        // A kernel that does not know how gives memory when it is touched.
        let _ = block.bytes.advise(memmap2::Advice::PopulateWrite);
        Ok(block)
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
        self.note(&coordinate);
        let range = self.range_of(&coordinate);
        let place = self.place(range, text)?;
        self.ranges[range].entries.push(Entry { coordinate, place });
        self.length += 1;
        self.text_bytes += text.len() as u64;
        if self.is_unsorted && self.splitters.is_empty() && self.length >= SAMPLE_ENTRIES {
            self.part();
        }
        Ok(())
    }

    fn note(&mut self, coordinate: &Coordinate) {
        // Comparing scrolls in no order is a branch that cannot be foreseen.
        if !self.is_unsorted {
            self.is_unsorted = self.last.is_some_and(|last| last >= *coordinate);
            self.last = Some(*coordinate);
        }
    }

    fn range_of(&self, coordinate: &Coordinate) -> usize {
        self.splitters
            .partition_point(|splitter| splitter <= coordinate)
    }

    /// Copies a text to where those of the range lie.
    fn place(&mut self, range: usize, text: &[u8]) -> io::Result<Place> {
        let chunk_bytes = self.part_of_texts(TEXT_BY_CHUNKS * RANGES as u64, CHUNK_BYTES);
        if text.len() > chunk_bytes / CHUNK_BY_TEXT {
            let own = self.chunk(text.len())?;
            return Ok(self.copy(own.block, own.room.start, text));
        }
        // An empty text is somewhere as well.
        if self.blocks.is_empty() || self.ranges[range].chunk.room.len() < text.len() {
            self.ranges[range].chunk = self.chunk(chunk_bytes)?;
        }
        let chunk = &mut self.ranges[range].chunk;
        let (block, start) = (chunk.block, chunk.room.start);
        chunk.room.start += text.len();
        let next = chunk.room.start;
        let place = self.copy(block, start, text);
        self.prefetch_room(block, next);
        Ok(place)
    }

    /// Asks for the room of a range's next text: there are more ranges than streams of stores that a
    /// processor recognises.
    fn prefetch_room(&self, block: usize, start: usize) {
        let bytes = &self.blocks[block].bytes;
        for line in 0..ROOM_LINES {
            prefetch(bytes, start + line * LINE_BYTES);
        }
    }

    fn copy(&mut self, block: usize, start: usize, text: &[u8]) -> Place {
        self.blocks[block].bytes[start..start + text.len()].copy_from_slice(text);
        Place {
            block: block as u32,
            start: start as u32,
            length: text.len() as u32,
        }
    }

    /// Room of this length.
    fn chunk(&mut self, length: usize) -> io::Result<Chunk> {
        if self.blocks.last().is_none_or(|last| last.room() < length) {
            let block = self.block_for(length)?;
            self.blocks.push(block);
        }
        let index = self.blocks.len() - 1;
        let block = &mut self.blocks[index];
        let start = block.used;
        block.used += length;
        Ok(Chunk {
            block: index,
            room: start..block.used,
        })
    }

    /// Parts what was pushed into ranges of about as many scrolls.
    fn part(&mut self) {
        let entries = std::mem::take(&mut self.ranges[0].entries);
        let mut sorted: Vec<Coordinate> = entries.iter().map(|entry| entry.coordinate).collect();
        sorted.sort_unstable();
        let splitters = (1..RANGES).map(|range| sorted[range * sorted.len() / RANGES]);
        self.splitters = splitters.collect();
        self.ranges.resize_with(RANGES, ArenaRange::default);
        for entry in entries {
            let range = self.range_of(&entry.coordinate);
            self.ranges[range].entries.push(entry);
        }
    }

    /// A block with this much room.
    fn block_for(&mut self, room: usize) -> io::Result<Block> {
        let length = self.part_of_texts(TEXT_BY_BLOCK, BLOCK_BYTES);
        let prepared = self.next_block.take();
        if length >= AHEAD_BYTES {
            let thread = std::thread::Builder::new().name("sqd-ingest-memory".to_owned());
            // Without a thread the next block comes when it is wanted.
            self.next_block = thread.spawn(move || Block::populated(length)).ok();
        }
        match prepared.map(JoinHandle::join) {
            Some(Ok(Ok(block))) if block.room() >= room => Ok(block),
            _ => Block::new(length.max(room)),
        }
    }

    fn part_of_texts(&self, divisor: u64, limits: RangeInclusive<usize>) -> usize {
        let (least, most) = limits.into_inner();
        ((self.text_bytes / divisor) as usize).clamp(least, most)
    }

    /// Bytes of text.
    pub(super) fn byte_len(&self) -> u64 {
        self.text_bytes
    }

    /// Whether it holds this much text, or entries that take about as much memory.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        fills(self.text_bytes, self.length, bytes)
    }

    /// Number of scrolls.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Everything pushed, leaving nothing.
    pub(super) fn take(&mut self) -> Arena {
        std::mem::take(self)
    }

    /// Brings scrolls into coordinate order and drops all but the last at each coordinate. Nothing is
    /// pushed afterwards.
    pub(super) fn sort(&mut self) {
        if !self.is_unsorted {
            return;
        }
        self.next_block = None;
        if let [range] = &mut self.ranges[..] {
            range.sort();
        } else {
            let ranges = Mutex::new(self.ranges.iter_mut());
            let next = || ranges.lock().next();
            let sort = || std::iter::from_fn(next).for_each(ArenaRange::sort);
            in_two(sort, sort);
        }
        self.length = 0;
        for range in &mut self.ranges {
            range.start = self.length;
            self.length += range.entries.len();
        }
        self.is_unsorted = false;
        self.is_permuted = true;
    }

    /// The coordinate of scroll `index`.
    pub(super) fn coordinate(&self, index: usize) -> Coordinate {
        self.entry(index).coordinate
    }

    /// The text of scroll `index`. Faster where indexes are asked for in ascending order.
    pub(super) fn text(&self, index: usize) -> &[u8] {
        if self.is_permuted && index + AHEAD < self.length {
            self.prefetch_text(self.entry(index + AHEAD).place);
        }
        self.text_in(self.entry(index).place)
    }

    /// The scrolls of a range of indexes.
    pub(super) fn select(&self, indexes: Range<usize>) -> Selection {
        let mut selection = Selection {
            keys: Vec::with_capacity(indexes.len()),
            places: Vec::with_capacity(indexes.len()),
            removed: Vec::new(),
        };
        let entries = self.ranges.iter().flat_map(|range| {
            let here = |index: usize| index.clamp(range.start, range.end()) - range.start;
            &range.entries[here(indexes.start)..here(indexes.end)]
        });
        for entry in entries {
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
        if self.is_permuted
            && let Some(&later) = places.get(index + AHEAD)
        {
            self.prefetch_text(later);
        }
        self.text_in(places[index])
    }

    fn entry(&self, index: usize) -> &Entry {
        debug_assert!(!self.is_unsorted, "ranges of a sorted arena have starts");
        let after = self.ranges.partition_point(|range| range.start <= index);
        let range = &self.ranges[after - 1];
        &range.entries[index - range.start]
    }

    fn text_in(&self, place: Place) -> &[u8] {
        let start = place.start as usize;
        &self.blocks[place.block as usize].bytes[start..start + place.length as usize]
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

/// Whether so much text, or the entries of so many scrolls, fill an arena of this size.
pub(super) fn fills(text_bytes: u64, scrolls: usize, bytes: u64) -> bool {
    text_bytes >= bytes || scrolls as u64 * ENTRY_BYTES >= bytes
}

impl ArenaRange {
    fn end(&self) -> usize {
        self.start + self.entries.len()
    }

    /// Brings entries into coordinate order, of several at one coordinate the last one.
    fn sort(&mut self) {
        self.entries.shrink_to_fit();
        let order = order_of(&self.entries);
        let sorted = order.iter().map(|&index| self.entries[index as usize]);
        self.entries = sorted.collect();
    }
}

/// The entries' indexes in coordinate order, of several at one coordinate the last one's.
fn order_of(entries: &[Entry]) -> Vec<u32> {
    let widths = varying_bits(entries).map(|bits| u32::BITS - bits.leading_zeros());
    match widths.iter().sum::<u32>() {
        0..=64 => order_by(entries, |coordinate| pack(coordinate, &widths) as u64),
        width @ 65..=128 if entries.len() < PARALLEL_ENTRIES => {
            let below = width - u64::BITS;
            order_by_prefix(entries, |coordinate| {
                (pack(coordinate, &widths) >> below) as u64
            })
        }
        65..=128 => order_by(entries, |coordinate| pack(coordinate, &widths)),
        _ => order_by(entries, |coordinate| *coordinate),
    }
}

/// The bits in which components differ, by dimension: those above are the same in all entries, and tell
/// nothing of their order. Where entries are of one range, that is most of the leading dimensions.
fn varying_bits(entries: &[Entry]) -> [u32; DIMENSIONS] {
    let mut varying = [0; DIMENSIONS];
    let Some(first) = entries.first() else {
        return varying;
    };
    for entry in entries {
        let pairs = entry.coordinate.components().iter();
        let pairs = pairs.zip(first.coordinate.components());
        for (varying, (component, first)) in varying.iter_mut().zip(pairs) {
            *varying |= component ^ first;
        }
    }
    varying
}

/// As [`order_by`], by a key that says of most pairs which is less, and of equal ones nothing: half as
/// much is moved as with a key that tells them all apart.
fn order_by_prefix(entries: &[Entry], key: impl Fn(&Coordinate) -> u64) -> Vec<u32> {
    let keys = entries.iter().map(|entry| key(&entry.coordinate));
    let mut keys: Vec<(u64, u32)> = keys.zip(0..).collect();
    keys.sort_unstable();
    let coordinate = |&(_, index): &(u64, u32)| entries[index as usize].coordinate;
    let mut order = Vec::with_capacity(keys.len());
    for tied in keys.chunk_by_mut(|a, b| a.0 == b.0) {
        if tied.len() > 1 {
            tied.sort_unstable_by_key(|key| (coordinate(key), key.1));
        }
        let same = tied.chunk_by(|a, b| coordinate(a) == coordinate(b));
        order.extend(same.filter_map(<[_]>::last).map(|&(_, index)| index));
    }
    order
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

/// The lowest bits of the components behind each other, of each dimension as many as its width.
fn pack(coordinate: &Coordinate, widths: &[u32; DIMENSIONS]) -> u128 {
    let components = coordinate.components().iter().zip(widths);
    components.fold(0, |packed, (&component, &width)| {
        let lowest = u64::from(component) & ((1 << width) - 1);
        packed << width | u128::from(lowest)
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
            let scrolls = (0..2 * SAMPLE_ENTRIES as u32 + top % 3)
                .map(|n| (Coordinate::new(coordinate(n)).unwrap(), n.to_le_bytes()));
            check_order(scrolls);
        }
    }

    /// More than 64 bits differ, and the first 64 of them tell few coordinates apart.
    #[test]
    fn coordinates_that_differ_late_sort() {
        let coordinate = |n: u32| {
            let mixed = n.wrapping_mul(0x9e37_79b1);
            let early = |d: u32| 1 + (mixed >> (d + 20) & 1) * 1024;
            let late = |d: u32| 1 + (mixed >> (d * 4) & 15) * 64;
            std::array::from_fn(|d| match d {
                0..6 => early(d as u32),
                _ => late(d as u32 - 6),
            })
        };
        let scrolls = 0..3 * SAMPLE_ENTRIES as u32;
        check_order(scrolls.map(|n| (Coordinate::new(coordinate(n)).unwrap(), n.to_le_bytes())));
    }

    #[test]
    fn scrolls_unlike_the_first_ones_sort() {
        let key = |scroll| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap();
        let first = (0..SAMPLE_ENTRIES as u32).map(|n| 1 + n % 100);
        let others = (0..PARALLEL_ENTRIES as u32 + 5).map(|n| 200 + n.wrapping_mul(77) % 90_000);
        let scrolls = first.chain(others).zip(0u32..);
        check_order(scrolls.map(|(scroll, n)| (key(scroll), n.to_le_bytes())));
    }

    #[test]
    fn texts_of_all_lengths_stay_whole_in_ranges() {
        let key = |n: u32| Coordinate::new([1 + n.wrapping_mul(77) % 5_000; DIMENSIONS]).unwrap();
        let length = |n: u32| match n % 1000 {
            999 => 100_000,
            998 => CHUNK_BYTES.start() / CHUNK_BY_TEXT + 1,
            997 => CHUNK_BYTES.start() / CHUNK_BY_TEXT,
            rest => rest as usize % 9,
        };
        let text = |n: u32| vec![n as u8; length(n)];
        check_order((0..3 * SAMPLE_ENTRIES as u32).map(|n| (key(n), text(n))));
    }

    /// Scrolls in no order, more than a sample, come out as a map has them.
    fn check_order<T: AsRef<[u8]>>(scrolls: impl Iterator<Item = (Coordinate, T)>) {
        let mut expected: std::collections::BTreeMap<_, _> = Default::default();
        let mut arena = Arena::default();
        for (coordinate, text) in scrolls {
            arena.push(coordinate, text.as_ref()).unwrap();
            expected.insert(coordinate, text.as_ref().to_vec());
        }
        assert_eq!(arena.ranges.len(), RANGES);
        arena.sort();
        let found = (0..arena.len()).map(|i| (arena.coordinate(i), arena.text(i)));
        let expected = || expected.iter().map(|(&key, text)| (key, &text[..]));
        assert!(found.eq(expected()));
        let middle = arena.len() / 3;
        let (first, second) = (arena.select(0..middle), arena.select(middle..arena.len()));
        let has_text = |&(_, text): &(Coordinate, &[u8])| !text.is_empty();
        let (keys, places) = (
            [first.keys, second.keys].concat(),
            [first.places, second.places].concat(),
        );
        let found = (0..keys.len()).map(|index| (keys[index], arena.text_at(&places, index)));
        assert!(found.eq(expected().filter(has_text)));
        let removed = [first.removed, second.removed].concat();
        let without = expected().filter(|scroll| !has_text(scroll));
        assert!(removed.into_iter().eq(without.map(|(key, _)| key)));
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
