//! Embeddings as scrolls, and the search for the closest ones.
//!
//! | question | here |
//! |---|---|
//! | How is a vector a text, and how exact? | [`Quantiser`] |
//! | Which vectors are the closest of all? | [`search()`] |
//! | Which are the closest, most likely, in less time? | [`Clusters`] |
//!
//! Closeness is the dot product, which for unit vectors is the cosine.

mod clusters;
mod kmeans;
mod program;
mod q7;
mod search;
#[cfg(test)]
mod tests;

pub use clusters::Clusters;
pub use kmeans::{Centroids, centroids};
pub use q7::{QuantiseError, Quantiser, numbers};
pub use search::search;

use bytes::Bytes;
use phext_siw::execute::ExecuteError;
use phext_storage::StoreError;
use phext_storage::coordinate::{Coordinate, CoordinateError};

/// What is looked for: a q7 vector.
pub type Query = Bytes;

/// A vector that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub coordinate: Coordinate,
    /// The dot product of the numbers of its text and the query's.
    pub score: i64,
}

/// Why a search failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// A query that is no q7 vector.
    #[error("query {query} is no q7 vector: its bytes are not all from 0x20 to 0x7E")]
    NoVector {
        /// Its position.
        query: usize,
    },
    /// A query of another length than the first one.
    #[error("query {query} has another length than the first one")]
    Length {
        /// Its position.
        query: usize,
    },
    /// More rows of a query than are kept.
    #[error("{count} vectors are asked for, at most {limit} are kept", limit = phext_siw::MAX_ROWS)]
    TooMany {
        /// The number asked for.
        count: usize,
    },
    /// Clusters at a place that is none.
    #[error(transparent)]
    Coordinate(#[from] CoordinateError),
    /// The stream failed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

impl From<StoreError> for EmbeddingError {
    fn from(error: StoreError) -> Self {
        Self::Execute(error.into())
    }
}
