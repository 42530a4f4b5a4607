//! The nine break bytes: which dimension each raises, and a fast search for them.

use super::TextError;
use crate::coordinate::{DIMENSION_NAMES, DIMENSIONS};

/// The break that raises each dimension, indexed by dimension.
pub const BREAKS: [u8; DIMENSIONS] = [0x01, 0x1F, 0x1E, 0x1D, 0x1C, 0x1A, 0x19, 0x18, 0x17];

/// The line break, which is text inside a scroll.
pub const LINE_BREAK: u8 = b'\n';

const NOT_A_BREAK: u8 = 0xFF;

/// The dimension each byte raises, or [`NOT_A_BREAK`].
const DIMENSION_OF: [u8; 256] = {
    let mut table = [NOT_A_BREAK; 256];
    let mut dimension = 0;
    while dimension < DIMENSIONS {
        table[BREAKS[dimension] as usize] = dimension as u8;
        dimension += 1;
    }
    table
};

/// Bytes examined at once: enough for the compiler to use vector registers, few enough that
/// finding the break inside the block stays cheap for short scrolls.
const BLOCK: usize = 32;

/// The dimension that `byte` raises, or `None` when it is text.
#[inline]
pub fn dimension_of(byte: u8) -> Option<usize> {
    match DIMENSION_OF[usize::from(byte)] {
        NOT_A_BREAK => None,
        dimension => Some(usize::from(dimension)),
    }
}

/// Whether `byte` is one of the nine breaks. Arithmetic instead of the table, so that a loop over
/// it becomes vector instructions.
#[inline]
pub fn is_break(byte: u8) -> bool {
    (byte == 0x01) | ((byte.wrapping_sub(0x17) <= 0x1F - 0x17) & (byte != 0x1B))
}

/// The index of the first break in `bytes`.
pub fn find_break(bytes: &[u8]) -> Option<usize> {
    find(bytes, is_break)
}

/// How many bytes at the start of `bytes` equal `byte`.
pub(super) fn run_length(bytes: &[u8], byte: u8) -> usize {
    find(bytes, |other| other != byte).unwrap_or(bytes.len())
}

/// The index of the first byte that satisfies `wanted`, which must be free of branches to be fast.
#[inline]
fn find(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let clean = blocks
        .iter()
        .take_while(|block| !block.iter().fold(false, |any, &byte| any | wanted(byte)))
        .count();
    let start = clean * BLOCK;
    bytes[start..]
        .iter()
        .position(|&byte| wanted(byte))
        .map(|index| start + index)
}

/// Checks that `bytes` may be stored as the text of one scroll: UTF-8 without any of the nine
/// breaks. Line breaks and other control characters are text.
///
/// # Errors
/// Names the first offending byte and its offset; a break is reported before invalid UTF-8.
pub fn validate_text(bytes: &[u8]) -> Result<&str, TextError> {
    reject_breaks(bytes)?;
    str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        TextError::InvalidUtf8 {
            byte: bytes[offset],
            offset,
        }
    })
}

/// The half of [`validate_text`] that is left to do for a `str`.
pub(super) fn reject_breaks(bytes: &[u8]) -> Result<(), TextError> {
    let Some(offset) = find_break(bytes) else {
        return Ok(());
    };
    let byte = bytes[offset];
    let dimension = dimension_of(byte).expect("find_break stops at a break");
    Err(TextError::Break {
        byte,
        offset,
        dimension: DIMENSION_NAMES[dimension],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_and_arithmetic_agree() {
        for byte in 0..=u8::MAX {
            assert_eq!(dimension_of(byte).is_some(), is_break(byte), "{byte:#04x}");
        }
        for (dimension, byte) in BREAKS.into_iter().enumerate() {
            assert_eq!(dimension_of(byte), Some(dimension));
        }
        assert!(!is_break(LINE_BREAK));
    }

    #[test]
    fn finds_a_break_at_every_place() {
        for length in 0..(3 * BLOCK) {
            let mut bytes = vec![b'\n'; length];
            assert_eq!(find_break(&bytes), None);
            for place in (0..length).rev() {
                bytes[place] = BREAKS[place % DIMENSIONS];
                assert_eq!(find_break(&bytes), Some(place), "{length}");
            }
        }
    }

    #[test]
    fn measures_runs() {
        for length in 0..(3 * BLOCK) {
            let mut bytes = vec![0x17; length];
            assert_eq!(run_length(&bytes, 0x17), length);
            bytes.push(0x18);
            bytes.push(0x17);
            assert_eq!(run_length(&bytes, 0x17), length);
        }
    }

    #[test]
    fn texts() {
        let broken = |byte, offset, dimension| {
            Err(TextError::Break {
                byte,
                offset,
                dimension,
            })
        };
        let invalid = |byte, offset| Err(TextError::InvalidUtf8 { byte, offset });
        for (bytes, expected) in [
            (&b""[..], Ok("")),
            (
                b"two\nlines\r\n\ttab \x1B[0m \x00\x02\x16",
                Ok("two\nlines\r\n\ttab \x1B[0m \x00\x02\x16"),
            ),
            ("\u{0117}\u{1F}".as_bytes(), broken(0x1F, 2, "shelf")),
            ("\u{0117} \u{4E17}".as_bytes(), Ok("\u{0117} \u{4E17}")),
            (b"a\x17b", broken(0x17, 1, "scroll")),
            (b"\x01", broken(0x01, 0, "library")),
            (b"ab\xFFc", invalid(0xFF, 2)),
            (b"ab\xE2\x82", invalid(0xE2, 2)),
            (b"\xFF\x1A", broken(0x1A, 1, "book")),
        ] {
            assert_eq!(validate_text(bytes), expected, "{bytes:?}");
        }
    }
}
