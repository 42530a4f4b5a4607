//! Scrolls that were pushed and are not in a part yet.
//!
//! All texts lie in one buffer, so that a scroll costs no allocation of its own.

use crate::coordinate::Coordinate;

/// Scrolls in the order they were pushed.
#[derive(Debug, Default)]
pub(super) struct Arena {
    entries: Vec<Entry>,
    texts: Vec<u8>,
    is_unsorted: bool,
}

/// A generous count of what an entry takes, here and while a part is built of it.
const ENTRY_BYTES: u64 = 64;

#[derive(Debug, Clone, Copy)]
struct Entry {
    coordinate: Coordinate,
    start: usize,
    length: u32,
}

impl Arena {
    pub(super) fn push(&mut self, coordinate: Coordinate, text: &[u8]) {
        let follows = |last: &Entry| last.coordinate < coordinate;
        self.is_unsorted |= !self.entries.last().is_none_or(follows);
        self.entries.push(Entry {
            coordinate,
            start: self.texts.len(),
            length: text.len() as u32,
        });
        self.texts.extend_from_slice(text);
    }

    /// Bytes of text.
    pub(super) fn byte_len(&self) -> u64 {
        self.texts.len() as u64
    }

    /// Whether it holds this much text, or entries that take about as much memory.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        self.byte_len() >= bytes || self.entries.len() as u64 * ENTRY_BYTES >= bytes
    }

    /// Whether coordinates were pushed in ascending order, none twice.
    pub(super) fn is_sorted(&self) -> bool {
        !self.is_unsorted
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
        if self.is_sorted() {
            return;
        }
        // Stable: of the same coordinate the last one pushed comes last.
        self.entries.sort_by_key(|entry| entry.coordinate);
        let mut kept = 0;
        for index in 0..self.entries.len() {
            let entry = self.entries[index];
            if kept > 0 && self.entries[kept - 1].coordinate == entry.coordinate {
                kept -= 1;
            }
            self.entries[kept] = entry;
            kept += 1;
        }
        self.entries.truncate(kept);
        self.is_unsorted = false;
    }

    /// The coordinate of scroll `index`.
    pub(super) fn coordinate(&self, index: usize) -> Coordinate {
        self.entries[index].coordinate
    }

    /// The text of scroll `index`.
    #[inline]
    pub(super) fn text(&self, index: usize) -> &[u8] {
        let entry = &self.entries[index];
        &self.texts[entry.start..entry.start + entry.length as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_scroll_at_a_coordinate_counts() {
        let key = |scroll| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap();
        let mut arena = Arena::default();
        for (scroll, text) in [(3, "a"), (1, "b"), (3, ""), (2, "c"), (3, "d"), (1, "e")] {
            arena.push(key(scroll), text.as_bytes());
        }
        assert!(!arena.is_sorted());
        arena.sort();
        let scrolls: Vec<_> = (0..arena.len())
            .map(|index| (arena.coordinate(index), arena.text(index)))
            .collect();
        let expected: [(u32, &[u8]); 3] = [(1, b"e"), (2, b"c"), (3, b"d")];
        assert_eq!(scrolls, expected.map(|(scroll, text)| (key(scroll), text)));
    }
}
