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
//! Chunks that match their checksums may hold what was written wrong. Then two of three are right: the
//! key in front of the text, the one in the key blocks, and the directory, which lists the entry under the
//! hash of its key. A text that its record does not match is lost.
//!
//! A text and a record that match, by 128 bits, are both what was written, whatever else is wrong in
//! their chunks.

use super::directory::{self, BUCKET_BYTES, Probe};
use super::heap::{Front, HeapKey, header_bytes};
use super::layout::Section;
use super::part::{Entry, Part, TextPlace};
use super::records::{RECORD_BYTES, RecordInfo};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::phext::validate_text;
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

/// A scroll that is whole, and where its entry starts in the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Whole {
    coordinate: Coordinate,
    offset: u64,
    text: SalvagedText,
}

impl Part {
    /// Sorts out the slots that are not `skipped`.
    pub(crate) fn salvage(&self, skipped: impl Fn(u32) -> bool) -> Salvaged {
        let names = self.names_by_slot();
        let mut salvaged = Salvaged::default();
        let (mut whole, mut unread) = (Vec::new(), Vec::new());
        for slot in (0..self.slots()).filter(|&slot| !skipped(slot)) {
            let scroll = self.entry_of(slot).ok();
            match scroll.and_then(|entry| self.scroll_of(&entry, names[slot as usize])) {
                Some(scroll) => whole.push(scroll),
                None => unread.push(slot),
            }
        }
        if !unread.is_empty() {
            self.salvage_unread(&unread, &names, &mut whole, &mut salvaged);
        }
        self.keep_one_of_each(whole, &mut salvaged);
        salvaged
    }

    /// Looks for the scrolls of slots whose records do not lead to one that is whole.
    fn salvage_unread(
        &self,
        unread: &[u32],
        names: &[Option<Coordinate>],
        whole: &mut Vec<Whole>,
        salvaged: &mut Salvaged,
    ) {
        let claims = self.claims_by_slot();
        let starts = self.starts_of(unread);
        for &slot in unread {
            let name = names[slot as usize];
            let entry = starts.get(&slot).and_then(|&start| self.entry(start).ok());
            let key = name.or_else(|| self.confirmed(slot, claims[slot as usize]?));
            let scroll = entry.and_then(|entry| self.scroll_of(&entry, name));
            match scroll.or_else(|| self.scroll_by_checksum(slot, key?)) {
                Some(scroll) => whole.push(scroll),
                None => match key.or(entry.map(|entry| entry.coordinate)) {
                    Some(coordinate) => salvaged.lost.push(coordinate),
                    None => salvaged.lost_unnamed += 1,
                },
            }
        }
    }

    /// Keeps one scroll of each coordinate: where several claim to be it, one that the directory lists.
    fn keep_one_of_each(&self, mut whole: Vec<Whole>, salvaged: &mut Salvaged) {
        whole.sort_unstable();
        for same in whole.chunk_by(|a, b| a.coordinate == b.coordinate) {
            let coordinate = same[0].coordinate;
            let kept = match same {
                [only] => Some(only),
                _ => same
                    .iter()
                    .find(|scroll| self.is_listed(&coordinate, scroll.offset) == Some(true)),
            };
            match kept {
                Some(scroll) => salvaged.good.push((coordinate, scroll.text)),
                None => salvaged.lost.push(coordinate),
            }
            salvaged.lost_unnamed += same.len() as u64 - 1;
        }
        // What is lost may be named by what names another as well.
        let (good, named) = (&salvaged.good, salvaged.lost.len());
        let is_good = |lost: &Coordinate| good.binary_search_by_key(lost, |&(key, _)| key).is_ok();
        salvaged.lost.retain(|lost| !is_good(lost));
        salvaged.lost_unnamed += (named - salvaged.lost.len()) as u64;
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

    /// The scroll of an entry that whole chunks hold. `name` is what the key blocks call its slot.
    fn scroll_of(&self, entry: &Entry, name: Option<Coordinate>) -> Option<Whole> {
        let (coordinate, offset) = (entry.coordinate, entry.found.offset);
        // Of two keys that differ the directory has the right one.
        if name.is_some_and(|name| name != coordinate)
            && self.is_listed(&coordinate, offset) != Some(true)
        {
            return None;
        }
        let TextPlace { at, length } = entry.found.text;
        let checksum = match self.record(entry.found.slot) {
            Ok(record) => record.checksum,
            Err(_) => xxh3_128(self.text_at(entry.found.text).ok()?),
        };
        Some(Whole {
            coordinate,
            offset,
            text: self.text_by_checksum(at, length, checksum)?,
        })
    }

    /// The scroll of a slot whose key is known from elsewhere.
    fn scroll_by_checksum(&self, slot: u32, key: Coordinate) -> Option<Whole> {
        let record = self.claimed_record(slot);
        match self.is_listed(&key, record.offset) {
            Some(false) => return None,
            // The entry is of this slot, and its key another.
            None if self.entry_of(slot).is_ok_and(|e| e.coordinate != key) => return None,
            _ => {}
        }
        let at = record.offset + header_bytes(slot, record.length, &key) as u64;
        Some(Whole {
            coordinate: key,
            offset: record.offset,
            text: self.text_by_checksum(at, record.length, record.checksum)?,
        })
    }

    /// Whether the directory lists an entry at `offset` for a coordinate; `None` where it is damaged.
    fn is_listed(&self, coordinate: &Coordinate, offset: u64) -> Option<bool> {
        let probe = Probe::new(coordinate);
        for at in directory::buckets_of(self.length(Section::Directory), probe) {
            let bucket = self.bucket(at).ok()?;
            if directory::candidates(bucket, probe).any(|candidate| candidate == offset) {
                return Some(true);
            }
            if !directory::goes_on(bucket) {
                break;
            }
        }
        Some(false)
    }

    /// A text that matches its checksum, whatever the rest of its chunk is, and that may be one.
    fn text_by_checksum(&self, at: u64, length: u32, checksum: u128) -> Option<SalvagedText> {
        let bytes = self.unverified_text(at, length)?;
        let is_text = || !bytes.is_empty() && validate_text(bytes).is_ok();
        (xxh3_128(bytes) == checksum && is_text()).then_some(SalvagedText {
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

    fn unverified_text(&self, at: u64, length: u32) -> Option<&[u8]> {
        let end = at.checked_add(u64::from(length))?;
        self.unverified(Section::Heap)
            .get(at as usize..end as usize)
    }

    /// Where the entries of these slots, which ascend, start without what their records say: as the
    /// directory says, or where the entry before ends.
    fn starts_of(&self, slots: &[u32]) -> BTreeMap<u32, u64> {
        let mut starts = BTreeMap::new();
        for at in (0..self.length(Section::Directory)).step_by(BUCKET_BYTES) {
            let bucket = self.bytes(Section::Directory, at, BUCKET_BYTES);
            let bucket = bucket.map(|bucket| bucket.first_chunk().expect("of that length"));
            for start in bucket.into_iter().flat_map(directory::offsets) {
                if let Ok(entry) = self.entry(start)
                    && slots.binary_search(&entry.found.slot).is_ok()
                {
                    starts.insert(entry.found.slot, start);
                }
            }
        }
        for &slot in slots {
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
