//! What the assembler reports.

use phext_storage::coordinate::CoordinateError;
use phext_storage::page_table::WeightError;
use phext_storage::page_table::pattern::PatternReason;

/// A text that is not a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct AssembleError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: AssembleReason,
}

/// Why a text is not a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleReason {
    /// Something else than what can stand there.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What can stand there.
        expected: String,
        /// What does.
        found: String,
    },
    /// A name of two constants.
    #[error("there is a constant {0} already")]
    NameTaken(String),
    /// More constants than the binary form can count.
    #[error("a stream has at most 65535 constants")]
    TooManyConstants,
    /// A directive that comes once, twice.
    #[error("{0} comes once")]
    Repeated(&'static str),
    /// Not a coordinate.
    #[error("{0}")]
    Coordinate(CoordinateError),
    /// Not a region.
    #[error("{0}")]
    Pattern(PatternReason),
    /// A weight above its limit.
    #[error("{0}")]
    Weight(WeightError),
}
