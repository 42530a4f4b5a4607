//! What is wanted, as one value.

use phext_storage::coordinate::Coordinate;
pub use phext_storage::page_table::{
    Constraint, Metric, Nearest, Region, RegionError, Span, Weights,
};

/// A question about one phext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which scrolls.
    pub target: Target,
    /// What of them.
    pub output: Output,
    /// At most this many rows.
    pub limit: Option<u64>,
}

/// Which scrolls, by coordinate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Every scroll.
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

/// What of the scrolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A row a scroll, in coordinate order; of [`Target::Nearest`] in order of distance.
    Rows(Fields),
    /// One row: the number of scrolls; points without a scroll do not count.
    Count,
    /// One row: the bytes of text in all of them.
    TextBytes,
}

/// The fields of a row besides the coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// The text.
    pub text: bool,
    /// The length of the text in bytes, which costs no look at the text.
    pub length: bool,
    /// XXH3-128 of the text, which costs no look at the text.
    pub checksum: bool,
}

impl Fields {
    /// The text alone.
    pub const TEXT: Fields = Fields {
        text: true,
        length: false,
        checksum: false,
    };
    /// The length alone.
    pub const LENGTH: Fields = Fields {
        text: false,
        length: true,
        checksum: false,
    };
}

impl Query {
    /// The text at one coordinate.
    pub fn point(coordinate: Coordinate) -> Query {
        let target = Target::Points(vec![coordinate]);
        Query {
            target,
            output: Output::Rows(Fields::TEXT),
            limit: None,
        }
    }

    /// These fields of every scroll.
    pub fn all(fields: Fields) -> Query {
        Query {
            target: Target::All,
            output: Output::Rows(fields),
            limit: None,
        }
    }
}
