//! Texts as JSON strings.
//!
//! Most of a long answer is text, so what is escaped is looked for eight bytes at a time: byte by byte
//! that takes several times as long as everything else that a query of a range does.

use std::io::{self, Write};

/// One in each byte of a word.
const ONES: u64 = u64::MAX / 255;
/// The highest bit of each byte of a word.
const HIGHEST: u64 = ONES << 7;

/// Writes UTF-8 text as a JSON string.
pub(super) fn write_json_text(out: &mut (impl Write + ?Sized), text: &[u8]) -> io::Result<()> {
    let text = std::str::from_utf8(text).map_err(io::Error::other)?;
    write_json_string(out, text)
}

/// Writes a text as a JSON string.
pub(super) fn write_json_string(out: &mut (impl Write + ?Sized), text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut rest = text.as_bytes();
    while let Some(at) = find_escaped(rest) {
        out.write_all(&rest[..at])?;
        write_escape(out, rest[at])?;
        rest = &rest[at + 1..];
    }
    out.write_all(rest)?;
    out.write_all(b"\"")
}

/// Where the first byte is that may not be in a JSON string as it is.
fn find_escaped(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let marks = words
        .iter()
        .map(|word| mark_escaped(u64::from_le_bytes(*word)));
    let marked = marks.enumerate().find(|&(_, mark)| mark != 0);
    if let Some((index, mark)) = marked {
        return Some(8 * index + mark.trailing_zeros() as usize / 8);
    }
    let is_escaped = |&byte: &u8| byte < b' ' || byte == b'"' || byte == b'\\';
    let at = rest.iter().position(is_escaped);
    at.map(|at| 8 * words.len() + at)
}

/// Marks bytes below space, quotes and backslashes by their highest bits. The lowest mark is right;
/// above it a borrow may have made others ("Determine if a word has a byte less than n", S. Anderson,
/// Bit Twiddling Hacks).
fn mark_escaped(word: u64) -> u64 {
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, b' ') | equal(b'"') | equal(b'\\')) & HIGHEST
}

fn write_escape(out: &mut (impl Write + ?Sized), byte: u8) -> io::Result<()> {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0C => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => return write!(out, "\\u{byte:04x}"),
    };
    out.write_all(&[b'\\', short])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) {
        let mut written = Vec::new();
        write_json_text(&mut written, text.as_bytes()).unwrap();
        let expected = serde_json::to_string(text).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expected, "{text:?}");
    }

    #[test]
    fn every_character_at_every_place_of_a_word() {
        for character in (0..0x180).filter_map(char::from_u32) {
            for before in 0..9 {
                let (before, after) = ("x".repeat(before), "y".repeat(9));
                check(&format!("{before}{character}{after}"));
                check(&format!("{before}{character}{character}"));
            }
        }
    }

    #[test]
    fn what_is_not_utf8_is_an_error() {
        assert!(write_json_text(&mut Vec::new(), b"a\xFF").is_err());
    }

    proptest! {
        #[test]
        fn texts_are_escaped_as_serde_json_does(text in "[ -~\\x00-\\x1f\u{80}-\u{10ffff}]{0,80}") {
            check(&text);
        }
    }
}
