//! Why a stream is refused.

use crate::register::Register;
use crate::{ConstantId, ConstantKind, LaneKind, Part, Pipe};
use phext_storage::phext::TextError;
use std::fmt;

/// A stream that must not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid stream: {site}: {reason}")]
pub struct ValidateError {
    /// Where.
    pub site: Site,
    /// What is wrong there.
    pub reason: ValidateReason,
}

/// Where in a stream something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The stream as a whole.
    Stream,
    /// A constant.
    Constant(ConstantId),
    /// A part as a whole.
    Part(Part),
    /// A word as a whole.
    Word {
        /// The part of the word.
        part: Part,
        /// Its index in the part.
        word: usize,
    },
    /// An operation.
    Operation {
        /// The part of the word.
        part: Part,
        /// Its index in the part.
        word: usize,
        /// The pipe of the operation.
        pipe: Pipe,
    },
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream => f.write_str("header"),
            Self::Constant(id) => write!(f, "constant {id}"),
            Self::Part(part) => write!(f, "{part}"),
            Self::Word { part, word } => write!(f, "{part} word {word}"),
            Self::Operation { part, word, pipe } => write!(f, "{part} word {word} pipe {pipe}"),
        }
    }
}

/// What is wrong with a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidateReason {
    /// A tier that does not exist.
    #[error("tier {0}, must be 0 to 3")]
    Tier(u8),
    /// More constants or words than the format can count.
    #[error("{0} entries, at most 65535 are allowed")]
    TooMany(usize),
    /// A constant whose bytes the format cannot count.
    #[error("the constant takes 4 GiB or more")]
    TooLong,
    /// Points of a lane specification out of order or repeated.
    #[error("point {0} is not above the one before: points of a union are ascending and distinct")]
    PointOrder(usize),
    /// A register that does not exist.
    #[error("there is no register {0}")]
    NoRegister(Register),
    /// A constant that does not exist.
    #[error("there is no constant {0}")]
    NoConstant(ConstantId),
    /// A constant of another kind than the operation takes.
    #[error("constant {id} is of kind {found}, {expected} is expected")]
    ConstantKind {
        /// The constant.
        id: ConstantId,
        /// The kind that the operation takes.
        expected: ConstantKind,
        /// The kind it has.
        found: ConstantKind,
    },
    /// A dimension that does not exist.
    #[error("there is no dimension {0}, dimensions are 0 to 8")]
    Dimension(u8),
    /// A lane specification that the operation does not take.
    #[error("{mnemonic} takes no lanes of kind {found} ({id})")]
    LaneKind {
        /// The operation.
        mnemonic: &'static str,
        /// The constant.
        id: ConstantId,
        /// Its kind.
        found: LaneKind,
    },
    /// A constant of DDOT that is no q7 vector, or one of CDOT with one that is none.
    #[error("constant {0} is no q7 vector: its bytes are 0x20 to 0x7e")]
    NotVector(ConstantId),
    /// Vectors of CDOT that differ in length.
    #[error("vector {vector} of constant {id} has another length than the first one")]
    VectorLength {
        /// The constant.
        id: ConstantId,
        /// The position of the vector.
        vector: usize,
    },
    /// More rows than CDOT may keep.
    #[error("{asked} rows are to be kept (constant {id}), at most {limit} are", limit = crate::MAX_ROWS)]
    TooManyRows {
        /// The constant.
        id: ConstantId,
        /// The number of rows.
        asked: u64,
    },
    /// A constant of an operation on hypervectors that is none.
    #[error("constant {0} is no hypervector: its bytes are 0x40 to 0x7f")]
    NotHypervector(ConstantId),
    /// A text to write that no scroll may hold.
    #[error("text {text} of constant {id}: {error}")]
    NotScroll {
        /// The constant.
        id: ConstantId,
        /// The position of the text.
        text: usize,
        /// What is wrong with it.
        error: TextError,
    },
    /// A key of CTALLY that does not exist.
    #[error("there is no such key: 1 to 9 leading components, or a dimension 0 to 8")]
    TallyKey,
    /// An operation in a part where it has no meaning.
    #[error("{0} may not be in this part")]
    WrongPart(&'static str),
    /// An operation of `once` that takes its value from a register.
    #[error("a value of `once` is a number of the constant pool")]
    OnceReads,
    /// A row of `last` with a field of a lane.
    #[error("there are no lanes here to take {0} from")]
    LaneField(&'static str),
    /// A row without fields.
    #[error("a row has at least one field")]
    EmptyRow,
    /// A register read before anything wrote it.
    #[error("{0} is read but nothing has written it before")]
    Unwritten(Register),
    /// A lane operation that writes a register of `once`.
    #[error("{0} is a scalar of `once`: in `each` only DRED writes it")]
    ScalarOverwritten(Register),
    /// An accumulator that `once` did not initialise.
    #[error("accumulator {0} is not initialised in `once`")]
    NotScalar(Register),
    /// Two writes to one register in one word, by one operation or by two.
    #[error("{0} is written twice in one word")]
    WriteConflict(Register),
    /// A message register that CTOP, CDOT or CTALLY accumulates into, in another operation of `each`.
    #[error("{0} accumulates rows: no other operation of `each` may use it")]
    AccumulatorShared(Register),
    /// An operation of `each` before SLANES, SASSOC or SNEIGHBR, or in its word.
    #[error(
        "SLANES, SASSOC or SNEIGHBR comes first in `each`, alone in its word: without a batch there are no lanes"
    )]
    LanesNotFirst,
    /// A second SLANES, SASSOC or SNEIGHBR.
    #[error("`each` has one SLANES, SASSOC or SNEIGHBR only")]
    LanesTwice,
    /// An `each` without SLANES, SASSOC and SNEIGHBR: it would never end.
    #[error("`each` has no SLANES, SASSOC or SNEIGHBR")]
    LanesMissing,
    /// Writes with texts over something else than points.
    #[error("texts are written to points, the lane specification is another")]
    TextsWithoutPoints,
    /// Not a text for each point.
    #[error("{texts} texts for {points} points")]
    TextCount {
        /// Number of texts of the constant.
        texts: usize,
        /// Number of points of the lane specification.
        points: usize,
    },
    /// Writes that nothing waits for.
    #[error("the stream writes, so that `last` must hold SFLUSH")]
    FlushMissing,
    /// A `deps` other than the one that follows from the words.
    #[error("deps is {found}, must be {expected}")]
    Deps {
        /// What follows from the words.
        expected: u8,
        /// What the word says.
        found: u8,
    },
}
