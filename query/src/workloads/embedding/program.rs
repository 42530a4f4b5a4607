//! The streams of a search, for one to four queries: a stream has four registers of messages, and
//! each query ranks in one.
//!
//! ```text
//! each   SLANES, SGATHER, and for each query DDOT, CTOP
//! last   for each query CSEND
//! ```

use bytes::Bytes;
use phext_siw::cc::{OptimizationTier, ProgramBuilder, compile};
use phext_siw::{
    Constant, ConstantId, CoordinationOp, DenseOp, Destination, Extent, LaneSpec, Ranking,
    SparseOp, Stream,
};
use std::sync::LazyLock;

/// Most queries of a stream.
pub(super) const QUERIES: usize = 4;

static COMPILED: [LazyLock<Program>; QUERIES] = [
    LazyLock::new(|| Program::compile(1)),
    LazyLock::new(|| Program::compile(2)),
    LazyLock::new(|| Program::compile(3)),
    LazyLock::new(|| Program::compile(4)),
];

/// A stream, and where its vectors are.
#[derive(Debug, Clone)]
struct Program {
    stream: Stream,
    vectors: Vec<ConstantId>,
    count: ConstantId,
}

impl Program {
    fn compile(queries: usize) -> Program {
        let mut program = ProgramBuilder::default();
        // Lanes come from outside, piece by piece.
        let lanes = program.constant(Constant::Lanes(LaneSpec::All));
        let count = program.constant(Constant::Number(1));
        let (at, text) = (program.place(), program.text());
        program.each(SparseOp::Lanes { to: at, lanes });
        program.each(SparseOp::Gather {
            to: text,
            extent: Extent::Whole,
            at,
            mask: None,
        });
        let mut vectors = Vec::new();
        for query in 0..queries {
            // Equal constants would be one.
            let vector = Bytes::from(vec![b'O'; query]);
            let vector = program.constant(Constant::Text(vector));
            let (score, best) = (program.number(), program.message());
            program.each(DenseOp::Dot {
                to: score,
                text,
                vector,
                mask: None,
            });
            program.each(CoordinationOp::Top {
                accumulator: best,
                ranking: Ranking::FGreatest,
                at,
                by: score,
                count,
                mask: None,
            });
            program.last(CoordinationOp::Send {
                to: Destination::Sink,
                from: best,
                mask: None,
            });
            vectors.push(vector);
        }
        let program = program.build().expect("it has few registers");
        let compiled = compile(program, OptimizationTier::Tier3PhextOptimal);
        let stream = compiled.expect("the program keeps the rules").stream;
        Program {
            stream,
            vectors,
            count,
        }
    }
}

/// The stream that keeps the `count` best of each of 1 to [`QUERIES`] queries, over lanes that are
/// given to its sentron.
pub(super) fn stream_of(queries: &[Bytes], count: usize) -> Stream {
    let program: &Program = &COMPILED[queries.len() - 1];
    let mut stream = program.stream.clone();
    stream.constants[program.count.index()] = Constant::Number(count as u64);
    for (vector, query) in program.vectors.iter().zip(queries) {
        stream.constants[vector.index()] = Constant::Text(query.clone());
    }
    stream
}
