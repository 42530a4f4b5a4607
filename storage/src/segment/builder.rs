//! Building a part from scrolls in coordinate order.

use super::dictionary::{self, Dictionary};
use super::directory::{DirectoryBuilder, Probe};
use super::heap::{HeapKey, MAX_HEADER_BYTES, encode_header, header_bytes};
use super::layout::{FENCE_SLOTS, PartHeader, SECTIONS, Section, encode_coordinate};
use super::lines::LinesBuilder;
use super::order::{Order, Placement};
use super::records::{RECORD_BYTES, RecordInfo};
use super::writer::SegmentWriter;
use super::{keys, postings};
use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::error::Result;
use crate::log::Lsn;
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

/// Writes a part at the writer's position.
pub(super) fn write_part(writer: &mut SegmentWriter<'_>, source: &PartSource<'_>) -> Result<()> {
    let keys = &source.keys;
    assert!(
        !keys.is_empty() && keys.len() <= u32::MAX as usize,
        "a part has 1 to 2^32-1 slots"
    );
    assert!(
        keys.is_sorted_by(|a, b| a < b),
        "keys are ascending and distinct"
    );
    let dictionaries = dictionary::build(keys);
    let (placement, why) = source.order.resolve(keys);
    let positions = placement.positions(keys, &dictionaries);
    let slots = Slots::new(placement, &positions);
    let heap = HeapPlan::new(source, &slots)?;
    let blocks = keys::encode_blocks(&dictionaries, &positions);
    let postings = postings::encode(&dictionaries, &blocks, keys.len());
    let early = [
        (Section::Dictionaries, encode_dictionaries(&dictionaries)),
        (Section::KeyBlocks, blocks),
        (
            Section::ZoneMap,
            keys::encode_zone_map(&dictionaries, &positions),
        ),
        (
            Section::Permutation,
            encode_permutation(placement, &positions),
        ),
        (Section::Fences, encode_fences(keys)),
        (Section::Directory, heap.directory),
        (Section::Lines, heap.lines.finish()),
        (Section::Postings, postings),
    ];

    let mut lengths = [0; SECTIONS];
    for (section, bytes) in &early {
        lengths[*section as usize] = bytes.len() as u64;
    }
    lengths[Section::Heap as usize] = heap.bytes;
    lengths[Section::Records as usize] = (keys.len() * RECORD_BYTES) as u64;
    let (sections, _) = PartHeader::lay_out(source.name, lengths);
    let header = PartHeader {
        phext: source.phext,
        name: source.name.to_owned(),
        slots: keys.len() as u32,
        first_lsn: source.first_lsn,
        last_lsn: source.last_lsn,
        text_bytes: heap.text_bytes,
        placement,
        why,
        distinct: std::array::from_fn(|d| dictionaries[d].len()),
        last: *keys.last().expect("a part has slots"),
        sections,
    };
    let base = writer.position();
    writer.write(&header.encode())?;
    for (section, bytes) in early {
        writer.pad_to(base + header.sections[section as usize].start)?;
        writer.write(&bytes)?;
    }
    writer.pad_to(base + header.sections[Section::Heap as usize].start)?;
    let records = write_heap(writer, source, &slots)?;
    writer.pad_to(base + header.sections[Section::Records as usize].start)?;
    writer.write(&records)?;
    debug_assert_eq!(writer.position(), base + header.sections[SECTIONS - 1].end);
    Ok(())
}

/// Which key (an index in coordinate order) each slot holds.
enum Slots<'a> {
    /// The keys in their own order.
    Coordinates,
    /// The keys in the order of the key blocks.
    Keys(&'a [u32]),
}

impl<'a> Slots<'a> {
    fn new(placement: Placement, positions: &'a [u32]) -> Slots<'a> {
        match placement.has_coordinate_slots() {
            true => Slots::Coordinates,
            false => Slots::Keys(positions),
        }
    }

    #[inline]
    fn key(&self, slot: usize) -> usize {
        match self {
            Slots::Coordinates => slot,
            Slots::Keys(positions) => positions[slot] as usize,
        }
    }
}

/// What is known of the heap before it is written.
struct HeapPlan {
    bytes: u64,
    text_bytes: u64,
    directory: Vec<u8>,
    lines: LinesBuilder,
}

impl HeapPlan {
    fn new(source: &PartSource<'_>, slots: &Slots<'_>) -> Result<HeapPlan> {
        let mut plan = HeapPlan {
            bytes: 0,
            text_bytes: 0,
            directory: Vec::new(),
            lines: LinesBuilder::default(),
        };
        let mut directory = DirectoryBuilder::new(source.keys.len());
        for slot in 0..source.keys.len() {
            let key = slots.key(slot);
            let coordinate = &source.keys[key];
            let text = (source.text)(key)?;
            directory.insert(Probe::new(coordinate), plan.bytes);
            plan.lines.push(slot as u32, text);
            let header = header_bytes(&HeapKey::new(coordinate), text.len() as u32);
            plan.bytes += (header + text.len()) as u64;
            plan.text_bytes += text.len() as u64;
        }
        plan.directory = directory.finish();
        Ok(plan)
    }
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

/// Writes the heap in slot order. Returns the records' bytes.
fn write_heap(
    writer: &mut SegmentWriter<'_>,
    source: &PartSource<'_>,
    slots: &Slots<'_>,
) -> Result<Vec<u8>> {
    let mut records = Vec::with_capacity(source.keys.len() * RECORD_BYTES);
    let mut header = [0; MAX_HEADER_BYTES];
    let mut offset = 0;
    for slot in 0..source.keys.len() {
        let key = slots.key(slot);
        let heap_key = HeapKey::new(&source.keys[key]);
        let text = (source.text)(key)?;
        let length = text.len() as u32;
        let record = RecordInfo {
            checksum: xxh3_128(text),
            length,
            offset,
        };
        record.encode(&mut records);
        let header_length = encode_header(&mut header, slot as u32, length, &heap_key);
        writer.write(&header[..header_length])?;
        writer.write(text)?;
        offset += (header_length + text.len()) as u64;
    }
    Ok(records)
}
