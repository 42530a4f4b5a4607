use super::*;
use crate::word::link;
use bytes::Bytes;
use phext_storage::page_table::{Metric, Nearest, Region};

/// `expected` is empty for a valid stream, else the error after `invalid stream: `.
fn check(stream: &Stream, expected: &str) {
    let found = match validate(stream) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    };
    let found = found.strip_prefix("invalid stream: ").unwrap_or(&found);
    assert_eq!(found, expected, "{stream}");
}

/// A stream with constants c0 number, c1 all lanes, c2 two points, c3 two texts, c4 one text of
/// several, c5 a region, c6 a nearest search, c7 a text, c8 a hypervector that is a vector, c9 more
/// than the most rows, c10 two queries, c11 to c13 such that are none.
fn stream(once: &[Word], each: &[Word], last: &[Word]) -> Stream {
    let text = || "x".into();
    let mut stream = Stream {
        tier: 3,
        constants: vec![
            Constant::Number(0),
            Constant::Lanes(LaneSpec::All),
            Constant::Lanes(LaneSpec::Points(vec![point(1), point(2)])),
            Constant::Texts(vec![text(), text()]),
            Constant::Texts(vec![text()]),
            Constant::Lanes(LaneSpec::Region(Region::default())),
            Constant::Lanes(LaneSpec::Nearest(nearest())),
            Constant::Text("\u{7f}\n".into()),
            Constant::Text("@~".into()),
            Constant::Number(MAX_ROWS + 1),
            queries(2, &["@~", "OO"]),
            queries(2, &["@~", "O\n"]),
            queries(2, &["@~", "O"]),
            queries(MAX_ROWS / 2 + 1, &["@~", "OO"]),
        ],
        once: once.to_vec(),
        each: each.to_vec(),
        last: last.to_vec(),
    };
    link(&mut stream.once);
    link(&mut stream.each);
    link(&mut stream.last);
    stream
}

fn queries(count: u64, vectors: &[&'static str]) -> Constant {
    let vectors = vectors.iter().map(|&vector| vector.into()).collect();
    Constant::Queries(Queries { count, vectors })
}

fn nearest() -> Nearest {
    Nearest {
        to: point(1),
        count: 1,
        metric: Metric::Chebyshev,
        radius: None,
    }
}

/// The words, after a SLANES of p0 over all lanes and with r0 a scalar.
fn each(words: &[Word]) -> Stream {
    let all = [&[Word::sparse(lanes(0, 1))], words].concat();
    stream(&[Word::dense(mov(0, 0))], &all, &[])
}

fn last(words: &[Word]) -> Stream {
    stream(&[Word::dense(mov(0, 0))], &[], words)
}

/// A stream that writes over the lanes of a constant.
fn writing(over: u16, op: Scatter, end: &[Word]) -> Stream {
    let each = [Word::sparse(lanes(0, over)), Word::sparse(scatter(0, op))];
    stream(&[], &each, end)
}

const D: fn(DenseOp) -> Word = Word::dense;
const S: fn(SparseOp) -> Word = Word::sparse;
const C: fn(CoordinationOp) -> Word = Word::coordination;

fn add(to: u8, left: u8, right: u8) -> DenseOp {
    DenseOp::Add {
        to: R(to),
        kind: NumberKind::U64,
        left: R(left),
        right: Operand::Register(R(right)),
    }
}

fn count(accumulator: u8, mask: Option<K>) -> DenseOp {
    DenseOp::Red {
        accumulator: R(accumulator),
        fold: Fold::Count,
        mask,
    }
}

fn hash(low: u8, high: u8) -> DenseOp {
    DenseOp::Hash {
        low: R(low),
        high: R(high),
        at: P(0),
        mask: None,
    }
}

fn index(to: u8, dimension: u8) -> SparseOp {
    SparseOp::Index {
        to: R(to),
        dimension,
        at: P(0),
    }
}

#[test]
fn valid() {
    for stream in [
        Stream::default(),
        survey(),
        writer(),
        each(&[]),
        stream(&[], &[Word::NOP, S(lanes(0, 1))], &[]),
        each(&[S(index(1, 8)), D(add(2, 1, 0)), D(count(0, None))]),
        each(&[
            D(length(1, 0)).with_sparse(gather(0, 0)),
            C(pack(0, number(1))),
        ]),
        // Reading and writing one register is no conflict within a word.
        each(&[
            D(length(1, 0)),
            D(add(1, 1, 1)).with_coordination(pack(0, number(1))),
        ]),
        last(&[
            D(add(1, 0, 0)),
            C(pack(0, number(1))),
            C(send(0)),
            S(SparseOp::Flush),
        ]),
        writing(2, Scatter::Append(ConstantId(3)), &[S(SparseOp::Flush)]),
        writing(1, Scatter::Delete, &[S(SparseOp::Flush)]),
    ] {
        check(&stream, "");
    }
}

#[test]
fn operands() {
    let texts = Row {
        text: Some(T(9)),
        ..Row::default()
    };
    let masked = DenseOp::Len {
        to: R(1),
        at: P(0),
        mask: Some(K(4)),
    };
    for (stream, expected) in [
        (
            each(&[D(length(16, 0))]),
            "each word 1 pipe D: there is no register r16",
        ),
        (
            each(&[D(length(255, 0))]),
            "each word 1 pipe D: there is no register r255",
        ),
        (
            each(&[D(length(1, 8))]),
            "each word 1 pipe D: there is no register p8",
        ),
        (
            each(&[S(gather(4, 0))]),
            "each word 1 pipe S: there is no register t4",
        ),
        (
            each(&[C(pack(0, texts))]),
            "each word 1 pipe C: there is no register t9",
        ),
        (
            each(&[C(pack(4, number(0)))]),
            "each word 1 pipe C: there is no register m4",
        ),
        (
            each(&[D(masked)]),
            "each word 1 pipe D: there is no register k4",
        ),
        (
            each(&[S(index(1, 9))]),
            "each word 1 pipe S: there is no dimension 9, dimensions are 0 to 8",
        ),
        (
            each(&[D(mov(1, 14))]),
            "each word 1 pipe D: there is no constant c14",
        ),
        (
            each(&[D(mov(1, 65_535))]),
            "each word 1 pipe D: there is no constant c65535",
        ),
        (
            each(&[D(mov(1, 2))]),
            "each word 1 pipe D: constant c2 is of kind lanes, number is expected",
        ),
        (
            stream(&[], &[S(lanes(0, 0))], &[]),
            "each word 0 pipe S: constant c0 is of kind number, lanes is expected",
        ),
        (
            writing(2, Scatter::Put(ConstantId(2)), &[S(SparseOp::Flush)]),
            "each word 1 pipe S: constant c2 is of kind lanes, texts is expected",
        ),
        (
            each(&[C(pack(0, Row::default()))]),
            "each word 1 pipe C: a row has at least one field",
        ),
    ] {
        check(&stream, expected);
    }
}

#[test]
fn registers() {
    let scalar = "is a scalar of `once`: in `each` only DRED writes it";
    let unwritten = "is read but nothing has written it before";
    for (stream, expected) in [
        (
            each(&[D(add(1, 0, 2))]),
            format!("each word 1 pipe D: r2 {unwritten}"),
        ),
        (
            each(&[D(length(1, 1))]),
            format!("each word 1 pipe D: p1 {unwritten}"),
        ),
        (
            each(&[C(send(0))]),
            format!("each word 1 pipe C: m0 {unwritten}"),
        ),
        (
            each(&[D(count(0, Some(K(0))))]),
            format!("each word 1 pipe D: k0 {unwritten}"),
        ),
        // The text is there after the word only.
        (
            each(&[S(gather(0, 0)).with_coordination(pack(
                0,
                Row {
                    text: Some(T(0)),
                    ..Row::default()
                },
            ))]),
            format!("each word 1 pipe C: t0 {unwritten}"),
        ),
        // What `each` leaves is not there in `last`.
        (
            stream(
                &[],
                &[S(lanes(0, 1)), D(length(1, 0))],
                &[C(pack(0, number(1)))],
            ),
            format!("last word 0 pipe C: r1 {unwritten}"),
        ),
        (
            each(&[D(length(0, 0))]),
            format!("each word 1 pipe D: r0 {scalar}"),
        ),
        (
            each(&[S(index(0, 1))]),
            format!("each word 1 pipe S: r0 {scalar}"),
        ),
        (
            each(&[D(length(1, 0)), D(count(1, None))]),
            "each word 2 pipe D: accumulator r1 is not initialised in `once`".to_owned(),
        ),
        (
            each(&[D(length(1, 0)).with_sparse(index(1, 0))]),
            "each word 1 pipe S: r1 is written twice in one word".to_owned(),
        ),
        (
            each(&[D(hash(3, 3))]),
            "each word 1 pipe D: r3 is written twice in one word".to_owned(),
        ),
    ] {
        check(&stream, &expected);
    }
}

#[test]
fn parts() {
    let copy = DenseOp::Mov {
        to: R(1),
        from: Operand::Register(R(0)),
    };
    let reduce = CoordinationOp::Reduce {
        accumulator: R(0),
        reduction: Reduction::Max,
    };
    let lengths = Row {
        length: Some(R(0)),
        ..Row::default()
    };
    let first = [D(mov(0, 0)), D(copy)];
    for (stream, expected) in [
        (
            stream(&first, &[], &[]),
            "once word 1 pipe D: a value of `once` is a number of the constant pool",
        ),
        (
            stream(&[D(add(0, 0, 0))], &[], &[]),
            "once word 0 pipe D: DADD may not be in this part",
        ),
        (
            stream(&[S(lanes(0, 1))], &[], &[]),
            "once word 0 pipe S: SLANES may not be in this part",
        ),
        (
            each(&[C(reduce)]),
            "each word 1 pipe C: CREDUCE may not be in this part",
        ),
        (
            last(&[D(count(0, None))]),
            "last word 0 pipe D: DRED may not be in this part",
        ),
        (
            last(&[S(gather(0, 0))]),
            "last word 0 pipe S: SGATHER may not be in this part",
        ),
        (
            last(&[C(pack(0, lengths))]),
            "last word 0 pipe C: there are no lanes here to take length from",
        ),
        (
            stream(&[], &[D(mov(1, 0))], &[]),
            "each: `each` has no SLANES, SASSOC or SNEIGHBR",
        ),
        (
            each(&[S(lanes(1, 1))]),
            "each word 1 pipe S: `each` has one SLANES, SASSOC or SNEIGHBR only",
        ),
        (
            stream(&[], &[S(SparseOp::Flush), S(lanes(0, 1))], &[]),
            "each word 0 pipe S: SLANES, SASSOC or SNEIGHBR comes first in `each`, alone in its word: without a batch there are no lanes",
        ),
        (
            stream(&[], &[D(mov(1, 0)), S(lanes(0, 1))], &[]),
            "each word 0 pipe D: SLANES, SASSOC or SNEIGHBR comes first in `each`, alone in its word: without a batch there are no lanes",
        ),
        (
            stream(
                &[D(mov(0, 0))],
                &[S(lanes(0, 1)).with_coordination(pack(0, number(0)))],
                &[],
            ),
            "each word 0 pipe C: SLANES, SASSOC or SNEIGHBR comes first in `each`, alone in its word: without a batch there are no lanes",
        ),
    ] {
        check(&stream, expected);
    }
}

#[test]
fn texts_to_write_are_scrolls() {
    let end = [S(SparseOp::Flush)];
    for (text, expected) in [
        ("line\nline \u{1b}ü".into(), ""),
        (
            Bytes::from_static(b"left\x17right"),
            "each word 1 pipe S: text 1 of constant c3: byte 0x17 at offset 4 is the scroll break: a scroll holds none",
        ),
        (
            Bytes::from_static(b"a\xff"),
            "each word 1 pipe S: text 1 of constant c3: byte 0xFF at offset 1 is not UTF-8",
        ),
    ] {
        for scatter in [Scatter::Put(ConstantId(3)), Scatter::Append(ConstantId(3))] {
            let mut stream = writing(2, scatter, &end);
            stream.constants[3] = Constant::Texts(vec!["x".into(), text.clone()]);
            check(&stream, expected);
        }
    }
}

#[test]
fn writes() {
    let end = [S(SparseOp::Flush)];
    let (two, one) = (ConstantId(3), ConstantId(4));
    for (stream, expected) in [
        (
            writing(2, Scatter::Put(one), &end),
            "each word 1 pipe S: 1 texts for 2 points",
        ),
        (
            writing(1, Scatter::Put(two), &end),
            "each word 1 pipe S: texts are written to points, the lane specification is another",
        ),
        (
            writing(2, Scatter::Put(two), &[]),
            "last: the stream writes, so that `last` must hold SFLUSH",
        ),
        (
            writing(1, Scatter::Delete, &[]),
            "last: the stream writes, so that `last` must hold SFLUSH",
        ),
    ] {
        check(&stream, expected);
    }
}

fn dot(vector: u16) -> DenseOp {
    DenseOp::Dot {
        to: R(1),
        text: T(0),
        vector: ConstantId(vector),
        mask: None,
    }
}

fn similarity(right: u16) -> DenseOp {
    DenseOp::HdSim {
        to: R(1),
        left: T(0),
        right: TextOperand::Constant(ConstantId(right)),
        mask: None,
    }
}

fn contains(pattern: u16) -> DenseOp {
    DenseOp::Match {
        to: K(0),
        place: TextMatch::Contains,
        text: T(0),
        pattern: ConstantId(pattern),
        mask: None,
    }
}

#[test]
fn vectors() {
    let vector = "each word 2 pipe D: constant c7 is no q7 vector: its bytes are 0x20 to 0x7e";
    let hypervector =
        "each word 2 pipe D: constant c7 is no hypervector: its bytes are 0x40 to 0x7f";
    for (op, expected) in [
        (dot(8), ""),
        (dot(7), vector),
        (similarity(8), ""),
        (similarity(7), hypervector),
        (contains(7), ""),
        (
            contains(3),
            "each word 2 pipe D: constant c3 is of kind texts, text is expected",
        ),
    ] {
        check(&each(&[S(gather(0, 0)), D(op)]), expected);
    }
}

#[test]
fn lane_kinds() {
    let (to, at) = (P(0), P(0));
    type Batches = fn(P, ConstantId) -> SparseOp;
    let batches: [(&str, &[u16], Batches); 3] = [
        ("SLANES", &[1, 2], |to, lanes| SparseOp::Lanes { to, lanes }),
        ("SASSOC", &[5], |to, lanes| SparseOp::Assoc { to, lanes }),
        ("SNEIGHBR", &[6], |to, lanes| SparseOp::Neighbr {
            to,
            lanes,
        }),
    ];
    let kinds = [(1, "all"), (2, "points"), (5, "region"), (6, "nearest")];
    for (id, kind) in kinds {
        let lanes = ConstantId(id);
        let refused = |takes: &[u16], word, mnemonic| match takes.contains(&id) {
            true => String::new(),
            false => {
                format!("each word {word} pipe S: {mnemonic} takes no lanes of kind {kind} (c{id})")
            }
        };
        for (mnemonic, takes, op) in batches {
            let stream = stream(&[], &[S(op(to, lanes))], &[]);
            check(&stream, &refused(takes, 0, mnemonic));
        }
        let test = SparseOp::Test {
            to: K(0),
            at,
            lanes,
        };
        check(&each(&[S(test)]), &refused(&[1, 5], 1, "STEST"));
        let to = R(1);
        let distance = SparseOp::Dist { to, at, lanes };
        check(&each(&[S(distance)]), &refused(&[6], 1, "SDIST"));
    }
}

fn top(accumulator: u8, by: u8) -> CoordinationOp {
    CoordinationOp::Top {
        accumulator: M(accumulator),
        ranking: Ranking::Least,
        at: P(0),
        by: R(by),
        count: ConstantId(0),
        mask: None,
    }
}

fn tally(accumulator: u8, key: TallyKey) -> CoordinationOp {
    CoordinationOp::Tally {
        accumulator: M(accumulator),
        key,
        at: P(0),
        value: None,
        mask: None,
    }
}

#[test]
fn accumulators() {
    let shared = |word| {
        format!(
            "each word {word} pipe C: m0 accumulates rows: no other operation of `each` may use it"
        )
    };
    let key = TallyKey::Leading(2);
    let no_key = "each word 1 pipe C: there is no such key: 1 to 9 leading components, or a dimension 0 to 8";
    let merged = [
        C(CoordinationOp::Merge { message: M(0) }),
        C(CoordinationOp::Cast { message: M(0) }),
        C(send(0)),
    ];
    let over = |words: &[Word], last: &[Word]| Stream {
        last: stream(&[], &[], last).last,
        ..each(words)
    };
    for (stream, expected) in [
        (over(&[C(top(0, 0)), C(tally(1, key))], &merged), ""),
        (over(&[C(top(0, 0)), C(top(0, 0))], &[]), &*shared(2)),
        (over(&[C(top(0, 0)), C(tally(0, key))], &[]), &shared(2)),
        (over(&[C(top(0, 0)), C(send(0))], &[]), &shared(2)),
        (
            over(&[C(pack(0, number(0))), C(top(0, 0))], &[]),
            &shared(1),
        ),
        // They are none in `last`, nor is what no accumulator left.
        (over(&[C(top(0, 0))], &[C(pack(0, number(0)))]), ""),
        (
            over(&[C(pack(0, number(0)))], &[C(send(0))]),
            "last word 0 pipe C: m0 is read but nothing has written it before",
        ),
        (
            over(&[C(top(0, 9))], &[]),
            "each word 1 pipe C: r9 is read but nothing has written it before",
        ),
        (
            last(&[C(top(0, 0))]),
            "last word 0 pipe C: CTOP may not be in this part",
        ),
        (over(&[C(tally(0, TallyKey::Leading(9)))], &[]), ""),
        (over(&[C(tally(0, TallyKey::Leading(0)))], &[]), no_key),
        (over(&[C(tally(0, TallyKey::Leading(10)))], &[]), no_key),
        (over(&[C(tally(0, TallyKey::Component(9)))], &[]), no_key),
    ] {
        check(&stream, expected);
    }
}

#[test]
fn rows_are_limited() {
    let top = |count| CoordinationOp::Top {
        accumulator: M(0),
        ranking: Ranking::Least,
        at: P(0),
        by: R(0),
        count: ConstantId(count),
        mask: None,
    };
    let dot = |queries| CoordinationOp::Dot {
        accumulator: M(0),
        at: P(0),
        text: T(0),
        queries: ConstantId(queries),
        mask: None,
    };
    for (op, expected) in [
        (top(0), ""),
        (top(9), ""),
        (dot(10), ""),
        (dot(8), "constant c8 is of kind text, queries is expected"),
        (
            dot(11),
            "constant c11 is no q7 vector: its bytes are 0x20 to 0x7e",
        ),
        (
            dot(12),
            "vector 1 of constant c12 has another length than the first one",
        ),
        (
            dot(13),
            "1048578 rows are to be kept (constant c13), at most 1048576 are",
        ),
    ] {
        let expected = match expected {
            "" => String::new(),
            reason => format!("each word 2 pipe C: {reason}"),
        };
        check(&each(&[S(gather(0, 0)), C(op)]), &expected);
    }
    // As a number, c9 is any.
    let add = DenseOp::Add {
        to: R(1),
        kind: NumberKind::U64,
        left: R(0),
        right: Operand::Constant(ConstantId(9)),
    };
    check(&each(&[D(add)]), "");
}

#[test]
fn groups() {
    let (bar, fence) = (C(CoordinationOp::Bar), C(CoordinationOp::Fence));
    let receive = C(CoordinationOp::Recv { to: M(0) });
    let merge = C(CoordinationOp::Merge { message: M(0) });
    let first = |word| stream(&[word], &[], &[]);
    for (stream, expected) in [
        (first(bar), ""),
        (last(&[bar, receive, merge, C(send(0)), fence]), ""),
        (each(&[fence]), ""),
        (
            each(&[bar]),
            "each word 1 pipe C: CBAR may not be in this part",
        ),
        (
            each(&[receive]),
            "each word 1 pipe C: CRECV may not be in this part",
        ),
        // Nothing can have been sent yet.
        (
            first(receive),
            "once word 0 pipe C: CRECV may not be in this part",
        ),
        (
            each(&[merge]),
            "each word 1 pipe C: CMERGE may not be in this part",
        ),
        (
            last(&[merge]),
            "last word 0 pipe C: m0 is read but nothing has written it before",
        ),
    ] {
        check(&stream, expected);
    }
    // What is sent, received and passed on keeps its order.
    let words = last(&[C(pack(1, number(0))), C(send(1)), bar, receive, fence]);
    let found: Vec<_> = words.last.iter().map(|word| word.deps).collect();
    assert_eq!(found, [0, 1, 1, 1, 1]);
}

#[test]
fn limits() {
    let mut tier = each(&[]);
    tier.tier = 4;
    check(&tier, "header: tier 4, must be 0 to 3");

    let mut constants = each(&[]);
    constants.constants.resize(65_536, Constant::Number(0));
    check(
        &constants,
        "header: 65536 entries, at most 65535 are allowed",
    );

    let words = last(&vec![Word::NOP; 65_536]);
    check(&words, "last: 65536 entries, at most 65535 are allowed");

    // A text of 64 MiB, 64 times.
    let mut texts = each(&[]);
    let text = bytes::Bytes::from(vec![0; 1 << 26]);
    texts.constants.push(Constant::Texts(vec![text; 64]));
    check(&texts, "constant c14: the constant takes 4 GiB or more");
}

#[test]
fn points_of_a_union_ascend() {
    let order = "constant c14: point 1 is not above the one before: points of a union are ascending \
                 and distinct";
    for (points, expected) in [
        (vec![point(1), point(2)], ""),
        (vec![point(2), point(1)], order),
        (vec![point(2), point(2)], order),
    ] {
        let mut stream = each(&[]);
        stream
            .constants
            .push(Constant::Lanes(LaneSpec::Points(points.clone())));
        check(&stream, "");
        let (from, to) = (point(1), point(2));
        stream.constants[14] = Constant::Lanes(LaneSpec::Union { from, to, points });
        check(&stream, expected);
    }
}

#[test]
fn deps() {
    let mut near = each(&[D(length(1, 0))]);
    assert_eq!(near.each[1].deps, 1);
    near.each[1].deps = 0;
    check(&near, "each word 1: deps is 0, must be 1");

    // The latest writer counts, not the latest read register.
    let words = [
        D(length(1, 0)),
        D(mov(2, 0)),
        D(add(3, 1, 2)),
        D(add(4, 1, 1)),
    ];
    let chain = each(&words);
    let found: Vec<_> = chain.each.iter().map(|word| word.deps).collect();
    assert_eq!(found, [0, 1, 0, 1, 3]);

    // Writes wait for each other, and SFLUSH for them.
    let end = [S(SparseOp::Flush)];
    let mut writes = writing(1, Scatter::Delete, &end);
    writes.each.extend([
        S(scatter(0, Scatter::Delete)),
        Word::NOP,
        S(SparseOp::Flush),
    ]);
    link(&mut writes.each);
    let found: Vec<_> = writes.each.iter().map(|word| word.deps).collect();
    assert_eq!(found, [0, 1, 1, 0, 2]);
    check(&writes, "");

    // The distance saturates.
    for (between, expected) in [(253, 254), (254, 255), (400, 255)] {
        let far = each(&[vec![Word::NOP; between], vec![D(length(1, 0))]].concat());
        assert_eq!(far.each.last().unwrap().deps, expected);
        check(&far, "");
    }
}
