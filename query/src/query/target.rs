//! Which scrolls, by coordinate.

use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Nearest, Region};

/// Which scrolls, by coordinate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// Every scroll.
    #[default]
    All,
    /// From one coordinate to another in phext order, both included.
    Range {
        /// The first coordinate.
        from: Coordinate,
        /// The last coordinate.
        to: Coordinate,
    },
    /// Scrolls whose coordinate begins with these components, of which there are at most nine.
    Prefix(Vec<u32>),
    /// One coordinate; a row also where there is no scroll.
    Point(Coordinate),
    /// These coordinates, in any order; a row for each distinct one, also where there is no scroll.
    Points(Vec<Coordinate>),
    /// A range together with points.
    Union {
        /// The first coordinate of the range.
        from: Coordinate,
        /// The last coordinate of the range.
        to: Coordinate,
        /// The points.
        points: Vec<Coordinate>,
    },
    /// Scrolls that lie in a region: wildcards, boxes, sets of components.
    Region(Region),
    /// The scrolls nearest to a coordinate, by distance; at the same distance by coordinate.
    Nearest(Nearest),
}

/// What a target is cut down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// From one coordinate to another in phext order, both included.
    Range {
        /// The first coordinate.
        from: Coordinate,
        /// The last coordinate.
        to: Coordinate,
    },
    /// A region.
    Region(Region),
}
