//! Questions: which components they ask for, and which points match.
//!
//! Each is anchored on a stored point, so that it is never empty.
//!
//! | class | with k free dimensions, the others |
//! |---|---|
//! | prefix | are the first ones, and equal the anchor's |
//! | wildcard | are drawn, and equal the anchor's |
//! | box | are drawn, and within a twentieth of all points' ranks to either side of the anchor's |

use super::points::Points;
use rand::Rng;
use rand::rngs::StdRng;
use serde::Serialize;
use std::ops::RangeInclusive;

/// A kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Class {
    Prefix,
    Wildcard,
    Box,
}

impl Class {
    pub(super) const ALL: [Class; 3] = [Class::Prefix, Class::Wildcard, Class::Box];

    pub(super) fn name(self) -> &'static str {
        match self {
            Class::Prefix => "prefix",
            Class::Wildcard => "wildcard",
            Class::Box => "box",
        }
    }

    /// How many dimensions may be free.
    pub(super) fn free(self, dimensions: usize) -> std::ops::Range<usize> {
        match self {
            Class::Prefix | Class::Wildcard => 1..dimensions,
            Class::Box => 0..dimensions,
        }
    }
}

/// Part of all points that a box reaches to either side.
const BOX_REACH: f64 = 0.05;

/// Which codes are asked for in which dimensions; the others are free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) constraints: Vec<(usize, RangeInclusive<u32>)>,
}

impl Query {
    /// A question of a class around a random point.
    pub(super) fn draw(class: Class, free: usize, points: &Points, dice: &mut StdRng) -> Query {
        let anchor = dice.random_range(0..points.len() as u32);
        let fixed = points.dimensions() - free;
        match class {
            Class::Prefix => Query::around(anchor, 0..fixed, 0.0, points),
            Class::Wildcard => Query::around(anchor, some(points, fixed, dice), 0.0, points),
            Class::Box => Query::around(anchor, some(points, fixed, dice), BOX_REACH, points),
        }
    }

    /// Everything within some share of the points' ranks of a point, in some dimensions.
    pub(super) fn around(
        anchor: u32,
        dimensions: impl IntoIterator<Item = usize>,
        reach: f64,
        points: &Points,
    ) -> Query {
        let reach = (points.len() as f64 * reach) as u32;
        let constraint = |d: usize| {
            let rank = points.rank(d, anchor);
            let below = points.columns[d].below();
            let low = below.partition_point(|&r| r < rank.saturating_sub(reach));
            let high = below.partition_point(|&r| r <= rank.saturating_add(reach)) - 1;
            (d, low as u32..=high as u32)
        };
        Query {
            constraints: dimensions.into_iter().map(constraint).collect(),
        }
    }

    /// The points that match, in coordinate order.
    pub(super) fn matches(&self, points: &Points) -> Vec<u32> {
        let mut constraints: Vec<_> = self.constraints.iter().collect();
        constraints.sort_by_key(|(d, codes)| points.count(*d, codes));
        let Some(((first, codes), others)) = constraints.split_first() else {
            return (0..points.len() as u32).collect();
        };
        let mut matches = scan(points.columns[*first].codes(), codes);
        for (dimension, codes) in others {
            let column = points.columns[*dimension].codes();
            matches.retain(|&point| codes.contains(&column[point as usize]));
        }
        matches
    }
}

/// So many dimensions, drawn.
pub(super) fn some(points: &Points, count: usize, dice: &mut StdRng) -> Vec<usize> {
    rand::seq::index::sample(dice, points.dimensions(), count).into_vec()
}

/// The points with one of these codes.
fn scan(column: &[u32], codes: &RangeInclusive<u32>) -> Vec<u32> {
    let (low, width) = (*codes.start(), codes.end() - codes.start());
    let mut found = vec![0; column.len()];
    let mut count = 0;
    // No branch: whether a point matches cannot be foreseen.
    for (point, &code) in (0..).zip(column) {
        found[count] = point;
        count += usize::from(code.wrapping_sub(low) <= width);
    }
    found.truncate(count);
    found
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::some_points;
    use super::super::layout::{Layout, runs};
    use super::super::order::LabOrder;
    use super::super::points::tests::points;
    use super::*;
    use phext_storage::lab::order::BLOCK_SLOTS;
    use rand::SeedableRng;

    #[test]
    fn matches_are_those_of_a_plain_search() {
        let points = some_points();
        let dice = &mut StdRng::seed_from_u64(3);
        for class in Class::ALL {
            for free in class.free(points.dimensions()) {
                for _ in 0..10 {
                    let query = Query::draw(class, free, &points, dice);
                    assert_eq!(query.constraints.len(), points.dimensions() - free);
                    let is_match = |&point: &u32| {
                        let constraints = query.constraints.iter();
                        constraints
                            .clone()
                            .all(|(d, codes)| codes.contains(&points.code(*d, point)))
                    };
                    let expected: Vec<u32> = (0..points.len() as u32).filter(is_match).collect();
                    assert_eq!(query.matches(&points), expected);
                    assert!(!expected.is_empty(), "it is anchored");
                }
            }
        }
    }

    #[test]
    fn blocks_that_hold_a_match_survive_and_prefixes_are_one_run() {
        let points = some_points();
        let dice = &mut StdRng::seed_from_u64(4);
        for order in LabOrder::all() {
            let layout = Layout::new(order, &points, 1);
            for class in Class::ALL {
                let query = Query::draw(class, 2, &points, dice);
                let positions = layout.positions(&query.matches(&points));
                let survivors = layout.survivors(&query);
                let of = |&position: &u32| position / BLOCK_SLOTS as u32;
                assert!(
                    positions
                        .iter()
                        .map(of)
                        .all(|block| survivors.contains(&block))
                );
                if order == LabOrder::Lexicographic && class == Class::Prefix {
                    assert_eq!(runs(&positions), 1);
                }
            }
        }
    }

    #[test]
    fn a_box_reaches_a_twentieth_to_either_side() {
        let points = points(&std::array::from_fn::<[u32; 2], 100, _>(|n| {
            [7 * n as u32 + 1, 1]
        }));
        let query = Query::around(50, [0], BOX_REACH, &points);
        assert_eq!(query.constraints, [(0, 45..=55)]);
        let query = Query::around(2, [0, 1], BOX_REACH, &points);
        assert_eq!(query.constraints, [(0, 0..=7), (1, 0..=0)]);
    }
}
