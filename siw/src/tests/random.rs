//! Random valid streams.
//!
//! Words are drawn without regard to what they read, and those that the validator refuses in their
//! place are left out: what remains is valid, and covers whatever the validator allows.

use super::*;
use crate::word::link;
use phext_storage::page_table::{Constraint, Metric, Nearest, Region, Span, Weights};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const NUMBER: ConstantId = ConstantId(0);
const LANES: ConstantId = ConstantId(1);
const TEXTS: ConstantId = ConstantId(2);

/// Few registers, so that what is read has often been written.
fn r() -> impl Strategy<Value = R> {
    prop_oneof![4 => 0..4u8, 1 => 0..16u8].prop_map(R)
}

fn p() -> impl Strategy<Value = P> {
    (0..2u8).prop_map(P)
}

fn k() -> impl Strategy<Value = Option<K>> {
    option::of((0..4u8).prop_map(K))
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        r().prop_map(Operand::Register),
        Just(Operand::Constant(NUMBER))
    ]
}

fn dense() -> impl Strategy<Value = DenseOp> {
    let fold = prop_oneof![
        r().prop_map(Fold::Sum),
        r().prop_map(Fold::Min),
        r().prop_map(Fold::Max),
        Just(Fold::Count)
    ];
    let comparison = proptest::sample::select(Comparison::ALL.to_vec());
    prop_oneof![
        Just(DenseOp::Nop),
        (r(), operand()).prop_map(|(to, from)| DenseOp::Mov { to, from }),
        (r(), r(), operand()).prop_map(|(to, left, right)| DenseOp::Add { to, left, right }),
        (0..4u8, comparison, r(), operand()).prop_map(|(to, comparison, left, right)| {
            DenseOp::Cmp {
                to: K(to),
                comparison,
                left,
                right,
            }
        }),
        (r(), fold, k()).prop_map(|(accumulator, fold, mask)| DenseOp::Red {
            accumulator,
            fold,
            mask
        }),
        (r(), p(), k()).prop_map(|(to, at, mask)| DenseOp::Len { to, at, mask }),
        (r(), r(), p(), k()).prop_map(|(low, high, at, mask)| DenseOp::Hash {
            low,
            high,
            at,
            mask
        }),
    ]
}

fn sparse() -> impl Strategy<Value = SparseOp> {
    let scatter = prop_oneof![
        Just(Scatter::Put(TEXTS)),
        Just(Scatter::Append(TEXTS)),
        Just(Scatter::Delete)
    ];
    let level = proptest::sample::select(Level::ALL.to_vec());
    prop_oneof![
        Just(SparseOp::Nop),
        (r(), 0..9u8, p()).prop_map(|(to, dimension, at)| SparseOp::Index { to, dimension, at }),
        (0..4u8, p(), k()).prop_map(|(to, at, mask)| SparseOp::Gather {
            to: T(to),
            at,
            mask
        }),
        (p(), scatter, k()).prop_map(|(at, scatter, mask)| SparseOp::Scattr { at, scatter, mask }),
        (p(), level).prop_map(|(at, level)| SparseOp::Prefch { at, level }),
        Just(SparseOp::Flush),
    ]
}

fn coordination() -> impl Strategy<Value = CoordinationOp> {
    let text = option::of((0..4u8).prop_map(T));
    let checksum = option::of((r(), r()));
    let row = (
        option::of(p()),
        text,
        option::of(r()),
        checksum,
        option::of(r()),
    )
        .prop_map(|(coordinate, text, length, checksum, number)| Row {
            coordinate,
            text,
            length,
            checksum,
            number,
        });
    let reduction = proptest::sample::select(Reduction::ALL.to_vec());
    prop_oneof![
        Just(CoordinationOp::Nop),
        (0..4u8, row).prop_map(|(to, row)| pack(to, row)),
        (0..4u8, k()).prop_map(|(from, mask)| CoordinationOp::Send {
            from: M(from),
            mask
        }),
        (r(), reduction).prop_map(|(accumulator, reduction)| CoordinationOp::Reduce {
            accumulator,
            reduction
        }),
    ]
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let word = (dense(), sparse(), coordination()).prop_map(|(dense, sparse, coordination)| {
        Word::dense(dense)
            .with_sparse(sparse)
            .with_coordination(coordination)
    });
    vec(word, 0..40)
}

pub(crate) fn points() -> impl Strategy<Value = Vec<Coordinate>> {
    let component = prop_oneof![1..5u32, Just(0x7FFF_FFFF)];
    let coordinate = proptest::array::uniform9(component);
    vec(coordinate.prop_map(|c| Coordinate::new(c).unwrap()), 2..6).prop_map(|mut points| {
        points.sort_unstable();
        points.dedup();
        points
    })
}

/// Adds the words that are valid where they come, each pipe by itself.
fn admit(stream: &mut Stream, part: Part, words: &[Word]) {
    for word in words {
        let mut admitted = Word::NOP;
        for candidate in [
            admitted.with_dense(word.dense),
            admitted.with_sparse(word.sparse),
            admitted.with_coordination(word.coordination),
        ] {
            let mut tried = admitted;
            if candidate.dense != DenseOp::Nop {
                tried.dense = candidate.dense;
            }
            if candidate.sparse != SparseOp::Nop {
                tried.sparse = candidate.sparse;
            }
            if candidate.coordination != CoordinationOp::Nop {
                tried.coordination = candidate.coordination;
            }
            let mut longer = stream.clone();
            let to = match part {
                Part::Once => &mut longer.once,
                Part::Each => &mut longer.each,
                Part::Last => &mut longer.last,
            };
            to.push(tried);
            link(to);
            if validate(&longer) == Ok(()) {
                admitted = tried;
            }
        }
        let to = match part {
            Part::Once => &mut stream.once,
            Part::Each => &mut stream.each,
            Part::Last => &mut stream.last,
        };
        to.push(admitted);
        link(to);
    }
}

/// A region between two coordinates, dimension by dimension, with some free dimensions.
fn region(a: &Coordinate, b: &Coordinate, seed: u64) -> Region {
    let (a, b) = (a.components(), b.components());
    Region::new(std::array::from_fn(|d| match seed >> (2 * d) & 3 {
        0 => Constraint::FREE,
        1 if a[d] + 1 < b[d] => {
            let span = |at| Span { low: at, high: at };
            Constraint::new(vec![span(a[d]), span(b[d])]).unwrap()
        }
        _ => Constraint::range(a[d].min(b[d]), a[d].max(b[d])).unwrap(),
    }))
}

fn nearest(to: Coordinate, seed: u64) -> Nearest {
    let weights = std::array::from_fn(|d| (seed >> d) as u32 & 0xFF);
    Nearest {
        to,
        count: (seed >> 8) as u32 % 40,
        metric: match seed % 3 {
            0 => Metric::Chebyshev,
            1 => Metric::Manhattan,
            _ => Metric::Weighted(Weights::new(weights).unwrap()),
        },
        radius: (seed >> 20).is_multiple_of(3).then_some(seed >> 24),
    }
}

/// A valid stream.
pub(crate) fn stream() -> impl Strategy<Value = Stream> {
    let constants = (any::<u64>(), points(), 0..6u8, vec(any::<u8>(), 0..20));
    (0..4u8, constants, words(), words(), words()).prop_map(
        |(tier, constants, once, each, last)| {
            let (number, points, kind, text) = constants;
            let (from, to) = (points[0], points[points.len() - 1]);
            let texts = points.iter().map(|_| text.clone().into()).collect();
            let lanes_constant = match kind {
                0 => LaneSpec::All,
                1 => LaneSpec::Range { from, to },
                2 => LaneSpec::Union { from, to, points },
                3 => LaneSpec::Region(region(&from, &to, number)),
                4 => LaneSpec::Nearest(nearest(to, number)),
                _ => LaneSpec::Points(points),
            };
            let mut stream = Stream {
                tier,
                constants: vec![
                    Constant::Number(number),
                    Constant::Lanes(lanes_constant),
                    Constant::Texts(texts),
                    Constant::Coordinate(from),
                ],
                // A flush, so that writes can be admitted.
                last: vec![Word::sparse(SparseOp::Flush)],
                ..Stream::default()
            };
            stream.each.push(Word::sparse(lanes(0, LANES.0)));
            admit(&mut stream, Part::Once, &once);
            admit(&mut stream, Part::Each, &each);
            admit(&mut stream, Part::Last, &last);
            stream
        },
    )
}

/// The canary of the property tests: streams that lack an operation would prove nothing about it.
#[test]
fn every_operation_occurs() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut text = String::new();
    for _ in 0..100 {
        text += &stream()
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .to_string();
    }
    for pipe in Pipe::ALL {
        for description in table::operations(pipe) {
            for function in 0..description.functions.len().max(1) {
                let operation = match description.functions.get(function) {
                    Some(function) => format!("{}.{function}", description.mnemonic),
                    None => description.mnemonic.to_owned(),
                };
                assert!(text.contains(&operation), "{operation} does not occur");
            }
        }
    }
}
