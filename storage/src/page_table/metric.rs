//! Distances between coordinates.
//!
//! A distance is a `u64` and exact: nine components below 2^31, each weighing less than 2^29, add up
//! to less than 2^64.

use super::kernels::Fold;
use crate::coordinate::{Coordinate, DIMENSIONS};

/// The greatest weight of a dimension, 2^29-1.
pub const MAX_WEIGHT: u32 = (1 << 29) - 1;

/// How far two coordinates are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The greatest difference of components.
    Chebyshev,
    /// The sum of the differences.
    Manhattan,
    /// The sum of the differences, each multiplied by its dimension's weight.
    Weighted(Weights),
}

/// A weight per dimension, from 0 to [`MAX_WEIGHT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weights([u32; DIMENSIONS]);

/// A weight above [`MAX_WEIGHT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("weight {0} is above 536870911")]
pub struct WeightError(pub u32);

impl Weights {
    /// Weights, library first. A dimension that weighs 0 does not count.
    ///
    /// # Errors
    /// [`WeightError`] with the first weight above [`MAX_WEIGHT`].
    pub fn new(weights: [u32; DIMENSIONS]) -> Result<Weights, WeightError> {
        match weights.iter().find(|&&weight| weight > MAX_WEIGHT) {
            Some(&weight) => Err(WeightError(weight)),
            None => Ok(Weights(weights)),
        }
    }

    /// The weights, library first.
    pub fn get(&self) -> &[u32; DIMENSIONS] {
        &self.0
    }
}

impl Metric {
    /// The distance of two coordinates.
    #[inline]
    pub fn distance(&self, a: &Coordinate, b: &Coordinate) -> u64 {
        let mut distance = 0;
        let pairs = a.components().iter().zip(b.components());
        for (dimension, (&a, &b)) in pairs.enumerate() {
            self.fold(dimension).apply(&mut distance, a.abs_diff(b));
        }
        distance
    }

    /// How the difference in a dimension changes the distance.
    #[inline]
    pub(super) fn fold(&self, dimension: usize) -> Fold {
        match self {
            Metric::Chebyshev => Fold::Max,
            Metric::Manhattan => Fold::Sum,
            Metric::Weighted(weights) => Fold::Weighted(weights.0[dimension]),
        }
    }

    /// The greatest difference that a component may have at a distance of at most `limit`.
    pub(super) fn reach(&self, dimension: usize, limit: u64) -> u64 {
        match self.fold(dimension) {
            Fold::Max | Fold::Sum => limit,
            Fold::Weighted(weight) => limit.checked_div(u64::from(weight)).unwrap_or(u64::MAX),
        }
    }
}

impl Fold {
    /// Folds one difference into a distance.
    #[inline]
    pub(super) fn apply(self, distance: &mut u64, gap: u32) {
        match self {
            Fold::Max => *distance = u64::from(gap).max(*distance),
            Fold::Sum => *distance += u64::from(gap),
            Fold::Weighted(weight) => *distance += u64::from(gap) * u64::from(weight),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let weights = [0, 1, 2, 3, 4, 5, 6, 7, 8];
        let weighted = Metric::Weighted(Weights::new(weights).unwrap());
        let heaviest = Metric::Weighted(Weights::new([MAX_WEIGHT; 9]).unwrap());
        let a = Coordinate::new([9, 8, 7, 6, 5, 4, 3, 2, 1]).unwrap();
        let b = Coordinate::new([1, 8, 9, 6, 5, 4, 4, 2, 1]).unwrap();
        let check = |metric: Metric, expected| {
            assert_eq!(metric.distance(&a, &b), expected, "{metric:?}");
            assert_eq!(metric.distance(&b, &a), expected, "{metric:?}");
            assert_eq!(metric.distance(&a, &a), 0, "{metric:?}");
        };
        check(Metric::Chebyshev, 8);
        check(Metric::Manhattan, 11);
        check(weighted, 2 * 2 + 6);
        let whole = u64::from(crate::coordinate::MAX_COMPONENT - 1);
        let (origin, max) = (Coordinate::ORIGIN, Coordinate::MAX);
        assert_eq!(Metric::Chebyshev.distance(&origin, &max), whole);
        assert_eq!(Metric::Manhattan.distance(&origin, &max), 9 * whole);
        let most = 9 * u128::from(whole) * u128::from(MAX_WEIGHT);
        assert_eq!(u128::from(heaviest.distance(&origin, &max)), most);
        assert_eq!(
            Weights::new([MAX_WEIGHT + 1; 9]),
            Err(WeightError(MAX_WEIGHT + 1))
        );
    }
}
