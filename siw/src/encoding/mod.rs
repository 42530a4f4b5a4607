//! The binary form of a stream, version 3.
//!
//! All integers are little-endian. A stream is its header, its constants, then the words of
//! `once`, `each` and `last`; nothing follows.
//!
//! Header, 16 bytes:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic, `SIW1` |
//! | 4 | 1 | version, 3 |
//! | 5 | 1 | tier, 0 to 3 |
//! | 6 | 2 | number of constants |
//! | 8 | 2 | number of words of `once` |
//! | 10 | 2 | number of words of `each` |
//! | 12 | 2 | number of words of `last` |
//! | 14 | 2 | 0 |
//!
//! Constant, 5 bytes and a payload:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | kind |
//! | 1 | 4 | length of the payload |
//! | 5 | | payload |
//!
//! | kind | payload |
//! |---|---|
//! | 1 number | 8 bytes |
//! | 2 coordinate | nine components of 4 bytes, library first |
//! | 3 lanes | a byte: 0 all, 1 range, 2 points, 3 union, 4 region, 5 nearest; then for range and union two coordinates, from and to; then for points and union coordinates up to the end; for region and nearest see below |
//! | 4 texts | up to the end: length (4 bytes), bytes |
//! | 5 text | bytes |
//! | 6 queries | how many (8 bytes), then vectors up to the end: length (4 bytes), bytes |
//!
//! Region, per dimension, library first: the number of spans (4 bytes), 0 where the dimension is
//! free; then the spans, ascending and disjoint: low (4 bytes), high (4 bytes).
//!
//! Nearest: the coordinate; how many (4 bytes); a byte: 0 Chebyshev, 1 Manhattan, 2 weighted; a byte:
//! 1 where a radius follows, else 0; the radius (8 bytes); for weighted nine weights of 4 bytes.
//!
//! Word, 64 bytes:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 20 | D operation |
//! | 20 | 20 | S operation |
//! | 40 | 20 | C operation |
//! | 60 | 1 | deps |
//! | 61 | 3 | 0 |
//!
//! Operation, 20 bytes:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | opcode: the position in the table of the pipe in [`crate::table`]; 0 is NOP |
//! | 1 | 1 | function: the position among the functions of the operation; 0 when it has only one |
//! | 2 | 1 | mask register; 255 when all lanes are active |
//! | 3 | 7 | registers, in the order of the table; 255 where absent |
//! | 10 | 2 | constant; 65,535 when absent |
//! | 12 | 8 | 0 |
//!
//! A stream has one binary form: what an operation does not use holds the value above, and
//! decoding refuses any other. Decoding is total. It checks the form; whether the stream means
//! something is for [`crate::validate()`] to say.

mod constant;
mod error;
mod pattern;
mod reader;
mod word;

pub use error::{DecodeError, DecodeReason};

use crate::{Constant, Stream, Word};
use bytes::Bytes;
use reader::Reader;

/// What the binary form begins with.
pub const MAGIC: [u8; 4] = *b"SIW1";

/// The version written, and the only one read.
pub const VERSION: u8 = 3;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 16;

/// Bytes of a word.
pub const WORD_BYTES: usize = 64;

impl Stream {
    /// The binary form of this stream.
    ///
    /// # Panics
    /// When a count or the length of a constant does not fit the format. [`crate::validate()`]
    /// refuses such a stream.
    pub fn encode(&self) -> Vec<u8> {
        let words = self.once.len() + self.each.len() + self.last.len();
        let mut bytes = Vec::with_capacity(HEADER_BYTES + words * WORD_BYTES);
        bytes.extend(MAGIC);
        bytes.extend([VERSION, self.tier]);
        for count in [
            self.constants.len(),
            self.once.len(),
            self.each.len(),
            self.last.len(),
        ] {
            let count = u16::try_from(count).expect("a valid stream has at most 65,535 of each");
            bytes.extend(count.to_le_bytes());
        }
        bytes.extend([0; 2]);
        for constant in &self.constants {
            constant::encode(constant, &mut bytes);
        }
        for word in self.once.iter().chain(&self.each).chain(&self.last) {
            bytes.extend(word::encode(word));
        }
        bytes
    }

    /// Reads the binary form. Texts are slices of `bytes`, not copies.
    ///
    /// # Errors
    /// Where `bytes` first differ from a stream, and how.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let header = Header::decode(&mut reader)?;
        // Not reserved ahead: the count is not to be trusted before the constants have been read.
        let mut constants = Vec::new();
        for _ in 0..header.constants {
            constants.push(constant::decode(&mut reader)?);
        }
        let stream = Self {
            tier: header.tier,
            constants,
            once: decode_words(&mut reader, header.once)?,
            each: decode_words(&mut reader, header.each)?,
            last: decode_words(&mut reader, header.last)?,
        };
        reader.finish()?;
        Ok(stream)
    }
}

struct Header {
    tier: u8,
    constants: u16,
    once: u16,
    each: u16,
    last: u16,
}

impl Header {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.offset();
        let magic = reader.array()?;
        if magic != MAGIC {
            return Err(DecodeError::new(start, DecodeReason::Magic(magic)));
        }
        let start = reader.offset();
        let version = reader.u8()?;
        if version != VERSION {
            return Err(DecodeError::new(start, DecodeReason::Version(version)));
        }
        let header = Self {
            tier: reader.u8()?,
            constants: reader.u16()?,
            once: reader.u16()?,
            each: reader.u16()?,
            last: reader.u16()?,
        };
        reader.expect(&[0; 2])?;
        Ok(header)
    }
}

fn decode_words(reader: &mut Reader<'_>, count: u16) -> Result<Vec<Word>, DecodeError> {
    let count = usize::from(count);
    reader.require(count * WORD_BYTES)?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        words.push(word::decode(reader)?);
    }
    Ok(words)
}

/// Whether a constant fits the format: its payload's length is 32 bits wide.
pub(crate) fn fits(constant: &Constant) -> bool {
    u32::try_from(constant::payload_bytes(constant)).is_ok()
}
