//! What can still be read of a damaged part.

use super::part::Part;
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use xxhash_rust::xxh3::xxh3_128;

/// The slots of a damaged part, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Salvaged {
    /// Scrolls whose key and text are what was written, ascending.
    pub(crate) good: Vec<(Coordinate, u32)>,
    /// Coordinates of scrolls that are lost.
    pub(crate) lost: Vec<Coordinate>,
    /// Scrolls that are lost and whose coordinates are lost as well.
    pub(crate) lost_unnamed: u64,
}

impl Part {
    /// Sorts out the slots that are not `skipped`.
    pub(crate) fn salvage(&self, skipped: impl Fn(u32) -> bool) -> Salvaged {
        let mut salvaged = Salvaged::default();
        let mut unread = Vec::new();
        for slot in (0..self.slots()).filter(|&slot| !skipped(slot)) {
            match self.whole_scroll(slot) {
                Ok(coordinate) => salvaged.good.push((coordinate, slot)),
                Err(_) => unread.push(slot),
            }
        }
        salvaged.good.sort_unstable();
        let names = match unread.is_empty() {
            true => Vec::new(),
            false => self.names_by_slot(),
        };
        for slot in unread {
            match names[slot as usize] {
                Some(coordinate) => salvaged.lost.push(coordinate),
                None => salvaged.lost_unnamed += 1,
            }
        }
        salvaged
    }

    /// The coordinate of a slot whose text matches its record's checksum.
    fn whole_scroll(&self, slot: u32) -> Result<Coordinate> {
        let coordinate = self.coordinate(slot)?;
        match xxh3_128(self.text(slot)?) == self.record(slot)?.checksum {
            true => Ok(coordinate),
            false => Err(StoreError::corrupt(
                self.segment().path(),
                0,
                "a text is damaged",
            )),
        }
    }

    /// The coordinates of all slots as the key blocks say, which lie apart from the texts.
    pub(super) fn names_by_slot(&self) -> Vec<Option<Coordinate>> {
        let mut names = vec![None; self.slots() as usize];
        for position in 0..self.slots() {
            let name = self.coordinate_at_position(position);
            if let (Ok(slot), Ok(name)) = (self.slot_at_position(position), name)
                && let Some(entry) = names.get_mut(slot as usize)
            {
                *entry = Some(name);
            }
        }
        names
    }
}
