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
    let bytes = text.as_bytes();
    let line = &bytes[..memchr(LINE_BREAK, bytes).unwrap_or(bytes.len())];
    let end = find_break(line).unwrap_or(line.len());
    (&text[..end], end < text.len())
}

/// Writes the line `* coordinate: first line`, with `...` if the text goes on, and a line break.
///
/// # Errors
/// The output fails.
pub fn write_toc_line(
    output: &mut (impl Write + ?Sized),
    coordinate: &Coordinate,
    text: &str,
) -> io::Result<()> {
    let (line, cut) = summary(text);
    let mark = if cut { "..." } else { "" };
    writeln!(output, "* {coordinate}: {line}{mark}")
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
        write_toc_line(&mut output, &Coordinate::ORIGIN, "one").unwrap();
        write_toc_line(&mut output, &Coordinate::ORIGIN, "one\ntwo").unwrap();
        assert_eq!(
            output,
            b"* 1.1.1/1.1.1/1.1.1: one\n* 1.1.1/1.1.1/1.1.1: one...\n"
        );
    }
}
