//! In which order rows come.

use std::fmt::{self, Display, Formatter};

/// An order of rows. Of rows that are equal in it, the one with the lower coordinate comes first,
/// ascending and descending alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub key: OrderKey,
    /// The greatest first.
    pub descending: bool,
}

/// What rows are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKey {
    /// The coordinate; of groups their key.
    Coordinate,
    /// The length of the text.
    Length,
    /// The distance from the coordinate of a search for the nearest.
    Distance,
    /// The number of scrolls of a group.
    Count,
}

impl Order {
    /// The least first.
    pub const fn ascending(key: OrderKey) -> Order {
        Order {
            key,
            descending: false,
        }
    }

    /// The greatest first.
    pub const fn descending(key: OrderKey) -> Order {
        Order {
            key,
            descending: true,
        }
    }
}

impl Display for OrderKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OrderKey::Coordinate => "coordinate",
            OrderKey::Length => "length",
            OrderKey::Distance => "distance",
            OrderKey::Count => "count",
        })
    }
}
