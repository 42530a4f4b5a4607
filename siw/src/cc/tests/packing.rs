//! What programs become, word by word.

use crate::cc::{OptimizationTier, ProgramBuilder, compile};
use crate::*;

/// The words of a stream, `expected` with one space between columns.
fn check(program: &ProgramBuilder, tier: OptimizationTier, expected: &str) {
    let stream = compile(program.clone().build().unwrap(), tier)
        .unwrap()
        .stream;
    let mut text = String::new();
    let lines = stream.to_string();
    let lines = lines.lines().filter(|line| !line.starts_with(".constant"));
    for line in lines {
        text += &line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push('\n');
    }
    assert_eq!(text, expected, "{}", program.clone().build().unwrap());
}

/// Sends a number at the end.
fn send(program: &mut ProgramBuilder, number: R) {
    let message = program.message();
    let row = Row {
        number: Some(number),
        ..Row::default()
    };
    program.last(CoordinationOp::Pack { to: message, row });
    program.last(CoordinationOp::Send {
        to: Destination::Sink,
        from: message,
        mask: None,
    });
}

/// Scrolls of chapter 2 longer than 100 bytes: their rows, and how many bytes they have together.
fn long_scrolls() -> ProgramBuilder {
    let mut program = ProgramBuilder::default();
    let lanes = program.constant(Constant::Lanes(LaneSpec::All));
    let (total, place) = (program.scalar(0), program.place());
    let (chapter, length) = (program.number(), program.number());
    let (in_chapter, is_long, both) = (program.mask(), program.mask(), program.mask());
    let (text, message) = (program.text(), program.message());
    let (two, hundred) = (program.immediate(2), program.immediate(100));
    program.each(SparseOp::Lanes { to: place, lanes });
    program.each(SparseOp::Index {
        to: chapter,
        dimension: 6,
        at: place,
    });
    let equal = Comparison::Eq;
    program.each(DenseOp::Cmp {
        to: in_chapter,
        comparison: equal,
        left: chapter,
        right: two,
    });
    program.each(DenseOp::Len {
        to: length,
        at: place,
        mask: None,
    });
    let greater = Comparison::Gt;
    program.each(DenseOp::Cmp {
        to: is_long,
        comparison: greater,
        left: length,
        right: hundred,
    });
    program.each(DenseOp::MaskAnd {
        to: both,
        left: in_chapter,
        right: is_long,
    });
    let mask = Some(both);
    program.each(DenseOp::Red {
        accumulator: total,
        fold: Fold::Sum(length),
        mask,
    });
    program.each(SparseOp::Gather {
        to: text,
        extent: Extent::Whole,
        at: place,
        mask,
    });
    let row = Row {
        coordinate: Some(place),
        text: Some(text),
        ..Row::default()
    };
    program.each(CoordinationOp::Pack { to: message, row });
    program.each(CoordinationOp::Send {
        to: Destination::Sink,
        from: message,
        mask,
    });
    let sum = program.message();
    program.last(CoordinationOp::Reduce {
        accumulator: total,
        reduction: Reduction::Sum,
    });
    let row = Row {
        number: Some(total),
        ..Row::default()
    };
    program.last(CoordinationOp::Pack { to: sum, row });
    program.last(CoordinationOp::Send {
        to: Destination::Sink,
        from: sum,
        mask: None,
    });
    program
}

#[test]
fn tier_0_keeps_the_order() {
    check(
        &long_scrolls(),
        OptimizationTier::Tier0Unstructured,
        "\
.tier 0
.once
DMOV r0, c1 | SNOP | CNOP
.each
DNOP | SLANES p0, c0 | CNOP
DNOP | SINDEX.chapter r1, p0 | CNOP ; deps 1
DCMP.eq k0, r1, c2 | SNOP | CNOP ; deps 1
DLEN r1, p0 | SNOP | CNOP ; deps 3
DCMP.gt k1, r1, c3 | SNOP | CNOP ; deps 1
DKAND k0, k0, k1 | SNOP | CNOP ; deps 1
DRED.sum r0, r1 {k0} | SNOP | CNOP ; deps 1
DNOP | SGATHER.whole t0, p0 {k0} | CNOP ; deps 2
DNOP | SNOP | CPACK m0, coordinate=p0, text=t0 ; deps 1
DNOP | SNOP | CSEND.sink m0 {k0} ; deps 1
.last
DNOP | SNOP | CREDUCE.sum r0
DNOP | SNOP | CPACK m0, number=r0 ; deps 1
DNOP | SNOP | CSEND.sink m0 ; deps 1
",
    );
}

/// DLEN and the two operations on the chapter have no part in each other, nor have DRED and SGATHER.
#[test]
fn tier_2_packs() {
    check(
        &long_scrolls(),
        OptimizationTier::Tier2SiwPacked,
        "\
.tier 2
.once
DMOV r0, c1 | SNOP | CNOP
.each
DNOP | SLANES p0, c0 | CNOP
DLEN r2, p0 | SINDEX.chapter r1, p0 | CNOP ; deps 1
DCMP.eq k0, r1, c2 | SNOP | CNOP ; deps 1
DCMP.gt k1, r2, c3 | SNOP | CNOP ; deps 2
DKAND k0, k0, k1 | SNOP | CNOP ; deps 1
DRED.sum r0, r2 {k0} | SGATHER.whole t0, p0 {k0} | CNOP ; deps 1
DNOP | SNOP | CPACK m0, coordinate=p0, text=t0 ; deps 1
DNOP | SNOP | CSEND.sink m0 {k0} ; deps 1
.last
DNOP | SNOP | CREDUCE.sum r0
DNOP | SNOP | CPACK m0, number=r0 ; deps 1
DNOP | SNOP | CSEND.sink m0 ; deps 1
",
    );
}

/// Rows of everything there is to know of a scroll.
fn rows(lanes: LaneSpec) -> ProgramBuilder {
    let mut program = ProgramBuilder::default();
    let lanes = program.constant(Constant::Lanes(lanes));
    let (place, text, message) = (program.place(), program.text(), program.message());
    let (length, low, high) = (program.number(), program.number(), program.number());
    let (at, mask) = (place, None);
    program.each(SparseOp::Lanes { to: place, lanes });
    let extent = Extent::Whole;
    program.each(SparseOp::Gather {
        to: text,
        extent,
        at,
        mask,
    });
    program.each(DenseOp::Len {
        to: length,
        at,
        mask,
    });
    program.each(DenseOp::Hash {
        low,
        high,
        at,
        mask,
    });
    let row = Row {
        coordinate: Some(at),
        text: Some(text),
        length: Some(length),
        checksum: Some((low, high)),
        number: None,
    };
    program.each(CoordinationOp::Pack { to: message, row });
    program.each(CoordinationOp::Send {
        to: Destination::Sink,
        from: message,
        mask,
    });
    program
}

#[test]
fn tier_1_changes_pipes_seldom() {
    check(
        &rows(LaneSpec::All),
        OptimizationTier::Tier1PipeSeparated,
        "\
.tier 1
.each
DNOP | SLANES p0, c0 | CNOP
DNOP | SGATHER.whole t0, p0 | CNOP ; deps 1
DLEN r0, p0 | SNOP | CNOP ; deps 2
DHASH r1, r2, p0 | SNOP | CNOP ; deps 3
DNOP | SNOP | CPACK m0, coordinate=p0, text=t0, length=r0, checksum_low=r1, checksum_high=r2 ; deps 1
DNOP | SNOP | CSEND.sink m0 ; deps 1
",
    );
}

#[test]
fn tier_3_prefetches() {
    check(
        &rows(LaneSpec::All),
        OptimizationTier::Tier3PhextOptimal,
        "\
.tier 3
.each
DNOP | SLANES p0, c0 | CNOP
DNOP | SPREFCH.record p0 | CNOP ; deps 1
DLEN r0, p0 | SPREFCH.text p0 | CNOP ; deps 2
DHASH r1, r2, p0 | SGATHER.whole t0, p0 | CNOP ; deps 3
DNOP | SNOP | CPACK m0, coordinate=p0, text=t0, length=r0, checksum_low=r1, checksum_high=r2 ; deps 1
DNOP | SNOP | CSEND.sink m0 ; deps 1
",
    );
}

#[test]
fn points_are_not_prefetched() {
    let points = [1, 2].map(crate::tests::point);
    check(
        &rows(LaneSpec::Points(points.to_vec())),
        OptimizationTier::Tier3PhextOptimal,
        "\
.tier 3
.each
DNOP | SLANES p0, c0 | CNOP
DLEN r0, p0 | SGATHER.whole t0, p0 | CNOP ; deps 1
DHASH r1, r2, p0 | SNOP | CNOP ; deps 2
DNOP | SNOP | CPACK m0, coordinate=p0, text=t0, length=r0, checksum_low=r1, checksum_high=r2 ; deps 1
DNOP | SNOP | CSEND.sink m0 ; deps 1
",
    );
}

/// What is computed twice is computed once, copies and numbers in registers are seen through, and
/// what nobody reads goes.
#[test]
fn operations_go() {
    let mut program = ProgramBuilder::default();
    let lanes = program.constant(Constant::Lanes(LaneSpec::All));
    let (total, seven, place) = (program.scalar(0), program.scalar(7), program.place());
    program.each(SparseOp::Lanes { to: place, lanes });
    let (kind, at) = (NumberKind::U64, place);
    let mut sums = Vec::new();
    for _ in 0..2 {
        let (chapter, copy, sum) = (program.number(), program.number(), program.number());
        program.each(SparseOp::Index {
            to: chapter,
            dimension: 6,
            at,
        });
        program.each(DenseOp::Mov {
            to: copy,
            from: Operand::Register(chapter),
        });
        let right = Operand::Register(seven);
        program.each(DenseOp::Add {
            to: sum,
            kind,
            left: copy,
            right,
        });
        sums.push(sum);
    }
    let (product, dead) = (program.number(), program.number());
    let right = Operand::Register(sums[1]);
    program.each(DenseOp::Mul {
        to: product,
        kind,
        left: sums[0],
        right,
    });
    program.each(DenseOp::Len {
        to: dead,
        at,
        mask: None,
    });
    let fold = Fold::Sum(product);
    program.each(DenseOp::Red {
        accumulator: total,
        fold,
        mask: None,
    });
    send(&mut program, total);
    check(
        &program,
        OptimizationTier::Tier2SiwPacked,
        "\
.tier 2
.once
DMOV r0, c1 | SNOP | CNOP
.each
DNOP | SLANES p0, c0 | CNOP
DNOP | SINDEX.chapter r1, p0 | CNOP ; deps 1
DADD.u64 r1, r1, c2 | SNOP | CNOP ; deps 1
DMUL.u64 r1, r1, r1 | SNOP | CNOP ; deps 1
DRED.sum r0, r1 | SNOP | CNOP ; deps 1
.last
DNOP | SNOP | CPACK m0, number=r0
DNOP | SNOP | CSEND.sink m0 ; deps 1
",
    );
}

/// Six texts in four registers: in the order of the program two are gathered again.
#[test]
fn texts_are_gathered_again_when_registers_run_out() {
    let mut program = ProgramBuilder::default();
    let lanes = program.constant(Constant::Lanes(LaneSpec::All));
    let (place, mask) = (program.place(), None);
    program.each(SparseOp::Lanes { to: place, lanes });
    let texts: Vec<T> = (0..6).map(|_| program.text()).collect();
    for (index, &to) in texts.iter().enumerate() {
        let (from, count) = (program.scalar(index as u64), program.scalar(2));
        let extent = Extent::Bytes { from, count };
        program.each(SparseOp::Gather {
            to,
            extent,
            at: place,
            mask,
        });
    }
    // Every text is bound with the one opposite, and with its neighbour.
    let total = program.scalar(0);
    for (left, right) in [(0, 3), (1, 4), (2, 5), (0, 1), (2, 3), (4, 5), (5, 0)] {
        let (to, right) = (program.number(), TextOperand::Register(texts[right]));
        program.each(DenseOp::HdSim {
            to,
            left: texts[left],
            right,
            mask,
        });
        program.each(DenseOp::Red {
            accumulator: total,
            fold: Fold::Sum(to),
            mask,
        });
    }
    send(&mut program, total);
    let gathers = OptimizationTier::ALL.map(|tier| {
        let stream = compile(program.clone().build().unwrap(), tier).unwrap();
        let is_gather = |word: &&Word| matches!(word.sparse, SparseOp::Gather { .. });
        stream.stream.each.iter().filter(is_gather).count()
    });
    // Another order of the comparisons gets by.
    assert_eq!(gathers, [8, 8, 6, 6]);
}

/// Five masks and four registers, where those that could make way for others are needed in the same
/// place.
#[test]
fn values_that_are_needed_together_do_not_make_way_for_each_other() {
    let mut program = ProgramBuilder::default();
    let lanes = program.constant(Constant::Lanes(LaneSpec::All));
    let place = program.place();
    program.each(SparseOp::Lanes { to: place, lanes });
    let (total, zero) = (program.scalar(0), program.immediate(0));
    let [left, other] = [0; 2].map(|number| {
        let (to, from) = (program.number(), program.immediate(number));
        program.each(DenseOp::Mov { to, from });
        to
    });
    let comparison = Comparison::Eq;
    let compared = |program: &mut ProgramBuilder, left| {
        let (to, right) = (program.mask(), zero);
        program.each(DenseOp::Cmp {
            to,
            comparison,
            left,
            right,
        });
        to
    };
    let both = |program: &mut ProgramBuilder, left, right| {
        let to = program.mask();
        program.each(DenseOp::MaskAnd { to, left, right });
        to
    };
    let count = |program: &mut ProgramBuilder, mask| {
        program.each(DenseOp::Red {
            accumulator: total,
            fold: Fold::Count,
            mask: Some(mask),
        });
    };
    let first = compared(&mut program, left);
    let (second, no) = (program.mask(), program.mask());
    program.each(SparseOp::Test {
        to: second,
        at: place,
        lanes,
    });
    let from = first;
    program.each(DenseOp::MaskNot { to: no, from });
    let third = compared(&mut program, left);
    let fourth = compared(&mut program, other);
    let fifth = both(&mut program, second, no);
    let sixth = both(&mut program, fourth, no);
    let seventh = both(&mut program, third, sixth);
    count(&mut program, fifth);
    let eighth = both(&mut program, first, seventh);
    count(&mut program, eighth);
    send(&mut program, total);
    for tier in OptimizationTier::ALL {
        let stream = compile(program.clone().build().unwrap(), tier);
        // Another order than any rule makes gets by with four.
        assert!(stream.is_ok(), "{tier:?}: {stream:?}");
    }
}
