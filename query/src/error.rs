//! Why there is no answer.

use crate::query::OrderKey;
use phext_siw::cc::CompileError;
use phext_siw::pool::PoolError;
use phext_storage::StoreError;
use std::io;

/// What a query asks for that does not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A distance is selected, or ordered by, but there is nowhere to measure from.
    #[error("distance needs a coordinate to measure from: ask for the nearest to one")]
    NoOrigin,
    /// Rows of scrolls are ordered by what only groups have.
    #[error("single scrolls have no count to order by: group them, or order by something else")]
    OrderOfRows,
    /// Groups are ordered by what only scrolls have.
    #[error("groups are ordered by coordinate, which is their key, or by count, not by {0}")]
    OrderOfGroups(OrderKey),
    /// One row of totals is ordered.
    #[error("totals are one row, which has no order")]
    OrderOfTotals,
    /// Groups of a number of components, or of a dimension, that there is not.
    #[error("groups have 1 to 9 leading components, or one of the dimensions 0 to 8")]
    GroupKey,
    /// Line 0.
    #[error("lines are counted from 1")]
    LineZero,
    /// There is no stream for it: it has too many parts.
    #[error("the query cannot be compiled: {0}")]
    Program(#[from] CompileError),
}

/// Why a query or a mutation ended without its whole result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// It asks for what does not go together.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sink could not take a row.
    #[error("the result could not be passed on: {0}")]
    Sink(#[from] io::Error),
    /// The stream could not run to its end.
    #[error(transparent)]
    Stream(phext_siw::execute::ExecuteError),
    /// The core pool did not run it to its end.
    #[error(transparent)]
    Pool(PoolError),
}

impl From<PoolError> for ExecuteError {
    fn from(error: PoolError) -> ExecuteError {
        match error {
            PoolError::Execute(error) => error.into(),
            other => ExecuteError::Pool(other),
        }
    }
}

impl From<CompileError> for ExecuteError {
    fn from(error: CompileError) -> ExecuteError {
        ExecuteError::Query(error.into())
    }
}

impl From<phext_siw::execute::ExecuteError> for ExecuteError {
    fn from(error: phext_siw::execute::ExecuteError) -> ExecuteError {
        match error {
            phext_siw::execute::ExecuteError::Store(error) => ExecuteError::Store(error),
            phext_siw::execute::ExecuteError::Sink(error) => ExecuteError::Sink(error),
            other => ExecuteError::Stream(other),
        }
    }
}
