//! The stream of a search.
//!
//! ```text
//! each   SLANES, SGATHER, CDOT
//! last   CSEND
//! ```

use super::Query;
use phext_siw::cc::{OptimizationTier, ProgramBuilder, compile};
use phext_siw::{
    Constant, ConstantId, CoordinationOp, Destination, Extent, LaneSpec, Queries, SparseOp, Stream,
};
use std::sync::LazyLock;

static COMPILED: LazyLock<Program> = LazyLock::new(Program::compile);

/// A stream, and where its queries are.
#[derive(Debug, Clone)]
struct Program {
    stream: Stream,
    queries: ConstantId,
}

impl Program {
    fn compile() -> Program {
        let mut program = ProgramBuilder::default();
        // Lanes come from outside, piece by piece.
        let lanes = program.constant(Constant::Lanes(LaneSpec::All));
        let queries = program.constant(Constant::Queries(Queries::default()));
        let (at, text, best) = (program.place(), program.text(), program.message());
        program.each(SparseOp::Lanes { to: at, lanes });
        program.each(SparseOp::Gather {
            to: text,
            extent: Extent::Whole,
            at,
            mask: None,
        });
        program.each(CoordinationOp::Dot {
            accumulator: best,
            at,
            text,
            queries,
            mask: None,
        });
        program.last(CoordinationOp::Send {
            to: Destination::Sink,
            from: best,
            mask: None,
        });
        let program = program.build().expect("it has few registers");
        let compiled = compile(program, OptimizationTier::Tier3PhextOptimal);
        let stream = compiled.expect("the program keeps the rules").stream;
        Program { stream, queries }
    }
}

/// The stream that keeps the `count` best of each query, over lanes that are given to its sentron. The
/// queries are vectors of one length, and keep no more rows than may be kept.
pub(super) fn stream_of(queries: &[Query], count: usize) -> Stream {
    let mut stream = COMPILED.stream.clone();
    stream.constants[COMPILED.queries.index()] = Constant::Queries(Queries {
        count: count as u64,
        vectors: queries.to_vec(),
    });
    stream
}
