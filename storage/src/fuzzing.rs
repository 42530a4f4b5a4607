//! What the fuzz targets in `fuzz/` reach of the inside. Not part of the interface of this crate.
//!
//! Checksums would stop a fuzzer at the door, so bytes are made to match their checksums first: what
//! is tried is what lies behind. Each function reads all that its input leads to and demands no more
//! than that nothing panics, or what it says.

use crate::catalog::{self, Contents};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::log::file_path;
use crate::log::recovery::{Known, recover};
use crate::log::salvage::salvage;
use crate::phext::validate_text;
use crate::segment::{Order, Part, Probe, Segment, file_name, reseal};
use crate::store::{PartView, Phext};
use crate::vfs::MemoryVfs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The length of a log's header, and of the frame of a record.
const LOG_HEADER_BYTES: usize = 64;
const LOG_FRAME_BYTES: usize = 24;

/// The most parts of a segment that are looked at.
const MOST_PARTS: u32 = 8;

/// The longest segment of which headers are mended, which takes checksums by the thousand.
const MOST_MENDED_BYTES: u64 = 4096;

/// The most slots of a part that are read one by one.
const MOST_SLOTS: u32 = 300;

/// Salvages and recovers a log file of these bytes. What was recovered must be there when it is recovered again.
pub fn log(bytes: &[u8]) {
    for is_fitted in [false, true] {
        let mut bytes = bytes.to_vec();
        if is_fitted {
            fit_log(&mut bytes);
        }
        let vfs = MemoryVfs::new();
        let directory = PathBuf::from("log");
        vfs.put(&file_path(&directory, 1), bytes);
        let known = Known {
            sealed_lsn: 0,
            durable_lsn: 0,
        };
        for catalog in [None, Some(known)] {
            let _ = salvage(&vfs, &directory, catalog, 0);
        }
        let Ok(first) = recover(&vfs, &directory, known, 4096) else {
            continue;
        };
        let second = recover(&vfs, &directory, known, 4096);
        let second = second.expect("a log that was recovered recovers again");
        assert_eq!(first.records, second.records);
        assert_eq!(first.last_lsn, second.last_lsn);
    }
}

/// Gives the header and the records of a log file the checksums that fit them.
fn fit_log(bytes: &mut [u8]) {
    let Some(header) = bytes.get_mut(..LOG_HEADER_BYTES) else {
        return;
    };
    if header[12..16] != [0; 4] {
        let crc = crc32c::crc32c(&header[..32]);
        header[40..44].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32c::crc32c(&header[..60]);
    header[60..64].copy_from_slice(&crc.to_le_bytes());
    let salt: [u8; 8] = header[24..32].try_into().expect("eight bytes");
    let mut at = LOG_HEADER_BYTES;
    while let Some(frame) = bytes.get(at..at + LOG_FRAME_BYTES) {
        let length = u32::from_le_bytes(frame[..4].try_into().expect("four bytes")) as usize;
        let end = at + LOG_FRAME_BYTES + length;
        if end > bytes.len() {
            return;
        }
        let crc = crc32c::crc32c(&salt);
        let crc = crc32c::crc32c_append(crc, &bytes[at..at + 4]);
        let crc = crc32c::crc32c_append(crc, &bytes[at + 8..end]);
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}

/// Opens a segment of these bytes, asks each part every question, checks and salvages it.
pub fn segment(bytes: &[u8]) {
    let directory = PathBuf::from("segments");
    for bytes in [bytes.to_vec(), reseal(1, bytes)] {
        let vfs = MemoryVfs::new();
        vfs.put(&directory.join(file_name(1)), bytes);
        if let Ok(segment) = Segment::open(&vfs, &directory, 1) {
            let _ = segment.verify();
            let parts = (0..segment.parts().min(MOST_PARTS)).map(|index| segment.part(index));
            for part in parts.flatten() {
                ask(&part);
                ask_phexts(&part);
                part.check(&mut |_, _| {}, &mut |_| {});
            }
        }
        if let Ok(segment) = Segment::open_damaged(&vfs, &directory, 1) {
            for index in 0..segment.parts().min(MOST_PARTS) {
                let whole = segment.part(index).ok();
                let damaged = segment.damaged_part(index).ok();
                let is_short = segment.byte_len() <= MOST_MENDED_BYTES;
                let mended = is_short.then(|| segment.mended_part(index)).flatten();
                let parts = [whole, mended, damaged];
                parts.iter().flatten().for_each(|part| salvage_part(part));
            }
        }
    }
}

/// Salvages a part. What is good must be what can be written as a part.
fn salvage_part(part: &Part) {
    let salvaged = part.salvage(|slot| slot % 5 == 4);
    let keys = salvaged.good.iter().map(|&(key, _)| key);
    assert!(keys.is_sorted_by(|a, b| a < b), "of each coordinate one");
    for &(_, text) in &salvaged.good {
        let text = salvaged.text(part, text).expect("it is whole");
        assert!(!text.is_empty() && validate_text(text).is_ok());
    }
}

/// Looks points up in phexts that have the part once, and as often as it takes for the translation cache
/// to be asked. However a point is looked up, it has the same text.
fn ask_phexts(part: &Arc<Part>) {
    let slots = 0..part.slots().min(MOST_SLOTS);
    let coordinates = slots.filter_map(|slot| part.coordinate(slot).ok());
    let ends = [Coordinate::ORIGIN, Coordinate::MAX];
    let coordinates: Vec<Coordinate> = coordinates.chain(ends).collect();
    for parts in [1, 5] {
        let mut phext = Phext::new(1, part.name().into(), Order::Auto, 0);
        let views = (0..parts).map(|_| PartView::new(Arc::clone(part)));
        phext.parts = views.collect();
        for coordinate in &coordinates {
            let found = part.find(coordinate, Probe::new(coordinate));
            let Ok(expected) = found.and_then(|found| {
                let text = found.map(|found| part.text_at(found.text));
                text.transpose()
            }) else {
                continue;
            };
            let text = phext.text(coordinate);
            assert_eq!(text.expect("the part gives it"), expected);
            let located = phext.locate_begun(coordinate, phext.begin(coordinate));
            let located = located.expect("the part gives it");
            let text = located.is_present().then(|| located.text());
            assert_eq!(text.transpose().expect("the part gives it"), expected);
        }
        let mut locations = Vec::new();
        let _ = phext.locate_batch(&coordinates, &mut locations);
    }
}

fn ask(part: &Part) {
    let slots = part.slots().min(MOST_SLOTS);
    let last = part.slots().saturating_sub(1);
    for slot in (0..slots).chain([last, part.slots(), u32::MAX]) {
        let _ = part.record(slot);
        let _ = part.entry_of(slot);
        let _ = part.text(slot);
        let _ = part.nearest_mark(slot, 0);
        let _ = part.nearest_mark(slot, u32::MAX);
        let _ = part.slot_at_rank(slot);
        let _ = part.slot_at_position(slot);
        let _ = part.coordinate_at_position(slot);
        part.prefetch(slot, true);
        if let Ok(coordinate) = part.coordinate(slot) {
            look_for(part, &coordinate);
        }
    }
    look_for(part, &Coordinate::ORIGIN);
    look_for(part, &Coordinate::MAX);
}

fn look_for(part: &Part, coordinate: &Coordinate) {
    let _ = part.find(coordinate, Probe::new(coordinate));
    let _ = part.slot_of(coordinate);
    let _ = part.rank_before(coordinate);
    let _ = part.lower_bound(coordinate);
    let _ = part.upper_bound(coordinate);
}

/// Reads a catalog of these entries, as [`entries`] reads them from bytes.
pub fn catalog(bytes: &[u8]) {
    for is_fitted in [false, true] {
        let mut entries = entries(bytes);
        if is_fitted {
            fit_catalog(&mut entries);
        }
        let _ = read_catalog(entries);
    }
}

fn read_catalog(entries: Entries) -> Result<Contents> {
    Contents::read(Path::new("catalog"), entries)
}

/// Keys and values of a catalog.
pub type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Entries from bytes: for each the length of its key (u8), that of its value (u16), key and value.
pub fn entries(mut bytes: &[u8]) -> Entries {
    let mut entries = Entries::new();
    while let Some((head, rest)) = bytes.split_at_checked(3) {
        let key = usize::from(head[0]).min(rest.len());
        let (key, rest) = rest.split_at(key);
        let value = usize::from(u16::from_le_bytes([head[1], head[2]])).min(rest.len());
        let (value, rest) = rest.split_at(value);
        entries.push((key.to_vec(), value.to_vec()));
        bytes = rest;
    }
    entries
}

/// The bytes from which [`entries`] reads these.
pub fn entry_bytes(entries: &Entries) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in entries {
        bytes.push(key.len() as u8);
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }
    bytes
}

/// Gives the header of a catalog, whose last field it is, the digest of the other entries.
fn fit_catalog(entries: &mut Entries) {
    let digest = catalog::Entries::of(entries).digest().to_le_bytes();
    let header = entries.iter_mut().find(|(key, _)| key == b"meta");
    if let Some((_, value)) = header
        && let Some(at) = value.len().checked_sub(digest.len())
    {
        value[at..].copy_from_slice(&digest);
    }
}
