//! The last two levels: line and column inside a scroll, to a range of its bytes.
//!
//! Lines end at a line break (0x0A) or at the end of the text; columns count Unicode scalar values.
//! Both count from 1, as everywhere in phext. A long text in a part has a sparse line index, so that a
//! line is found without a pass over what comes before it; a text in memory is searched from its
//! start.

use super::Location;
use crate::error::Result;
use std::ops::Range;

/// The bytes of one line in its text, without the line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSpan {
    /// Where they are.
    pub bytes: Range<usize>,
}

impl<'a> Location<'a> {
    /// The bytes of line `line`, from 1; `None` where the text has fewer lines. An empty text has one
    /// empty line, and a text that ends with a line break an empty last one.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn line(&self, line: u32) -> Result<Option<LineSpan>> {
        let Some(wanted) = line.checked_sub(1) else {
            return Ok(None);
        };
        let text = self.text()?;
        let (near, at) = self.nearest_line(wanted)?;
        let mut start = at as usize;
        for _ in near..wanted {
            match text
                .get(start..)
                .and_then(|rest| memchr::memchr(b'\n', rest))
            {
                Some(end) => start += end + 1,
                None => return Ok(None),
            }
        }
        let Some(rest) = text.get(start..) else {
            return Ok(None);
        };
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        Ok(Some(LineSpan {
            bytes: start..start + end,
        }))
    }

    /// The bytes of the character at `line` and `column`, both from 1; `None` where there is none. A
    /// line break is not a character of its line.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn character(&self, line: u32, column: u32) -> Result<Option<Range<usize>>> {
        let (Some(span), Some(index)) = (self.line(line)?, column.checked_sub(1)) else {
            return Ok(None);
        };
        let bytes = &self.text()?[span.bytes.clone()];
        Ok(nth_character(bytes, index as usize).map(|range| {
            let start = span.bytes.start;
            start + range.start..start + range.end
        }))
    }

    /// A line at or before `line`, both from 0, and where it starts.
    fn nearest_line(&self, line: u32) -> Result<(u32, u32)> {
        match *self {
            Location::Absent | Location::Memory(_) => Ok((0, 0)),
            Location::Slot { view, slot }
            | Location::Entry { view, slot, .. }
            | Location::Text { view, slot, .. } => view.part.nearest_mark(slot, line),
        }
    }
}

/// The bytes of the `index`-th character, from 0, of UTF-8 text.
fn nth_character(text: &[u8], index: usize) -> Option<Range<usize>> {
    let is_start = |&(_, byte): &(usize, &u8)| *byte & 0xc0 != 0x80;
    let mut starts = text.iter().enumerate().filter(is_start).map(|(at, _)| at);
    let start = starts.nth(index)?;
    Some(start..starts.next().unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn lines_and_columns_of_a_text() {
        let text = Bytes::from("one\n\nzwölf 字\nend\n");
        let location = Location::Memory(&text);
        let line = |n| location.line(n).unwrap().map(|span| &text[span.bytes]);
        assert_eq!(line(0), None);
        assert_eq!(line(1), Some(&b"one"[..]));
        assert_eq!(line(2), Some(&b""[..]));
        assert_eq!(line(3), Some("zwölf 字".as_bytes()));
        assert_eq!(line(4), Some(&b"end"[..]));
        assert_eq!(line(5), Some(&b""[..]));
        assert_eq!(line(6), None);
        let character = |l, c| location.character(l, c).unwrap().map(|range| &text[range]);
        assert_eq!(character(1, 1), Some(&b"o"[..]));
        assert_eq!(character(1, 4), None, "the line break is no character");
        assert_eq!(character(3, 3), Some("ö".as_bytes()));
        assert_eq!(character(3, 7), Some("字".as_bytes()));
        assert_eq!(character(3, 8), None);
        assert_eq!(character(3, 0), None);
        assert_eq!(character(2, 1), None);
    }

    #[test]
    fn an_absent_scroll_has_one_empty_line() {
        assert_eq!(Location::Absent.line(1).unwrap().unwrap().bytes, 0..0);
        assert_eq!(Location::Absent.line(2).unwrap(), None);
    }
}
