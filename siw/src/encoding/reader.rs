//! A cursor over the bytes of a stream that knows its offset.

use super::error::{DecodeError, DecodeReason};
use bytes::Bytes;

/// Reads fields in order, up to an end.
pub(super) struct Reader<'a> {
    bytes: &'a Bytes,
    offset: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self {
            bytes,
            offset: 0,
            end: bytes.len(),
        }
    }

    /// Where the next field begins.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn left(&self) -> usize {
        self.end - self.offset
    }

    /// Fails unless `needed` bytes are left.
    pub(super) fn require(&self, needed: usize) -> Result<(), DecodeError> {
        let left = self.left();
        if needed > left {
            let reason = DecodeReason::Truncated { needed, left };
            return Err(DecodeError::new(self.offset, reason));
        }
        Ok(())
    }

    /// The next `length` bytes, sharing the buffer.
    pub(super) fn slice(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        self.require(length)?;
        let start = self.offset;
        self.offset += length;
        Ok(self.bytes.slice(start..self.offset))
    }

    /// A reader of the next `length` bytes, which this one skips.
    pub(super) fn nested(&mut self, length: usize) -> Result<Reader<'a>, DecodeError> {
        self.require(length)?;
        let offset = self.offset;
        self.offset += length;
        Ok(Reader {
            bytes: self.bytes,
            offset,
            end: self.offset,
        })
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.require(N)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[self.offset..self.offset + N]);
        self.offset += N;
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Skips bytes that have one value only.
    pub(super) fn expect(&mut self, expected: &[u8]) -> Result<(), DecodeError> {
        for &expected in expected {
            let offset = self.offset;
            let found = self.u8()?;
            if found != expected {
                let reason = DecodeReason::Fixed { expected, found };
                return Err(DecodeError::new(offset, reason));
            }
        }
        Ok(())
    }

    /// Fails unless everything has been read.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            left => Err(DecodeError::new(self.offset, DecodeReason::Trailing(left))),
        }
    }
}
