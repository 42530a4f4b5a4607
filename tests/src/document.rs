//! A phext as an ordered map from coordinate to text, and what SQ and sqd derive from it.
//!
//! This is the oracle. It is plain on purpose: one map, no index, every answer computed from
//! scratch. Empty scrolls are not stored.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;

use crate::coordinate::Coordinate;

/// The break byte of each dimension, library first.
pub const BREAKS: [u8; 9] = [0x01, 0x1F, 0x1E, 0x1D, 0x1C, 0x1A, 0x19, 0x18, 0x17];

/// What a delta holds at a coordinate that the client has and the server lacks.
pub const MISSING: &str = "---sq:Scroll-Missing---";

/// The offset and value of the first break byte in a text, which no scroll can hold.
#[must_use]
pub fn first_break(text: &str) -> Option<(usize, u8)> {
    text.bytes()
        .enumerate()
        .find(|(_, byte)| BREAKS.contains(byte))
}

/// The xxh3-128 of some bytes, in SQ's 32 hexadecimal digits.
#[must_use]
pub fn checksum(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

/// One phext.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    scrolls: BTreeMap<Coordinate, String>,
}

impl Document {
    /// Reads phext text by dead reckoning. A later scroll at the same coordinate replaces an
    /// earlier one, though breaks as such never return to a coordinate.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut document = Self::default();
        let mut here = Coordinate::ORIGIN;
        let mut start = 0;
        for (at, byte) in text.bytes().enumerate() {
            if let Some(level) = BREAKS.iter().position(|&mark| mark == byte) {
                document.set(here, text[start..at].to_owned());
                here.0[level] += 1;
                here.0[level + 1..].fill(1);
                start = at + 1;
            }
        }
        document.set(here, text[start..].to_owned());
        document
    }

    /// The text at a coordinate; empty where there is none.
    #[must_use]
    pub fn get(&self, at: &Coordinate) -> &str {
        self.scrolls.get(at).map_or("", String::as_str)
    }

    /// Puts a text at a coordinate; an empty one removes what was there.
    pub fn set(&mut self, at: Coordinate, text: String) {
        if text.is_empty() {
            self.scrolls.remove(&at);
        } else {
            self.scrolls.insert(at, text);
        }
    }

    /// Appends to the text at a coordinate.
    pub fn append(&mut self, at: Coordinate, text: &str) {
        if !text.is_empty() {
            self.scrolls.entry(at).or_default().push_str(text);
        }
    }

    /// Every scroll, in coordinate order.
    pub fn iter(&self) -> impl Iterator<Item = (&Coordinate, &String)> {
        self.scrolls.iter()
    }

    /// Number of scrolls.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scrolls.len()
    }

    /// Whether there is no scroll.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scrolls.is_empty()
    }

    /// The scrolls of a range, both ends included, in order.
    pub fn range(
        &self,
        range: RangeInclusive<Coordinate>,
    ) -> impl Iterator<Item = (&Coordinate, &String)> {
        self.scrolls.range(range)
    }

    /// The document as phext text, with the fewest breaks.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut previous = Coordinate::ORIGIN;
        for (coordinate, text) in &self.scrolls {
            for (count, mark) in breaks_between(&previous, coordinate) {
                bytes.extend(std::iter::repeat_n(mark, count as usize));
            }
            bytes.extend_from_slice(text.as_bytes());
            previous = *coordinate;
        }
        bytes
    }

    /// The length of [`Self::render`] without rendering: a component of twenty million is as many
    /// breaks.
    #[must_use]
    pub fn rendered_len(&self) -> u64 {
        let mut total = 0;
        let mut previous = Coordinate::ORIGIN;
        for (coordinate, text) in &self.scrolls {
            total += breaks_between(&previous, coordinate)
                .map(|(count, _)| count)
                .sum::<u64>();
            total += text.len() as u64;
            previous = *coordinate;
        }
        total
    }

    /// The answer to `toc`.
    #[must_use]
    pub fn toc(&self) -> String {
        let mut toc = String::new();
        for (coordinate, text) in &self.scrolls {
            let line = text.split('\n').next().unwrap_or_default();
            let more = if line.len() < text.len() { "..." } else { "" };
            let _ = writeln!(toc, "* {coordinate}: {line}{more}");
        }
        toc
    }

    /// The answer to `delta`: what differs from the manifest (coordinate to hash), and a marker
    /// where the manifest has a scroll that the document lacks.
    #[must_use]
    pub fn delta(&self, manifest: &BTreeMap<Coordinate, String>) -> Vec<u8> {
        let mut answer = Self::default();
        for (coordinate, text) in &self.scrolls {
            if manifest.get(coordinate) != Some(&checksum(text.as_bytes())) {
                answer.set(*coordinate, text.clone());
            }
        }
        for coordinate in manifest
            .keys()
            .filter(|key| !self.scrolls.contains_key(key))
        {
            answer.set(*coordinate, MISSING.to_owned());
        }
        answer.render()
    }
}

/// The runs of breaks that lead from one coordinate to a later one.
fn breaks_between(from: &Coordinate, to: &Coordinate) -> impl Iterator<Item = (u64, u8)> + use<> {
    let changed = (0..9)
        .find(|&level| from.0[level] != to.0[level])
        .unwrap_or(9);
    let (from, to) = (*from, *to);
    (changed..9).map(move |level| {
        let base = if level == changed { from.0[level] } else { 1 };
        (to.0[level] - base, BREAKS[level])
    })
}

#[cfg(test)]
mod tests {
    use super::Document;
    use crate::coordinate::Coordinate;

    #[test]
    fn renders_the_fewest_breaks_and_reads_them_back() {
        let mut document = Document::default();
        for (at, text) in [
            ("1.1.1/1.1.1/1.1.2", "a"),
            ("1.1.1/1.1.1/2.1.2", "b"),
            ("3.1.1", "c"),
        ] {
            document.set(Coordinate::lenient(at).unwrap(), text.to_owned());
        }
        let bytes = document.render();
        assert_eq!(bytes, b"\x17a\x19\x17b\x01\x01c");
        assert_eq!(document.rendered_len(), bytes.len() as u64);
        assert_eq!(
            Document::parse(std::str::from_utf8(&bytes).unwrap()),
            document
        );
    }

    #[test]
    fn toc_shows_the_first_line() {
        let document = Document::parse("one line\x17first\nsecond\x18\x18ends\n");
        assert_eq!(
            document.toc(),
            "* 1.1.1/1.1.1/1.1.1: one line\n* 1.1.1/1.1.1/1.1.2: first...\n\
             * 1.1.1/1.1.1/1.3.1: ends...\n"
        );
    }
}
