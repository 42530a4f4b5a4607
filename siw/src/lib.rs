//! Sentron Instruction Words: the instruction set, its binary form and its validator.
//!
//! A stream is a small program over the scrolls of a phext. Its words hold up to three operations,
//! one a pipe: D (dense: arithmetic, comparison, reduction), S (sparse: phext memory) and C
//! (coordination: rows and results).
//!
//! ```text
//! UnpackedProgram --compile--+
//!                            v
//! StreamBuilder --build--> Stream --encode--> bytes --decode--> Stream --validate--> executor
//!                            |
//!                            +--Display--> one word a line, `D | S | C` --assemble--> Stream
//! ```
//!
//! | question | module |
//! |---|---|
//! | Which registers are there? | [`register`] |
//! | What does an operation do, what does it count? | [`operation`] |
//! | What is known of each operation, in one table? | [`table`] |
//! | What is a word, and what may be in it together? | [`word`] |
//! | What is a stream, and in which order does it run? | [`stream`] |
//! | How do I make a stream, word by word? | [`builder`] |
//! | How is a stream made of single operations? | [`cc`] |
//! | How is a stream written in bytes? | [`encoding`] |
//! | How is a stream written by hand? | [`mod@assemble`] |
//! | Which streams are refused? | [`mod@validate`] |
//! | How does a stream run? | [`execute`] |
//! | How do several cores run a stream? | [`pool`] |
//! | How do many sentrons run a stream together? | [`group`] |
//! | How many cycles did it take? | [`cycles`] |
//! | What do streams do to a machine, and what does that cost? | [`telemetry`] |
//!
//! To add an operation: a variant of its pipe's enum in [`operation`], its opcode and its row in
//! [`table`], and its two arms in `form`. Encoding, dependencies, the validator's checks of
//! operands and the text follow from these.

pub mod assemble;
pub mod builder;
pub mod cc;
pub mod constant;
pub mod cycles;
mod display;
pub mod encoding;
pub mod execute;
mod form;
pub mod group;
pub mod lanes;
pub mod operation;
pub mod pool;
pub mod register;
pub mod stream;
pub mod table;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod validate;
pub mod word;

pub use assemble::{AssembleError, AssembleReason, Assembly, assemble};
pub use builder::StreamBuilder;
pub use cc::{OptimizationTier, SIWMetadata};
pub use constant::{Constant, ConstantId, ConstantKind, Queries};
pub use encoding::{DecodeError, DecodeReason};
pub use lanes::{LaneKind, LaneSpec};
pub use operation::{
    Comparison, CoordinationOp, DenseOp, Destination, Extent, Fold, Level, NumberKind, Operand,
    Ranking, Reduction, Row, Scatter, SparseOp, TallyKey, TextMatch, TextOperand,
};
pub use register::{K, M, P, R, T};
pub use stream::{LoadError, Part, Stream};
pub use validate::{Site, ValidateError, ValidateReason, validate};
pub use word::{Pipe, Word};

/// Most rows that CDOT, CTALLY or CTOP keeps in a sentron.
pub const MAX_ROWS: u64 = 1 << 20;

/// Most lanes of one batch: SLANES, SASSOC and SNEIGHBR yield between 1 and this many.
pub const BATCH_LANES: usize = 1024;
