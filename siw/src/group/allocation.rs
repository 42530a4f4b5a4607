//! Which scrolls are whose: positions of the dimensions, dealt to the sentrons of a group.
//!
//! A dimension with `n` positions deals its components out in turn: 1 is at position 0, 2 at 1, `n + 1` at 0
//! again. A scroll has a position in each dimension, and the sentron of these positions takes it, whichever
//! piece of the lanes it is in. Sentrons are numbered with the last dimension running fastest:
//!
//! ```text
//! 3 positions of sections, 2 of scrolls     section   1  1  2  2  3  3  4  4  5
//!                                           scroll    1  2  1  2  1  2  1  2  3
//!                                           sentron   0  1  2  3  4  5  0  1  2
//! ```
//!
//! So where the positions are the sides of the group's topology, x the last of those dimensions, the
//! neighbours of a sentron take the neighbours of its scrolls.
//!
//! Each sentron looks at all lanes and leaves out those of others, so that a lane costs a look for each
//! sentron. Lines and columns are not dealt out: a lane is a whole scroll.

use crate::pool::PoolError;
use phext_storage::coordinate::{Coordinate, DIMENSION_NAMES, DIMENSIONS};

/// The dimensions of a request: those of a coordinate, line and column.
pub(super) const ALLOCATED: usize = 11;

/// How many positions each dimension has, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allocation([usize; DIMENSIONS]);

impl Allocation {
    /// What a request asks for; none where each dimension has one position, and any sentron takes any
    /// piece.
    ///
    /// # Errors
    /// It has no sentron for each position, or deals out what cannot be dealt out.
    pub(super) fn of(
        positions: &[usize; ALLOCATED],
        sentrons: usize,
    ) -> Result<Option<Allocation>, PoolError> {
        let (dealt, whole) = positions.split_at(DIMENSIONS);
        if let Some(dimension) = dealt.iter().position(|&positions| positions == 0) {
            let dimension = DIMENSION_NAMES[dimension];
            return Err(PoolError::NoPosition { dimension });
        }
        if whole.iter().any(|&positions| positions != 1) {
            return Err(PoolError::DealtLines);
        }
        let product = |product: usize, &positions: &usize| product.saturating_mul(positions);
        let positions = dealt.iter().fold(1, product);
        match positions {
            1 => Ok(None),
            _ if positions != sentrons => Err(PoolError::Positions {
                positions,
                sentrons,
            }),
            _ => {
                let dealt = std::array::from_fn(|dimension| dealt[dimension]);
                Ok(Some(Allocation(dealt)))
            }
        }
    }

    /// The number of the sentron that takes a scroll.
    pub(crate) fn sentron(&self, coordinate: &Coordinate) -> usize {
        let components = coordinate.components().iter();
        components
            .zip(&self.0)
            .fold(0, |number, (&component, &positions)| {
                number * positions + (component as usize - 1) % positions
            })
    }
}

/// The scrolls of one sentron of an allocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// Who takes which.
    pub(crate) allocation: Allocation,
    /// The sentron.
    pub(crate) sentron: usize,
}

impl Share {
    /// Whether a scroll is among them.
    pub(crate) fn has(&self, coordinate: &Coordinate) -> bool {
        self.allocation.sentron(coordinate) == self.sentron
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(dealt: &[(usize, usize)]) -> [usize; ALLOCATED] {
        let mut positions = [1; ALLOCATED];
        for &(dimension, count) in dealt {
            positions[dimension] = count;
        }
        positions
    }

    #[test]
    fn scrolls_are_dealt_in_turn() {
        let allocation = Allocation::of(&positions(&[(7, 3), (8, 2)]), 6)
            .unwrap()
            .unwrap();
        let check = |section, scroll, sentron| {
            let at = Coordinate::new([5, 4, 3, 2, 1, 1, 9, section, scroll]).unwrap();
            assert_eq!(allocation.sentron(&at), sentron, "{at}");
        };
        check(1, 1, 0);
        check(1, 2, 1);
        check(2, 1, 2);
        check(3, 2, 5);
        check(4, 1, 0);
        check(5, 3, 2);
        check(i32::MAX as u32, 1, 0);
        assert_eq!(Allocation::of(&positions(&[]), 36).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_dealt_is_refused() {
        let check = |dealt: &[(usize, usize)], expected: &str| {
            let refused = Allocation::of(&positions(dealt), 6).unwrap_err();
            assert_eq!(refused.to_string(), expected);
        };
        check(
            &[(5, 0)],
            "an allocation gives book no position: a dimension that is not dealt out has 1",
        );
        check(
            &[(8, 6), (9, 2)],
            "lines and columns are not dealt out to sentrons, a lane is a whole scroll: their positions \
             are 1",
        );
        check(
            &[(7, 3), (8, 3)],
            "an allocation of 9 positions is not one to each of 6 sentrons: ask for as many, or for 1 \
             position of each dimension and any sentron takes any scroll",
        );
        let many = usize::MAX.to_string();
        assert!(
            Allocation::of(&positions(&[(7, usize::MAX), (8, 3)]), 6)
                .unwrap_err()
                .to_string()
                .contains(&many)
        );
    }
}
