//! The lane specification, over which scrolls a stream runs: the page table's own type.
//!
//! Points that are no part of a union may come in any order and repeat: rows come, and writes apply, in
//! the order given.

pub use phext_storage::page_table::LaneSpec;

use std::fmt;

/// The kinds of [`LaneSpec`]: an operation takes some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneKind {
    /// [`LaneSpec::All`].
    All,
    /// [`LaneSpec::Range`].
    Range,
    /// [`LaneSpec::Points`].
    Points,
    /// [`LaneSpec::Union`].
    Union,
    /// [`LaneSpec::Region`].
    Region,
    /// [`LaneSpec::Nearest`].
    Nearest,
}

impl LaneKind {
    /// The kind of a lane specification.
    pub const fn of(lanes: &LaneSpec) -> Self {
        match lanes {
            LaneSpec::All => Self::All,
            LaneSpec::Range { .. } => Self::Range,
            LaneSpec::Points(_) => Self::Points,
            LaneSpec::Union { .. } => Self::Union,
            LaneSpec::Region(_) => Self::Region,
            LaneSpec::Nearest(_) => Self::Nearest,
        }
    }
}

impl fmt::Display for LaneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Range => "range",
            Self::Points => "points",
            Self::Union => "union",
            Self::Region => "region",
            Self::Nearest => "nearest",
        })
    }
}
