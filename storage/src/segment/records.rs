//! Records and heap: where the text of a slot is, and the text.
//!
//! ```text
//! heap entry   components as LEB128 x 9 | length of that u8 | text
//! record       offset of the text u64 | length u32 | lines u32 | xxh3-128 of the text
//! ```
//!
//! The key in front of the text verifies a directory candidate on the cache line that the reader
//! wants anyway, and lets a damaged store be rebuilt from its heaps.

use super::layout::{u32_at, u64_at};
use crate::coordinate::{Coordinate, DIMENSIONS};

/// Length of a record.
pub(super) const RECORD_BYTES: usize = 32;
/// The longest key of a heap entry.
pub(super) const MAX_KEY_BYTES: usize = DIMENSIONS * 5;

/// What a record says of a slot's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordInfo {
    /// Where the text starts in the heap, in bytes.
    pub(crate) offset: u64,
    /// Length of the text in bytes.
    pub(crate) length: u32,
    /// Number of line breaks in the text.
    pub(crate) line_breaks: u32,
    /// XXH3-128 of the text.
    pub(crate) checksum: u128,
}

impl RecordInfo {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.line_breaks.to_le_bytes());
        out.extend_from_slice(&self.checksum.to_le_bytes());
    }

    #[inline]
    pub(super) fn decode(bytes: &[u8]) -> RecordInfo {
        RecordInfo {
            offset: u64_at(bytes, 0),
            length: u32_at(bytes, 8),
            line_breaks: u32_at(bytes, 12),
            checksum: u128::from_le_bytes(bytes[16..32].try_into().expect("sixteen bytes")),
        }
    }
}

/// The key of a heap entry, with its length behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeapKey {
    bytes: [u8; MAX_KEY_BYTES + 1],
    length: usize,
}

impl HeapKey {
    /// The key of a coordinate.
    #[inline]
    pub(super) fn new(coordinate: &Coordinate) -> HeapKey {
        let mut bytes = [0; MAX_KEY_BYTES + 1];
        let mut length = 0;
        for &component in coordinate.components() {
            let mut rest = component;
            while rest >= 0x80 {
                bytes[length] = rest as u8 | 0x80;
                rest >>= 7;
                length += 1;
            }
            bytes[length] = rest as u8;
            length += 1;
        }
        bytes[length] = length as u8;
        HeapKey {
            bytes,
            length: length + 1,
        }
    }

    /// The bytes in front of the text.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        let record = RecordInfo {
            offset: 1 << 40,
            length: 7,
            line_breaks: 2,
            checksum: u128::MAX / 3,
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(bytes.len(), RECORD_BYTES);
        assert_eq!(RecordInfo::decode(&bytes), record);
    }

    #[test]
    fn heap_keys_are_short_and_distinct() {
        assert_eq!(
            HeapKey::new(&Coordinate::ORIGIN).as_bytes(),
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 9]
        );
        let key = |scroll| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap();
        assert_eq!(HeapKey::new(&key(300)).as_bytes()[8..], [0xac, 0x02, 10]);
        assert_eq!(
            HeapKey::new(&Coordinate::MAX).as_bytes().len(),
            MAX_KEY_BYTES + 1
        );
    }
}
