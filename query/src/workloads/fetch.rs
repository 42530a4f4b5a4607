//! The texts of points: a coordinate and a text a row, in the order of the points.

use phext_siw::cc::{OptimizationTier, ProgramBuilder, compile};
use phext_siw::execute::{Collected, ExecuteError, Report, Sink, execute};
use phext_siw::{
    Constant, ConstantId, CoordinationOp, Destination, Extent, LaneSpec, Row, SparseOp, Stream,
};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use std::sync::LazyLock;

static COMPILED: LazyLock<Fetch> = LazyLock::new(Fetch::compile);

/// A stream that fetches, and where its points are.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    stream: Stream,
    points: ConstantId,
}

impl Fetch {
    /// One whose points are still to be given.
    pub(super) fn new() -> Fetch {
        COMPILED.clone()
    }

    fn compile() -> Fetch {
        let mut program = ProgramBuilder::default();
        let points = program.constant(Constant::Lanes(LaneSpec::Points(Vec::new())));
        let (at, text, message) = (program.place(), program.text(), program.message());
        program.each(SparseOp::Lanes {
            to: at,
            lanes: points,
        });
        program.each(SparseOp::Gather {
            to: text,
            extent: Extent::Whole,
            at,
            mask: None,
        });
        let row = Row {
            coordinate: Some(at),
            text: Some(text),
            ..Row::default()
        };
        program.each(CoordinationOp::Pack { to: message, row });
        program.each(CoordinationOp::Send {
            to: Destination::Sink,
            from: message,
            mask: None,
        });
        let program = program.build().expect("it has few registers");
        let compiled = compile(program, OptimizationTier::Tier3PhextOptimal);
        let stream = compiled.expect("the program keeps the rules").stream;
        Fetch { stream, points }
    }

    /// Fetches these points, in this order.
    ///
    /// # Errors
    /// Damage found in the store, or what the sink says.
    pub(super) fn run(
        &mut self,
        points: Vec<Coordinate>,
        phext: &Phext,
        sink: &mut dyn Sink,
    ) -> Result<Report, ExecuteError> {
        let constant = &mut self.stream.constants[self.points.index()];
        *constant = Constant::Lanes(LaneSpec::Points(points));
        execute(&self.stream, phext, sink, &mut Collected::default())
    }
}
