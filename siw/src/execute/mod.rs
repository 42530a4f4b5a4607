//! The batch executor: runs a stream over a snapshot of a phext.
//!
//! A batch has up to [`crate::BATCH_LANES`] lanes, and a word runs over all of them before the next
//! word starts: dispatch is paid once a batch, and SPREFCH followed by SGATHER becomes prefetching by
//! group. The three operations of a word are evaluated against the same state, and what they write
//! is put in place after all three.
//!
//! ```text
//! once -> ( SLANES -> words over the batch ) until no lane is left -> last
//! ```
//!
//! | question | module |
//! |---|---|
//! | Who runs a stream, piece by piece or as a whole? | `sentron` |
//! | What is known of a stream before it runs? | `survey` |
//! | Which batches does it run over? | `batches` |
//! | Where do the lanes of a batch come from? | `lanes` |
//! | Where are values between two words? | `registers` |
//! | What does an operation of a pipe do? | `dense` and `vectors`, `sparse`, `coordination` |
//! | What has a sentron to do with others? | [`group`] |
//! | What do accumulators of rows keep? | `top`, `tally`, `dots` |
//! | How long does each operation take? | `observe` |
//! | How are 1,024 lanes added? | `kernels` |
//! | Where do rows and writes go? | `sink` |
//!
//! Texts are borrowed from the snapshot, never copied. Streams must have passed
//! [`crate::validate()`]; debug builds check.

mod batches;
mod coordination;
mod dense;
mod dots;
pub mod group;
mod kernels;
mod lanes;
mod observe;
mod registers;
mod sentron;
mod sink;
mod sparse;
pub(crate) mod survey;
mod tally;
mod top;
mod vectors;

#[cfg(test)]
mod tests;

pub(crate) use kernels::fold;
pub use lanes::Lanes;
pub use observe::{Observer, OperationTime, Timings, Unobserved};
pub use registers::{Message, Rows};
pub use sentron::{Idle, Outside, Sentron};
pub use sink::{Collected, Flow, Flush, Limited, ResultRow, Sink};
pub use tally::Tally;

use crate::Stream;
use phext_storage::{Phext, StoreError};
use std::io;

/// Why a stream ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sink could not take a row.
    #[error("the result could not be passed on: {0}")]
    Sink(#[from] io::Error),
    /// CTALLY met more keys than it keeps.
    #[error(
        "CTALLY met more than {} keys, the most that it keeps: count fewer lanes, or by a key that \
         more of them share",
        crate::MAX_ROWS
    )]
    TooManyKeys,
    /// CTOP was asked for more rows than it keeps, and met more.
    #[error(
        "CTOP was asked for the best {asked} rows and met more than {}, the most that it keeps: ask \
         for fewer rows, or rank fewer lanes",
        crate::MAX_ROWS
    )]
    TooManyRows {
        /// How many it was asked for.
        asked: u64,
    },
    /// Whoever started the stream wants it no more.
    #[error("the stream was ended between two batches")]
    Interrupted,
}

/// A result on its way through the words of a stream. Small, because it is copied after each of them,
/// and a copy waits for what was written into it just before.
type Executed<T> = Result<T, Box<ExecuteError>>;

impl From<StoreError> for Box<ExecuteError> {
    #[cold]
    fn from(error: StoreError) -> Self {
        Box::new(error.into())
    }
}

impl From<io::Error> for Box<ExecuteError> {
    #[cold]
    fn from(error: io::Error) -> Self {
        Box::new(error.into())
    }
}

impl From<Box<ExecuteError>> for ExecuteError {
    #[cold]
    fn from(error: Box<ExecuteError>) -> Self {
        *error
    }
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Batches of lanes, with one that the sink ended early.
    pub batches: u64,
    /// Lanes in them.
    pub lanes: u64,
    /// Operations retired: one for each operation and active lane, NOPs not counted.
    pub ops: u64,
    /// Bytes of text gathered.
    pub bytes_gathered: u64,
    /// Rows sent.
    pub rows: u64,
}

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.batches += other.batches;
        self.lanes += other.lanes;
        self.ops += other.ops;
        self.bytes_gathered += other.bytes_gathered;
        self.rows += other.rows;
    }
}

/// Runs a stream over a phext on this thread. Rows go to `sink`, scattered writes to `flush` at each
/// SFLUSH.
///
/// # Errors
/// Damage found in the store, a refused write, or what the sink says.
pub fn execute<'a>(
    stream: &'a Stream,
    phext: &'a Phext,
    sink: &mut dyn Sink,
    flush: &mut dyn Flush,
) -> Result<Report, ExecuteError> {
    let mut outside = Outside {
        sink,
        flush,
        interrupted: &|| false,
    };
    Ok(sentron::run(stream, phext, &mut outside, &mut Unobserved)?)
}

/// As [`fn@execute`], for somebody who may interrupt it.
///
/// # Errors
/// As [`fn@execute`], and [`ExecuteError::Interrupted`].
pub fn execute_with<'a>(
    stream: &'a Stream,
    phext: &'a Phext,
    outside: &mut Outside<'_>,
) -> Result<Report, ExecuteError> {
    Ok(sentron::run(stream, phext, outside, &mut Unobserved)?)
}

/// As [`execute_with`], and times the parts of the stream and its operations.
///
/// # Errors
/// As [`execute_with`].
pub fn execute_timed<'a>(
    stream: &'a Stream,
    phext: &'a Phext,
    outside: &mut Outside<'_>,
    timings: &mut Timings,
) -> Result<Report, ExecuteError> {
    let result = sentron::run(stream, phext, outside, timings);
    timings.finish();
    Ok(result?)
}
