//! The S pipe: phext memory.

use crate::{ConstantId, K, P, R, T};

/// How far SPREFCH fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The record of the page table: length, checksum and position of the text.
    Record,
    /// The text itself.
    Text,
}

impl Level {
    /// All levels, indexed by their code in the binary form.
    pub const ALL: [Self; 2] = [Self::Record, Self::Text];
}

/// How much of a text SGATHER takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// `count` bytes from byte `from`, counted from 0; what lies behind the end is left out.
    Bytes {
        /// Read.
        from: R,
        /// Read.
        count: R,
    },
    /// `count` lines from line `from`, counted from 1, with their line ends; what lies behind the
    /// end is left out, and line 0 begins nothing.
    Lines {
        /// Read.
        from: R,
        /// Read.
        count: R,
    },
}

/// What SSCATTR does at a coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scatter {
    /// The scroll becomes the text of the lane, from a [`crate::Constant::Texts`].
    Put(ConstantId),
    /// The text of the lane is added to the end of the scroll.
    Append(ConstantId),
    /// The scroll is removed; nothing happens where there is none.
    Delete,
}

/// An operation of the S pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SparseOp {
    /// SNOP: nothing, counts nothing.
    #[default]
    Nop,
    /// SLANES: `to <- next batch of the lane specification`, at most [`crate::BATCH_LANES`] lanes.
    /// When no lane is left, `each` ends at once. It, SASSOC or SNEIGHBR comes before all operations
    /// of `each` and is alone in its word, because without a batch the others have no lanes. Counts
    /// the lanes of the batch; fails with the page table's error.
    Lanes {
        /// Written.
        to: P,
        /// A [`crate::Constant::Lanes`]: all, a range, points or a union.
        lanes: ConstantId,
    },
    /// SASSOC: as SLANES, the scrolls that a partial coordinate names, in coordinate order.
    Assoc {
        /// Written.
        to: P,
        /// A [`crate::Constant::Lanes`]: a region.
        lanes: ConstantId,
    },
    /// SNEIGHBR: as SLANES, the scrolls within a distance, nearest first.
    Neighbr {
        /// Written.
        to: P,
        /// A [`crate::Constant::Lanes`]: a nearest search.
        lanes: ConstantId,
    },
    /// STEST: lane of `to` active where the coordinate at p lies in a region or range, whether or not
    /// there is a scroll. Counts lanes; cannot fail.
    Test {
        /// Written.
        to: K,
        /// Read.
        at: P,
        /// A [`crate::Constant::Lanes`]: all, a range or a region.
        lanes: ConstantId,
    },
    /// SDIST: `to <- distance of the coordinate at p` from that of a nearest search, by its metric;
    /// its count and radius are not looked at. Counts lanes; cannot fail.
    Dist {
        /// Written.
        to: R,
        /// Read.
        at: P,
        /// A [`crate::Constant::Lanes`]: a nearest search.
        lanes: ConstantId,
    },
    /// SINDEX: `to <- component of the coordinate at p`. Counts lanes; cannot fail.
    Index {
        /// Written.
        to: R,
        /// The dimension, 0 (library) to 8 (scroll).
        dimension: u8,
        /// Read.
        at: P,
    },
    /// SGATHER: `to <- text at p`, or a part of it, borrowed from the map; no text where there is no
    /// scroll. Counts active lanes, the bytes of the parts taken are counted apart; fails when a text
    /// cannot be read or is damaged.
    Gather {
        /// Written.
        to: T,
        /// How much of the text.
        extent: Extent,
        /// Read.
        at: P,
        /// The active lanes.
        mask: Option<K>,
    },
    /// SSCATTR: puts, appends or deletes at p, in the order of the lanes. Lane `i` of the whole
    /// iteration (not of the batch) takes text `i`, so that a write with texts runs over
    /// [`crate::LaneSpec::Points`] with as many points as texts. Counts active lanes; fails when
    /// the store refuses or cannot write, and then nothing is said about the writes of the batch.
    Scattr {
        /// Read: where to write.
        at: P,
        /// What to do there.
        scatter: Scatter,
        /// The active lanes.
        mask: Option<K>,
    },
    /// SPREFCH: a hint that the record or the text at p is needed soon. Changes no result. Counts
    /// nothing; cannot fail.
    Prefch {
        /// Read.
        at: P,
        /// How far to fetch.
        level: Level,
    },
    /// SFLUSH: waits until all SSCATTR so far are durable. Counts one; fails with the log's error,
    /// and then nothing is said about what is durable.
    Flush,
}

impl SparseOp {
    /// The lane specification that the operation makes batches of.
    pub const fn batches(self) -> Option<ConstantId> {
        match self {
            Self::Lanes { lanes, .. } | Self::Assoc { lanes, .. } | Self::Neighbr { lanes, .. } => {
                Some(lanes)
            }
            _ => None,
        }
    }
}
