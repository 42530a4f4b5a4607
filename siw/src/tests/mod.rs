//! Tests of the crate as its users see it.

mod assembler;
mod document;
mod encoding;
pub(crate) mod random;
mod text;
mod validity;

use crate::*;
use phext_storage::coordinate::Coordinate;

/// The coordinate `1.1.1/1.1.1/1.1.scroll`.
pub(crate) fn point(scroll: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap()
}

fn lanes(to: u8, lanes: u16) -> SparseOp {
    SparseOp::Lanes {
        to: P(to),
        lanes: ConstantId(lanes),
    }
}

fn mov(to: u8, constant: u16) -> DenseOp {
    DenseOp::Mov {
        to: R(to),
        from: Operand::Constant(ConstantId(constant)),
    }
}

fn length(to: u8, at: u8) -> DenseOp {
    DenseOp::Len {
        to: R(to),
        at: P(at),
        mask: None,
    }
}

fn gather(to: u8, at: u8) -> SparseOp {
    SparseOp::Gather {
        to: T(to),
        extent: Extent::Whole,
        at: P(at),
        mask: None,
    }
}

fn scatter(at: u8, scatter: Scatter) -> SparseOp {
    SparseOp::Scattr {
        at: P(at),
        scatter,
        mask: None,
    }
}

pub(crate) fn pack(to: u8, row: Row) -> CoordinationOp {
    CoordinationOp::Pack { to: M(to), row }
}

pub(crate) fn send(from: u8) -> CoordinationOp {
    CoordinationOp::Send {
        to: Destination::Sink,
        from: M(from),
        mask: None,
    }
}

pub(crate) fn number(register: u8) -> Row {
    Row {
        number: Some(R(register)),
        ..Row::default()
    }
}

/// The number and the bytes of the scrolls of a range longer than 100 bytes, and their rows.
pub(crate) fn survey() -> Stream {
    let mut stream = StreamBuilder::new(2);
    let zero = stream.constant(Constant::Number(0));
    let hundred = stream.constant(Constant::Number(100));
    let (from, to) = (point(1), point(9));
    let range = stream.constant(Constant::Lanes(LaneSpec::Range { from, to }));
    stream.once(Word::dense(mov(0, zero.0)));
    stream.each(Word::sparse(lanes(0, range.0)));
    stream.each(Word::dense(length(1, 0)).with_sparse(SparseOp::Prefch {
        at: P(0),
        level: Level::Text,
    }));
    stream.each(Word::dense(DenseOp::Cmp {
        to: K(1),
        comparison: Comparison::Gt,
        left: R(1),
        right: Operand::Constant(hundred),
    }));
    stream.each(
        Word::dense(DenseOp::Red {
            accumulator: R(0),
            fold: Fold::Sum(R(1)),
            mask: Some(K(1)),
        })
        .with_sparse(SparseOp::Gather {
            to: T(0),
            extent: Extent::Whole,
            at: P(0),
            mask: Some(K(1)),
        }),
    );
    stream.each(Word::coordination(pack(
        0,
        Row {
            coordinate: Some(P(0)),
            text: Some(T(0)),
            length: Some(R(1)),
            ..Row::default()
        },
    )));
    stream.each(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from: M(0),
        mask: Some(K(1)),
    }));
    stream.last(Word::coordination(CoordinationOp::Reduce {
        accumulator: R(0),
        reduction: Reduction::Sum,
    }));
    stream.last(Word::coordination(pack(1, number(0))));
    stream.last(Word::coordination(send(1)));
    stream.build()
}

/// Two puts, out of order.
fn writer() -> Stream {
    let mut stream = StreamBuilder::new(1);
    let points = LaneSpec::Points(vec![point(7), point(2)]);
    let points = stream.constant(Constant::Lanes(points));
    let texts = vec!["seven\u{1b}".into(), "\"two\"".into()];
    let texts = stream.constant(Constant::Texts(texts));
    stream.each(Word::sparse(lanes(0, points.0)));
    stream.each(Word::sparse(scatter(0, Scatter::Put(texts))));
    stream.last(Word::sparse(SparseOp::Flush));
    stream.build()
}
