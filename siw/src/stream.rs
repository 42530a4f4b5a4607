//! The stream: a program of a sentron.
//!
//! ```text
//! once                     one lane, before the first batch
//! each  each  each ...     a batch of lanes each, until SLANES finds none left
//! last                     one lane, after the last batch
//! ```
//!
//! There is no other control flow, so that every stream ends and its cost is bounded by its lanes.
//! `last` runs also when there was no batch; a stream whose `each` is empty has none.

use crate::encoding::DecodeError;
use crate::validate::{ValidateError, validate};
use crate::{Constant, Word};
use bytes::Bytes;
use std::fmt;

/// A program of a sentron.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    /// How far it was optimised, 0 to 3. It changes no answer.
    pub tier: u8,
    /// What its operations name by position. At most 65,535.
    pub constants: Vec<Constant>,
    /// Runs once, before the first batch: initial values of scalars. At most 65,535 words.
    pub once: Vec<Word>,
    /// Runs for each batch of lanes. At most 65,535 words.
    pub each: Vec<Word>,
    /// Runs once, after the last batch: results and barriers. At most 65,535 words.
    pub last: Vec<Word>,
}

/// The highest [`Stream::tier`].
pub const MAX_TIER: u8 = 3;

/// Most constants of a stream, and most words of a part: their counts are 16 bits wide.
pub const MAX_COUNT: usize = 65_535;

impl Stream {
    /// The words of a part.
    pub fn words(&self, part: Part) -> &[Word] {
        match part {
            Part::Once => &self.once,
            Part::Each => &self.each,
            Part::Last => &self.last,
        }
    }

    /// Reads the binary form and checks that the stream may run. Texts are slices of `bytes`.
    ///
    /// # Errors
    /// The bytes are not a stream, or the stream is not valid.
    pub fn load(bytes: &Bytes) -> Result<Self, LoadError> {
        let stream = Self::decode(bytes)?;
        validate(&stream)?;
        Ok(stream)
    }
}

/// Why bytes cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// They are not a stream.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// They are a stream that must not run.
    #[error(transparent)]
    Validate(#[from] ValidateError),
}

/// A part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Before the first batch.
    Once,
    /// For each batch.
    Each,
    /// After the last batch.
    Last,
}

impl Part {
    /// The parts in the order they run.
    pub const ALL: [Self; 3] = [Self::Once, Self::Each, Self::Last];
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "once",
            Self::Each => "each",
            Self::Last => "last",
        })
    }
}
