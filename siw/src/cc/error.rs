//! Why a program cannot be compiled.

use crate::register::{Register, RegisterClass};
use crate::{Part, ValidateError};

/// A program that has no stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// More values are needed at once than there are registers, in every order that was tried and
    /// with what can be computed again computed again.
    #[error("more than {limit} values are needed at once in {class:?} registers `{letter}`", letter = class.letter())]
    Registers {
        /// The class that runs out.
        class: RegisterClass,
        /// How many registers it has.
        limit: u8,
    },
    /// More virtual registers of a class than can be numbered.
    #[error("more than 255 virtual registers `{letter}`", letter = class.letter())]
    VirtualRegisters {
        /// The class.
        class: RegisterClass,
    },
    /// More constants than can be numbered.
    #[error("more than 65535 constants")]
    Constants,
    /// More operations in a part than the compiler takes.
    #[error("{count} operations in `{part}`, at most {limit} are allowed")]
    Operations {
        /// The part.
        part: Part,
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// An operation breaks a rule of [`super::UnpackedProgram`].
    #[error("operation {operation} of `{part}`: {reason}")]
    Operation {
        /// The part of the operation.
        part: Part,
        /// Its position there.
        operation: usize,
        /// The rule.
        reason: OperationError,
    },
    /// The stream breaks a rule that has nothing to do with packing.
    #[error(transparent)]
    Invalid(#[from] ValidateError),
}

/// The rule that an operation breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// A virtual register that is written a second time.
    #[error("virtual register {0} is written twice")]
    WrittenTwice(Register),
    /// A read of what nothing has written.
    #[error("virtual register {0} is read but nothing has written it before")]
    Unwritten(Register),
    /// A fold into a register that `once` did not initialise.
    #[error("accumulator {0} is not initialised in `once`")]
    NotScalar(Register),
    /// A read of an accumulator while lanes are still folded into it.
    #[error("accumulator {0} is read in `each`: its value there depends on the size of batches")]
    AccumulatorRead(Register),
    /// Two kinds of folds into one accumulator.
    #[error(
        "accumulator {0} is folded in two ways: the result would depend on the size of batches"
    )]
    MixedFolds(Register),
    /// An operation of `each` before the one that yields lanes.
    #[error("`each` begins with the operation that yields lanes")]
    LanesNotFirst,
    /// A second operation that yields lanes.
    #[error("`each` has one operation that yields lanes")]
    LanesTwice,
    /// A second CSEND to the sink, or to a neighbour.
    #[error(
        "`each` has one CSEND to the sink and one to a neighbour: the order of rows would depend on the size of batches"
    )]
    SendTwice,
    /// A second SSCATTR to points that may repeat.
    #[error("`each` has one SSCATTR, unless its points are ascending and distinct")]
    ScatterTwice,
}
