//! A set of distinct points in some of a phext's dimensions, sorted, as codes and equi-depth ranks.
//!
//! A *point* is known by its index in coordinate order. Fewer than nine dimensions are the most varied
//! ones of the nine: those with the most distinct components, in phext's order; of equally varied ones
//! the first. Nine are all of a scroll, eleven are with line and column. Scrolls that become equal
//! when dimensions are left out are one point, with the entry of the first.

use super::source::{ALL_DIMENSIONS, Row};
use phext_storage::coordinate::{Coordinate, DIMENSION_NAMES, DIMENSIONS};
use phext_storage::lab::order::{self, Column};
use std::ops::RangeInclusive;

/// Calls a function that is generic over the number of dimensions.
macro_rules! with_dimensions {
    ($dimensions:expr, $function:ident $arguments:tt) => {
        match $dimensions {
            2 => $function::<2> $arguments,
            3 => $function::<3> $arguments,
            4 => $function::<4> $arguments,
            6 => $function::<6> $arguments,
            9 => $function::<9> $arguments,
            11 => $function::<11> $arguments,
            other => unreachable!("the command line refuses {other} dimensions"),
        }
    };
}
pub(super) use with_dimensions;

/// The numbers of dimensions that a lab measures in.
pub(super) const NUMBERS_OF_DIMENSIONS: [usize; 6] = [2, 3, 4, 6, 9, 11];

/// The points.
pub(super) struct Points {
    /// Which dimensions of a phext.
    pub(super) dimensions: Vec<usize>,
    pub(super) columns: Vec<Column>,
    /// By point, bytes of its entry in a heap.
    pub(super) entry_bytes: Vec<u32>,
}

impl Points {
    /// The points of these rows in so many dimensions.
    pub(super) fn new(rows: &[Row], dimensions: usize) -> Points {
        Points::of(rows, most_varied(rows, dimensions))
    }

    /// The points of these rows in these dimensions.
    pub(super) fn of(rows: &[Row], dimensions: Vec<usize>) -> Points {
        let project = |row: &Row| {
            let mut components = [0; ALL_DIMENSIONS];
            for (to, &from) in components.iter_mut().zip(&dimensions) {
                *to = row.components[from];
            }
            Row {
                components,
                entry_bytes: row.entry_bytes,
            }
        };
        let mut rows: Vec<Row> = rows.iter().map(project).collect();
        rows.sort_by_key(|row| row.components);
        rows.dedup_by_key(|row| row.components);
        let column = |d| Column::new(rows.iter().map(|row| row.components[d]).collect());
        Points {
            columns: (0..dimensions.len()).map(column).collect(),
            entry_bytes: rows.iter().map(|row| row.entry_bytes).collect(),
            dimensions,
        }
    }

    /// How many points.
    pub(super) fn len(&self) -> usize {
        self.entry_bytes.len()
    }

    /// How many dimensions.
    pub(super) fn dimensions(&self) -> usize {
        self.columns.len()
    }

    /// What the dimensions are called.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let name = |&d: &usize| match d.checked_sub(DIMENSIONS) {
            None => DIMENSION_NAMES[d],
            Some(0) => "line",
            Some(_) => "column",
        };
        self.dimensions.iter().map(name).collect()
    }

    pub(super) fn code(&self, dimension: usize, point: u32) -> u32 {
        self.columns[dimension].codes()[point as usize]
    }

    /// How many points have a smaller component in a dimension.
    pub(super) fn rank(&self, dimension: usize, point: u32) -> u32 {
        self.columns[dimension].below()[self.code(dimension, point) as usize]
    }

    /// Points whose component in a dimension has one of these codes.
    pub(super) fn count(&self, dimension: usize, codes: &RangeInclusive<u32>) -> usize {
        let below = self.columns[dimension].below();
        let end = below
            .get(*codes.end() as usize + 1)
            .map_or(self.len(), |&b| b as usize);
        end - below[*codes.start() as usize] as usize
    }

    /// The coordinate of a scroll of this point: dimensions that it lacks are 1. `None` where there
    /// is a line and a column.
    pub(super) fn coordinate(&self, point: u32) -> Option<Coordinate> {
        let mut components = [1; DIMENSIONS];
        for (column, &dimension) in self.columns.iter().zip(&self.dimensions) {
            let code = column.codes()[point as usize];
            *components.get_mut(dimension)? = column.components()[code as usize];
        }
        Coordinate::new(components).ok()
    }

    /// The columns as an array of their number.
    pub(super) fn array<const D: usize>(&self) -> [&Column; D] {
        std::array::from_fn(|d| &self.columns[d])
    }

    /// The points as the engine's k-d leaves.
    pub(super) fn leaves(&self) -> Vec<u32> {
        fn leaves<const D: usize>(points: &Points) -> Vec<u32> {
            order::leaves(points.array::<D>())
        }
        with_dimensions!(self.dimensions(), leaves(self))
    }
}

/// Which dimensions are so many.
fn most_varied(rows: &[Row], dimensions: usize) -> Vec<usize> {
    if dimensions >= DIMENSIONS {
        return (0..dimensions).collect();
    }
    let distinct = |d: usize| {
        let mut components: Vec<u32> = rows.iter().map(|row| row.components[d]).collect();
        components.sort_unstable();
        components.dedup();
        components.len()
    };
    let mut varied: Vec<(usize, usize)> = (0..DIMENSIONS).map(|d| (distinct(d), d)).collect();
    varied.sort_by_key(|&(distinct, d)| (std::cmp::Reverse(distinct), d));
    let mut chosen: Vec<usize> = varied.iter().take(dimensions).map(|&(_, d)| d).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Points with these components.
    pub(in crate::lab) fn points<const D: usize>(components: &[[u32; D]]) -> Points {
        let row = |point: &[u32; D]| {
            let mut components = [1; ALL_DIMENSIONS];
            components[..D].copy_from_slice(point);
            Row {
                components,
                entry_bytes: 200,
            }
        };
        let rows: Vec<Row> = components.iter().map(row).collect();
        Points::of(&rows, (0..D).collect())
    }

    #[test]
    fn the_most_varied_dimensions_are_kept_and_equal_points_are_one() {
        let row = |a, b, c| {
            let mut components = [1; ALL_DIMENSIONS];
            (components[0], components[4], components[8]) = (a, b, c);
            Row {
                components,
                entry_bytes: a,
            }
        };
        let rows = [row(3, 7, 1), row(1, 7, 1), row(2, 8, 1), row(2, 8, 2)];
        let points = Points::new(&rows, 2);
        assert_eq!(
            points.dimensions,
            [0, 4],
            "three components, then the first with two"
        );
        assert_eq!(points.names(), ["library", "volume"]);
        assert_eq!(points.len(), 3);
        assert_eq!(points.columns[0].codes(), [0, 1, 2]);
        assert_eq!(points.columns[1].codes(), [0, 1, 0]);
        assert_eq!(points.columns[1].below(), [0, 2]);
        assert_eq!(points.entry_bytes, [1, 2, 3]);
        assert_eq!(points.rank(1, 1), 2);
        assert_eq!(points.count(1, &(0..=0)), 2);
        assert_eq!(points.count(1, &(0..=1)), 3);
        let coordinate = points.coordinate(1).unwrap();
        assert_eq!(coordinate.components(), &[2, 1, 1, 1, 8, 1, 1, 1, 1]);
        assert_eq!(Points::new(&rows, 11).coordinate(0), None);
        assert_eq!(
            Points::new(&rows, 11).names()[8..],
            ["scroll", "line", "column"]
        );
    }
}
