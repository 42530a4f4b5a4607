//! The bytes of a log file: its header and the frame around each record.

use super::{Lsn, MAX_LSN};
use crate::error::{Result, StoreError};
use std::ops::Range;
use std::path::Path;

const MAGIC: [u8; 8] = *b"SQDLOG\r\n";
const VERSION: u32 = 1;
const FIRST_LSN_AT: usize = 32;

/// Length of the file header in bytes.
pub(crate) const HEADER_BYTES: usize = 64;
/// Length of the frame before a record's payload in bytes.
pub(crate) const FRAME_BYTES: usize = 24;
/// The longest payload in bytes: a batch that would not fit is refused before it is logged.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 1 << 30;

/// What the first bytes of a log file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The number in the file's name.
    pub(crate) number: u64,
    /// Random; part of every checksum in the file.
    pub(crate) salt: u64,
    /// The LSN of the first record; 0 while it is not known.
    pub(crate) first_lsn: Lsn,
    /// Whether the file was another log before, whose bytes may lie behind its end.
    pub(crate) is_reused: bool,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&u32::from(self.is_reused).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        bytes[FIRST_LSN_AT..40].copy_from_slice(&self.first_lsn.to_le_bytes());
        if self.is_reused {
            let crc = crc32c::crc32c(&bytes[..FIRST_LSN_AT]);
            bytes[40..44].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header. `None` where the bytes are not a complete header of this file, or are that of
    /// one that has not begun.
    pub(crate) fn decode(path: &Path, number: u64, bytes: &[u8]) -> Result<Option<Header>> {
        let Some(bytes) = bytes.get(..HEADER_BYTES) else {
            return Ok(None);
        };
        if bytes[0..8] != MAGIC || crc32c::crc32c(&bytes[..60]).to_le_bytes() != bytes[60..64] {
            return Ok(None);
        }
        let found = u32_at(bytes, 8);
        if found != VERSION {
            let path = path.to_path_buf();
            return Err(StoreError::Version {
                path,
                found,
                supported: VERSION,
            });
        }
        let header = Header {
            number: u64_at(bytes, 16),
            salt: u64_at(bytes, 24),
            first_lsn: u64_at(bytes, FIRST_LSN_AT),
            is_reused: u32_at(bytes, 12) != 0,
        };
        let has_begun = (1..=MAX_LSN).contains(&header.first_lsn);
        Ok((header.number == number && has_begun).then_some(header))
    }

    /// The salt of a file that was another log before, where the header says that much: in one that was
    /// being written when the power failed, the first LSN and the checksum may be those of before, or
    /// neither.
    pub(crate) fn salt_of_reused(number: u64, bytes: &[u8]) -> Option<u64> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let header = Header {
            number,
            salt: u64_at(bytes, 24),
            first_lsn: 0,
            is_reused: true,
        };
        let expected = header.encode();
        let is_same = |range: Range<usize>| bytes[range.clone()] == expected[range];
        (is_same(0..FIRST_LSN_AT) && is_same(40..60)).then_some(header.salt)
    }
}

/// One record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// The record's own LSN.
    pub(crate) lsn: Lsn,
    /// The highest LSN known durable when the record was written.
    pub(crate) durable_lsn: Lsn,
    /// The batch.
    pub(crate) payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Appends the framed record to `out`.
    pub(crate) fn encode(&self, salt: u64, out: &mut Vec<u8>) {
        assert!(
            self.payload.len() <= MAX_PAYLOAD_BYTES,
            "batches that are too large are refused before they are logged"
        );
        let start = out.len();
        out.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.lsn.to_le_bytes());
        out.extend_from_slice(&self.durable_lsn.to_le_bytes());
        out.extend_from_slice(self.payload);
        let crc = checksum(salt, &out[start..]);
        out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    }

    /// The record at the start of `bytes`; `None` where there is no whole, undamaged one.
    pub(crate) fn decode(salt: u64, bytes: &'a [u8]) -> Option<Record<'a>> {
        let frame = bytes.get(..FRAME_BYTES)?;
        let length = u32_at(frame, 0) as usize;
        let lsn = u64_at(frame, 8);
        let durable_lsn = u64_at(frame, 16);
        let is_lsn = (1..=MAX_LSN).contains(&lsn);
        if !is_lsn || durable_lsn >= lsn || length > MAX_PAYLOAD_BYTES {
            return None;
        }
        let record = bytes.get(..FRAME_BYTES + length)?;
        if checksum(salt, record) != u32_at(frame, 4) {
            return None;
        }
        Some(Record {
            lsn,
            durable_lsn,
            payload: &record[FRAME_BYTES..],
        })
    }

    /// Length of the framed record in bytes.
    pub(crate) fn framed_len(&self) -> usize {
        FRAME_BYTES + self.payload.len()
    }
}

/// CRC-32C over the salt and the record without its checksum field.
fn checksum(salt: u64, record: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&salt.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &record[0..4]);
    crc32c::crc32c_append(crc, &record[8..])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 0x1234_5678_9abc_def0;

    fn framed() -> Vec<u8> {
        let mut bytes = Vec::new();
        Record {
            lsn: 7,
            durable_lsn: 5,
            payload: b"payload",
        }
        .encode(SALT, &mut bytes);
        bytes
    }

    #[test]
    fn records_round_trip() {
        let bytes = framed();
        let record = Record::decode(SALT, &bytes).unwrap();
        assert_eq!(
            record,
            Record {
                lsn: 7,
                durable_lsn: 5,
                payload: b"payload"
            }
        );
        assert_eq!(record.framed_len(), bytes.len());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = framed();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(SALT, &damaged), None, "bit {bit}");
        }
        assert_eq!(
            Record::decode(SALT + 1, &bytes),
            None,
            "another file's salt"
        );
        assert_eq!(
            Record::decode(SALT, &bytes[..bytes.len() - 1]),
            None,
            "cut short"
        );
    }

    #[test]
    fn what_cannot_be_counted_on_from_is_no_lsn() {
        let path = Path::new("x.log");
        for (lsn, is_one) in [(0, false), (1, true), (MAX_LSN, true), (MAX_LSN + 1, false)] {
            let header = Header {
                number: 3,
                salt: SALT,
                first_lsn: lsn,
                is_reused: false,
            };
            let decoded = Header::decode(path, 3, &header.encode()).unwrap();
            assert_eq!(decoded.is_some(), is_one, "{lsn}");
            let record = Record {
                lsn,
                durable_lsn: 0,
                payload: b"payload",
            };
            let mut bytes = Vec::new();
            record.encode(SALT, &mut bytes);
            assert_eq!(Record::decode(SALT, &bytes).is_some(), is_one, "{lsn}");
        }
    }

    #[test]
    fn headers_round_trip_and_reject_damage() {
        let path = Path::new("x.log");
        let header = Header {
            number: 3,
            salt: SALT,
            first_lsn: 9,
            is_reused: false,
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(path, 3, &bytes).unwrap(), Some(header));
        assert_eq!(
            Header::decode(path, 4, &bytes).unwrap(),
            None,
            "another file's header"
        );
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Header::decode(path, 3, &damaged).unwrap(),
                None,
                "bit {bit}"
            );
        }
    }
}
