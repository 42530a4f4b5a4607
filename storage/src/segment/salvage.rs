//! What can still be read of a damaged part.
//!
//! A scroll is whole where its key and its text are what was written, and a chunk that is not may hold
//! hundreds of whole ones. Both are in a part more than once, or have a checksum of their own:
//!
//! ```text
//! entry   a record, the directory or the end of the entry before says where it starts
//! key     in front of the text, or in the key blocks, in whole chunks | the same in both
//! text    its chunks are whole | it matches the checksum of its record
//! ```
//!
//! A text and a record that match, by 128 bits, are both what was written, whatever else is wrong in
//! their chunks.

use super::directory::{self, BUCKET_BYTES};
use super::heap::{Front, HeapKey, header_bytes};
use super::layout::Section;
use super::part::{Entry, Part, TextPlace};
use super::records::{RECORD_BYTES, RecordInfo};
use crate::coordinate::Coordinate;
use crate::error::Result;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_128;

/// The slots of a damaged part, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Salvaged {
    /// Scrolls whose key and text are what was written, ascending.
    pub(crate) good: Vec<(Coordinate, SalvagedText)>,
    /// Coordinates of scrolls that are lost.
    pub(crate) lost: Vec<Coordinate>,
    /// Scrolls that are lost and whose coordinates are lost as well.
    pub(crate) lost_unnamed: u64,
}

/// A text that was whole when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SalvagedText {
    at: u64,
    length: u32,
    checksum: u128,
}

impl Part {
    /// Sorts out the slots that are not `skipped`.
    pub(crate) fn salvage(&self, skipped: impl Fn(u32) -> bool) -> Salvaged {
        let mut salvaged = Salvaged::default();
        let mut unread = Vec::new();
        for slot in (0..self.slots()).filter(|&slot| !skipped(slot)) {
            match self.whole_scroll(slot) {
                Some(scroll) => salvaged.good.push(scroll),
                None => unread.push(slot),
            }
        }
        if unread.is_empty() {
            salvaged.good.sort_unstable();
            return salvaged;
        }
        let (names, claims) = (self.names_by_slot(), self.claims_by_slot());
        let starts = self.starts_without_records();
        for slot in unread {
            let entry = starts.get(&slot).and_then(|&start| self.entry(start).ok());
            let whole = entry.and_then(|entry| self.scroll_of(&entry));
            let claimed = || self.confirmed(slot, claims[slot as usize]?);
            let key = names[slot as usize].or_else(claimed);
            match whole.or_else(|| self.scroll_by_checksum(slot, key?)) {
                Some(scroll) => salvaged.good.push(scroll),
                None => match key.or(entry.map(|entry| entry.coordinate)) {
                    Some(coordinate) => salvaged.lost.push(coordinate),
                    None => salvaged.lost_unnamed += 1,
                },
            }
        }
        salvaged.good.sort_unstable();
        salvaged
    }

    /// A text that was found whole.
    ///
    /// # Errors
    /// Where it has changed since.
    pub(crate) fn salvaged_text(&self, text: SalvagedText) -> Result<&[u8]> {
        let bytes = self.unverified_text(text.at, text.length);
        bytes
            .filter(|bytes| xxh3_128(bytes) == text.checksum)
            .ok_or_else(|| self.corrupt(Section::Heap, text.at as usize, "a text has changed"))
    }

    /// The scroll of a slot whose record is whole, as is its key.
    fn whole_scroll(&self, slot: u32) -> Option<(Coordinate, SalvagedText)> {
        let entry = self.entry_of(slot).ok()?;
        let TextPlace { at, length } = entry.found.text;
        Some((entry.coordinate, self.text_by_checksum(slot, at, length)?))
    }

    /// The scroll of a slot whose key is known from elsewhere.
    fn scroll_by_checksum(&self, slot: u32, key: Coordinate) -> Option<(Coordinate, SalvagedText)> {
        let record = self.claimed_record(slot);
        let at = record.offset + header_bytes(slot, record.length, &key) as u64;
        Some((key, self.text_by_checksum(slot, at, record.length)?))
    }

    /// A text that its record tells to be whole, whatever the rest of its chunk is.
    fn text_by_checksum(&self, slot: u32, at: u64, length: u32) -> Option<SalvagedText> {
        let checksum = self.claimed_record(slot).checksum;
        let bytes = self.unverified_text(at, length)?;
        (xxh3_128(bytes) == checksum).then_some(SalvagedText {
            at,
            length,
            checksum,
        })
    }

    /// A record as it stands.
    fn claimed_record(&self, slot: u32) -> RecordInfo {
        let records = self.unverified(Section::Records);
        RecordInfo::decode(&records[slot as usize * RECORD_BYTES..])
    }

    /// A key that the key blocks claim to be a slot's, where the entry claims the same.
    fn confirmed(&self, slot: u32, claim: Coordinate) -> Option<Coordinate> {
        let start = self.claimed_record(slot).offset as usize;
        let bytes = self.unverified(Section::Heap).get(start..)?;
        let front = Front::read(bytes).filter(|front| front.slot == slot)?;
        let key = HeapKey::new(&claim);
        key.starts(&bytes[front.key_at..]).then_some(claim)
    }

    /// The scroll of an entry, where whole chunks hold all of it.
    fn scroll_of(&self, entry: &Entry) -> Option<(Coordinate, SalvagedText)> {
        let TextPlace { at, length } = entry.found.text;
        let checksum = xxh3_128(self.text_at(entry.found.text).ok()?);
        let text = SalvagedText {
            at,
            length,
            checksum,
        };
        Some((entry.coordinate, text))
    }

    fn unverified_text(&self, at: u64, length: u32) -> Option<&[u8]> {
        let end = at.checked_add(u64::from(length))?;
        self.unverified(Section::Heap)
            .get(at as usize..end as usize)
    }

    /// Where the entries start, by slot, whose records are damaged: as the directory says, or where the
    /// entry before ends.
    fn starts_without_records(&self) -> BTreeMap<u32, u64> {
        let missing = (0..self.slots()).filter(|&slot| self.record(slot).is_err());
        let missing: Vec<u32> = missing.collect();
        let mut starts = BTreeMap::new();
        if missing.is_empty() {
            return starts;
        }
        for at in (0..self.length(Section::Directory)).step_by(BUCKET_BYTES) {
            let bucket = self.bytes(Section::Directory, at, BUCKET_BYTES);
            let bucket = bucket.map(|bucket| bucket.first_chunk().expect("of that length"));
            for start in bucket.into_iter().flat_map(directory::offsets) {
                if let Ok(entry) = self.entry(start)
                    && missing.binary_search(&entry.found.slot).is_ok()
                {
                    starts.insert(entry.found.slot, start);
                }
            }
        }
        for slot in missing {
            let before = slot.checked_sub(1).map(|before| {
                let start = starts.get(&before).copied();
                let start = start.or_else(|| Some(self.record(before).ok()?.offset))?;
                self.entry(start).ok()
            });
            let start = before.map_or(Some(0), |entry| Some(entry?.end()));
            if let Some(start) = start.filter(|_| !starts.contains_key(&slot))
                && self
                    .entry(start)
                    .is_ok_and(|entry| entry.found.slot == slot)
            {
                starts.insert(slot, start);
            }
        }
        starts
    }

    /// The coordinates that key blocks, dictionaries and permutation name as they stand.
    fn claims_by_slot(&self) -> Vec<Option<Coordinate>> {
        let mut claims = vec![None; self.slots() as usize];
        for position in 0..self.slots() {
            let slot = self.claimed_slot(position);
            if let Some(claim) = claims.get_mut(slot as usize) {
                *claim = self.claimed_key(position);
            }
        }
        claims
    }

    /// The coordinates of all slots as the key blocks say, which lie apart from the texts.
    pub(super) fn names_by_slot(&self) -> Vec<Option<Coordinate>> {
        let mut names = vec![None; self.slots() as usize];
        let dictionaries = self.length(Section::Dictionaries);
        if self.bytes(Section::Dictionaries, 0, dictionaries).is_err() {
            return names;
        }
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
