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
    /// The topology has another number of places than there are sentrons.
    #[error("a topology of {places} places does not hold {sentrons} sentrons")]
    Topology {
        /// Places of the topology.
        places: usize,
        /// Sentrons asked for.
        sentrons: usize,
    },
}
