//! Why the pool gave no answer.

use crate::execute::ExecuteError;

/// Why a stream in the pool ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// It failed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// It took longer than it may.
    #[error("the query took longer than it may: ask for less of the phext, or raise the deadline")]
    Deadline,
    /// A part of it panicked. Other streams are not affected.
    #[error("the query failed inside: {0}")]
    Panicked(String),
    /// The pool is shutting down.
    #[error("the server is stopping")]
    Stopped,
    /// Whoever asked is gone.
    #[error("nobody waits for the answer any more")]
    Cancelled,
    /// Streams that write do not run here.
    #[error("a stream that writes does not run in the core pool")]
    Writes,
    /// A group has no order for rows that its sentrons send from `each`.
    #[error("a group's stream sends its rows in `last`: those of `each` have no order")]
    Unordered,
    /// More sentrons than the pool has left.
    #[error(
        "{wanted} sentrons are asked for and {free} of {configured} are free: ask for fewer, wait for \
         slices to be dropped, or configure more"
    )]
    Sentrons {
        /// Asked for.
        wanted: usize,
        /// Not given away.
        free: usize,
        /// In all.
        configured: usize,
    },
    /// An allocation without a position of a dimension.
    #[error("an allocation gives {dimension} no position: a dimension that is not dealt out has 1")]
    NoPosition {
        /// The dimension.
        dimension: &'static str,
    },
    /// An allocation of lines or columns.
    #[error(
        "lines and columns are not dealt out to sentrons, a lane is a whole scroll: their positions are 1"
    )]
    DealtLines,
    /// An allocation that has no sentron for each of its positions, or more.
    #[error(
        "an allocation of {positions} positions is not one to each of {sentrons} sentrons: ask for as \
         many, or for 1 position of each dimension and any sentron takes any scroll"
    )]
    Positions {
        /// The product of the positions of all dimensions.
        positions: usize,
        /// Sentrons asked for.
        sentrons: usize,
    },
    /// The topology has another number of places than there are sentrons.
    #[error("a topology of {places} places does not hold {sentrons} sentrons")]
    Topology {
        /// Places of the topology.
        places: usize,
        /// Sentrons asked for.
        sentrons: usize,
    },
}
