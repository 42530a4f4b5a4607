//! The operations of the three pipes.
//!
//! One operation counts as one op for each active lane: a lane of the batch that the mask, where
//! there is one, selects. In `once` and `last` there is one lane. NOPs and masked lanes count
//! nothing.
//!
//! A lane that a mask leaves out gets the empty value of its destination, never what a batch before
//! left there: 0 in an `r` register, no text in a `t` register.
//!
//! A stream reads the snapshot of the phext it started with; what it writes itself becomes visible
//! to streams that start later.

use crate::{ConstantId, K, M, P, R, T};

/// The second operand of an arithmetic operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// The same lane of a register.
    Register(R),
    /// A [`crate::Constant::Number`], the same for all lanes.
    Constant(ConstantId),
}

/// How DCMP compares, as unsigned 64-bit integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
}

impl Comparison {
    /// All comparisons, indexed by their code in the binary form.
    pub const ALL: [Self; 6] = [Self::Eq, Self::Ne, Self::Lt, Self::Le, Self::Gt, Self::Ge];
}

/// How values become one: of lanes in DRED, of sentrons in CREDUCE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The sum, wrapping at 2^64.
    Sum,
    /// The least, as unsigned integers.
    Min,
    /// The greatest, as unsigned integers.
    Max,
    /// The number of active lanes, wrapping at 2^64; counts of several sentrons are added.
    Count,
}

impl Reduction {
    /// All reductions, indexed by their code in the binary form.
    pub const ALL: [Self; 4] = [Self::Sum, Self::Min, Self::Max, Self::Count];
}

/// What DRED folds into its accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// The sum of the register over the active lanes, wrapping.
    Sum(R),
    /// The least value of the register over the active lanes.
    Min(R),
    /// The greatest value of the register over the active lanes.
    Max(R),
    /// The number of active lanes.
    Count,
}

impl Fold {
    /// The reduction without its source.
    pub const fn reduction(self) -> Reduction {
        match self {
            Self::Sum(_) => Reduction::Sum,
            Self::Min(_) => Reduction::Min,
            Self::Max(_) => Reduction::Max,
            Self::Count => Reduction::Count,
        }
    }

    /// The register that is folded; none for a count.
    pub const fn source(self) -> Option<R> {
        match self {
            Self::Sum(source) | Self::Min(source) | Self::Max(source) => Some(source),
            Self::Count => None,
        }
    }
}

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

/// The fields CPACK puts in a row. At least one is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// The coordinate of the lane.
    pub coordinate: Option<P>,
    /// The text of the lane; the row says so when there is none.
    pub text: Option<T>,
    /// A length in bytes, as DLEN gives it.
    pub length: Option<R>,
    /// The low and the high half of a checksum, as DHASH gives them.
    pub checksum: Option<(R, R)>,
    /// A number.
    pub number: Option<R>,
}

/// An operation of the D pipe: numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DenseOp {
    /// DNOP: nothing, counts nothing.
    #[default]
    Nop,
    /// DMOV: `to <- from`, lane by lane. In `once` a constant, which makes `to` a scalar. Counts
    /// lanes; cannot fail.
    Mov {
        /// Written.
        to: R,
        /// Read.
        from: Operand,
    },
    /// DADD: `to <- left + right`, lane by lane, wrapping at 2^64. Counts lanes; cannot fail.
    Add {
        /// Written.
        to: R,
        /// Read.
        left: R,
        /// Read.
        right: Operand,
    },
    /// DCMP: lane of `to` active `<- left comparison right`, unsigned. Counts lanes; cannot fail.
    Cmp {
        /// Written.
        to: K,
        /// How to compare.
        comparison: Comparison,
        /// Read.
        left: R,
        /// Read.
        right: Operand,
    },
    /// DRED: `accumulator <- accumulator folded with the active lanes`. The accumulator is a scalar
    /// that DMOV initialised in `once` (0 for sum, max and count, 2^64-1 for min) and that keeps its
    /// value across batches. A batch without active lanes leaves it as it is. Counts active lanes;
    /// cannot fail.
    Red {
        /// Read and written, a scalar.
        accumulator: R,
        /// What is folded in, and how.
        fold: Fold,
        /// The active lanes.
        mask: Option<K>,
    },
    /// DLEN: `to <- length in bytes of the text at p`, from its record, without touching the text;
    /// 0 where there is no scroll. Counts active lanes; fails with the page table's error when the
    /// record cannot be read.
    Len {
        /// Written.
        to: R,
        /// Read.
        at: P,
        /// The active lanes.
        mask: Option<K>,
    },
    /// DHASH: `(low, high) <- XXH3-128 of the text at p`, from its record, without touching the
    /// text; 0 in both where there is no scroll. Counts active lanes; fails with the page table's
    /// error when the record cannot be read.
    Hash {
        /// Written: the low 64 bits.
        low: R,
        /// Written: the high 64 bits.
        high: R,
        /// Read.
        at: P,
        /// The active lanes.
        mask: Option<K>,
    },
}

/// An operation of the S pipe: phext memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SparseOp {
    /// SNOP: nothing, counts nothing.
    #[default]
    Nop,
    /// SLANES: `to <- next batch of the lane specification`, at most [`crate::BATCH_LANES`] lanes.
    /// When no lane is left, `each` ends at once. It comes before all operations of `each` and is
    /// alone in its word, because without a batch the others have no lanes. Counts the lanes of the
    /// batch; fails with the page table's error.
    Lanes {
        /// Written.
        to: P,
        /// A [`crate::Constant::Lanes`].
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
    /// SGATHER: `to <- text at p`, the whole scroll, borrowed from the map; no text where there is
    /// no scroll. Counts active lanes, its bytes are counted apart; fails when a text cannot be
    /// read or is damaged.
    Gather {
        /// Written.
        to: T,
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
    /// lanes; cannot fail.
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

/// An operation of the C pipe: rows, results and groups of sentrons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CoordinationOp {
    /// CNOP: nothing, counts nothing.
    #[default]
    Nop,
    /// CPACK: `to <- row` of each lane. In `last` a row of a number only. Counts lanes; cannot
    /// fail.
    Pack {
        /// Written.
        to: M,
        /// Read: the fields of the row.
        row: Row,
    },
    /// CSEND: the rows of the active lanes go to the result sink, in the order of the lanes. Counts
    /// active lanes; fails when the sink has closed or its limit is reached, which ends the stream.
    Send {
        /// Read.
        from: M,
        /// The active lanes.
        mask: Option<K>,
    },
    /// CREDUCE: `accumulator <- reduction over the sentrons of the group`. With one sentron it is
    /// the identity. Counts one; fails when another sentron of the group failed.
    Reduce {
        /// Read and written, a scalar.
        accumulator: R,
        /// How the partial results become one.
        reduction: Reduction,
    },
}
