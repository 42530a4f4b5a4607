//! Writing a document: the fewest breaks that lead from one scroll to the next.
//!
//! Between two coordinates the first dimension that differs, `d`, takes `next[d] - previous[d]`
//! breaks. They set every lower dimension to 1, so each lower dimension `e` takes `next[e] - 1`.

use std::io::Write;

use super::PhextError;
use super::delimiter::{BREAKS, reject_breaks};
use crate::coordinate::{Coordinate, DIMENSIONS};

/// Bytes of a run written at once.
const BLOCK: usize = 4 << 10;

/// A block of each break. A component may be 20 million: its run is written from here and never
/// built.
static RUNS: [[u8; BLOCK]; DIMENSIONS] = {
    let mut runs = [[0; BLOCK]; DIMENSIONS];
    let mut dimension = 0;
    while dimension < DIMENSIONS {
        runs[dimension] = [BREAKS[dimension]; BLOCK];
        dimension += 1;
    }
    runs
};

/// Writes a document to a stream, one scroll at a time, in strictly ascending order.
///
/// Each run of breaks and each text is a write of its own: give a file or socket a `BufWriter`.
pub struct PhextWriter<W> {
    output: W,
    /// The scroll written last.
    previous: Option<Coordinate>,
}

impl<W: Write> PhextWriter<W> {
    /// A writer at the start of a document.
    pub fn new(output: W) -> Self {
        Self {
            output,
            previous: None,
        }
    }

    /// Writes the breaks that lead to `coordinate`, then `text`. An empty text writes nothing,
    /// because a document cannot hold an empty scroll.
    ///
    /// # Errors
    /// `coordinate` is not after the scroll written last, or `text` holds a break: nothing is
    /// written then. Or the output fails: it may hold part of the scroll and is of no further use.
    pub fn write(&mut self, coordinate: Coordinate, text: &str) -> Result<(), PhextError> {
        if let Some(previous) = self.previous
            && previous >= coordinate
        {
            return Err(PhextError::OutOfOrder {
                previous,
                coordinate,
            });
        }
        reject_breaks(text.as_bytes()).map_err(|source| PhextError::Text { coordinate, source })?;
        if text.is_empty() {
            return Ok(());
        }
        self.write_scroll(&coordinate, text)
            .map_err(|source| PhextError::Write { coordinate, source })?;
        self.previous = Some(coordinate);
        Ok(())
    }

    /// Flushes the output and gives it back.
    ///
    /// # Errors
    /// The output fails.
    pub fn finish(mut self) -> Result<W, PhextError> {
        let coordinate = self.position();
        self.output
            .flush()
            .map_err(|source| PhextError::Write { coordinate, source })?;
        Ok(self.output)
    }

    /// The coordinate a reader of the output so far has reached.
    fn position(&self) -> Coordinate {
        self.previous.unwrap_or(Coordinate::ORIGIN)
    }

    fn write_scroll(&mut self, coordinate: &Coordinate, text: &str) -> std::io::Result<()> {
        for (dimension, count) in break_runs(&self.position(), coordinate) {
            let mut left = count as usize;
            while left > 0 {
                let length = left.min(BLOCK);
                self.output.write_all(&RUNS[dimension][..length])?;
                left -= length;
            }
        }
        self.output.write_all(text.as_bytes())
    }
}

/// How many breaks a document holds between the scrolls at `previous` and `next`, each one byte.
/// The first scroll of a document counts from [`Coordinate::ORIGIN`].
///
/// # Panics
/// When `next` is before `previous`: no breaks lead back.
pub fn breaks_between(previous: &Coordinate, next: &Coordinate) -> u64 {
    break_runs(previous, next)
        .map(|(_, count)| u64::from(count))
        .sum()
}

/// The breaks that a document holds between two scrolls, as bytes, each with how often it comes in a
/// row: whoever writes a part of a document writes these in front of it. See [`breaks_between`].
///
/// # Panics
/// When `next` is before `previous`.
pub fn runs_between(previous: &Coordinate, next: &Coordinate) -> impl Iterator<Item = (u8, u32)> {
    let runs = break_runs(previous, next).filter(|(_, count)| *count > 0);
    runs.map(|(dimension, count)| (BREAKS[dimension], count))
}

/// The runs of breaks that lead from `previous` to `next`: dimension and count, which may be 0.
fn break_runs(previous: &Coordinate, next: &Coordinate) -> impl Iterator<Item = (usize, u32)> {
    assert!(
        previous <= next,
        "no breaks lead from {previous} back to {next}"
    );
    let (old, new) = (*previous.components(), *next.components());
    let changed = old
        .iter()
        .zip(&new)
        .position(|(old, new)| old != new)
        .unwrap_or(DIMENSIONS);
    (changed..DIMENSIONS).map(move |dimension| {
        let from = if dimension == changed {
            old[dimension]
        } else {
            1
        };
        (dimension, new[dimension] - from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Coordinate {
        Coordinate::parse(text).unwrap()
    }

    fn check(scrolls: &[(&str, &str)], expected: &[u8]) {
        let mut writer = PhextWriter::new(Vec::new());
        for (coordinate, text) in scrolls {
            writer.write(at(coordinate), text).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), expected, "{scrolls:?}");
    }

    #[test]
    fn documents() {
        check(&[], b"");
        check(&[("1.1.1/1.1.1/1.1.1", "a\nb")], b"a\nb");
        check(&[("1.1.1/1.1.1/1.1.3", "a")], b"\x17\x17a");
        check(
            &[("1.1.1/1.1.1/1.1.3", "a"), ("1.1.1/1.1.1/1.2.2", "b")],
            b"\x17\x17a\x18\x17b",
        );
        check(
            &[("2.2.2/2.2.2/2.2.2", "a")],
            b"\x01\x1F\x1E\x1D\x1C\x1A\x19\x18\x17a",
        );
        check(&[("1.1.1/1.1.1/9.9.9", "a"), ("2.1.1/1.1.1/1.1.1", "b")], {
            b"\x19\x19\x19\x19\x19\x19\x19\x19\x18\x18\x18\x18\x18\x18\x18\x18\
              \x17\x17\x17\x17\x17\x17\x17\x17a\x01b"
        });
        check(
            &[("1.1.1/1.1.1/1.1.2", ""), ("1.1.1/1.1.1/1.1.3", "a")],
            b"\x17\x17a",
        );
    }

    #[test]
    fn counts() {
        let origin = Coordinate::ORIGIN;
        for (previous, next, expected) in [
            (origin, origin, 0),
            (origin, at("1.1.1/1.1.1/1.1.2"), 1),
            (at("1.1.1/1.1.1/3.4.5"), at("1.1.1/1.1.1/5.4.3"), 2 + 3 + 2),
            (
                at("1.1.1/1.1.1/3.4.5"),
                at("20260223.1.1/1.1.1/1.1.1"),
                20_260_222,
            ),
            (origin, Coordinate::MAX, 9 * (i32::MAX as u64 - 1)),
        ] {
            assert_eq!(
                breaks_between(&previous, &next),
                expected,
                "{previous} {next}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "no breaks lead from")]
    fn counting_backwards_panics() {
        breaks_between(&at("1.1.1/1.1.1/1.1.2"), &Coordinate::ORIGIN);
    }

    #[test]
    fn refusals_write_nothing() {
        let mut writer = PhextWriter::new(Vec::new());
        let second = at("1.1.1/1.1.1/1.1.2");
        writer.write(second, "b").unwrap();
        for (coordinate, text, expected) in [
            (
                second,
                "x",
                "scroll 1.1.1/1.1.1/1.1.2 cannot follow 1.1.1/1.1.1/1.1.2",
            ),
            (
                Coordinate::ORIGIN,
                "x",
                "scroll 1.1.1/1.1.1/1.1.1 cannot follow 1.1.1/1.1.1/1.1.2",
            ),
            (
                Coordinate::MAX,
                "x\x1Cy",
                "byte 0x1C at offset 1 is the volume break",
            ),
        ] {
            let error = writer.write(coordinate, text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(writer.finish().unwrap(), b"\x17b");
    }

    #[test]
    fn output_errors_name_the_scroll() {
        let mut space = [0; 3];
        let mut writer = PhextWriter::new(&mut space[..]);
        writer.write(Coordinate::ORIGIN, "ab").unwrap();
        let error = writer.write(at("1.1.1/1.1.1/1.1.9"), "c").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("writing scroll 1.1.1/1.1.1/1.1.9 failed")
        );
    }
}
