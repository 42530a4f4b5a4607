//! Checking a part against itself: every section says the same of every scroll.
//!
//! Chunk checksums find bytes that changed since they were written; this finds what was written
//! wrong. The heap's keys and texts are taken as the truth that the other sections must repeat.

use super::layout::{BLOCK_SLOTS, FENCE_SLOTS, GROUP_BLOCKS, Section, code_at, code_width, u32_at};
use super::lines::MARK_LINES;
use super::part::Part;
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use crate::phext::validate_text;
use xxhash_rust::xxh3::xxh3_128;

/// Slots between two calls of `progress`.
const PROGRESS_SLOTS: u32 = 4096;

impl Part {
    /// Checks every slot and every section. Calls `damaged` with the coordinate concerned, where
    /// one is known, for each thing that is wrong, and `progress` with the number of slots done.
    pub(crate) fn check(
        &self,
        damaged: &mut dyn FnMut(Option<Coordinate>, StoreError),
        progress: &mut dyn FnMut(u32),
    ) {
        let mut text_bytes = 0;
        let mut all_read = true;
        // Of scrolls whose own bytes do not say; read only where there are some.
        let mut names = None;
        for slot in 0..self.slots() {
            let coordinate = self.coordinate(slot);
            match coordinate.map(|coordinate| (coordinate, self.check_key(slot, &coordinate))) {
                Err(error) => {
                    all_read = false;
                    let names = names.get_or_insert_with(|| self.names_by_slot());
                    damaged(names[slot as usize], error);
                }
                Ok((coordinate, outcome)) => match outcome.and_then(|()| self.check_text(slot)) {
                    Ok(length) => text_bytes += length,
                    Err(error) => {
                        all_read = false;
                        damaged(Some(coordinate), error);
                    }
                },
            }
            if slot % PROGRESS_SLOTS == 0 {
                progress(slot);
            }
        }
        if all_read && text_bytes != self.text_bytes() {
            let what = format!(
                "its texts have {text_bytes} bytes, its header says {}",
                self.text_bytes()
            );
            damaged(None, self.corrupt(Section::Heap, 0, &what));
        }
        let outcomes = [
            self.check_ranks(),
            self.check_positions(),
            self.check_columns(),
            self.check_postings(),
        ];
        for outcome in outcomes {
            if let Err(error) = outcome {
                damaged(None, error);
            }
        }
        progress(self.slots());
    }

    /// Checks that the directory leads to the slot.
    fn check_key(&self, slot: u32, coordinate: &Coordinate) -> Result<()> {
        if self.slot_of(coordinate)? != Some(slot) {
            let what = format!("it does not lead to slot {slot} for {coordinate}");
            return Err(self.corrupt(Section::Directory, 0, &what));
        }
        Ok(())
    }

    /// Checks a text against its record. Gives its length.
    fn check_text(&self, slot: u32) -> Result<u64> {
        let record = self.record(slot)?;
        let text = self.text(slot)?;
        let at = record.offset as usize;
        if xxh3_128(text) != record.checksum {
            return Err(self.corrupt(
                Section::Heap,
                at,
                "the text's checksum does not match its record's",
            ));
        }
        if text.len() != record.length as usize {
            let what = "the text is not as long as its record says";
            return Err(self.corrupt(Section::Heap, at, what));
        }
        if !self.has_right_marks(slot, text)? {
            let what = format!("the marks of slot {slot} are not where lines of its text start");
            return Err(self.corrupt(Section::Lines, 0, &what));
        }
        if text.is_empty() || validate_text(text).is_err() {
            return Err(self.corrupt(
                Section::Heap,
                at,
                "the text is empty, holds a break or is not UTF-8",
            ));
        }
        Ok(text.len() as u64)
    }

    /// Whether the line index leads to the 64th line and those a multiple of 64 behind it.
    fn has_right_marks(&self, slot: u32, text: &[u8]) -> Result<bool> {
        let breaks = memchr::memchr_iter(b'\n', text).skip(MARK_LINES as usize - 1);
        let mut line = 0;
        for line_break in breaks.step_by(MARK_LINES as usize) {
            line += MARK_LINES;
            if self.nearest_mark(slot, line)? != (line, line_break as u32 + 1) {
                return Ok(false);
            }
        }
        Ok(self.nearest_mark(slot, line + MARK_LINES)?.0 == line)
    }

    /// Checks that the ranks lead to ascending coordinates: then they lead to each slot once.
    fn check_ranks(&self) -> Result<()> {
        let mut previous = None;
        for rank in 0..self.slots() {
            let coordinate = self.coordinate(self.slot_at_rank(rank)?)?;
            if previous.is_some_and(|previous| previous >= coordinate) {
                let what = format!("{coordinate}, at rank {rank}, is not above the one before it");
                return Err(self.corrupt(Section::Permutation, rank as usize * 4, &what));
            }
            if rank % FENCE_SLOTS == 0 && self.fence(rank / FENCE_SLOTS)? != coordinate {
                let what = format!("the fence of rank {rank} is not its coordinate");
                return Err(self.corrupt(Section::Fences, 0, &what));
            }
            previous = Some(coordinate);
        }
        if previous.as_ref() != Some(self.coordinates().1) {
            let what = "the greatest coordinate is not the one that the header names";
            return Err(self.corrupt(Section::Fences, 0, what));
        }
        Ok(())
    }

    /// Checks that the key at each position is the one that its slot has. As coordinates are
    /// distinct, positions lead to each slot once.
    fn check_positions(&self) -> Result<()> {
        for position in 0..self.slots() {
            let key = self.coordinate_at_position(position)?;
            let held = self.coordinate(self.slot_at_position(position)?)?;
            if key != held {
                let what = format!("the key at position {position} is {key}; its slot has {held}");
                return Err(self.corrupt(Section::KeyBlocks, 0, &what));
            }
        }
        Ok(())
    }

    /// Checks that the postings of a code are the positions that have it: each is, and none is left.
    fn check_postings(&self) -> Result<()> {
        for (dimension, distinct) in self.distinct().into_iter().enumerate() {
            if !self.has_postings(dimension)? {
                continue;
            }
            let mut positions = 0;
            for code in 0..distinct {
                let posting = self.posting(dimension, code)?;
                positions += posting.len();
                for position in posting {
                    if self.code_at_position(dimension, position)? != code {
                        let what = format!("position {position} is listed under a code it lacks");
                        return Err(self.corrupt(Section::Postings, 0, &what));
                    }
                }
            }
            if positions != u64::from(self.slots()) {
                let what = format!("{positions} positions of dimension {dimension} are listed");
                return Err(self.corrupt(Section::Postings, 0, &what));
            }
        }
        Ok(())
    }

    /// Checks dictionaries and zone map against the key blocks.
    fn check_columns(&self) -> Result<()> {
        let whole = |section| self.bytes(section, 0, self.length(section));
        let dictionaries = whole(Section::Dictionaries)?;
        let blocks = whole(Section::KeyBlocks)?;
        let zone_map = whole(Section::ZoneMap)?;
        let widths = self.distinct().map(code_width);
        let block_bytes = widths.iter().sum::<usize>() * BLOCK_SLOTS;
        let (mut entries_at, mut column_at, mut zones_at) = (0, 0, 0);
        for (&distinct, width) in self.distinct().iter().zip(widths) {
            let entries = &dictionaries[entries_at..entries_at + distinct as usize * 8];
            let column = Column {
                width,
                blocks: blocks.get(column_at..).unwrap_or_default(),
                block_bytes,
                slots: self.slots() as usize,
            };
            let checked = check_dictionary(entries, distinct as usize, &column);
            checked
                .map_err(|(at, what)| self.corrupt(Section::Dictionaries, entries_at + at, what))?;
            if width > 0 {
                let zones = column.check_zones(&zone_map[zones_at..]);
                let checked =
                    zones.map_err(|at| (zones_at + at, "a zone does not bound its block or group"));
                checked.map_err(|(at, what)| self.corrupt(Section::ZoneMap, at, what))?;
            }
            entries_at += distinct as usize * 8;
            column_at += width * BLOCK_SLOTS;
            zones_at += width * 2 * (self.blocks() + self.groups()) as usize;
        }
        Ok(())
    }
}

/// The codes of one dimension, across all key blocks.
struct Column<'a> {
    /// Bytes of a code; 0 where every code is 0.
    width: usize,
    /// The key blocks, from the column's place in the first one on.
    blocks: &'a [u8],
    block_bytes: usize,
    slots: usize,
}

impl Column<'_> {
    fn codes(&self, block: usize) -> impl Iterator<Item = u32> {
        let slots = (self.slots - block * BLOCK_SLOTS).min(BLOCK_SLOTS);
        let codes = &self.blocks[block * self.block_bytes..];
        (0..slots).map(|index| code_at(codes, index, self.width))
    }

    /// Compares least and greatest code of each block and of each group with the zone map's; gives
    /// where they differ.
    fn check_zones(&self, zones: &[u8]) -> std::result::Result<(), usize> {
        let blocks = self.slots.div_ceil(BLOCK_SLOTS);
        let mut level = 0;
        for blocks_each in [1, GROUP_BLOCKS] {
            let length = blocks.div_ceil(blocks_each);
            for zone in 0..length {
                let first = zone * blocks_each;
                let codes = || {
                    (first..(first + blocks_each).min(blocks)).flat_map(|block| self.codes(block))
                };
                for (index, code) in [(zone, codes().min()), (length + zone, codes().max())] {
                    if code != Some(code_at(zones, level + index, self.width)) {
                        return Err((level + index) * self.width);
                    }
                }
            }
            level += 2 * length;
        }
        Ok(())
    }

    /// How many slots have each code; `None` where a code is out of range.
    fn counts(&self, distinct: usize) -> Option<Vec<u32>> {
        let mut counts = vec![0; distinct];
        if self.width == 0 {
            counts[0] = self.slots as u32;
            return Some(counts);
        }
        for block in 0..self.slots.div_ceil(BLOCK_SLOTS) {
            for code in self.codes(block) {
                *counts.get_mut(code as usize)? += 1;
            }
        }
        Some(counts)
    }
}

/// Checks that a dictionary ascends, that each entry is used, and that the counts below each are
/// those of the column. Gives where it is wrong, and how.
fn check_dictionary(
    entries: &[u8],
    distinct: usize,
    column: &Column<'_>,
) -> std::result::Result<(), (usize, &'static str)> {
    let counts = column
        .counts(distinct)
        .ok_or((0, "a key has a code that it does not know"))?;
    let mut below = 0;
    for (code, count) in counts.into_iter().enumerate() {
        if code > 0 && u32_at(entries, code * 4) <= u32_at(entries, code * 4 - 4) {
            return Err((code * 4, "its components do not ascend"));
        }
        if count == 0 {
            return Err((code * 4, "no slot has one of its components"));
        }
        if u32_at(entries, (distinct + code) * 4) != below {
            return Err((
                (distinct + code) * 4,
                "its counts are not those of the key blocks",
            ));
        }
        below += count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::checksums::{CHUNK_BYTES, chunk_checksum};
    use super::super::trailer::TRAILER_BYTES;
    use super::super::{Order, PartSource, Segment, file_name, write_segment};
    use super::*;
    use crate::curves::Curve;
    use crate::vfs::{MemoryVfs, Vfs};
    use std::path::Path;
    use xxhash_rust::xxh3::xxh3_64;

    const ID: u64 = 1;

    fn key(number: u32) -> Coordinate {
        Coordinate::new([1, 1, 1, 1, 1, number % 3 + 1, 1, 1, number + 1]).unwrap()
    }

    fn written(order: Order) -> Vec<u8> {
        let vfs = MemoryVfs::new();
        let mut keys: Vec<Coordinate> = (0..300).map(key).collect();
        keys.sort_unstable();
        let text = |number: usize| format!("{number}\n").repeat(number % 100 + 1);
        let texts: Vec<String> = (0..300).map(text).collect();
        let source = PartSource {
            phext: 1,
            name: "notes",
            order,
            first_lsn: 1,
            last_lsn: 1,
            keys,
            text: Box::new(|index| Ok(texts[index].as_bytes())),
        };
        write_segment(&vfs, Path::new("segments"), ID, &[source]).unwrap();
        vfs.map(&path()).unwrap().to_vec()
    }

    fn path() -> std::path::PathBuf {
        Path::new("segments").join(file_name(ID))
    }

    /// Gives changed bytes the checksums they would have if they had been written so.
    fn reseal(bytes: &mut [u8]) {
        let end = bytes.len() - TRAILER_BYTES;
        let data_end = u64::from_le_bytes(bytes[end + 24..end + 32].try_into().unwrap()) as usize;
        for index in 0..data_end.div_ceil(CHUNK_BYTES) {
            let chunk = index * CHUNK_BYTES..((index + 1) * CHUNK_BYTES).min(data_end);
            let checksum = chunk_checksum(ID, index, &bytes[chunk]);
            let at = data_end + index * 8;
            bytes[at..at + 8].copy_from_slice(&checksum.to_le_bytes());
        }
        let checksum = xxh3_64(&bytes[data_end..end + 48]);
        bytes[end + 48..end + 56].copy_from_slice(&checksum.to_le_bytes());
    }

    /// What is wrong with a file of these bytes.
    fn findings(bytes: &[u8]) -> Vec<StoreError> {
        let vfs = MemoryVfs::new();
        vfs.create(&path()).unwrap().write_at(0, bytes).unwrap();
        let mut found = Vec::new();
        let part =
            Segment::open(&vfs, Path::new("segments"), ID).and_then(|segment| segment.part(0));
        match part {
            Ok(part) => part.check(&mut |_, error| found.push(error), &mut |_| {}),
            Err(error) => found.push(error),
        }
        found
    }

    const MORTON: Order = Order::Curve {
        prefix: 1,
        curve: Curve::Morton,
    };

    #[test]
    fn a_part_that_contradicts_itself_is_found_behind_good_checksums() {
        for order in [Order::Auto, MORTON, Order::Lexicographic] {
            contradictions_are_found(order);
        }
    }

    fn contradictions_are_found(order: Order) {
        let good = written(order);
        assert!(findings(&good).is_empty(), "{:?}", findings(&good));
        let vfs = MemoryVfs::new();
        vfs.create(&path()).unwrap().write_at(0, &good).unwrap();
        let segment = Segment::open(&vfs, Path::new("segments"), ID).unwrap();
        let part = segment.part(0).unwrap();
        let sections = [
            (Section::Dictionaries, 3),
            (Section::KeyBlocks, 7),
            (Section::ZoneMap, 1),
            (Section::Permutation, 7),
            (Section::Fences, 1),
            (Section::Lines, 3),
            (Section::Heap, 401),
            (Section::Records, 31),
        ];
        for (section, step) in sections {
            let bytes = part.bytes(section, 0, part.length(section)).unwrap();
            let start = bytes.as_ptr() as usize - segment.unverified(0..1).as_ptr() as usize;
            let looked_at = match section {
                // The last block repeats its last key, and nobody looks at that.
                Section::KeyBlocks => bytes.len() / 3 * 2,
                _ => bytes.len(),
            };
            for at in (start..start + looked_at).step_by(step) {
                let mut changed = good.clone();
                changed[at] ^= 1 << (at % 8);
                reseal(&mut changed);
                assert!(
                    !findings(&changed).is_empty(),
                    "{order}, {section:?}, byte {}",
                    at - start
                );
            }
        }
    }

    #[test]
    fn any_byte_may_be_wrong_behind_good_checksums() {
        let good = written(Order::Auto);
        for at in (0..good.len() - TRAILER_BYTES).step_by(97) {
            let mut changed = good.clone();
            changed[at] = changed[at].wrapping_add(0x55);
            reseal(&mut changed);
            // What counts is that it comes back: padding may hold anything.
            findings(&changed);
        }
    }
}
