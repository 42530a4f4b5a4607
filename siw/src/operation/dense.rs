//! The D pipe: numbers, masks, and texts read as numbers.

use super::{Operand, TextOperand};
use crate::{ConstantId, K, P, R, T};

/// How arithmetic reads its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// Unsigned, wrapping at 2^64.
    U64,
    /// IEEE 754 double, rounded to nearest.
    F64,
}

impl NumberKind {
    /// All kinds, indexed by their code in the binary form.
    pub const ALL: [Self; 2] = [Self::U64, Self::F64];
}

/// How DCMP compares. The comparisons of doubles are those of IEEE 754: with a NaN all are false but
/// [`Comparison::FNe`], and both zeros are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less than, unsigned.
    Lt,
    /// Less than or equal, unsigned.
    Le,
    /// Greater than, unsigned.
    Gt,
    /// Greater than or equal, unsigned.
    Ge,
    /// Equal doubles.
    FEq,
    /// Doubles that are not equal.
    FNe,
    /// A lesser double.
    FLt,
    /// A lesser or equal double.
    FLe,
    /// A greater double.
    FGt,
    /// A greater or equal double.
    FGe,
}

impl Comparison {
    /// All comparisons, indexed by their code in the binary form.
    pub const ALL: [Self; 12] = [
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Le,
        Self::Gt,
        Self::Ge,
        Self::FEq,
        Self::FNe,
        Self::FLt,
        Self::FLe,
        Self::FGt,
        Self::FGe,
    ];
}

/// How values become one: of lanes in DRED, of sentrons in CREDUCE. There is no sum of doubles: its
/// value would depend on the order of the lanes.
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
    /// The least double. NaN is ignored, and -0 is below +0. It is NaN only where all values are.
    FMin,
    /// The greatest double, likewise.
    FMax,
}

impl Reduction {
    /// All reductions, indexed by their code in the binary form.
    pub const ALL: [Self; 6] = [
        Self::Sum,
        Self::Min,
        Self::Max,
        Self::Count,
        Self::FMin,
        Self::FMax,
    ];
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
    /// The least double of the register over the active lanes.
    FMin(R),
    /// The greatest double of the register over the active lanes.
    FMax(R),
}

impl Fold {
    /// The reduction without its source.
    pub const fn reduction(self) -> Reduction {
        match self {
            Self::Sum(_) => Reduction::Sum,
            Self::Min(_) => Reduction::Min,
            Self::Max(_) => Reduction::Max,
            Self::Count => Reduction::Count,
            Self::FMin(_) => Reduction::FMin,
            Self::FMax(_) => Reduction::FMax,
        }
    }

    /// The register that is folded; none for a count.
    pub const fn source(self) -> Option<R> {
        match self {
            Self::Sum(source)
            | Self::Min(source)
            | Self::Max(source)
            | Self::FMin(source)
            | Self::FMax(source) => Some(source),
            Self::Count => None,
        }
    }
}

/// Where DMATCH looks for its pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextMatch {
    /// Anywhere in the text.
    Contains,
    /// At its beginning.
    Starts,
}

impl TextMatch {
    /// All places, indexed by their code in the binary form.
    pub const ALL: [Self; 2] = [Self::Contains, Self::Starts];
}

/// An operation of the D pipe.
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
    /// DADD: `to <- left + right`, lane by lane. Counts lanes; cannot fail.
    Add {
        /// Written.
        to: R,
        /// How to read the numbers.
        kind: NumberKind,
        /// Read.
        left: R,
        /// Read.
        right: Operand,
    },
    /// DSUB: `to <- left - right`, lane by lane. Counts lanes; cannot fail.
    Sub {
        /// Written.
        to: R,
        /// How to read the numbers.
        kind: NumberKind,
        /// Read.
        left: R,
        /// Read.
        right: Operand,
    },
    /// DMUL: `to <- left * right`, lane by lane. Counts lanes; cannot fail.
    Mul {
        /// Written.
        to: R,
        /// How to read the numbers.
        kind: NumberKind,
        /// Read.
        left: R,
        /// Read.
        right: Operand,
    },
    /// DFMA: `to <- left * right + addend`, lane by lane; of doubles with one rounding. Counts lanes;
    /// cannot fail.
    Fma {
        /// Written.
        to: R,
        /// How to read the numbers.
        kind: NumberKind,
        /// Read.
        left: R,
        /// Read.
        right: R,
        /// Read.
        addend: Operand,
    },
    /// DAND: `to <- left and right`, bit by bit. Counts lanes; cannot fail.
    And {
        /// Written.
        to: R,
        /// Read.
        left: R,
        /// Read.
        right: Operand,
    },
    /// DOR: `to <- left or right`, bit by bit. Counts lanes; cannot fail.
    Or {
        /// Written.
        to: R,
        /// Read.
        left: R,
        /// Read.
        right: Operand,
    },
    /// DXOR: `to <- left exclusive-or right`, bit by bit. Counts lanes; cannot fail.
    Xor {
        /// Written.
        to: R,
        /// Read.
        left: R,
        /// Read.
        right: Operand,
    },
    /// DKAND: lane of `to` active where it is in `left` and in `right`. Counts lanes; cannot fail.
    MaskAnd {
        /// Written.
        to: K,
        /// Read.
        left: K,
        /// Read.
        right: K,
    },
    /// DKOR: lane of `to` active where it is in `left` or in `right`. Counts lanes; cannot fail.
    MaskOr {
        /// Written.
        to: K,
        /// Read.
        left: K,
        /// Read.
        right: K,
    },
    /// DKNOT: lane of `to` active where it is not in `from`. Counts lanes; cannot fail.
    MaskNot {
        /// Written.
        to: K,
        /// Read.
        from: K,
    },
    /// DSEL: `to <- left` where the lane is active in `mask`, else `right`. Counts lanes; cannot fail.
    Sel {
        /// Written.
        to: R,
        /// Read: which operand each lane takes. All lanes count.
        mask: K,
        /// Read.
        left: R,
        /// Read.
        right: Operand,
    },
    /// DCMP: lane of `to` active `<- left comparison right`. Counts lanes; cannot fail.
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
    /// that DMOV initialised in `once` (0 for sum, max and count, 2^64-1 for min, an infinity or NaN
    /// for the doubles) and that keeps its value across batches. A batch without active lanes leaves
    /// it as it is. Counts active lanes; cannot fail.
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
    /// DMATCH: lane of `to` active where the text holds the pattern, compared byte by byte. No text
    /// holds none; an empty pattern is in every text. Counts active lanes; cannot fail.
    Match {
        /// Written.
        to: K,
        /// Where in the text.
        place: TextMatch,
        /// Read.
        text: T,
        /// A [`crate::Constant::Text`].
        pattern: ConstantId,
        /// The active lanes.
        mask: Option<K>,
    },
    /// DDOT: `to <- dot product of the text and the constant`, both q7 vectors, as a double, which is
    /// exact. A q7 vector is a text of bytes `0x20` to `0x7E`, each the number `byte - 0x4F`. NaN
    /// where there is no text, where it has another length than the constant, or where it is no
    /// vector. Counts active lanes; cannot fail.
    Dot {
        /// Written.
        to: R,
        /// Read.
        text: T,
        /// A [`crate::Constant::Text`] that is a q7 vector.
        vector: ConstantId,
        /// The active lanes.
        mask: Option<K>,
    },
    /// DHDBIND: `to <- left exclusive-or right`, hypervectors. A hypervector is a text of bytes `0x40`
    /// to `0x7F`, six bits each. No text where an operand is missing or no hypervector, or where the
    /// lengths differ. The result lives as long as the batch. Counts lanes; cannot fail.
    HdBind {
        /// Written.
        to: T,
        /// Read.
        left: T,
        /// Read; a constant is a hypervector.
        right: TextOperand,
    },
    /// DHDBUND: `to <- majority of three hypervectors`, bit by bit; else as DHDBIND. Counts lanes;
    /// cannot fail.
    HdBund {
        /// Written.
        to: T,
        /// Read.
        left: T,
        /// Read.
        middle: T,
        /// Read; a constant is a hypervector.
        right: TextOperand,
    },
    /// DHDSIM: `to <- number of equal bits of two hypervectors`, 0 where DHDBIND gives no text. Counts
    /// active lanes; cannot fail.
    HdSim {
        /// Written.
        to: R,
        /// Read.
        left: T,
        /// Read; a constant is a hypervector.
        right: TextOperand,
        /// The active lanes.
        mask: Option<K>,
    },
}
