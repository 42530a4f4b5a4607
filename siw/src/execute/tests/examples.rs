//! What an operation does, by example.

use super::*;
use crate::*;

const D: fn(DenseOp) -> Word = Word::dense;
const S: fn(SparseOp) -> Word = Word::sparse;
const C: fn(CoordinationOp) -> Word = Word::coordination;

const PLACE: P = P(0);
/// The constants of [`stream`].
const ZERO: ConstantId = ConstantId(0);
const FIVE: ConstantId = ConstantId(1);
const LANES: ConstantId = ConstantId(2);
const TEXTS: ConstantId = ConstantId(3);

fn point(scroll: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap()
}

/// Scrolls 1 to 9, each with as many bytes as its number says.
fn nine() -> Fixture {
    let places: Vec<_> = (1..=9).map(point).collect();
    let mut fixture = Fixture::new();
    let text = |&c: &Coordinate| (c, "x".repeat(c.components()[8] as usize));
    fixture.put(places[..6].iter().map(text));
    fixture.store.seal().unwrap();
    fixture.put(places[6..].iter().map(text));
    fixture
}

/// A stream that begins with SLANES of `p0`, and has scalars `r0` 0 and `r1` 5.
fn stream(lanes: LaneSpec, texts: usize, each: &[Word], last: &[Word]) -> Stream {
    let mut stream = StreamBuilder::new(2);
    stream.constant(Constant::Number(0));
    stream.constant(Constant::Number(5));
    stream.constant(Constant::Lanes(lanes));
    let texts = (0..texts).map(|n| n.to_string().into()).collect();
    stream.constant(Constant::Texts(texts));
    stream.once(D(mov(R(0), Operand::Constant(ZERO))));
    stream.once(D(mov(R(1), Operand::Constant(FIVE))));
    let (to, lanes) = (PLACE, LANES);
    stream.each(S(SparseOp::Lanes { to, lanes }));
    for &word in each {
        stream.each(word);
    }
    for &word in last {
        stream.last(word);
    }
    stream.build()
}

fn mov(to: R, from: Operand) -> DenseOp {
    DenseOp::Mov { to, from }
}

fn add(to: R, left: R, right: R) -> DenseOp {
    let right = Operand::Register(right);
    let kind = NumberKind::U64;
    DenseOp::Add {
        to,
        kind,
        left,
        right,
    }
}

fn length(to: R, mask: Option<K>) -> DenseOp {
    let at = PLACE;
    DenseOp::Len { to, at, mask }
}

/// `k0 <- r2 comparison 5`
fn compare(comparison: Comparison) -> DenseOp {
    DenseOp::Cmp {
        to: K(0),
        comparison,
        left: R(2),
        right: Operand::Constant(FIVE),
    }
}

fn gather(mask: Option<K>) -> SparseOp {
    let (to, at) = (T(0), PLACE);
    let extent = Extent::Whole;
    SparseOp::Gather {
        to,
        extent,
        at,
        mask,
    }
}

fn scatter(scatter: Scatter, mask: Option<K>) -> SparseOp {
    let at = PLACE;
    SparseOp::Scattr { at, scatter, mask }
}

fn fold(fold: Fold, mask: Option<K>) -> DenseOp {
    let accumulator = R(0);
    DenseOp::Red {
        accumulator,
        fold,
        mask,
    }
}

fn pack_number(number: R) -> CoordinationOp {
    let number = Some(number);
    let row = Row {
        number,
        ..Row::default()
    };
    CoordinationOp::Pack { to: M(0), row }
}

fn send(mask: Option<K>) -> CoordinationOp {
    let (to, from) = (Destination::Sink, M(0));
    CoordinationOp::Send { to, from, mask }
}

fn all(words: &[Word]) -> Stream {
    stream(LaneSpec::All, 0, words, &[])
}

fn numbers(outcome: &Outcome) -> Vec<u64> {
    outcome.rows.iter().filter_map(|row| row.number).collect()
}

/// `words` run over scrolls 1 to 9 send rows with these numbers.
fn check_numbers(words: &[Word], expected: &[u64]) {
    let stream = all(words);
    let outcome = run(&stream, &nine().phext(), None);
    assert_eq!(numbers(&outcome), expected, "{stream}");
}

#[test]
fn a_word_reads_before_it_writes() {
    let double = add(R(2), R(2), R(2));
    let lengths = D(length(R(2), None));
    let pack = pack_number(R(2));
    let odd = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let doubled = odd.map(|n| 2 * n);
    // The packed number is the one before the addition of the same word.
    check_numbers(
        &[lengths, D(double).with_coordination(pack), C(send(None))],
        &odd,
    );
    check_numbers(&[lengths, D(double), C(pack), C(send(None))], &doubled);
    // The mask of the gather, and of the rows, is the one before the comparison of the same word.
    let words = [
        lengths,
        D(compare(Comparison::Gt)),
        D(compare(Comparison::Le)).with_sparse(gather(Some(K(0)))),
        C(pack),
        C(send(Some(K(0)))),
    ];
    let outcome = run(&all(&words), &nine().phext(), None);
    assert_eq!(outcome.bytes_gathered, 6 + 7 + 8 + 9);
    assert_eq!(numbers(&outcome), [1, 2, 3, 4, 5]);
}

/// Where an operation may write the buffer that its register has, and where it may not.
#[test]
fn what_others_hold_stays() {
    let lengths = D(length(R(2), None));
    let moved = D(mov(R(3), Operand::Register(R(2))));
    let (twice, over) = (D(add(R(2), R(2), R(2))), D(add(R(2), R(1), R(3))));
    // A register that is read by what writes it.
    let own = [lengths, twice, twice, C(pack_number(R(2))), C(send(None))];
    check_numbers(&own, &[4, 8, 12, 16, 20, 24, 28, 32, 36]);
    // One that shares its buffer with another.
    let shared = [lengths, moved, over, over, C(pack_number(R(3)))];
    check_numbers(
        &[&shared[..], &[C(send(None))]].concat(),
        &[1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    // One that was packed before, in the same word and in an earlier one.
    let packed = over.with_coordination(pack_number(R(2)));
    let same = [lengths, moved, packed, over, over, C(send(None))];
    check_numbers(&same, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // One that had a scalar of which lanes were made.
    let scalar = [
        lengths,
        D(add(R(4), R(1), R(2))),
        D(mov(R(4), Operand::Constant(ZERO))),
    ];
    let scalar = [
        &scalar[..],
        &[D(add(R(4), R(4), R(2))), C(pack_number(R(4)))],
    ]
    .concat();
    check_numbers(
        &[&scalar[..], &[C(send(None))]].concat(),
        &[1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
}

#[test]
fn comparisons_are_unsigned() {
    let check = |comparison, expected: &[u64]| {
        check_numbers(
            &[
                D(length(R(2), None)),
                D(compare(comparison)).with_coordination(pack_number(R(2))),
                C(send(Some(K(0)))),
            ],
            expected,
        );
    };
    check(Comparison::Eq, &[5]);
    check(Comparison::Ne, &[1, 2, 3, 4, 6, 7, 8, 9]);
    check(Comparison::Lt, &[1, 2, 3, 4]);
    check(Comparison::Le, &[1, 2, 3, 4, 5]);
    check(Comparison::Gt, &[6, 7, 8, 9]);
    check(Comparison::Ge, &[5, 6, 7, 8, 9]);
}

#[test]
fn masked_lanes_get_empty_values() {
    let row = Row {
        text: Some(T(0)),
        length: Some(R(3)),
        checksum: Some((R(4), R(5))),
        ..Row::default()
    };
    let mask = Some(K(0));
    let stream = all(&[
        D(length(R(2), None)),
        D(compare(Comparison::Eq)),
        D(length(R(3), mask)).with_sparse(gather(mask)),
        D(DenseOp::Hash {
            low: R(4),
            high: R(5),
            at: PLACE,
            mask,
        }),
        C(CoordinationOp::Pack { to: M(0), row }),
        C(send(None)),
    ]);
    let outcome = run(&stream, &nine().phext(), None);
    let empty = OwnedRow {
        length: Some(0),
        checksum: Some(0),
        ..OwnedRow::default()
    };
    let five = OwnedRow {
        text: Some(b"xxxxx".to_vec()),
        length: Some(5),
        checksum: Some(xxhash_rust::xxh3::xxh3_128(b"xxxxx")),
        ..OwnedRow::default()
    };
    let mut expected = vec![empty; 9];
    expected[4] = five;
    assert_eq!(outcome.rows, expected);
    // Two in `once`, SLANES, lengths, comparison, rows packed and sent, and one lane of three.
    assert_eq!(outcome.ops, 2 + 9 + 9 + 9 + 9 + 9 + 3);
}

#[test]
fn reductions_span_batches_and_last_sees_them() {
    let check = |phext: &Phext, reduction: fn(R) -> Fold, start: R, expected: u64| {
        let words = [
            D(length(R(2), None)),
            D(DenseOp::Red {
                accumulator: start,
                fold: reduction(R(2)),
                mask: None,
            }),
        ];
        let accumulator = start;
        let reduce = CoordinationOp::Reduce {
            accumulator,
            reduction: reduction(R(2)).reduction(),
        };
        // In `last` there is one lane, and DMOV and DADD work on scalars.
        let last = [
            C(reduce),
            D(mov(R(7), Operand::Register(start))),
            D(DenseOp::Add {
                to: R(7),
                kind: NumberKind::U64,
                left: R(7),
                right: Operand::Constant(FIVE),
            }),
            C(pack_number(R(7))),
            C(send(None)),
        ];
        let stream = stream(LaneSpec::All, 0, &words, &last);
        let outcome = run(&stream, phext, None);
        assert_eq!(numbers(&outcome), [expected + 5], "{stream}");
    };
    let nine = nine().phext();
    check(&nine, Fold::Sum, R(0), 45);
    check(&nine, |_| Fold::Count, R(0), 9);
    check(&nine, Fold::Max, R(0), 9);
    check(&nine, Fold::Min, R(1), 1);
    let (large, scrolls) = &*LARGE;
    let lengths = || scrolls.values().map(|text| text.len() as u64);
    check(large, Fold::Sum, R(0), lengths().sum());
    check(large, |_| Fold::Count, R(0), scrolls.len() as u64);
    check(large, Fold::Max, R(0), lengths().max().unwrap());
    check(Phext::empty(), |_| Fold::Count, R(0), 0);
    check(Phext::empty(), Fold::Min, R(1), 5);
}

#[test]
fn counts_wrap() {
    let mut stream = StreamBuilder::new(2);
    let most = stream.constant(Constant::Number(u64::MAX));
    let lanes = stream.constant(Constant::Lanes(LaneSpec::All));
    stream.once(D(mov(R(0), Operand::Constant(most))));
    stream.each(S(SparseOp::Lanes { to: PLACE, lanes }));
    stream.each(D(fold(Fold::Count, None)));
    stream.last(C(pack_number(R(0))));
    stream.last(C(send(None)));
    let outcome = run(&stream.build(), &nine().phext(), None);
    assert_eq!(numbers(&outcome), [8]);
}

#[test]
fn texts_count_over_all_batches() {
    let points: Vec<_> = (1..=2500).rev().map(point).collect();
    let count = points.len();
    let lanes = LaneSpec::Points(points.clone());
    let words = [
        S(scatter(Scatter::Put(TEXTS), None)),
        S(scatter(Scatter::Append(TEXTS), None)),
    ];
    let stream = stream(lanes, count, &words, &[S(SparseOp::Flush)]);
    let outcome = run(&stream, Phext::empty(), None);
    assert_eq!((outcome.batches, outcome.lanes), (3, 2500));
    let mut expected = Vec::new();
    for batch in (0..count).collect::<Vec<_>>().chunks(BATCH_LANES) {
        let text = |n: usize| n.to_string().into();
        expected.extend(batch.iter().map(|&n| WriteOp::Put {
            coordinate: points[n],
            text: text(n),
        }));
        expected.extend(batch.iter().map(|&n| WriteOp::Append {
            coordinate: points[n],
            text: text(n),
        }));
    }
    assert_eq!(outcome.flushes, [expected]);
}

#[test]
fn a_stream_that_writes_reads_too() {
    let fixture = nine();
    let words = [
        D(length(R(2), None)).with_sparse(gather(None)),
        D(compare(Comparison::Eq)),
        S(scatter(Scatter::Delete, Some(K(0)))).with_coordination(pack_number(R(2))),
        C(send(None)),
    ];
    // Points in any order, repeated, and one without a scroll.
    let lanes = LaneSpec::Points([5, 20, 2, 5].map(point).to_vec());
    let stream = stream(lanes, 0, &words, &[S(SparseOp::Flush)]);
    let outcome = run(&stream, &fixture.phext(), None);
    assert_eq!(numbers(&outcome), [5, 0, 2, 5]);
    let delete = WriteOp::Delete {
        coordinate: point(5),
    };
    assert_eq!(outcome.flushes, [vec![delete.clone(), delete]]);
    assert_eq!(outcome.bytes_gathered, 12);
}

#[test]
fn lanes_come_in_batches_until_none_is_left() {
    let check = |phext: &Phext, lanes: LaneSpec, batches: u64, count: u64| {
        let stream = stream(lanes, 0, &[C(pack_number(R(1))), C(send(None))], &[]);
        let outcome = run(&stream, phext, None);
        assert_eq!((outcome.batches, outcome.lanes), (batches, count));
        assert_eq!(outcome.rows.len() as u64, count);
        assert_eq!(outcome.ops, 2 + 3 * count, "{stream}");
    };
    let range = |from, to| LaneSpec::Range {
        from: point(from),
        to: point(to),
    };
    let nine = nine().phext();
    check(&nine, LaneSpec::All, 1, 9);
    check(&nine, range(3, 5), 1, 3);
    check(&nine, range(5, 3), 0, 0);
    check(&nine, range(10, 99), 0, 0);
    check(&nine, LaneSpec::Points(Vec::new()), 0, 0);
    check(&nine, LaneSpec::Points(vec![point(2), point(77)]), 1, 2);
    check(Phext::empty(), LaneSpec::All, 0, 0);
    let points = |n| LaneSpec::Points((1..=n).map(point).collect());
    check(Phext::empty(), points(1023), 1, 1023);
    check(Phext::empty(), points(1024), 1, 1024);
    check(Phext::empty(), points(1025), 2, 1025);
    check(&nine, points(2048), 2, 2048);
    let (large, scrolls) = &*LARGE;
    check(large, LaneSpec::All, 2, scrolls.len() as u64);
}

#[test]
fn a_sink_ends_the_stream() {
    let check = |limit, batches, lanes| {
        let words = [C(pack_number(R(1))), C(send(None)), S(SparseOp::Flush)];
        let last = [C(pack_number(R(1))), C(send(None))];
        let (large, _) = &*LARGE;
        let stream = stream(LaneSpec::All, 0, &words, &last);
        let outcome = run(&stream, large, Some(limit));
        assert_eq!(outcome.rows.len(), limit);
        assert_eq!((outcome.batches, outcome.lanes), (batches, lanes));
        let rows = limit as u64;
        // Two in `once`, SLANES, packing, sending, a flush of each batch but the last.
        assert_eq!(outcome.ops, 2 + lanes + lanes + rows + (batches - 1));
    };
    check(1, 1, 1024);
    check(1024, 1, 1024);
    check(1025, 2, LARGE.1.len() as u64);
}

#[test]
fn a_sink_that_fails_fails_the_stream() {
    let stream = all(&[C(pack_number(R(1))), C(send(None))]);
    let mut sink = |_: &ResultRow<'_>| Err(std::io::ErrorKind::BrokenPipe.into());
    let error = execute(&stream, &nine().phext(), &mut sink, &mut Flushes::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "the result could not be passed on: broken pipe"
    );
}

#[test]
fn nops_count_nothing() {
    let stream = Stream {
        each: vec![Word::NOP; 3],
        ..all(&[])
    };
    let lanes = all(&[]).each[0];
    let stream = Stream {
        once: vec![Word::NOP],
        each: [&[lanes], &stream.each[..]].concat(),
        last: vec![Word::NOP],
        ..stream
    };
    let outcome = run(&stream, &nine().phext(), None);
    let expected = Outcome {
        batches: 1,
        lanes: 9,
        ops: 9,
        ..Outcome::default()
    };
    assert_eq!(outcome, expected);
}
