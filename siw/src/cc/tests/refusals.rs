//! Programs that are refused.

use crate::cc::{Op, OptimizationTier, ProgramBuilder, UnpackedProgram, compile};
use crate::*;

fn check(program: &ProgramBuilder, expected: &str) {
    let program = program.clone().build();
    for tier in OptimizationTier::ALL {
        let compiled = program.clone().and_then(|program| compile(program, tier));
        let error = compiled.map(|compiled| compiled.stream).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

const LANES: ConstantId = ConstantId(0);
const TOTAL: R = R(0);
const PLACE: P = P(0);

/// A program with a scalar `r0`, and lanes of `p0` over `lanes`.
fn over(lanes: LaneSpec) -> ProgramBuilder {
    let mut program = ProgramBuilder::default();
    program.constant(Constant::Lanes(lanes));
    program.scalar(0);
    let to = program.place();
    program.each(SparseOp::Lanes { to, lanes: LANES });
    program
}

fn send(from: M, to: Destination) -> CoordinationOp {
    CoordinationOp::Send {
        to,
        from,
        mask: None,
    }
}

fn place_row() -> Row {
    Row {
        coordinate: Some(PLACE),
        ..Row::default()
    }
}

fn count() -> DenseOp {
    DenseOp::Red {
        accumulator: TOTAL,
        fold: Fold::Count,
        mask: None,
    }
}

#[test]
fn registers() {
    let mut program = over(LaneSpec::All);
    let to = program.number();
    program.each(DenseOp::Mov {
        to,
        from: Operand::Register(TOTAL),
    });
    program.each(DenseOp::Len {
        to,
        at: PLACE,
        mask: None,
    });
    check(
        &program,
        "operation 2 of `each`: virtual register r1 is written twice",
    );

    let mut program = over(LaneSpec::All);
    program.last(send(M(3), Destination::Sink));
    check(
        &program,
        "operation 0 of `last`: virtual register m3 is read but nothing has written it before",
    );

    // What a batch leaves does not outlive it.
    let mut program = over(LaneSpec::All);
    let to = program.message();
    program.each(CoordinationOp::Pack {
        to,
        row: place_row(),
    });
    program.last(send(to, Destination::Sink));
    check(
        &program,
        "operation 0 of `last`: virtual register m0 is read but nothing has written it before",
    );

    let mut program = over(LaneSpec::All);
    let accumulator = program.number();
    program.each(DenseOp::Red {
        accumulator,
        fold: Fold::Count,
        mask: None,
    });
    check(
        &program,
        "operation 1 of `each`: accumulator r1 is not initialised in `once`",
    );
}

#[test]
fn accumulators() {
    let mut program = over(LaneSpec::All);
    let to = program.number();
    program.each(DenseOp::Mov {
        to,
        from: Operand::Register(TOTAL),
    });
    program.each(count());
    check(
        &program,
        "operation 1 of `each`: accumulator r0 is read in `each`: its value there depends on the size of batches",
    );

    let mut program = over(LaneSpec::All);
    let length = program.number();
    program.each(DenseOp::Len {
        to: length,
        at: PLACE,
        mask: None,
    });
    program.each(count());
    program.each(DenseOp::Red {
        accumulator: TOTAL,
        fold: Fold::Max(length),
        mask: None,
    });
    check(
        &program,
        "operation 3 of `each`: accumulator r0 is folded in two ways: the result would depend on the size of batches",
    );
}

#[test]
fn lanes() {
    let mut program = ProgramBuilder::default();
    program.constant(Constant::Lanes(LaneSpec::All));
    let to = program.number();
    let from = program.immediate(1);
    program.each(DenseOp::Mov { to, from });
    check(
        &program,
        "operation 0 of `each`: `each` begins with the operation that yields lanes",
    );

    let mut program = over(LaneSpec::All);
    let to = program.place();
    program.each(SparseOp::Lanes { to, lanes: LANES });
    check(
        &program,
        "operation 1 of `each`: `each` has one operation that yields lanes",
    );
}

#[test]
fn order() {
    let mut program = over(LaneSpec::All);
    let to = program.message();
    program.each(CoordinationOp::Pack {
        to,
        row: place_row(),
    });
    for destination in [Destination::Sink, Destination::XPlus, Destination::Sink] {
        program.each(send(to, destination));
    }
    check(
        &program,
        "operation 4 of `each`: `each` has one CSEND to the sink and one to a neighbour: the order of rows would depend on the size of batches",
    );

    let point = |scroll| crate::tests::point(scroll);
    let mut program = over(LaneSpec::Points(vec![point(2), point(2)]));
    for _ in 0..2 {
        let (at, scatter, mask) = (PLACE, Scatter::Delete, None);
        program.each(SparseOp::Scattr { at, scatter, mask });
    }
    program.last(SparseOp::Flush);
    check(
        &program,
        "operation 2 of `each`: `each` has one SSCATTR, unless its points are ascending and distinct",
    );
}

#[test]
fn limits() {
    let mut program = ProgramBuilder::default();
    for _ in 0..256 {
        program.mask();
    }
    check(&program, "more than 255 virtual registers `k`");

    let mut program = over(LaneSpec::All);
    for _ in 0..4097 {
        program.each(count());
    }
    check(
        &program,
        "4098 operations in `each`, at most 4096 are allowed",
    );

    // Five accumulators in four registers.
    let mut program = over(LaneSpec::All);
    let messages: Vec<M> = (0..5).map(|_| program.message()).collect();
    for &accumulator in &messages {
        let (key, at) = (TallyKey::Leading(1), PLACE);
        let (value, mask) = (None, None);
        program.each(CoordinationOp::Tally {
            accumulator,
            key,
            at,
            value,
            mask,
        });
        program.last(send(accumulator, Destination::Sink));
    }
    check(
        &program,
        "more than 4 values are needed at once in Message registers `m`",
    );
}

/// What packing does not look at, the validator does.
#[test]
fn streams() {
    let mut program = over(LaneSpec::All);
    let to = program.message();
    program.each(CoordinationOp::Pack {
        to,
        row: Row::default(),
    });
    program.each(send(to, Destination::Sink));
    check(
        &program,
        "invalid stream: each word 1 pipe C: a row has at least one field",
    );
}

#[test]
fn an_empty_program_is_an_empty_stream() {
    let compiled = compile(
        UnpackedProgram::default(),
        OptimizationTier::Tier3PhextOptimal,
    );
    assert_eq!(
        compiled.unwrap().stream,
        Stream {
            tier: 3,
            ..Stream::default()
        }
    );
    let nops = UnpackedProgram {
        once: vec![Op::from(DenseOp::Nop)],
        ..UnpackedProgram::default()
    };
    let compiled = compile(nops, OptimizationTier::Tier0Unstructured);
    assert_eq!(compiled.unwrap().stream, Stream::default());
}
