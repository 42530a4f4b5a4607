//! Building a part from scrolls in coordinate order.
//!
//! Texts are written first, as they come; the other sections follow from the coordinates, and from
//! what was noted of the texts. Where texts do not lie in coordinate order, all coordinates must be known
//! before.

use super::dictionary::{self, Dictionary};
use super::heap::{HeapKey, MAX_HEADER_BYTES, encode_header};
use super::layout::{
    ALIGNMENT, FENCE_SLOTS, PART_HEADER_BYTES, PartHeader, SECTIONS, Section, encode_coordinate,
    first_section_at,
};
use super::lines::LinesBuilder;
use super::order::{Order, Placement};
use super::order_choice::Why;
use super::records::{RECORD_BYTES, RecordInfo};
use super::writer::SegmentWriter;
use super::{directory, keys, postings};
use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::error::Result;
use crate::log::Lsn;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_128;

/// Where the text of a key comes from, by the key's index in coordinate order.
type TextOf<'a> = Box<dyn Fn(usize) -> Result<&'a [u8]> + 'a>;

/// The scrolls of one phext that become a part.
pub(crate) struct PartSource<'a> {
    /// The phext's id.
    pub(crate) phext: u64,
    /// The phext's name.
    pub(crate) name: &'a str,
    /// The order to write in.
    pub(crate) order: Order,
    /// LSN of the oldest change in the part.
    pub(crate) first_lsn: Lsn,
    /// LSN of the newest change in the part.
    pub(crate) last_lsn: Lsn,
    /// The coordinates, ascending and distinct; at least one, at most `u32::MAX`.
    pub(crate) keys: Vec<Coordinate>,
    /// The text of the scroll with a given index.
    pub(crate) text: TextOf<'a>,
}

impl std::fmt::Debug for PartSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartSource")
            .field("phext", &self.phext)
            .field("name", &self.name)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// What a part says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartLabel<'a> {
    /// The phext's id.
    pub(crate) phext: u64,
    /// The phext's name.
    pub(crate) name: &'a str,
    /// LSN of the oldest change in the part.
    pub(crate) first_lsn: Lsn,
    /// LSN of the newest change in the part.
    pub(crate) last_lsn: Lsn,
}

/// Writes a part at the writer's position or a little behind it. Gives where it lies in the file.
pub(super) fn write_part(
    writer: &mut SegmentWriter<'_>,
    source: &PartSource<'_>,
) -> Result<Range<u64>> {
    let keys = &source.keys;
    let plan = KeyPlan::new(keys, source.order);
    let mut texts = Texts::begin(writer, source.name, keys.len())?;
    for slot in 0..keys.len() {
        let key = plan.slots().key(slot);
        texts.push(writer, &keys[key], (source.text)(key)?)?;
    }
    let label = PartLabel {
        phext: source.phext,
        name: source.name,
        first_lsn: source.first_lsn,
        last_lsn: source.last_lsn,
    };
    texts.finish(writer, label, keys, &plan)
}

/// Where the keys of a part lie.
pub(super) struct KeyPlan {
    dictionaries: [Dictionary; DIMENSIONS],
    placement: Placement,
    why: Why,
    /// The keys (indexes in coordinate order) in the order of the key blocks.
    positions: Vec<u32>,
}

impl KeyPlan {
    pub(super) fn new(keys: &[Coordinate], order: Order) -> KeyPlan {
        assert!(
            !keys.is_empty() && keys.len() <= u32::MAX as usize,
            "a part has 1 to 2^32-1 slots"
        );
        assert!(
            keys.is_sorted_by(|a, b| a < b),
            "keys are ascending and distinct"
        );
        let dictionaries = dictionary::build(keys);
        let (placement, why) = order.resolve(keys);
        let positions = placement.positions(keys, &dictionaries);
        KeyPlan {
            dictionaries,
            placement,
            why,
            positions,
        }
    }

    /// Whether the texts lie in coordinate order.
    pub(super) fn has_texts_by_coordinate(&self) -> bool {
        self.placement.has_coordinate_slots()
    }

    fn slots(&self) -> Slots<'_> {
        match self.has_texts_by_coordinate() {
            true => Slots::Coordinates,
            false => Slots::Keys(&self.positions),
        }
    }
}

/// Which key (an index in coordinate order) each slot holds.
#[derive(Clone, Copy)]
enum Slots<'a> {
    /// The keys in their own order.
    Coordinates,
    /// The keys in the order of the key blocks.
    Keys(&'a [u32]),
}

impl Slots<'_> {
    #[inline]
    fn key(&self, slot: usize) -> usize {
        match self {
            Slots::Coordinates => slot,
            Slots::Keys(positions) => positions[slot] as usize,
        }
    }
}

/// The heap of a part, which is being written in slot order, and what other sections say of it.
pub(super) struct Texts {
    /// Where the part starts in the file.
    base: u64,
    bytes: u64,
    text_bytes: u64,
    records: Vec<u8>,
    lines: LinesBuilder,
}

impl Texts {
    /// Begins a part of about so many slots.
    pub(super) fn begin(writer: &mut SegmentWriter<'_>, name: &str, slots: usize) -> Result<Texts> {
        let base = writer.reserve(PART_HEADER_BYTES + name.len(), ALIGNMENT)?;
        writer.pad_to(base + first_section_at(name))?;
        Ok(Texts {
            base,
            bytes: 0,
            text_bytes: 0,
            records: Vec::with_capacity(slots * RECORD_BYTES),
            lines: LinesBuilder::default(),
        })
    }

    /// Number of texts.
    pub(super) fn len(&self) -> usize {
        self.records.len() / RECORD_BYTES
    }

    /// Bytes of text.
    pub(super) fn byte_len(&self) -> u64 {
        self.text_bytes
    }

    /// Writes the text of the next slot.
    pub(super) fn push(
        &mut self,
        writer: &mut SegmentWriter<'_>,
        coordinate: &Coordinate,
        text: &[u8],
    ) -> Result<()> {
        let (slot, length) = (self.len() as u32, text.len() as u32);
        let record = RecordInfo {
            checksum: xxh3_128(text),
            length,
            offset: self.bytes,
        };
        record.encode(&mut self.records);
        self.lines.push(slot, text);
        let mut header = [0; MAX_HEADER_BYTES];
        let header_length = encode_header(&mut header, slot, length, &HeapKey::new(coordinate));
        writer.write(&header[..header_length])?;
        writer.write(text)?;
        self.bytes += (header_length + text.len()) as u64;
        self.text_bytes += u64::from(length);
        Ok(())
    }

    /// Writes the part's other sections and its header. The keys are those of the texts. Gives where the
    /// part lies in the file.
    pub(super) fn finish(
        self,
        writer: &mut SegmentWriter<'_>,
        label: PartLabel<'_>,
        keys: &[Coordinate],
        plan: &KeyPlan,
    ) -> Result<Range<u64>> {
        assert_eq!(self.len(), keys.len(), "there is a text for each key");
        let mut lengths = [0; SECTIONS];
        lengths[Section::Heap as usize] = self.bytes;
        let (base, text_bytes) = (self.base, self.text_bytes);
        let sections = self.into_sections(keys, plan);
        for (section, bytes) in &sections {
            lengths[*section as usize] = bytes.len() as u64;
        }
        let header = PartHeader {
            phext: label.phext,
            name: label.name.to_owned(),
            slots: keys.len() as u32,
            first_lsn: label.first_lsn,
            last_lsn: label.last_lsn,
            text_bytes,
            placement: plan.placement,
            why: plan.why,
            distinct: std::array::from_fn(|d| plan.dictionaries[d].len()),
            last: *keys.last().expect("a part has slots"),
            sections: PartHeader::lay_out(label.name, lengths),
        };
        for (section, bytes) in sections {
            writer.pad_to(base + header.sections[section as usize].start)?;
            writer.write(&bytes)?;
        }
        writer.fill(&header.encode())?;
        Ok(base..writer.position())
    }

    /// The bytes of the sections behind the heap, in file order.
    fn into_sections(
        self,
        keys: &[Coordinate],
        plan: &KeyPlan,
    ) -> [(Section, Vec<u8>); SECTIONS - 1] {
        let KeyPlan {
            dictionaries,
            positions,
            placement,
            ..
        } = plan;
        let blocks = keys::encode_blocks(dictionaries, positions);
        let zone_map = keys::encode_zone_map(dictionaries, &blocks);
        let postings = postings::encode(dictionaries, &blocks, keys.len());
        let directory = encode_directory(keys, plan.slots(), &self.records);
        [
            (Section::Records, self.records),
            (Section::Dictionaries, encode_dictionaries(dictionaries)),
            (Section::KeyBlocks, blocks),
            (Section::ZoneMap, zone_map),
            (
                Section::Permutation,
                encode_permutation(*placement, positions),
            ),
            (Section::Fences, encode_fences(keys)),
            (Section::Directory, directory),
            (Section::Lines, self.lines.finish()),
            (Section::Postings, postings),
        ]
    }
}

fn encode_directory(keys: &[Coordinate], slots: Slots<'_>, records: &[u8]) -> Vec<u8> {
    let records = records.chunks_exact(RECORD_BYTES).map(RecordInfo::decode);
    let entries = records.enumerate();
    let entries = entries.map(|(slot, record)| (&keys[slots.key(slot)], record.offset));
    directory::encode(keys.len(), entries)
}

fn encode_dictionaries(dictionaries: &[Dictionary; DIMENSIONS]) -> Vec<u8> {
    let mut out = Vec::new();
    dictionaries
        .iter()
        .for_each(|dictionary| dictionary.encode(&mut out));
    out
}

/// From a position in the key blocks to the slot where slots are in coordinate order, and from a
/// rank in coordinate order to the slot where they are not. Empty where all three are the same.
fn encode_permutation(placement: Placement, positions: &[u32]) -> Vec<u8> {
    if placement.is_lexicographic() {
        return Vec::new();
    }
    if placement.has_coordinate_slots() {
        return positions.iter().flat_map(|key| key.to_le_bytes()).collect();
    }
    let mut by_rank = vec![0u32; positions.len()];
    for (slot, &key) in positions.iter().enumerate() {
        by_rank[key as usize] = slot as u32;
    }
    by_rank.iter().flat_map(|slot| slot.to_le_bytes()).collect()
}

/// Every 32nd coordinate.
fn encode_fences(keys: &[Coordinate]) -> Vec<u8> {
    let fences = keys.iter().step_by(FENCE_SLOTS as usize);
    fences.flat_map(encode_coordinate).collect()
}
