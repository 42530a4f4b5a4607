//! The heap: the texts of a part in slot order, each behind a header that names it.
//!
//! ```text
//! entry   slot u32 | length of the text LEB128 | components LEB128 x 9 | text
//! ```
//!
//! The directory leads straight to an entry, so a point read touches two places: a bucket and an
//! entry. The key confirms the bucket's fingerprint on the cache line that the reader wants anyway,
//! and the slot says where to look in the shadow and among the records. Entries follow each other
//! without padding, so that a range of texts in coordinate order is read from front to back without
//! any other section; and a damaged store can be rebuilt from its heaps.

use crate::coordinate::{Coordinate, DIMENSIONS};

const SLOT_BYTES: usize = 4;
const MAX_VARINT_BYTES: usize = 5;
const WORD_BYTES: usize = 8;
/// A varint may write one byte behind itself.
const KEY_ROOM: usize = MAX_VARINT_BYTES * DIMENSIONS + 1;
/// The longest header of an entry.
pub(super) const MAX_HEADER_BYTES: usize = SLOT_BYTES + MAX_VARINT_BYTES * (DIMENSIONS + 1);

/// A coordinate as the header of an entry spells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeapKey {
    bytes: [u8; KEY_ROOM],
    length: usize,
}

impl HeapKey {
    /// The key of a coordinate.
    #[inline]
    pub(super) fn new(coordinate: &Coordinate) -> HeapKey {
        let mut bytes = [0; KEY_ROOM];
        let components = coordinate.components();
        if components.iter().all(|&component| component < 0x80) {
            for (byte, &component) in bytes.iter_mut().zip(components) {
                *byte = component as u8;
            }
            return HeapKey {
                bytes,
                length: DIMENSIONS,
            };
        }
        let mut length = 0;
        for &component in components {
            length += encode_varint(component, &mut bytes[length..]);
        }
        HeapKey { bytes, length }
    }

    /// Its bytes. No key is the start of another.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether the bytes start with it. Compares words that overlap, since a call to compare so few
    /// bytes of a length that varies takes longer than they do.
    #[inline]
    pub(super) fn starts(&self, bytes: &[u8]) -> bool {
        let last = self.length - WORD_BYTES;
        if bytes.len() < self.length || self.length > 3 * WORD_BYTES {
            return bytes.starts_with(self.as_bytes());
        }
        let same = |at| word_at(&self.bytes, at) == word_at(bytes, at);
        same(0) && same(last) && (last <= WORD_BYTES || same(WORD_BYTES))
    }
}

/// A key in three words, each of three components, for those that compare it with an entry: few
/// instructions once the entry is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyWords {
    words: [u64; WORDS],
    /// The bits of each word that are the key's.
    masks: [u64; WORDS],
    /// Where each word ends in the key, in bytes; 0 where a word is too long.
    ends: [usize; WORDS],
}

const WORDS: usize = 3;

impl KeyWords {
    /// The key of a coordinate. Never inlined, since a compiler would spell a part of it before the bucket
    /// of the directory is asked for, and the rest behind the entry. No `Option` of it is given: that would
    /// be moved, in pieces that straddle the stores that wrote it.
    #[inline(never)]
    pub(super) fn new(coordinate: &Coordinate) -> KeyWords {
        let mut key = KeyWords {
            words: [0; WORDS],
            masks: [0; WORDS],
            ends: [0; WORDS],
        };
        let (groups, _) = coordinate.components().as_chunks();
        let mut end = 0;
        for (word, &[first, second, third]) in groups.iter().enumerate() {
            let (low, low_bits) = spell(first);
            let (middle, middle_bits) = spell(second);
            let (high, high_bits) = spell(third);
            let before_high = low_bits + middle_bits;
            let bits = before_high + high_bits;
            if bits > u64::BITS {
                key.ends = [0; WORDS];
                return key;
            }
            end += bits as usize / 8;
            key.words[word] = low | middle << low_bits | high << before_high;
            key.masks[word] = u64::MAX >> (u64::BITS - bits);
            key.ends[word] = end;
        }
        key
    }

    /// Whether each three components fit into their word, as all do that are below 2^14.
    #[inline]
    pub(super) fn is_whole(&self) -> bool {
        self.length() > 0
    }

    /// Length of the key in bytes.
    #[inline]
    pub(super) fn length(&self) -> usize {
        self.ends[WORDS - 1]
    }

    /// Whether the key is what lies at `at` of a header.
    #[inline(always)]
    pub(super) fn is_at(&self, header: &[u8; MAX_HEADER_BYTES], at: usize) -> bool {
        // No word ends behind 24 bytes, which spares the check of bounds.
        let starts = [0, self.ends[0] % 16, self.ends[1] % 32];
        let mut differing = 0;
        for (word, start) in starts.into_iter().enumerate() {
            let found = u64::from_le_bytes(word_at(header, at + start));
            differing |= (found ^ self.words[word]) & self.masks[word];
        }
        differing == 0
    }
}

/// The bytes of a varint as a word, and how many bits they take: too many for a word where the value is
/// so large.
#[inline]
fn spell(value: u32) -> (u64, u32) {
    let value = u64::from(value);
    // A bit of room above the lowest seven.
    let two = value + (value & !0x7f);
    if value < 1 << 14 {
        let is_long = u32::from(value >= 0x80);
        return (two | u64::from(is_long) << 7, 8 + 8 * is_long);
    }
    let three = two + (two & !0x7fff);
    if value < 1 << 21 {
        return (three | 0x8080, 24);
    }
    if value < 1 << 28 {
        return ((three + (three & !0x7f_ffff)) | 0x80_8080, 32);
    }
    (0, u64::BITS + 1)
}

#[inline]
fn word_at(bytes: &[u8], at: usize) -> [u8; WORD_BYTES] {
    let word = bytes[at..at + WORD_BYTES].try_into();
    word.expect("the length was asked for")
}

/// Writes the header of an entry to the start of `out`; gives its length.
#[inline]
pub(super) fn encode_header(
    out: &mut [u8; MAX_HEADER_BYTES],
    slot: u32,
    text: u32,
    key: &HeapKey,
) -> usize {
    out[..SLOT_BYTES].copy_from_slice(&slot.to_le_bytes());
    let key_at = SLOT_BYTES + encode_varint(text, &mut out[SLOT_BYTES..]);
    out[key_at..key_at + key.length].copy_from_slice(key.as_bytes());
    key_at + key.length
}

/// The start of an entry's header: what comes before its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Front {
    /// The entry's slot.
    pub(super) slot: u32,
    /// Length of the text in bytes.
    pub(super) text_bytes: u32,
    /// Where the key starts, from the start of the entry.
    pub(super) key_at: usize,
}

impl Front {
    /// Reads it from bytes that begin at an entry; `None` where they are no entry.
    #[inline(always)]
    pub(super) fn read(bytes: &[u8]) -> Option<Front> {
        let (slot, rest) = bytes.split_first_chunk()?;
        let (text_bytes, length) = decode_varint(rest)?;
        Some(Front {
            slot: u32::from_le_bytes(*slot),
            text_bytes,
            key_at: SLOT_BYTES + length,
        })
    }
}

/// Reads a key from its first byte on: the coordinate, and how long the key is.
#[inline]
pub(super) fn decode_key(bytes: &[u8]) -> Option<(Coordinate, usize)> {
    let mut components = [0; DIMENSIONS];
    if let Some(short) = bytes.first_chunk::<DIMENSIONS>()
        && short.iter().all(|&byte| byte < 0x80)
    {
        let components = short.map(u32::from);
        return Some((Coordinate::new(components).ok()?, DIMENSIONS));
    }
    let mut at = 0;
    for component in &mut components {
        let (value, length) = decode_varint(bytes.get(at..)?)?;
        *component = value;
        at += length;
    }
    Some((Coordinate::new(components).ok()?, at))
}

/// The length of the header of an entry.
pub(super) fn header_bytes(slot: u32, text: u32, coordinate: &Coordinate) -> usize {
    let mut header = [0; MAX_HEADER_BYTES];
    encode_header(&mut header, slot, text, &HeapKey::new(coordinate))
}

/// The length of the text of an entry that takes `span` bytes and has this key; `None` where no entry
/// does.
pub(super) fn text_bytes_of(span: u64, key: &HeapKey) -> Option<u32> {
    let rest = span.checked_sub((SLOT_BYTES + key.length) as u64)?;
    (1..=MAX_VARINT_BYTES as u64).find_map(|length| {
        let text = u32::try_from(rest.checked_sub(length)?).ok()?;
        let mut varint = [0; MAX_VARINT_BYTES + 1];
        (encode_varint(text, &mut varint) as u64 == length).then_some(text)
    })
}

/// Writes up to five bytes; `out` has room for two at least.
#[inline]
fn encode_varint(value: u32, out: &mut [u8]) -> usize {
    if value < 1 << 14 {
        // Without a branch, since lengths of one and two mix: the second byte may be overwritten.
        let is_long = u8::from(value >= 0x80);
        out[0] = value as u8 & 0x7f | is_long << 7;
        out[1] = (value >> 7) as u8;
        return 1 + usize::from(is_long);
    }
    if value < 1 << 21 {
        out[..3].copy_from_slice(&[
            value as u8 | 0x80,
            (value >> 7) as u8 | 0x80,
            (value >> 14) as u8,
        ]);
        return 3;
    }
    let mut rest = value;
    let mut length = 0;
    while rest >= 0x80 {
        out[length] = rest as u8 | 0x80;
        rest >>= 7;
        length += 1;
    }
    out[length] = rest as u8;
    length + 1
}

#[inline(always)]
fn decode_varint(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((u32::from(first), 1));
    }
    let second = *bytes.get(1)?;
    if second < 0x80 {
        return Some((u32::from(first & 0x7f) | u32::from(second) << 7, 2));
    }
    let third = *bytes.get(2)?;
    if third < 0x80 {
        let low = u32::from(first & 0x7f) | u32::from(second & 0x7f) << 7;
        return Some((low | u32::from(third) << 14, 3));
    }
    decode_long_varint(bytes)
}

fn decode_long_varint(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(MAX_VARINT_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((u32::try_from(value).ok()?, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(slot: u32, text: u32, coordinate: &Coordinate) -> Vec<u8> {
        let key = HeapKey::new(coordinate);
        let mut out = [0; MAX_HEADER_BYTES];
        let length = encode_header(&mut out, slot, text, &key);
        out[..length].to_vec()
    }

    #[test]
    fn headers_round_trip() {
        let long = Coordinate::new([1, 127, 128, 300, 16_383, 16_384, 1 << 21, 1 << 28, 7]);
        for coordinate in [Coordinate::ORIGIN, Coordinate::MAX, long.unwrap()] {
            for text in [0, 1, 127, 128, 16_384, u32::MAX] {
                let bytes = encoded(9, text, &coordinate);
                let front = Front::read(&bytes).unwrap();
                assert_eq!((front.slot, front.text_bytes), (9, text));
                let (read, length) = decode_key(&bytes[front.key_at..]).unwrap();
                assert_eq!((read, front.key_at + length), (coordinate, bytes.len()));
                let span = bytes.len() as u64 + u64::from(text);
                assert_eq!(text_bytes_of(span, &HeapKey::new(&coordinate)), Some(text));
            }
        }
    }

    #[test]
    fn what_is_cut_or_out_of_range_is_no_header() {
        let bytes = encoded(1, 300, &Coordinate::MAX);
        for length in 0..bytes.len() {
            let front = Front::read(&bytes[..length]);
            let key = front.and_then(|front| decode_key(&bytes[front.key_at..length]));
            assert_eq!(key, None, "cut to {length}");
        }
        assert_eq!(decode_key(&[0; 9]), None, "a component of 0");
        assert_eq!(decode_varint(&[0xff; 5]), None, "never ends");
        assert_eq!(
            decode_varint(&[0xff, 0xff, 0xff, 0xff, 0x1f]),
            None,
            "too large"
        );
    }

    #[test]
    fn keys_are_short_and_none_starts_another() {
        assert_eq!(HeapKey::new(&Coordinate::ORIGIN).as_bytes(), [1; 9]);
        let key = |scroll| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap();
        assert_eq!(HeapKey::new(&key(300)).as_bytes()[8..], [0xac, 0x02]);
        let (short, long) = (HeapKey::new(&key(44)), HeapKey::new(&key(44 + 128)));
        assert!(!long.as_bytes().starts_with(short.as_bytes()));
    }

    #[test]
    fn words_are_the_key_where_they_are_whole() {
        let components = [1, 127, 128, 16_383, 16_384, 1 << 21, (1 << 28) - 1, 1 << 28];
        let mut whole = 0;
        for first in components {
            for (index, second) in components.into_iter().enumerate() {
                let key: [u32; DIMENSIONS] =
                    std::array::from_fn(|d| [1, first, second, 3][(d + index) % 4]);
                let coordinate = Coordinate::new(key).unwrap();
                let key = HeapKey::new(&coordinate);
                let words = KeyWords::new(&coordinate);
                if !words.is_whole() {
                    continue;
                }
                whole += 1;
                assert_eq!(words.length(), key.length);
                for at in 0..=SLOT_BYTES + MAX_VARINT_BYTES {
                    let mut header = [0xff; MAX_HEADER_BYTES];
                    header[at..at + key.length].copy_from_slice(key.as_bytes());
                    assert!(words.is_at(&header, at), "{coordinate}");
                    for differing in at..at + key.length {
                        header[differing] ^= 0x40;
                        assert!(!words.is_at(&header, at), "{coordinate} at {differing}");
                        header[differing] ^= 0x40;
                    }
                }
            }
        }
        assert!(whole > 30, "{whole}");
        assert!(!KeyWords::new(&Coordinate::MAX).is_whole());
    }

    #[test]
    fn a_key_is_told_from_one_that_differs_anywhere() {
        for long in 0..=DIMENSIONS {
            for component in [200, 20_000, 1 << 30] {
                let components =
                    std::array::from_fn(|d| if d < long { component } else { d as u32 + 1 });
                let key = HeapKey::new(&Coordinate::new(components).unwrap());
                let exact = key.as_bytes().to_vec();
                assert!(key.starts(&exact) && key.starts(&[&exact[..], &[7; 9]].concat()));
                for at in 0..exact.len() {
                    let mut other = exact.clone();
                    other[at] ^= 1;
                    assert!(!key.starts(&other), "{components:?} at {at}");
                    assert!(!key.starts(&exact[..at]), "{components:?} cut to {at}");
                }
            }
        }
    }
}
