//! The lane specification: over which scrolls a stream runs.

use phext_storage::coordinate::Coordinate;

/// Which scrolls a stream runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneSpec {
    /// Every scroll.
    All,
    /// The scrolls from one coordinate to another, both included.
    Range {
        /// The first coordinate.
        from: Coordinate,
        /// The last coordinate; a range whose end is below its start is empty.
        to: Coordinate,
    },
    /// These coordinates, ascending and distinct, whether or not they hold a scroll. In a stream
    /// that writes they may come in any order and repeat: writes apply in the order given.
    Points(Vec<Coordinate>),
    /// The scrolls of a range together with these coordinates, ascending and distinct.
    Union {
        /// The first coordinate of the range.
        from: Coordinate,
        /// The last coordinate of the range.
        to: Coordinate,
        /// The coordinates.
        points: Vec<Coordinate>,
    },
}
