//! What a table of contents shows of a scroll: its coordinate and its first line.

use std::io::{self, Write};

use memchr::memchr;

use super::delimiter::{LINE_BREAK, find_break};
use crate::coordinate::Coordinate;

/// The first line of `text`, and whether anything follows it, if only a line break.
///
/// The line is not shortened, however long it is. In a text that is not a single scroll the first
/// break ends the line as well.
pub fn summary(text: &str) -> (&str, bool) {
    let end = end_of_summary(text.as_bytes());
    (&text[..end], end < text.len())
}

fn end_of_summary(text: &[u8]) -> usize {
    let line = &text[..memchr(LINE_BREAK, text).unwrap_or(text.len())];
    find_break(line).unwrap_or(line.len())
}

/// Writes the line `* coordinate: first line`, with `...` if the text goes on, and a line break.
///
/// # Errors
/// The first line is not UTF-8 ([`io::ErrorKind::InvalidData`]), or the output fails.
pub fn write_toc_line(
    output: &mut (impl Write + ?Sized),
    coordinate: &Coordinate,
    text: &[u8],
) -> io::Result<()> {
    let line = &text[..end_of_summary(text)];
    std::str::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let is_cut = line.len() < text.len();
    let end: &[u8] = if is_cut { b"...\n" } else { b"\n" };
    output.write_all(b"* ")?;
    coordinate.write_text(output)?;
    output.write_all(b": ")?;
    output.write_all(line)?;
    output.write_all(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries() {
        let long = "x".repeat(5_000);
        for (text, line, cut) in [
            ("", "", false),
            ("one", "one", false),
            ("one\n", "one", true),
            ("one\r\ntwo", "one\r", true),
            ("\n", "", true),
            (&long, &long, false),
            ("\u{010A}\u{0117}\n", "\u{010A}\u{0117}", true),
            ("one\x17two\n", "one", true),
            ("one\ntwo\x17", "one", true),
        ] {
            assert_eq!(summary(text), (line, cut), "{text:?}");
        }
    }

    #[test]
    fn toc_lines() {
        let mut output = Vec::new();
        write_toc_line(&mut output, &Coordinate::ORIGIN, b"one").unwrap();
        write_toc_line(&mut output, &Coordinate::ORIGIN, b"one\ntwo").unwrap();
        assert_eq!(
            output,
            b"* 1.1.1/1.1.1/1.1.1: one\n* 1.1.1/1.1.1/1.1.1: one...\n"
        );
        let error = write_toc_line(&mut output, &Coordinate::ORIGIN, b"\xFF").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
