//! Records: what is known of a slot's text without looking at it.
//!
//! ```text
//! record   xxh3-128 of the text | length u32 | offset of the heap entry u40
//! ```

use super::layout::{u32_at, u40_at};

/// Length of a record.
pub(super) const RECORD_BYTES: usize = 25;
const LENGTH_AT: usize = 16;
const OFFSET_AT: usize = 20;

/// What a record says of a slot's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordInfo {
    /// XXH3-128 of the text.
    pub(crate) checksum: u128,
    /// Length of the text in bytes.
    pub(crate) length: u32,
    /// Where the entry starts in the heap, in bytes; below 2^40.
    pub(crate) offset: u64,
}

impl RecordInfo {
    /// Where the bytes begin that say how long the text is, and where.
    pub(super) const PLACE_AT: usize = LENGTH_AT;

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.checksum.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes()[..5]);
    }

    #[inline]
    pub(super) fn decode(bytes: &[u8]) -> RecordInfo {
        RecordInfo {
            checksum: u128::from_le_bytes(bytes[..16].try_into().expect("sixteen bytes")),
            length: u32_at(bytes, LENGTH_AT),
            offset: u40_at(bytes, OFFSET_AT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        let record = RecordInfo {
            offset: (1 << 40) - 3,
            length: u32::MAX - 7,
            checksum: u128::MAX / 3,
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(bytes.len(), RECORD_BYTES);
        assert_eq!(RecordInfo::decode(&bytes), record);
    }
}
