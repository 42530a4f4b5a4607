//! What is wanted, as one value.
//!
//! ```text
//! target  and all of `within`   which scrolls, by coordinate
//! and all of `filters`          which of them, by content
//! output                        what of them: rows, totals or groups
//! order, limit                  in which order, and how many rows
//! ```
//!
//! | part | values |
//! |---|---|
//! | target | all, range, prefix, region (a [pattern](crate::pattern)), points, a range with points, nearest |
//! | within | ranges and regions that the target is cut down to |
//! | filters | contains, starts with, length |
//! | output | rows of coordinate, text or a part of it, length, checksum, distance; count; lengths; groups |
//! | order | coordinate, length, distance; of groups also their count |
//!
//! What cannot be combined is a [`QueryError`](crate::QueryError) that says so.
//!
//! Left out on purpose: alternatives of filters (a query is a conjunction), joins, and anything that
//! looks at more than one phext.

mod filter;
mod order;
mod output;
mod target;

pub use filter::Filter;
pub use order::{Order, OrderKey};
pub use output::{Fields, Output, Slice};
pub use target::{Target, Within};

use phext_siw::cc::OptimizationTier;
use phext_storage::coordinate::Coordinate;

/// A question about one phext.
///
/// ```
/// use phext_query::{Fields, Filter, Order, OrderKey, Output, Pattern, Query, Target};
///
/// // The three longest scrolls of chapter 2 that mention Ulysses.
/// let pattern: Pattern = "1.1.1/1.1.1/2.*.*".parse()?;
/// let query = Query {
///     filters: vec![Filter::contains("Ulysses")],
///     order: Some(Order::descending(OrderKey::Length)),
///     limit: Some(3),
///     ..Query::rows(Target::Region(pattern.into()), Fields::TEXT)
/// };
/// # Ok::<(), phext_query::PatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which scrolls.
    pub target: Target,
    /// What else their coordinates lie in: all of these.
    ///
    /// A search for the nearest looks among what lies in all of them and passes all filters, not the
    /// other way around.
    pub within: Vec<Within>,
    /// What their contents are: all of these. Where there is a filter, points without a scroll are
    /// left out.
    pub filters: Vec<Filter>,
    /// What of them.
    pub output: Output,
    /// In which order; `None` is by coordinate, of [`Target::Nearest`] by distance, both ascending.
    pub order: Option<Order>,
    /// At most this many rows.
    pub limit: Option<u64>,
    /// How far the streams are optimised. It changes no answer.
    pub tier: OptimizationTier,
}

impl Default for Query {
    /// The coordinates of all scrolls, as fast as can be.
    fn default() -> Query {
        Query {
            target: Target::All,
            within: Vec::new(),
            filters: Vec::new(),
            output: Output::default(),
            order: None,
            limit: None,
            tier: OptimizationTier::Tier3PhextOptimal,
        }
    }
}

impl Query {
    /// The text at one coordinate.
    pub fn point(coordinate: Coordinate) -> Query {
        Query::rows(Target::Point(coordinate), Fields::TEXT)
    }

    /// These fields of every scroll.
    pub fn all(fields: Fields) -> Query {
        Query::rows(Target::All, fields)
    }

    /// These fields of the scrolls of a target.
    pub fn rows(target: Target, fields: Fields) -> Query {
        Query {
            target,
            output: Output::Rows(fields),
            ..Query::default()
        }
    }
}
