//! The trailer: where the tables of a segment file are, and the checksum of it and of the checksum table.
//!
//! All of it but that checksum is told by other bytes as well, so that a repair does without it.

use super::checksums::{CHECKSUM_BYTES, CHUNK_BYTES};
use super::file::PART_ENTRY_BYTES;
use super::layout::{ALIGNMENT, FILE_HEADER_BYTES, FILE_MAGIC, u64_at};
use crate::error::{Result, StoreError};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Length of the trailer.
pub(super) const TRAILER_BYTES: usize = 64;
const TRAILER_CHECKSUM_AT: usize = 48;

/// What the last bytes of a file say of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Number of parts.
    pub(super) parts: usize,
    /// Where the part table starts.
    pub(super) parts_at: usize,
    /// Where the part table ends and the checksum table starts.
    pub(super) checksums_at: usize,
}

impl Trailer {
    /// Checksum table and trailer of a file.
    pub(super) fn encode(&self, segment: u64, checksums: &[u8]) -> Vec<u8> {
        let mut bytes = checksums.to_vec();
        bytes.extend_from_slice(&segment.to_le_bytes());
        bytes.extend_from_slice(&(self.parts as u64).to_le_bytes());
        bytes.extend_from_slice(&(self.parts_at as u64).to_le_bytes());
        bytes.extend_from_slice(&(self.checksums_at as u64).to_le_bytes());
        bytes.resize(checksums.len() + TRAILER_CHECKSUM_AT, 0);
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&FILE_MAGIC);
        bytes
    }

    /// The trailer of a file that is whole from its checksum table on.
    pub(super) fn read(path: &Path, segment: u64, map: &[u8]) -> Result<Trailer> {
        let at = map.len().saturating_sub(TRAILER_BYTES);
        let corrupt = |what: &str| StoreError::corrupt(path, at as u64, format!("trailer: {what}"));
        let bytes = map
            .get(at..at + TRAILER_BYTES)
            .ok_or_else(|| corrupt("the file is too short"))?;
        if bytes[56..64] != FILE_MAGIC {
            return Err(corrupt("there is none; the file was cut or is no segment"));
        }
        let (parts, parts_at, checksums_at) =
            (u64_at(bytes, 8), u64_at(bytes, 16), u64_at(bytes, 24));
        if parts_at > checksums_at || checksums_at > at as u64 {
            return Err(corrupt("its offsets lie outside the file"));
        }
        let checksums_at = checksums_at as usize;
        if xxh3_64(&map[checksums_at..at + TRAILER_CHECKSUM_AT])
            != u64_at(bytes, TRAILER_CHECKSUM_AT)
        {
            return Err(corrupt(
                "the checksum of trailer and checksum table does not match",
            ));
        }
        if u64_at(bytes, 0) != segment {
            return Err(corrupt("it belongs to another segment"));
        }
        Ok(Trailer {
            parts: parts as usize,
            parts_at: parts_at as usize,
            checksums_at,
        })
    }

    /// What a trailer that is damaged said, or one behind a damaged checksum table: the length of the file
    /// tells where the checksum table starts, and the part table starts where the last part ends. `None`
    /// where trailer and checksum table are whole, and where there is no part table.
    pub(super) fn derive(map: &[u8]) -> Option<Trailer> {
        let before = map.len().checked_sub(TRAILER_BYTES)?;
        let chunks = before.div_ceil(CHUNK_BYTES + CHECKSUM_BYTES);
        let checksums_at = before.checked_sub(chunks * CHECKSUM_BYTES)?;
        let (data, tail) = map.split_at(checksums_at);
        let last = data.last_chunk::<PART_ENTRY_BYTES>()?;
        let parts_at = u64_at(last, 0).checked_add(u64_at(last, 8))?;
        let table = data.get(usize::try_from(parts_at).ok()?..)?;
        (is_part_table(table) && !trailer_matches(tail)).then_some(Trailer {
            parts: table.len() / PART_ENTRY_BYTES,
            parts_at: parts_at as usize,
            checksums_at,
        })
    }

    /// The checksum of the trailer behind a checksum table.
    pub(super) fn checksum(&self, segment: u64, checksums: &[u8]) -> u64 {
        let bytes = self.encode(segment, checksums);
        u64_at(&bytes, checksums.len() + TRAILER_CHECKSUM_AT)
    }

    /// The checksum that a file has in its trailer.
    pub(super) fn stored_checksum(map: &[u8]) -> u64 {
        u64_at(map, map.len() - TRAILER_BYTES + TRAILER_CHECKSUM_AT)
    }
}

/// Whether these bytes are a part table: parts that follow each other.
fn is_part_table(table: &[u8]) -> bool {
    let mut end = FILE_HEADER_BYTES as u64;
    let mut follows = |entry: &[u8]| {
        let start = u64_at(entry, 0);
        let is_behind = start >= end && start.is_multiple_of(ALIGNMENT);
        end = start.saturating_add(u64_at(entry, 8));
        is_behind
    };
    table.len().is_multiple_of(PART_ENTRY_BYTES)
        && table.chunks_exact(PART_ENTRY_BYTES).all(&mut follows)
}

/// Whether the end of a file, from its checksum table on, is what was written.
pub(super) fn trailer_matches(tail: &[u8]) -> bool {
    let checksum_at = tail.len() - TRAILER_BYTES + TRAILER_CHECKSUM_AT;
    xxh3_64(&tail[..checksum_at]) == u64_at(tail, checksum_at) && tail.ends_with(&FILE_MAGIC)
}
