//! Programs that write.

use bytes::Bytes;
use phext_siw::cc::{CompileError, ProgramBuilder, UnpackedProgram};
use phext_siw::{Constant, LaneSpec, Scatter, SparseOp};
use phext_storage::coordinate::Coordinate;

/// What is done at each point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Its text becomes the scroll.
    Put(Vec<Bytes>),
    /// Its text is added at the end of the scroll.
    Append(Vec<Bytes>),
    /// The scroll is removed.
    Delete,
}

/// Changes the scrolls at points, in their order, and waits until that is durable.
pub(crate) fn scatter(
    points: Vec<Coordinate>,
    change: Change,
) -> Result<UnpackedProgram, CompileError> {
    let mut program = ProgramBuilder::default();
    let at = program.place();
    let lanes = program.constant(Constant::Lanes(LaneSpec::Points(points)));
    program.each(SparseOp::Lanes { to: at, lanes });
    let scatter = match change {
        Change::Put(texts) => Scatter::Put(program.constant(Constant::Texts(texts))),
        Change::Append(texts) => Scatter::Append(program.constant(Constant::Texts(texts))),
        Change::Delete => Scatter::Delete,
    };
    program.each(SparseOp::Scattr {
        at,
        scatter,
        mask: None,
    });
    program.last(SparseOp::Flush);
    program.build()
}
