//! Dead reckoning: the coordinate that a series of breaks leads to.

use super::PhextError;
use super::delimiter::{dimension_of, run_length};
use crate::coordinate::{Coordinate, DIMENSION_NAMES, DIMENSIONS, MAX_COMPONENT};

/// The coordinate reached so far. It only ever ascends.
pub(super) struct Position([u32; DIMENSIONS]);

impl Position {
    pub(super) fn new() -> Self {
        Self(*Coordinate::ORIGIN.components())
    }

    pub(super) fn coordinate(&self) -> Coordinate {
        Coordinate::from_components(self.0)
    }

    /// Crosses the breaks at the start of `bytes` and returns how many there are. `offset` is
    /// where `bytes` begins in the document.
    pub(super) fn cross_breaks(&mut self, bytes: &[u8], offset: u64) -> Result<usize, PhextError> {
        let mut crossed = 0;
        while let Some(&byte) = bytes.get(crossed)
            && let Some(dimension) = dimension_of(byte)
        {
            let run = run_length(&bytes[crossed..], byte);
            self.raise(dimension, run, offset + crossed as u64)?;
            crossed += run;
        }
        Ok(crossed)
    }

    /// Crosses `count` breaks of one dimension, the first of them at `offset`.
    fn raise(&mut self, dimension: usize, count: usize, offset: u64) -> Result<(), PhextError> {
        let room = MAX_COMPONENT - self.0[dimension];
        let steps = u32::try_from(count).unwrap_or(u32::MAX).min(room);
        if steps > 0 {
            self.0[dimension] += steps;
            self.0[dimension + 1..].fill(1);
        }
        if count > steps as usize {
            return Err(PhextError::ComponentTooLarge {
                offset: offset + u64::from(steps),
                coordinate: self.coordinate(),
                dimension: DIMENSION_NAMES[dimension],
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(breaks: &[u8], crossed: usize, expected: &str) {
        let mut position = Position::new();
        assert_eq!(
            position.cross_breaks(breaks, 0).unwrap(),
            crossed,
            "{breaks:?}"
        );
        assert_eq!(position.coordinate().to_string(), expected, "{breaks:?}");
    }

    #[test]
    fn a_break_raises_its_dimension_and_resets_those_below() {
        check(b"", 0, "1.1.1/1.1.1/1.1.1");
        check(b"text\x17", 0, "1.1.1/1.1.1/1.1.1");
        check(b"\x17\x17text\x17", 2, "1.1.1/1.1.1/1.1.3");
        check(b"\x17\x18", 2, "1.1.1/1.1.1/1.2.1");
        check(
            b"\x01\x1F\x1E\x1D\x1C\x1A\x19\x18\x17",
            9,
            "2.2.2/2.2.2/2.2.2",
        );
        check(
            b"\x17\x18\x19\x1A\x1C\x1D\x1E\x1F\x01",
            9,
            "2.1.1/1.1.1/1.1.1",
        );
        check(b"\x17\x1B", 1, "1.1.1/1.1.1/1.1.2");
        check(b"\x17\n", 1, "1.1.1/1.1.1/1.1.2");
    }

    #[test]
    fn the_break_that_goes_too_far_is_named() {
        let mut position = Position([1, 1, 1, MAX_COMPONENT - 2, 5, 1, 1, 1, 1]);
        let error = position
            .cross_breaks(&[0x17, 0x1D, 0x1D, 0x1D, 0x1D], 100)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the collection break at byte 103, coordinate 1.1.1/2147483647.1.1/1.1.1, exceeds 2147483647"
        );
    }

    #[test]
    fn the_coordinate_before_the_break_is_named() {
        let mut position = Position([MAX_COMPONENT, 1, 1, 1, 5, 1, 1, 1, 1]);
        let error = position.cross_breaks(&[0x01], 7).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the library break at byte 7, coordinate 2147483647.1.1/1.5.1/1.1.1, exceeds 2147483647"
        );
    }

    #[test]
    fn the_largest_component_is_reached() {
        let mut position = Position([1, 1, 1, 1, 1, 1, 1, 1, MAX_COMPONENT - 2]);
        assert_eq!(position.cross_breaks(&[0x17, 0x17], 0).unwrap(), 2);
        assert_eq!(position.coordinate().components()[8], MAX_COMPONENT);
    }
}
