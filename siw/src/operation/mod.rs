//! The operations of the three pipes.
//!
//! One operation counts as one op for each active lane: a lane of the batch that the mask, where
//! there is one, selects. In `once` and `last` there is one lane. NOPs and masked lanes count
//! nothing; operations on a group of sentrons, and flushes, count one.
//!
//! A lane that a mask leaves out gets the empty value of its destination, never what a batch before
//! left there: 0 in an `r` register, no text in a `t` register, no lane in a `k` register.
//!
//! A number is 64 bits. Where an operation has functions of both kinds it reads them as an unsigned
//! integer, wrapping at 2^64, or as an IEEE 754 double. A NaN that an operation computes is always the
//! one `0x7FF8_0000_0000_0000`, so that an answer does not depend on the machine.
//!
//! A stream reads the snapshot of the phext it started with; what it writes itself becomes visible
//! to streams that start later.

mod coordination;
mod dense;
mod sparse;

pub use coordination::{CoordinationOp, Destination, Ranking, Row, TallyKey};
pub use dense::{Comparison, DenseOp, Fold, NumberKind, Reduction, TextMatch};
pub use sparse::{Extent, Level, Scatter, SparseOp};

use crate::{ConstantId, R, T};

/// The last operand of an operation on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// The same lane of a register.
    Register(R),
    /// A [`crate::Constant::Number`], the same for all lanes.
    Constant(ConstantId),
}

/// The last operand of an operation on hypervectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOperand {
    /// The same lane of a register.
    Register(T),
    /// A [`crate::Constant::Text`], the same for all lanes.
    Constant(ConstantId),
}
