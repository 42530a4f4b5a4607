//! Writes: one value that says what is to change, and its way down to a stream.

mod bulk;
mod mutation;

pub use bulk::{Bulk, IntoIngest};
pub use mutation::{Mutation, MutationKind};

use crate::compile::compile;
use crate::error::QueryError;
use phext_siw::Stream;
use phext_siw::cc::{CompileError, OptimizationTier, UnpackedProgram};

/// The stream of a program that writes. Its prefetches would find nothing to do: it looks at no scroll.
fn compiled(program: Result<UnpackedProgram, CompileError>) -> Result<Stream, QueryError> {
    Ok(compile(program?, OptimizationTier::Tier2SiwPacked)?.stream)
}
