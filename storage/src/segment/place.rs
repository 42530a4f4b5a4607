//! Where a scroll lies that is to be replaced: damage must not keep it from being overwritten.
//!
//! A write wants the slot and the length of what it replaces, not the text, and a part says both more
//! than once:
//!
//! ```text
//! slot    directory -> heap entry | ranks -> records -> heap entries | key blocks -> permutation
//! length  heap entry              | record                          | where the next entry starts
//! ```
//!
//! Only whole chunks are believed. Where none of them tells, the write is refused: a scroll whose slot
//! is not known cannot be hidden, and would be there twice if its bytes were ever read again.

use super::directory::{self, BUCKET_BYTES, Probe};
use super::heap::{HeapKey, text_bytes_of};
use super::layout::{BLOCK_SLOTS, Section, code_at};
use super::part::{Found, Part};
use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::error::Result;
use std::cmp::Ordering;

/// A slot and the length of its text in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: u32,
    pub(crate) text_bytes: u32,
}

impl From<Found> for Place {
    fn from(found: Found) -> Place {
        Place {
            slot: found.slot,
            text_bytes: found.text.length,
        }
    }
}

impl Part {
    /// The slot of a coordinate and how long its text is.
    ///
    /// # Errors
    /// Damage that hides it, as [`Part::find`] met it.
    #[inline]
    pub(crate) fn place(&self, coordinate: &Coordinate, probe: Probe) -> Result<Option<Place>> {
        match self.find(coordinate, probe) {
            Ok(found) => Ok(found.map(Place::from)),
            Err(error) => self.place_around_damage(coordinate).map_err(|_| error),
        }
    }

    #[cold]
    fn place_around_damage(&self, coordinate: &Coordinate) -> Result<Option<Place>> {
        if let Ok(found) = self.find_by_rank(coordinate) {
            return Ok(found.map(Place::from));
        }
        let Some(slot) = self.find_by_codes(coordinate)? else {
            return Ok(None);
        };
        let text_bytes = match self.record(slot) {
            Ok(record) => record.length,
            Err(_) => self.text_bytes_between(slot, coordinate)?,
        };
        Ok(Some(Place { slot, text_bytes }))
    }

    /// Without directory, fences and key blocks: coordinates ascend by rank.
    fn find_by_rank(&self, coordinate: &Coordinate) -> Result<Option<Found>> {
        let (mut low, mut high) = (0, self.slots());
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry_of(self.slot_at_rank(middle)?)?;
            match entry.coordinate.cmp(coordinate) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(Some(entry.found)),
                Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// Without directory and heap: the slot whose key in the key blocks is this one. Of positions whose
    /// key block is damaged the heap says the key.
    fn find_by_codes(&self, coordinate: &Coordinate) -> Result<Option<u32>> {
        let Some(codes) = self.codes_of(coordinate) else {
            return Ok(None);
        };
        let mut damage = None;
        for block in 0..self.blocks() {
            let first = block * BLOCK_SLOTS as u32;
            let positions = first..self.slots().min(first + BLOCK_SLOTS as u32);
            let found = match self.key_block(block) {
                Ok(bytes) => {
                    let mut positions = positions;
                    let index = positions.position(|at| self.has_codes(bytes, at - first, &codes));
                    index.map(|index| self.slot_at_position(first + index as u32))
                }
                Err(_) => positions.map(|at| self.slot_at_position(at)).find(|slot| {
                    let named = slot.clone().and_then(|slot| self.coordinate(slot));
                    let is_it = named.as_ref().is_ok_and(|named| named == coordinate);
                    damage = damage.take().or(named.err());
                    is_it
                }),
            };
            if let Some(slot) = found {
                return slot.map(Some);
            }
        }
        damage.map_or(Ok(None), Err)
    }

    /// The coordinate's code in each dimension; `None` where a dictionary, verified when the part was
    /// opened, lacks a component: then the part lacks the coordinate.
    fn codes_of(&self, coordinate: &Coordinate) -> Option<[u32; DIMENSIONS]> {
        let mut codes = [0; DIMENSIONS];
        for (dimension, code) in codes.iter_mut().enumerate() {
            let component = coordinate.components()[dimension];
            let components = self.components(dimension);
            *code = components.code_from(component);
            if components.get(*code) != Some(component) {
                return None;
            }
        }
        Some(codes)
    }

    fn has_codes(&self, block: &[u8], index: u32, codes: &[u32; DIMENSIONS]) -> bool {
        codes.iter().enumerate().all(|(dimension, &code)| {
            let column = self.key_column(dimension);
            column.width == 0 || code_at(&block[column.at..], index as usize, column.width) == code
        })
    }

    /// The length of a text whose entry and record are both damaged: entries are in slot order without
    /// padding, and the directory says where each starts.
    fn text_bytes_between(&self, slot: u32, coordinate: &Coordinate) -> Result<u32> {
        let section = self.bytes(Section::Directory, 0, self.length(Section::Directory))?;
        let buckets = section.as_chunks::<BUCKET_BYTES>().0.iter();
        let mut starts: Vec<u64> = buckets.flat_map(directory::offsets).collect();
        starts.push(self.heap_bytes());
        starts.sort_unstable();
        let span = match starts[..] {
            _ if starts.len() != self.slots() as usize + 1 => None,
            _ => starts[slot as usize + 1].checked_sub(starts[slot as usize]),
        };
        let key = HeapKey::new(coordinate);
        span.and_then(|span| text_bytes_of(span, &key))
            .ok_or_else(|| self.corrupt(Section::Directory, 0, "it does not lead to every slot"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StoreError;
    use crate::segment::{Order, PartSource, Segment, write_segment};
    use crate::vfs::MemoryVfs;
    use std::path::Path;

    const SLOTS: u32 = 12_000;

    fn text(n: u32) -> String {
        format!("{n} {}", "x".repeat(n as usize % 90))
    }

    fn key(n: u32) -> Coordinate {
        Coordinate::new([1, 1 + n % 7, 1, 1, 1 + n / 1000, 1, 1, 1, 1 + n * 5]).unwrap()
    }

    fn segment(order: &str) -> MemoryVfs {
        let vfs = MemoryVfs::new();
        let mut scrolls: Vec<_> = (0..SLOTS).map(|n| (key(n), text(n))).collect();
        scrolls.sort();
        let source = PartSource {
            phext: 1,
            name: "a",
            order: order.parse::<Order>().unwrap(),
            first_lsn: 1,
            last_lsn: 1,
            keys: scrolls.iter().map(|(key, _)| *key).collect(),
            text: Box::new(|index| Ok(scrolls[index].1.as_bytes())),
        };
        write_segment(&vfs, Path::new("segments"), 1, &[source]).unwrap();
        vfs
    }

    /// Places some scrolls, and some that are absent, with these chunks damaged. Gives how many are
    /// found otherwise than by the directory, and how many cannot be.
    fn check(vfs: &MemoryVfs, damaged: &[usize]) -> (u32, u32) {
        let segment = Segment::open(vfs, Path::new("segments"), 1).unwrap();
        let (mut around, mut hidden) = (0, 0);
        let Ok(part) = segment.part(0) else {
            return (around, hidden);
        };
        damaged.iter().for_each(|&chunk| segment.mark_bad(chunk));
        for n in (0..SLOTS).step_by(97) {
            let coordinate = key(n);
            let found = part.find(&coordinate, Probe::new(&coordinate));
            match part.place(&coordinate, Probe::new(&coordinate)) {
                Ok(place) => {
                    let place = place.expect("it is there");
                    assert_eq!(place.text_bytes as usize, text(n).len(), "{damaged:?}");
                    let named = part.coordinate(place.slot);
                    assert!(named.is_err() || named.unwrap() == coordinate);
                    around += u32::from(found.is_err());
                }
                Err(error) => {
                    assert!(matches!(error, StoreError::Corrupt { .. }));
                    hidden += 1;
                }
            }
            let absent = Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, 2 + n * 5]).unwrap();
            let place = part.place(&absent, Probe::new(&absent));
            assert!(!matches!(place, Ok(Some(_))), "{damaged:?}");
        }
        (around, hidden)
    }

    #[test]
    fn no_single_chunk_hides_a_place_and_two_hide_it_or_do_not() {
        for order in ["auto", "hilbert", "lexicographic", "prefix=2,morton"] {
            let vfs = segment(order);
            let chunks = Segment::open(&vfs, Path::new("segments"), 1)
                .unwrap()
                .chunks();
            let mut around = 0;
            for first in 0..chunks {
                let (found, hidden) = check(&vfs, &[first]);
                assert_eq!(hidden, 0, "{order}: chunk {first} of {chunks}");
                around += found;
                for second in first + 1..chunks {
                    check(&vfs, &[first, second]);
                }
            }
            assert!(around > 100, "{order}: {around}");
        }
    }
}
