//! Building a part from scrolls in coordinate order.

use super::dictionary::{self, Dictionary};
use super::layout::{PartHeader, SECTIONS, Section};
use super::order::Order;
use super::records::{HeapKey, RECORD_BYTES, RecordInfo};
use super::writer::SegmentWriter;
use super::{directory, keys};
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
    let slots = placement.slots(keys, &dictionaries);
    let (heap_bytes, text_bytes) = heap_lengths(source)?;
    let blocks = keys::encode_blocks(&dictionaries, &slots);
    let zone_map = keys::encode_zone_map(&dictionaries, &slots);
    let by_coordinate = if placement.is_lexicographic() {
        Vec::new()
    } else {
        encode_by_coordinate(&slots)
    };
    let directory = directory::encode(slots.iter().map(|&key| keys[key as usize]));
    let dictionary_bytes = encode_dictionaries(&dictionaries);

    let (sections, _) = PartHeader::lay_out(
        source.name,
        [
            dictionary_bytes.len() as u64,
            blocks.len() as u64,
            zone_map.len() as u64,
            by_coordinate.len() as u64,
            directory.len() as u64,
            heap_bytes,
            (keys.len() * RECORD_BYTES) as u64,
        ],
    );
    let header = PartHeader {
        phext: source.phext,
        name: source.name.to_owned(),
        slots: keys.len() as u32,
        first_lsn: source.first_lsn,
        last_lsn: source.last_lsn,
        text_bytes,
        placement,
        why,
        distinct: std::array::from_fn(|d| dictionaries[d].len()),
        sections,
    };
    let base = writer.position();
    writer.write(&header.encode())?;
    let early = [
        (Section::Dictionaries, dictionary_bytes),
        (Section::KeyBlocks, blocks),
        (Section::ZoneMap, zone_map),
        (Section::ByCoordinate, by_coordinate),
        (Section::Directory, directory),
    ];
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

fn encode_dictionaries(dictionaries: &[Dictionary; DIMENSIONS]) -> Vec<u8> {
    let mut out = Vec::new();
    dictionaries
        .iter()
        .for_each(|dictionary| dictionary.encode(&mut out));
    out
}

/// The slot of each key, in coordinate order: the inverse of `slots`.
fn encode_by_coordinate(slots: &[u32]) -> Vec<u8> {
    let mut by_coordinate = vec![0; slots.len()];
    for (slot, &key) in slots.iter().enumerate() {
        by_coordinate[key as usize] = slot as u32;
    }
    by_coordinate
        .iter()
        .flat_map(|slot: &u32| slot.to_le_bytes())
        .collect()
}

/// Bytes of the heap, and of the text in it.
fn heap_lengths(source: &PartSource<'_>) -> Result<(u64, u64)> {
    let (mut heap, mut text) = (0, 0);
    for (index, key) in source.keys.iter().enumerate() {
        let length = (source.text)(index)?.len() as u64;
        heap += HeapKey::new(key).as_bytes().len() as u64 + length;
        text += length;
    }
    Ok((heap, text))
}

/// Writes the heap in slot order. Returns the records' bytes.
fn write_heap(
    writer: &mut SegmentWriter<'_>,
    source: &PartSource<'_>,
    slots: &[u32],
) -> Result<Vec<u8>> {
    let mut records = Vec::with_capacity(slots.len() * RECORD_BYTES);
    let mut offset = 0;
    for &key in slots {
        let heap_key = HeapKey::new(&source.keys[key as usize]);
        let text = (source.text)(key as usize)?;
        offset += heap_key.as_bytes().len() as u64;
        let record = RecordInfo {
            offset,
            length: text.len() as u32,
            line_breaks: memchr::memchr_iter(b'\n', text).count() as u32,
            checksum: xxh3_128(text),
        };
        record.encode(&mut records);
        writer.write(heap_key.as_bytes())?;
        writer.write(text)?;
        offset += text.len() as u64;
    }
    Ok(records)
}
