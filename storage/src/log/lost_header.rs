//! What the header of a log file said, where it is damaged.
//!
//! | field | known from |
//! |---|---|
//! | magic, version, number | the format, the file's name |
//! | first LSN | the first record |
//! | salt | itself, where the first record fits it; else the first record |
//!
//! A record's checksum sees of the salt no more than the 32 bits of the salt's own CRC. So they follow
//! from a record that is taken to be whole, and every salt with that CRC will do. One record proves
//! nothing then: it fits by construction. The proof is the header's checksum, or the second record.
//!
//! A file that was another log before may hold that log's records, and what a torn write left of its
//! header. Where the catalog tells up to where all is sealed, they are at or below that. Without it the
//! header must prove that it is this file's: by its checksum, or where a byte of that is what is damaged, by
//! all else; in a file that was another log before, that has a checksum of its own.

use super::record::{FRAME_BYTES, HEADER_BYTES, Header};
use super::{Payload, Record};
use bytes::Bytes;

const SALT_AT: usize = 24;
/// CRC-32C's polynomial, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The header of log file `number`, which has bytes but no header. Where `is_sealed_known` is not so, a
/// file that was another log before and holds no record of its own is not told from that other one by
/// the LSNs. So its second record is no proof, nor is its salt, which may be that of before.
pub(super) fn derive(number: u64, bytes: &Bytes, is_sealed_known: bool) -> Option<Header> {
    let written: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
    let records = &bytes[HEADER_BYTES..];
    let with = |salt| {
        let first = Record::decode(salt, records)?;
        Payload::decode(&bytes.slice_ref(first.payload))?;
        let header = Header {
            number,
            salt,
            first_lsn: first.lsn,
            is_reused: false,
        };
        Some((header, first.framed_len()))
    };
    let salt = written[SALT_AT..][..8].try_into().expect("eight bytes");
    if let Some((header, _)) = with(u64::from_le_bytes(salt)) {
        let is_of_this_file = is_sealed_known || is_proven(&header, written);
        return is_of_this_file.then_some(header);
    }
    let (header, length) = with(fitting_salt(records)?)?;
    let second = Record::decode(header.salt, &records[length..]);
    let is_followed = second.is_some_and(|second| second.lsn == header.first_lsn + 1);
    (is_sealed_known && is_followed || has_checksum(&header, written)).then_some(header)
}

/// Whether the bytes that a header was derived from prove that it is this file's, rather than that of
/// the log that the file was before.
fn is_proven(header: &Header, written: &[u8; HEADER_BYTES]) -> bool {
    if has_checksum(header, written) {
        return true;
    }
    // The checksum is what is damaged, and all else is right.
    let [new, reused] = expected(header);
    if written[..60] == reused[..60] {
        return true;
    }
    // A new file has no other checksum. One of another header would differ in more than a byte.
    let differing = (60..HEADER_BYTES).filter(|&at| written[at] != new[at]);
    written[..60] == new[..60] && differing.count() == 1
}

/// Whether the checksum is that of this header.
fn has_checksum(header: &Header, written: &[u8; HEADER_BYTES]) -> bool {
    let has_it = |expected: [u8; HEADER_BYTES]| expected[60..] == written[60..];
    expected(header).into_iter().any(has_it)
}

/// The bytes of a header in a new file, and in one that was another log before.
fn expected(header: &Header) -> [[u8; HEADER_BYTES]; 2] {
    [false, true].map(|is_reused| {
        let header = Header {
            is_reused,
            ..*header
        };
        header.encode()
    })
}

/// A salt under which the checksum of the first of these records is right.
fn fitting_salt(records: &[u8]) -> Option<u64> {
    let frame = records.get(..FRAME_BYTES)?;
    let word = |at: usize| u32::from_le_bytes(frame[at..at + 4].try_into().expect("four bytes"));
    let record = records.get(..FRAME_BYTES.checked_add(word(0) as usize)?)?;
    // The register of the CRC is inverted at both ends.
    let end = before(!word(4), &record[8..]);
    let behind_salt = before(end, &record[..4]);
    let first = [0; 4];
    let behind_first = !crc32c::crc32c(&first);
    let last = before(behind_salt, &[0; 4]) ^ behind_first;
    Some(u64::from(last) << 32)
}

/// The register before these bytes, where it is `register` behind them.
fn before(register: u32, bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(register, |mut register, &byte| {
        for _ in 0..8 {
            register = match register >> 31 {
                0 => register << 1,
                _ => ((register ^ POLYNOMIAL) << 1) | 1,
            };
        }
        register ^ u32::from(byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: u64 = 7;

    /// A log file of `count` records from LSN 30 on.
    fn file(count: u64, is_reused: bool) -> Vec<u8> {
        let header = Header {
            number: NUMBER,
            salt: 0x1234_5678_9abc_def0,
            first_lsn: 30,
            is_reused,
        };
        let mut bytes = header.encode().to_vec();
        for lsn in 30..30 + count {
            let mut payload = Vec::new();
            Payload::Checkpoint { sequence: lsn }.encode(&mut payload);
            let record = Record {
                lsn,
                durable_lsn: lsn - 1,
                payload: &payload,
            };
            record.encode(header.salt, &mut bytes);
        }
        bytes
    }

    /// Whether the header is derived, and all `count` records read with it.
    fn is_derived(bytes: Vec<u8>, count: u64, is_sealed_known: bool) -> bool {
        let bytes = Bytes::from(bytes);
        let Some(header) = derive(NUMBER, &bytes, is_sealed_known) else {
            return false;
        };
        assert_eq!((header.number, header.first_lsn), (NUMBER, 30));
        let mut at = HEADER_BYTES;
        for lsn in 30..30 + count {
            let record = Record::decode(header.salt, &bytes[at..]).unwrap();
            assert_eq!(record.lsn, lsn);
            at += record.framed_len();
        }
        true
    }

    #[test]
    fn every_flipped_bit_is_undone_by_the_records() {
        for (count, is_reused) in [(1, false), (1, true), (3, false), (3, true)] {
            for bit in 0..HEADER_BYTES * 8 {
                let mut bytes = file(count, is_reused);
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(
                    is_derived(bytes, count, false),
                    "{count} records, bit {bit}"
                );
            }
        }
    }

    /// A file that was log 5 before and has no record of its own, with a header any words of which are
    /// still, or again, those of before: the records of log 5 are not taken for its own.
    #[test]
    fn a_torn_header_brings_no_old_log_back() {
        for was_reused in [false, true] {
            let mut before = file(3, was_reused);
            let old = Header {
                number: 5,
                salt: 0x1234_5678_9abc_def0,
                first_lsn: 30,
                is_reused: was_reused,
            };
            before[..HEADER_BYTES].copy_from_slice(&old.encode());
            for first_lsn in [0, 33] {
                let new = Header {
                    number: NUMBER,
                    salt: 0x0fed_cba9_8765_4321,
                    first_lsn,
                    is_reused: true,
                };
                let new = new.encode();
                for words in 0..1u32 << (HEADER_BYTES / 4) {
                    let mut bytes = before.clone();
                    for word in (0..HEADER_BYTES / 4).filter(|word| words >> word & 1 == 1) {
                        bytes[word * 4..][..4].copy_from_slice(&new[word * 4..][..4]);
                    }
                    let derived = derive(NUMBER, &bytes.into(), false);
                    assert_eq!(derived, None, "words {words:#b} are new, LSN {first_lsn}");
                }
            }
        }
    }

    #[test]
    fn a_header_that_is_gone_needs_two_records() {
        for (count, expected) in [(0, false), (1, false), (2, true), (9, true)] {
            let mut bytes = file(count, false);
            bytes[..HEADER_BYTES].fill(0);
            assert_eq!(is_derived(bytes.clone(), count, true), expected, "{count}");
            assert!(!is_derived(bytes, count, false));
        }
    }

    #[test]
    fn nothing_comes_of_bytes_that_are_no_log() {
        for length in 0..200 {
            let noise = (0..length).map(|at: u32| (at * 37 + length) as u8);
            assert!(!is_derived(noise.collect(), 0, true));
        }
        let mut bytes = file(3, false);
        bytes[24..32].fill(0);
        bytes[HEADER_BYTES + 12] ^= 1;
        assert!(
            !is_derived(bytes, 3, true),
            "the first record is damaged too"
        );
    }
}
