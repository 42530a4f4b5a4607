//! What can be wrong with phext text, and where.

use std::io;

use crate::coordinate::Coordinate;

/// Why a document could not be read or written.
///
/// Offsets count bytes from the start of the document. The coordinate is the one reached there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhextError {
    /// The input failed.
    #[error("reading phext text failed at byte {offset}, coordinate {coordinate}: {source}")]
    Read {
        /// Bytes read before the failure.
        offset: u64,
        /// The coordinate reached.
        coordinate: Coordinate,
        /// What the input reported.
        source: io::Error,
    },
    /// The output failed; it may hold part of the scroll.
    #[error("writing scroll {coordinate} failed: {source}")]
    Write {
        /// The scroll being written, or the last one when finishing.
        coordinate: Coordinate,
        /// What the output reported.
        source: io::Error,
    },
    /// A scroll is not UTF-8.
    #[error("scroll {coordinate} is not UTF-8 at byte {offset}")]
    InvalidUtf8 {
        /// The first byte that is not part of a character.
        offset: u64,
        /// The scroll.
        coordinate: Coordinate,
    },
    /// A break would raise a component above 2^31-1.
    #[error("the {dimension} break at byte {offset}, coordinate {coordinate}, exceeds 2147483647")]
    ComponentTooLarge {
        /// The break.
        offset: u64,
        /// The coordinate before the break.
        coordinate: Coordinate,
        /// The name of the dimension.
        dimension: &'static str,
    },
    /// A scroll is longer than the reader accepts.
    #[error("scroll {coordinate}, which starts at byte {offset}, is longer than {limit} bytes")]
    ScrollTooLong {
        /// The first byte of the scroll.
        offset: u64,
        /// The scroll.
        coordinate: Coordinate,
        /// The longest scroll accepted, in bytes.
        limit: usize,
    },
    /// A scroll was written at or before the coordinate of the one before it.
    #[error("scroll {coordinate} cannot follow {previous}: scrolls are written in ascending order")]
    OutOfOrder {
        /// The scroll written last.
        previous: Coordinate,
        /// The scroll refused.
        coordinate: Coordinate,
    },
    /// A scroll to be written holds what no scroll can hold.
    #[error("scroll {coordinate} cannot be written: {source}")]
    Text {
        /// The scroll refused.
        coordinate: Coordinate,
        /// What is wrong with its text.
        source: TextError,
    },
}

/// Why bytes are not the text of one scroll. Offsets count from the start of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// One of the nine breaks, which would split the scroll when it is read again.
    #[error("byte 0x{byte:02X} at offset {offset} is the {dimension} break: a scroll holds none")]
    Break {
        /// The break.
        byte: u8,
        /// Where it is.
        offset: usize,
        /// The name of the dimension it raises.
        dimension: &'static str,
    },
    /// Not UTF-8.
    #[error("byte 0x{byte:02X} at offset {offset} is not UTF-8")]
    InvalidUtf8 {
        /// The first byte that is not part of a character.
        byte: u8,
        /// Where it is.
        offset: usize,
    },
}
