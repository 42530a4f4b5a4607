//! What decoding reports.

use crate::Pipe;
use phext_storage::page_table::RegionError;

/// Bytes that are not a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SIW stream: byte {offset}: {reason}")]
pub struct DecodeError {
    /// Where, counted from the beginning of the stream.
    pub offset: usize,
    /// What is wrong there.
    pub reason: DecodeReason,
}

impl DecodeError {
    pub(crate) const fn new(offset: usize, reason: DecodeReason) -> Self {
        Self { offset, reason }
    }
}

/// Why bytes are not a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeReason {
    /// The first four bytes are not the magic.
    #[error("begins with {0:02x?}, expected \"SIW1\"")]
    Magic([u8; 4]),
    /// A version that this build does not read.
    #[error("version {0}, this build reads version {expected}", expected = super::VERSION)]
    Version(u8),
    /// The bytes end inside of something.
    #[error("{needed} bytes are needed, {left} are left")]
    Truncated {
        /// Bytes that the next field takes.
        needed: usize,
        /// Bytes up to the end of the stream or of the constant.
        left: usize,
    },
    /// Bytes after the end of the stream or of a constant.
    #[error("{0} bytes follow the end")]
    Trailing(usize),
    /// A byte that has one value only has another.
    #[error("is {found}, must be {expected}: the field is not used here")]
    Fixed {
        /// The value it must have.
        expected: u8,
        /// The value it has.
        found: u8,
    },
    /// A kind of constant that does not exist.
    #[error("constant of unknown kind {0}")]
    ConstantKind(u8),
    /// A kind of lane specification that does not exist.
    #[error("lane specification of unknown kind {0}")]
    LanesKind(u8),
    /// A component of a coordinate outside of its range.
    #[error("coordinate component {0}, must be 1 to 2147483647")]
    Component(u32),
    /// Spans that are no constraint of a region.
    #[error("{0}")]
    Region(RegionError),
    /// A constraint that every component meets.
    #[error("the span holds every component: a free dimension has no span")]
    WholeSpan,
    /// A metric that does not exist.
    #[error("metric of unknown kind {0}")]
    Metric(u8),
    /// A byte that is 0 or 1 has another value.
    #[error("is {0}, must be 0 or 1")]
    Flag(u8),
    /// A weight of a metric above its limit.
    #[error("weight {0}, must be at most 536870911")]
    Weight(u32),
    /// An operation that the pipe does not have.
    #[error("pipe {pipe} has no opcode {opcode}")]
    Opcode {
        /// The pipe.
        pipe: Pipe,
        /// The opcode.
        opcode: u8,
    },
    /// A function that the operation does not have.
    #[error("{mnemonic} has no function {function}")]
    Function {
        /// The operation.
        mnemonic: &'static str,
        /// The code of the function.
        function: u8,
    },
    /// An operand that the operation needs is absent.
    #[error("{mnemonic} lacks an operand")]
    MissingOperand {
        /// The operation.
        mnemonic: &'static str,
    },
}
