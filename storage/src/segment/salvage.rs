//! What can still be read of a damaged part.
//!
//! A scroll is whole where its key and its text are what was written, and a chunk that is not may hold
//! hundreds of whole ones. Both are in a part more than once, or have a checksum of their own:
//!
//! ```text
//! entry   a record, the directory or the end of the entry before says where it starts
//! key     in front of the text, or in the key blocks, in whole chunks | two of these and the directory agree
//! text    its chunks are whole | it matches the checksum of its record
//! ```
//!
//! Chunks that match their checksums may hold what was written wrong. Then two of three are right: the
//! key in front of the text, the one in the key blocks, and the directory, which lists the entry under the
//! hash of its key. A text of which more than one bit contradicts its record is lost.
//!
//! A text and a record that match, by 128 bits, are both what was written, whatever else is wrong in
//! their chunks. They are too where flipping one bit of either makes them match.

use super::directory::{self, BUCKET_BYTES, Probe};
use super::heap::{Front, decode_key, header_bytes};
use super::layout::Section;
use super::part::{Entry, Part, TextPlace};
use super::records::{RECORD_BYTES, RecordInfo};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::phext::validate_text;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::iter::repeat;
use xxhash_rust::xxh3::xxh3_128;

/// Bytes that may be hashed for texts of which one bit is wrong, in a part, since each of their bits costs
/// a checksum of all: enough for one of 46,340 bytes. A fuzzer looks for other things.
const MENDING_BYTES: u64 = if cfg!(feature = "fuzzing") {
    1 << 22
} else {
    1 << 34
};

/// The slots of a damaged part, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Salvaged {
    /// Texts of which one bit was wrong, with that put right.
    mended: BTreeMap<SalvagedText, Vec<u8>>,
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

impl Salvaged {
    /// A text that is whole.
    ///
    /// # Errors
    /// Where it has changed since.
    pub(crate) fn text<'a>(&'a self, part: &'a Part, text: SalvagedText) -> Result<&'a [u8]> {
        match self.mended.get(&text) {
            Some(mended) => Ok(mended),
            None => part.salvaged_text(text),
        }
    }
}

/// A scroll that is whole, and where its entry starts in the heap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Whole {
    coordinate: Coordinate,
    offset: u64,
    text: SalvagedText,
    /// The text, where one bit of it was wrong.
    mended: Option<Vec<u8>>,
}

/// What is left of [`MENDING_BYTES`].
struct Budget(Cell<u64>);

impl Budget {
    /// The text that matches a checksum but for one bit, if the budget allows for looking.
    fn flipped_back(&self, text: &[u8], checksum: u128) -> Option<Vec<u8>> {
        let bits = text.len() as u64 * 8;
        let needed = bits.saturating_mul(text.len() as u64);
        self.0.set(self.0.get().checked_sub(needed)?);
        let mut mended = text.to_vec();
        let is_found = (0..bits as usize).any(|bit| {
            let mask = 1 << (bit % 8);
            mended[bit / 8] ^= mask;
            let is_right = xxh3_128(&mended) == checksum;
            if !is_right {
                mended[bit / 8] ^= mask;
            }
            is_right
        });
        is_found.then_some(mended)
    }
}

impl Part {
    /// Sorts out the slots that are not `skipped`.
    pub(crate) fn salvage(&self, skipped: impl Fn(u32) -> bool) -> Salvaged {
        let names = self.names_by_slot();
        let budget = Budget(Cell::new(MENDING_BYTES));
        let mut salvaged = Salvaged::default();
        let (mut whole, mut unread) = (Vec::new(), Vec::new());
        for slot in (0..self.slots()).filter(|&slot| !skipped(slot)) {
            let scroll = self.entry_of(slot).ok();
            match scroll.and_then(|entry| self.scroll_of(&entry, names[slot as usize], &budget)) {
                Some(scroll) => whole.push(scroll),
                None => unread.push(slot),
            }
        }
        if !unread.is_empty() {
            whole.extend(self.salvage_unread(&unread, &names, &budget, &mut salvaged));
        }
        self.keep_one_of_each(whole, &mut salvaged);
        salvaged
    }

    /// Looks for the scrolls of slots whose records do not lead to one that is whole.
    fn salvage_unread(
        &self,
        unread: &[u32],
        names: &[Option<Coordinate>],
        budget: &Budget,
        salvaged: &mut Salvaged,
    ) -> Vec<Whole> {
        let mut whole = Vec::new();
        let claims = self.claims_by_slot();
        let starts = self.starts_of(unread);
        for &slot in unread {
            let name = names[slot as usize];
            let entry = starts.get(&slot).and_then(|&start| self.entry(start).ok());
            let claim = claims[slot as usize];
            let scroll = entry.and_then(|entry| self.scroll_of(&entry, name, budget));
            let scroll = scroll.or_else(|| self.scroll_by_records(slot, name, claim, budget));
            let offset = || self.claimed_record(slot).offset;
            let key = name.or_else(|| self.confirmed(slot, offset(), claim));
            match scroll {
                Some(scroll) => whole.push(scroll),
                None => match key.or(entry.map(|entry| entry.coordinate)) {
                    Some(coordinate) => salvaged.lost.push(coordinate),
                    None => salvaged.lost_unnamed += 1,
                },
            }
        }
        whole
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
                Some(scroll) => {
                    salvaged.good.push((coordinate, scroll.text));
                    let mended = scroll.mended.clone();
                    salvaged
                        .mended
                        .extend(mended.map(|mended| (scroll.text, mended)));
                }
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
    fn salvaged_text(&self, text: SalvagedText) -> Result<&[u8]> {
        let bytes = self.unverified_text(text.at, text.length);
        bytes
            .filter(|bytes| xxh3_128(bytes) == text.checksum)
            .ok_or_else(|| self.corrupt(Section::Heap, text.at as usize, "a text has changed"))
    }

    /// The scroll of an entry that whole chunks hold. `name` is what the key blocks call its slot.
    fn scroll_of(&self, entry: &Entry, name: Option<Coordinate>, budget: &Budget) -> Option<Whole> {
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
        let (text, mended) = self.text_by_checksum(at, length, checksum, budget)?;
        Some(Whole {
            coordinate,
            offset,
            text,
            mended,
        })
    }

    /// The scroll of a slot whose record says where it is and whose key is `name`, or what is confirmed.
    fn scroll_by_record(
        &self,
        slot: u32,
        record: RecordInfo,
        name: Option<Coordinate>,
        claim: Option<Coordinate>,
        budget: &Budget,
    ) -> Option<Whole> {
        let offset = record.offset;
        let key = name.or_else(|| self.confirmed(slot, offset, claim))?;
        match self.is_listed(&key, offset) {
            Some(false) => return None,
            // The entry is of this slot, and its key another.
            None if self.entry_of(slot).is_ok_and(|e| e.coordinate != key) => return None,
            _ => {}
        }
        let at = offset + header_bytes(slot, record.length, &key) as u64;
        let (text, mended) = self.text_by_checksum(at, record.length, record.checksum, budget)?;
        Some(Whole {
            coordinate: key,
            offset,
            text,
            mended,
        })
    }

    /// As [`Self::scroll_by_record`], of the record as it stands, or with one bit of it flipped.
    fn scroll_by_records(
        &self,
        slot: u32,
        name: Option<Coordinate>,
        claim: Option<Coordinate>,
        budget: &Budget,
    ) -> Option<Whole> {
        let nothing = Budget(Cell::new(0));
        let budgets = [budget].into_iter().chain(repeat(&nothing));
        let mut records = self.claimed_records(slot).zip(budgets);
        records
            .find_map(|(record, budget)| self.scroll_by_record(slot, record, name, claim, budget))
    }

    /// Whether the directory lists an entry at `offset` for a coordinate; `None` where it is damaged.
    fn is_listed(&self, coordinate: &Coordinate, offset: u64) -> Option<bool> {
        self.lists(coordinate, offset, |at| self.bucket(at).ok())
    }

    /// As [`Self::is_listed`], of bytes as they stand.
    fn is_listed_as_it_stands(&self, coordinate: &Coordinate, offset: u64) -> bool {
        let directory = self.unverified(Section::Directory);
        let listed = self.lists(coordinate, offset, |at| directory.get(at..)?.first_chunk());
        listed == Some(true)
    }

    fn lists<'b>(
        &self,
        coordinate: &Coordinate,
        offset: u64,
        bucket: impl Fn(usize) -> Option<&'b [u8; BUCKET_BYTES]>,
    ) -> Option<bool> {
        let probe = Probe::new(coordinate);
        for at in directory::buckets_of(self.length(Section::Directory), probe) {
            let bucket = bucket(at)?;
            if directory::candidates(bucket, probe).any(|candidate| candidate == offset) {
                return Some(true);
            }
            if !directory::goes_on(bucket) {
                break;
            }
        }
        Some(false)
    }

    /// A text that matches its checksum, whatever the rest of its chunk is, and that may be one; also where
    /// one bit of text or checksum is wrong. Gives the text where it is another than what stands there.
    fn text_by_checksum(
        &self,
        at: u64,
        length: u32,
        checksum: u128,
        budget: &Budget,
    ) -> Option<(SalvagedText, Option<Vec<u8>>)> {
        let bytes = self.unverified_text(at, length)?;
        let found = xxh3_128(bytes);
        let is_whole = (found ^ checksum).count_ones() <= 1;
        let mended = match is_whole {
            true => None,
            false => Some(budget.flipped_back(bytes, checksum)?),
        };
        let text = mended.as_deref().unwrap_or(bytes);
        let is_text = !text.is_empty() && validate_text(text).is_ok();
        let text = SalvagedText {
            at,
            length,
            checksum: if is_whole { found } else { checksum },
        };
        is_text.then_some((text, mended))
    }

    /// A record as it stands.
    fn claimed_record(&self, slot: u32) -> RecordInfo {
        let records = self.unverified(Section::Records);
        RecordInfo::decode(&records[slot as usize * RECORD_BYTES..])
    }

    /// The key of a slot whose entry starts at `offset`, in damaged chunks: two of three agree, the key
    /// blocks, the entry, and the directory, which lists the entry under its key.
    fn confirmed(&self, slot: u32, offset: u64, claim: Option<Coordinate>) -> Option<Coordinate> {
        let held = self.claimed_entry_key(slot, offset);
        if claim.is_some() && claim == held {
            return claim;
        }
        let listed = |key: &Coordinate| self.is_listed_as_it_stands(key, offset);
        [claim, held].into_iter().flatten().find(listed)
    }

    /// The key that stands in the entry of a slot.
    fn claimed_entry_key(&self, slot: u32, offset: u64) -> Option<Coordinate> {
        let (front, bytes) = self.claimed_front(slot, offset)?;
        let (key, _) = decode_key(bytes.get(front.key_at..)?)?;
        Some(key)
    }

    /// What stands at the start of an entry of a slot, and the heap from there on.
    fn claimed_front(&self, slot: u32, offset: u64) -> Option<(Front, &[u8])> {
        let bytes = self.unverified(Section::Heap).get(offset as usize..)?;
        let front = Front::read(bytes).filter(|front| front.slot == slot)?;
        Some((front, bytes))
    }

    /// The record of a slot as it stands, and with that bit flipped, of those that say where the entry is and
    /// how long its text, with which the entry says the same.
    fn claimed_records(&self, slot: u32) -> impl Iterator<Item = RecordInfo> {
        let at = slot as usize * RECORD_BYTES;
        let stands = &self.unverified(Section::Records)[at..at + RECORD_BYTES];
        let flipped = (RecordInfo::PLACE_AT * 8..RECORD_BYTES * 8).map(|bit| {
            let mut record = [0; RECORD_BYTES];
            record.copy_from_slice(stands);
            record[bit / 8] ^= 1 << (bit % 8);
            RecordInfo::decode(&record)
        });
        let agrees = move |record: &RecordInfo| {
            let front = self.claimed_front(slot, record.offset);
            front.is_some_and(|(front, _)| front.text_bytes == record.length)
        };
        [RecordInfo::decode(stands)]
            .into_iter()
            .chain(flipped.filter(agrees))
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
