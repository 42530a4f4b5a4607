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
const PATTERN: ConstantId = ConstantId(4);
const VECTOR: ConstantId = ConstantId(5);
const INSIDE: ConstantId = ConstantId(6);
const CENTRE: ConstantId = ConstantId(7);
const FEW: ConstantId = ConstantId(8);
const QUERIES: ConstantId = ConstantId(9);

/// Few registers, so that what is read has often been written.
fn r() -> impl Strategy<Value = R> {
    prop_oneof![8 => 0..6u8, 1 => 0..16u8].prop_map(R)
}

fn p() -> impl Strategy<Value = P> {
    prop_oneof![8 => Just(P(0)), 1 => Just(P(1))]
}

fn t() -> impl Strategy<Value = T> {
    few().prop_map(T)
}

fn m() -> impl Strategy<Value = M> {
    few().prop_map(M)
}

fn mask() -> impl Strategy<Value = K> {
    few().prop_map(K)
}

fn few() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0..2u8, 1 => 0..4u8]
}

fn k() -> impl Strategy<Value = Option<K>> {
    option::weighted(0.5, mask())
}

/// A number from the pool: a seed, or a count.
fn number_constant() -> impl Strategy<Value = ConstantId> {
    prop_oneof![Just(NUMBER), Just(FEW)]
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        r().prop_map(Operand::Register),
        number_constant().prop_map(Operand::Constant)
    ]
}

fn text_operand() -> impl Strategy<Value = TextOperand> {
    prop_oneof![
        t().prop_map(TextOperand::Register),
        Just(TextOperand::Constant(VECTOR))
    ]
}

fn one_of<V: Clone + std::fmt::Debug + 'static>(all: &'static [V]) -> impl Strategy<Value = V> {
    proptest::sample::select(all)
}

fn dense() -> BoxedStrategy<DenseOp> {
    prop_oneof![
        1 => Just(DenseOp::Nop),
        4 => arithmetic(),
        5 => masks(),
        6 => records(),
        3 => vectors(),
    ]
    .boxed()
}

fn arithmetic() -> BoxedStrategy<DenseOp> {
    let operands = || (r(), one_of(&NumberKind::ALL), r(), operand());
    let numbers = || (r(), r(), operand());
    prop_oneof![
        (r(), operand()).prop_map(|(to, from)| DenseOp::Mov { to, from }),
        operands().prop_map(|(to, kind, left, right)| DenseOp::Add {
            to,
            kind,
            left,
            right
        }),
        operands().prop_map(|(to, kind, left, right)| DenseOp::Sub {
            to,
            kind,
            left,
            right
        }),
        operands().prop_map(|(to, kind, left, right)| DenseOp::Mul {
            to,
            kind,
            left,
            right
        }),
        (operands(), r()).prop_map(|((to, kind, left, addend), right)| DenseOp::Fma {
            to,
            kind,
            left,
            right,
            addend
        }),
        numbers().prop_map(|(to, left, right)| DenseOp::And { to, left, right }),
        numbers().prop_map(|(to, left, right)| DenseOp::Or { to, left, right }),
        numbers().prop_map(|(to, left, right)| DenseOp::Xor { to, left, right }),
    ]
    .boxed()
}

fn masks() -> BoxedStrategy<DenseOp> {
    let comparison = one_of(&Comparison::ALL);
    prop_oneof![
        1 => (mask(), mask(), mask()).prop_map(|(to, left, right)| DenseOp::MaskAnd { to, left, right }),
        1 => (mask(), mask(), mask()).prop_map(|(to, left, right)| DenseOp::MaskOr { to, left, right }),
        1 => (mask(), mask()).prop_map(|(to, from)| DenseOp::MaskNot { to, from }),
        1 => (r(), mask(), r(), operand()).prop_map(|(to, mask, left, right)| DenseOp::Sel {
            to,
            mask,
            left,
            right
        }),
        8 => (mask(), comparison, r(), operand()).prop_map(|(to, comparison, left, right)| {
            DenseOp::Cmp {
                to,
                comparison,
                left,
                right,
            }
        }),
    ]
    .boxed()
}

fn records() -> BoxedStrategy<DenseOp> {
    let fold = prop_oneof![
        r().prop_map(Fold::Sum),
        r().prop_map(Fold::Min),
        r().prop_map(Fold::Max),
        Just(Fold::Count),
        r().prop_map(Fold::FMin),
        r().prop_map(Fold::FMax),
    ];
    prop_oneof![
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
    .boxed()
}

fn vectors() -> BoxedStrategy<DenseOp> {
    let place = one_of(&TextMatch::ALL);
    prop_oneof![
        (mask(), place, t(), k()).prop_map(|(to, place, text, mask)| DenseOp::Match {
            to,
            place,
            text,
            pattern: PATTERN,
            mask
        }),
        (r(), t(), k()).prop_map(|(to, text, mask)| DenseOp::Dot {
            to,
            text,
            vector: VECTOR,
            mask
        }),
        (t(), t(), text_operand()).prop_map(|(to, left, right)| DenseOp::HdBind {
            to,
            left,
            right
        }),
        (t(), t(), t(), text_operand()).prop_map(|(to, left, middle, right)| DenseOp::HdBund {
            to,
            left,
            middle,
            right
        }),
        (r(), t(), text_operand(), k()).prop_map(|(to, left, right, mask)| DenseOp::HdSim {
            to,
            left,
            right,
            mask
        }),
    ]
    .boxed()
}

fn sparse() -> BoxedStrategy<SparseOp> {
    let scatter = prop_oneof![
        Just(Scatter::Put(TEXTS)),
        Just(Scatter::Append(TEXTS)),
        Just(Scatter::Delete)
    ];
    let extent = prop_oneof![
        2 => Just(Extent::Whole),
        1 => (r(), r()).prop_map(|(from, count)| Extent::Bytes { from, count }),
        1 => (r(), r()).prop_map(|(from, count)| Extent::Lines { from, count }),
    ];
    let level = one_of(&Level::ALL);
    prop_oneof![
        1 => Just(SparseOp::Nop),
        1 => (r(), 0..9u8, p()).prop_map(|(to, dimension, at)| SparseOp::Index { to, dimension, at }),
        2 => (t(), extent, p(), k()).prop_map(|(to, extent, at, mask)| SparseOp::Gather {
            to,
            extent,
            at,
            mask
        }),
        1 => (p(), scatter, k()).prop_map(|(at, scatter, mask)| SparseOp::Scattr { at, scatter, mask }),
        1 => (p(), level).prop_map(|(at, level)| SparseOp::Prefch { at, level }),
        1 => (mask(), p()).prop_map(|(to, at)| SparseOp::Test { to, at, lanes: INSIDE }),
        1 => (r(), p()).prop_map(|(to, at)| SparseOp::Dist { to, at, lanes: CENTRE }),
        1 => Just(SparseOp::Flush),
    ]
    .boxed()
}

fn coordination() -> BoxedStrategy<CoordinationOp> {
    prop_oneof![
        1 => Just(CoordinationOp::Nop),
        7 => rows(),
        1 => group(),
        2 => accumulators(),
    ]
    .boxed()
}

fn rows() -> BoxedStrategy<CoordinationOp> {
    let row = (
        option::of(p()),
        option::weighted(0.3, t()),
        option::weighted(0.3, r()),
        option::weighted(0.1, (r(), r())),
        option::of(r()),
    )
        .prop_map(|(coordinate, text, length, checksum, number)| Row {
            coordinate,
            text,
            length,
            checksum,
            number,
        });
    let to = prop_oneof![Just(Destination::Sink), one_of(&Destination::ALL)];
    prop_oneof![
        (m(), row).prop_map(|(to, row)| pack(to.0, row)),
        (to, m(), k()).prop_map(|(to, from, mask)| CoordinationOp::Send { to, from, mask }),
    ]
    .boxed()
}

fn group() -> BoxedStrategy<CoordinationOp> {
    prop_oneof![
        (r(), one_of(&Reduction::ALL)).prop_map(|(accumulator, reduction)| {
            CoordinationOp::Reduce {
                accumulator,
                reduction,
            }
        }),
        m().prop_map(|to| CoordinationOp::Recv { to }),
        Just(CoordinationOp::Bar),
        m().prop_map(|message| CoordinationOp::Cast { message }),
        m().prop_map(|message| CoordinationOp::Merge { message }),
        Just(CoordinationOp::Fence),
    ]
    .boxed()
}

fn accumulators() -> BoxedStrategy<CoordinationOp> {
    let key = prop_oneof![
        (1..=9u8).prop_map(TallyKey::Leading),
        (0..9u8).prop_map(TallyKey::Component)
    ];
    let top = (m(), one_of(&Ranking::ALL), p(), r(), number_constant(), k());
    prop_oneof![
        top.prop_map(
            |(accumulator, ranking, at, by, count, mask)| CoordinationOp::Top {
                accumulator,
                ranking,
                at,
                by,
                count,
                mask
            }
        ),
        (m(), key, p(), option::of(r()), k()).prop_map(|(accumulator, key, at, value, mask)| {
            CoordinationOp::Tally {
                accumulator,
                key,
                at,
                value,
                mask,
            }
        }),
        (m(), p(), t(), k()).prop_map(|(accumulator, at, text, mask)| CoordinationOp::Dot {
            accumulator,
            at,
            text,
            queries: QUERIES,
            mask,
        }),
    ]
    .boxed()
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    vec(word(dense(), sparse(), coordination()), 0..60)
}

/// What `once` allows, and some other words.
fn words_of_once() -> impl Strategy<Value = Vec<Word>> {
    let scalar = prop_oneof![4 => 0..3u8, 1 => 0..16u8].prop_map(R);
    let mov = (scalar, number_constant()).prop_map(|(to, from)| DenseOp::Mov {
        to,
        from: Operand::Constant(from),
    });
    let bar = prop_oneof![4 => Just(CoordinationOp::Nop), 1 => Just(CoordinationOp::Bar)];
    let fitting = word(mov, Just(SparseOp::Nop), bar);
    let other = word(dense(), sparse(), coordination());
    vec(prop_oneof![4 => fitting, 1 => other], 0..5)
}

/// What `last` allows, and some other words.
fn words_of_last() -> impl Strategy<Value = Vec<Word>> {
    let row = r().prop_map(|r| number(r.0));
    let rows = prop_oneof![
        (m(), row).prop_map(|(to, row)| pack(to.0, row)),
        (one_of(&Destination::ALL), m()).prop_map(|(to, from)| CoordinationOp::Send {
            to,
            from,
            mask: None
        }),
    ];
    let flush = prop_oneof![4 => Just(SparseOp::Nop), 1 => Just(SparseOp::Flush)];
    let fitting = word(arithmetic(), flush, prop_oneof![rows, group()]);
    let other = word(dense(), sparse(), coordination());
    vec(prop_oneof![4 => fitting, 1 => other], 0..15)
}

fn word(
    dense: impl Strategy<Value = DenseOp> + 'static,
    sparse: impl Strategy<Value = SparseOp> + 'static,
    coordination: impl Strategy<Value = CoordinationOp> + 'static,
) -> BoxedStrategy<Word> {
    (dense, sparse, coordination)
        .prop_map(|(dense, sparse, coordination)| {
            Word::dense(dense)
                .with_sparse(sparse)
                .with_coordination(coordination)
        })
        .boxed()
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

/// A number, or a double that is one.
fn seed() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => any::<u64>(),
        1 => (-100..100i32).prop_map(|number| (f64::from(number) / 4.0).to_bits()),
        1 => proptest::num::f64::ANY.prop_map(f64::to_bits),
    ]
}

/// A q7 vector that is a hypervector.
fn vector() -> impl Strategy<Value = Vec<u8>> {
    vec(0x40..=0x7Eu8, 0..20)
}

fn constants() -> impl Strategy<Value = Vec<Constant>> {
    let seeds = (seed(), any::<u64>(), 0..20u64);
    let scroll = "[^\\x01\\x17-\\x1A\\x1C-\\x1F]{0,20}";
    let texts = (scroll, vec(b'a'..b'd', 0..3), vector());
    let numbers_of_queries = one_of(&[0, 1, 2, 5, 16, 17, 33, 70]);
    let kinds = (0..6u8, 0..3u8, numbers_of_queries);
    (seeds, points(), kinds, texts).prop_map(
        |((number, seed, few), points, kinds, (text, pattern, vector))| {
            let (from, to) = (points[0], points[points.len() - 1]);
            let texts = points.iter().map(|_| text.clone().into()).collect();
            let batches = match kinds.0 {
                0 => LaneSpec::All,
                1 => LaneSpec::Range { from, to },
                2 => LaneSpec::Union { from, to, points },
                3 => LaneSpec::Region(region(&from, &to, seed)),
                4 => LaneSpec::Nearest(nearest(to, seed)),
                _ => LaneSpec::Points(points),
            };
            let inside = match kinds.1 {
                0 => LaneSpec::All,
                1 => LaneSpec::Range { from, to },
                _ => LaneSpec::Region(region(&from, &to, seed.rotate_left(32))),
            };
            // Each another vector of the same bytes.
            let vectors = (0..kinds.2).map(|query| {
                let mut rotated = vector.clone();
                rotated.rotate_left(query % vector.len().max(1));
                rotated.into()
            });
            let queries = Queries {
                count: few,
                vectors: vectors.collect(),
            };
            vec![
                Constant::Number(number),
                Constant::Lanes(batches),
                Constant::Texts(texts),
                Constant::Coordinate(from),
                Constant::Text(pattern.into()),
                Constant::Text(vector.into()),
                Constant::Lanes(inside),
                Constant::Lanes(LaneSpec::Nearest(nearest(from, seed))),
                Constant::Number(few),
                Constant::Queries(queries),
            ]
        },
    )
}

/// What finds the batches of [`LANES`].
fn batches(constants: &[Constant]) -> SparseOp {
    let (to, lanes) = (P(0), LANES);
    match &constants[LANES.index()] {
        Constant::Lanes(LaneSpec::Region(_)) => SparseOp::Assoc { to, lanes },
        Constant::Lanes(LaneSpec::Nearest(_)) => SparseOp::Neighbr { to, lanes },
        _ => SparseOp::Lanes { to, lanes },
    }
}

/// A valid stream.
pub(crate) fn stream() -> impl Strategy<Value = Stream> {
    let parts = (words_of_once(), words(), words_of_last());
    (0..4u8, constants(), parts).prop_map(|(tier, constants, (once, each, last))| {
        let mut stream = Stream {
            tier,
            each: vec![Word::sparse(batches(&constants))],
            constants,
            // A flush, so that writes can be admitted.
            last: vec![Word::sparse(SparseOp::Flush)],
            ..Stream::default()
        };
        admit(&mut stream, Part::Once, &once);
        admit(&mut stream, Part::Each, &each);
        admit(&mut stream, Part::Last, &last);
        stream
    })
}

/// The canary of the property tests: streams that lack an operation would prove nothing about it.
#[test]
fn every_operation_occurs() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut text = String::new();
    for _ in 0..400 {
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
                    Some(function) => format!("{}.{function} ", description.mnemonic),
                    None => format!("{} ", description.mnemonic),
                };
                let at_end = format!("{}\n", operation.trim_end());
                let occurs = text.contains(&operation) || text.contains(&at_end);
                assert!(occurs, "{operation} does not occur");
            }
        }
    }
}
