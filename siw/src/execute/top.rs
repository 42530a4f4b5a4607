//! The rows that CTOP keeps.

use super::ExecuteError;
use super::registers::{Message, Order, Rows};
use crate::{Comparison, MAX_ROWS, Ranking};
use phext_storage::coordinate::Coordinate;
use std::collections::BinaryHeap;

/// Where a number stands: the less, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u64);

impl Rank {
    /// Of a number; NaN has none.
    #[inline]
    pub(super) fn of(ranking: Ranking, number: u64) -> Option<Self> {
        let rank = match ranking {
            Ranking::Least => number,
            Ranking::Greatest => !number,
            Ranking::FLeast => ordered(number)?,
            Ranking::FGreatest => !ordered(number)?,
        };
        Some(Self(rank))
    }
}

/// A number that is ordered as the doubles are, both zeros being equal.
fn ordered(double: u64) -> Option<u64> {
    let number = f64::from_bits(double);
    if number.is_nan() {
        return None;
    }
    // Adding makes +0 of -0.
    Some(super::kernels::ordered((number + 0.0).to_bits()))
}

/// A row, the better the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    rank: Rank,
    coordinate: Coordinate,
    number: u64,
}

/// The best rows so far.
#[derive(Debug, Clone)]
pub(super) struct Top {
    ranking: Ranking,
    count: u64,
    /// The worst on top.
    kept: BinaryHeap<Kept>,
}

impl Top {
    pub(super) fn new(ranking: Ranking, count: u64) -> Self {
        Self {
            ranking,
            count,
            kept: BinaryHeap::new(),
        }
    }

    /// The number of the worst row, once there are as many as are kept. A row with a number that is
    /// worse need not be offered.
    pub(super) fn worst(&self) -> Option<u64> {
        let is_full = self.kept.len() as u64 >= self.count;
        self.kept.peek().filter(|_| is_full).map(|kept| kept.number)
    }

    #[inline]
    pub(super) fn offer(&mut self, coordinate: Coordinate, number: u64) {
        let Some(rank) = Rank::of(self.ranking, number) else {
            return;
        };
        let kept = Kept {
            rank,
            coordinate,
            number,
        };
        if (self.kept.len() as u64) < self.count {
            return self.kept.push(kept);
        }
        if let Some(mut worst) = self.kept.peek_mut()
            && kept < *worst
        {
            *worst = kept;
        }
    }

    /// Whether no more rows are kept than any accumulator may, which is so unless more were asked for:
    /// their memory would have no bound. To be asked for each batch.
    pub(super) fn check(&self) -> Result<(), ExecuteError> {
        match self.kept.len() as u64 > MAX_ROWS {
            true => Err(ExecuteError::TooManyRows { asked: self.count }),
            false => Ok(()),
        }
    }

    /// What a number that is as good as another, or better, is to that.
    pub(super) fn comparison(&self) -> Comparison {
        match self.ranking {
            Ranking::Least => Comparison::Le,
            Ranking::Greatest => Comparison::Ge,
            Ranking::FLeast => Comparison::FLe,
            Ranking::FGreatest => Comparison::FGe,
        }
    }

    /// The rows, the best first.
    pub(super) fn into_rows(self) -> Rows {
        let order = Order::Rank(self.ranking, self.count);
        Rows::new(self.into_messages().collect(), order)
    }

    /// The rows by themselves, the best first.
    pub(super) fn into_messages(self) -> impl Iterator<Item = Message> {
        let kept = self.kept.into_sorted_vec();
        kept.into_iter().map(|kept| Message {
            coordinate: Some(kept.coordinate),
            number: Some(kept.number),
            ..Message::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_limited() {
        let at = |n: u32| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, n]).unwrap();
        let most = u32::try_from(MAX_ROWS).unwrap();
        let filled = |count| {
            let mut top = Top::new(Ranking::Least, count);
            (1..=most).for_each(|n| top.offer(at(n), u64::from(n)));
            top.check().unwrap();
            top.offer(at(most + 1), 0);
            top
        };
        let error = filled(u64::from(u32::MAX)).check().unwrap_err();
        let expected = "CTOP was asked for the best 4294967295 rows and met more than 1048576, the most \
                        that it keeps: ask for fewer rows, or rank fewer lanes";
        assert_eq!(error.to_string(), expected);
        let enough = filled(MAX_ROWS);
        enough.check().unwrap();
        assert_eq!(enough.into_rows().rows().len(), most as usize);
    }
}
