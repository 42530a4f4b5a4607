//! Reading a document: a stream through a fixed buffer, or a slice without copying.
//!
//! Scrolls come in strictly ascending order, because a break never lowers the coordinate; so the
//! same coordinate cannot come twice and callers need not handle duplicates. Empty scrolls are
//! skipped. Both readers stop at the first error.

use std::io::{self, Read};
use std::iter::FusedIterator;

use super::PhextError;
use super::delimiter::find_break;
use super::position::Position;
use crate::coordinate::Coordinate;

/// The longest scroll a reader accepts unless told otherwise, in bytes: 64 MiB.
pub const DEFAULT_MAX_SCROLL: usize = 64 << 20;

/// Bytes asked of the input at once.
const BUFFER_SIZE: usize = 64 << 10;

/// Reads a document from a stream, one scroll at a time.
///
/// Memory is one fixed buffer plus the longest scroll met, whatever the length of the document.
/// The reader buffers by itself: the input needs no `BufReader`.
pub struct PhextReader<R> {
    input: R,
    buffer: Box<[u8]>,
    /// The part of `buffer` that is read from the input and not consumed.
    start: usize,
    end: usize,
    /// Where `buffer[start]` is in the document.
    offset: u64,
    position: Position,
    text: Vec<u8>,
    /// Where `text` begins in the document.
    text_offset: u64,
    max_scroll: usize,
    finished: bool,
}

impl<R: Read> PhextReader<R> {
    /// A reader at the start of a document.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER_SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            position: Position::new(),
            text: Vec::new(),
            text_offset: 0,
            max_scroll: DEFAULT_MAX_SCROLL,
            finished: false,
        }
    }

    /// Sets the longest scroll accepted, in bytes.
    #[must_use]
    pub fn with_max_scroll(mut self, bytes: usize) -> Self {
        self.max_scroll = bytes;
        self
    }

    /// The next scroll that is not empty, or `None` at the end of the document and after an error.
    ///
    /// The text is valid until the next call.
    ///
    /// # Errors
    /// The input fails; a scroll is not UTF-8 or longer than the limit; a component would exceed
    /// 2^31-1. Each names the byte offset and the coordinate.
    pub fn next_scroll(&mut self) -> Result<Option<(Coordinate, &str)>, PhextError> {
        if self.finished {
            return Ok(None);
        }
        // Cleared again on success only, so that every way out with an error ends the reading.
        self.finished = true;
        if !self.skip_breaks()? {
            return Ok(None);
        }
        self.take_text()?;
        let text = scroll_text(&self.text, self.text_offset, &self.position)?;
        self.finished = false;
        Ok(Some((self.position.coordinate(), text)))
    }

    /// Bytes of the document consumed so far: up to the break after the last scroll.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Moves to the next byte of text; false when there is none.
    fn skip_breaks(&mut self) -> Result<bool, PhextError> {
        while self.fill()? {
            let unread = &self.buffer[self.start..self.end];
            let crossed = self.position.cross_breaks(unread, self.offset)?;
            self.consume(crossed);
            if self.start < self.end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Collects the text up to the next break, which stays unread.
    fn take_text(&mut self) -> Result<(), PhextError> {
        self.text.clear();
        self.text_offset = self.offset;
        while self.fill()? {
            let unread = &self.buffer[self.start..self.end];
            let stop = find_break(unread);
            let piece = &unread[..stop.unwrap_or(unread.len())];
            if piece.len() > self.max_scroll - self.text.len() {
                return Err(PhextError::ScrollTooLong {
                    offset: self.text_offset,
                    coordinate: self.position.coordinate(),
                    limit: self.max_scroll,
                });
            }
            self.text.extend_from_slice(piece);
            let length = piece.len();
            self.consume(length);
            if stop.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Makes sure something is unread; false at the end of the input.
    fn fill(&mut self) -> Result<bool, PhextError> {
        while self.start == self.end {
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => (self.start, self.end) = (0, length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let coordinate = self.position.coordinate();
                    return Err(PhextError::Read {
                        offset: self.offset,
                        coordinate,
                        source,
                    });
                }
            }
        }
        Ok(true)
    }

    fn consume(&mut self, length: usize) {
        self.start += length;
        self.offset += length as u64;
    }
}

/// The scrolls of a document in memory. The texts borrow from `document`; their length is not
/// limited.
pub fn parse_slice(document: &[u8]) -> Scrolls<'_> {
    Scrolls {
        document,
        consumed: 0,
        position: Position::new(),
    }
}

/// The scrolls of a document in memory, in ascending order; ends after the first error.
///
/// Made by [`parse_slice`].
pub struct Scrolls<'a> {
    document: &'a [u8],
    consumed: usize,
    position: Position,
}

impl<'a> Scrolls<'a> {
    fn next_scroll(&mut self) -> Result<Option<(Coordinate, &'a str)>, PhextError> {
        let unread = &self.document[self.consumed..];
        let crossed = self.position.cross_breaks(unread, self.consumed as u64)?;
        self.consumed += crossed;
        let unread = &unread[crossed..];
        if unread.is_empty() {
            return Ok(None);
        }
        let text = &unread[..find_break(unread).unwrap_or(unread.len())];
        let text = scroll_text(text, self.consumed as u64, &self.position)?;
        self.consumed += text.len();
        Ok(Some((self.position.coordinate(), text)))
    }
}

impl<'a> Iterator for Scrolls<'a> {
    type Item = Result<(Coordinate, &'a str), PhextError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_scroll();
        if next.is_err() {
            self.consumed = self.document.len();
        }
        next.transpose()
    }
}

impl FusedIterator for Scrolls<'_> {}

/// The text of the scroll at `position`, which starts at `offset` of the document.
fn scroll_text<'a>(
    bytes: &'a [u8],
    offset: u64,
    position: &Position,
) -> Result<&'a str, PhextError> {
    str::from_utf8(bytes).map_err(|error| PhextError::InvalidUtf8 {
        offset: offset + error.valid_up_to() as u64,
        coordinate: position.coordinate(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads both ways and prints a line for each scroll and for the error that ended the reading.
    fn read(document: &[u8], max_scroll: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut reader = PhextReader::new(document).with_max_scroll(max_scroll);
        loop {
            match reader.next_scroll() {
                Ok(Some((coordinate, text))) => lines.push(format!("{coordinate} {text:?}")),
                Ok(None) => break,
                Err(error) => lines.push(error.to_string()),
            }
        }
        lines
    }

    fn check(document: &[u8], expected: &[&str]) {
        assert_eq!(read(document, 100), expected, "{document:?}");
        let slices = parse_slice(document).map(|scroll| match scroll {
            Ok((coordinate, text)) => format!("{coordinate} {text:?}"),
            Err(error) => error.to_string(),
        });
        assert_eq!(slices.collect::<Vec<_>>(), expected, "{document:?}");
    }

    #[test]
    fn documents() {
        check(b"", &[]);
        check(b"\x17\x01\x18", &[]);
        check(b"a", &["1.1.1/1.1.1/1.1.1 \"a\""]);
        check(b"a\nb\x17", &["1.1.1/1.1.1/1.1.1 \"a\\nb\""]);
        check(
            b"a\x17\x17b",
            &["1.1.1/1.1.1/1.1.1 \"a\"", "1.1.1/1.1.1/1.1.3 \"b\""],
        );
        check(
            b"\x17a\x18b",
            &["1.1.1/1.1.1/1.1.2 \"a\"", "1.1.1/1.1.1/1.2.1 \"b\""],
        );
        check(
            b"\x01\x1Fa\x1E\x17b",
            &["2.2.1/1.1.1/1.1.1 \"a\"", "2.2.2/1.1.1/1.1.2 \"b\""],
        );
    }

    #[test]
    fn invalid_utf8_ends_the_reading() {
        check(
            b"a\x17bc\xFFd\x17e",
            &[
                "1.1.1/1.1.1/1.1.1 \"a\"",
                "scroll 1.1.1/1.1.1/1.1.2 is not UTF-8 at byte 4",
            ],
        );
        check(
            b"\xE2\x82\x17\xAC",
            &["scroll 1.1.1/1.1.1/1.1.1 is not UTF-8 at byte 0"],
        );
    }

    #[test]
    fn long_scrolls() {
        let first = "1.1.1/1.1.1/1.1.1 \"abc\"";
        let error = "scroll 1.1.1/1.1.1/1.1.2, which starts at byte 4, is longer than 3 bytes";
        assert_eq!(read(b"abc\x17abc", 3), [first, "1.1.1/1.1.1/1.1.2 \"abc\""]);
        assert_eq!(read(b"abc\x17abcd\x17a", 3), [first, error]);
    }

    #[test]
    fn input_errors_are_placed() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("unplugged"))
            }
        }
        let mut reader = PhextReader::new((&b"a\x17bc"[..]).chain(Failing));
        assert!(reader.next_scroll().unwrap().is_some());
        let error = reader.next_scroll().unwrap_err();
        assert_eq!(
            error.to_string(),
            "reading phext text failed at byte 4, coordinate 1.1.1/1.1.1/1.1.2: unplugged"
        );
        assert!(reader.next_scroll().unwrap().is_none());
    }
}
