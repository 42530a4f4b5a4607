//! The tier changes no answer: programs give the same rows and writes at all tiers, and those that
//! the scalar model gives.

use super::*;
use crate::cc::tests::random::{Random, program};
use crate::cc::{OptimizationTier, compile};
use crate::*;
use phext_storage::page_table::{Constraint, Location, Region};

/// What a run answers: rows in their order, and the writes to each coordinate in theirs.
type Answer = (Vec<OwnedRow>, Vec<WriteOp>);

fn answer(outcome: Outcome) -> Answer {
    let mut writes: Vec<WriteOp> = outcome.flushes.into_iter().flatten().collect();
    // A lane goes through several writes at once at tier 0 only.
    writes.sort_by_key(|write| match write {
        WriteOp::Put { coordinate, .. }
        | WriteOp::Append { coordinate, .. }
        | WriteOp::Delete { coordinate } => *coordinate,
    });
    (outcome.rows, writes)
}

/// The streams of a program, as far as there are enough registers.
fn streams(program: &Random) -> Vec<Stream> {
    let tiers = OptimizationTier::ALL.into_iter();
    let compiled = tiers.filter_map(|tier| compile(program.0.clone(), tier).ok());
    compiled.map(|compiled| compiled.stream).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn tiers_give_one_answer(
        program in program(),
        others in random::points(),
        fates in proptest::collection::vec(any::<u8>(), 12),
        limit in proptest::option::of(1..12_usize),
    ) {
        let streams = streams(&program);
        let Some(first) = streams.first() else {
            return Ok(());
        };
        let places = places_of(first).into_iter().chain(others);
        let mut places: Vec<_> = places.zip(fates).collect();
        places.sort_unstable();
        places.dedup_by_key(|place| place.0);
        let fixture = Fixture::of_fates(&places, vector_of(first));
        let phext = fixture.phext();
        let expected = answer(interpret(first, &fixture.scrolls, 1, limit));
        for stream in &streams {
            let found = answer(run(stream, &phext, limit));
            prop_assert_eq!(&found, &expected, "{}", stream);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn tiers_give_one_answer_over_several_batches(
        program in program(),
        limit in proptest::option::of(1..3000_usize),
    ) {
        let (phext, scrolls) = &*LARGE;
        let streams = streams(&program);
        let Some(first) = streams.first() else {
            return Ok(());
        };
        let expected = answer(interpret(first, scrolls, 1024, limit));
        for stream in &streams {
            let found = answer(run(stream, phext, limit));
            prop_assert!(found == expected, "{stream}");
        }
    }
}

/// Counts lanes, and does nothing else with them.
fn counting(lanes: &LaneSpec, tier: u8) -> Stream {
    let mut stream = StreamBuilder::new(tier);
    let zero = Operand::Constant(stream.constant(Constant::Number(0)));
    let (to, accumulator, mask) = (P(0), R(0), None);
    let is_region = matches!(lanes, LaneSpec::Region(_));
    let lanes = stream.constant(Constant::Lanes(lanes.clone()));
    stream.once(Word::dense(DenseOp::Mov {
        to: accumulator,
        from: zero,
    }));
    stream.each(Word::sparse(match is_region {
        true => SparseOp::Assoc { to, lanes },
        false => SparseOp::Lanes { to, lanes },
    }));
    stream.each(Word::dense(DenseOp::Red {
        accumulator,
        fold: Fold::Count,
        mask,
    }));
    let row = Row {
        number: Some(accumulator),
        ..Row::default()
    };
    let (to, from) = (Destination::Sink, M(0));
    stream.last(Word::coordination(CoordinationOp::Pack { to: from, row }));
    stream.last(Word::coordination(CoordinationOp::Send { to, from, mask }));
    stream.build()
}

#[test]
fn lanes_that_are_only_counted_are_as_many_as_those_that_are_read() {
    let (phext, scrolls) = &*LARGE;
    let mut constraints: [Constraint; 9] = std::array::from_fn(|_| Constraint::FREE);
    constraints[4] = Constraint::equal(3).unwrap();
    let [from, to] = [700, 2100].map(|n| {
        let components = [1, 1, 1, 1, n % 7 + 1, 1, 1, 1, n];
        Coordinate::new(components).unwrap()
    });
    let lanes = [
        LaneSpec::All,
        LaneSpec::Range { from, to },
        LaneSpec::Range { from: to, to: from },
        LaneSpec::Region(Region::new(constraints)),
        LaneSpec::Union {
            from,
            to,
            points: vec![from, Coordinate::MAX],
        },
    ];
    for lanes in &lanes {
        let expected = interpret(&counting(lanes, 0), scrolls, 1024, None);
        for tier in 0..=3 {
            let found = run(&counting(lanes, tier), phext, None);
            assert_eq!(found.rows, expected.rows, "{lanes:?}, tier {tier}");
            assert_eq!(found.ops, expected.ops, "{lanes:?}, tier {tier}");
        }
    }
}

/// Sends the coordinates of a region's lanes, with or without their texts.
fn sending(region: Region, with_texts: bool) -> Stream {
    let mut stream = StreamBuilder::new(2);
    let lanes = stream.constant(Constant::Lanes(LaneSpec::Region(region)));
    let (at, text, packed, mask) = (P(0), T(0), M(0), None);
    stream.each(Word::sparse(SparseOp::Assoc { to: at, lanes }));
    if with_texts {
        stream.each(Word::sparse(SparseOp::Gather {
            to: text,
            extent: Extent::Whole,
            at,
            mask,
        }));
    }
    let row = Row {
        coordinate: Some(at),
        text: with_texts.then_some(text),
        ..Row::default()
    };
    stream.each(Word::coordination(CoordinationOp::Pack { to: packed, row }));
    stream.each(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from: packed,
        mask,
    }));
    stream.build()
}

#[test]
fn the_page_table_is_told_that_all_texts_are_read() {
    let (phext, _) = &*LARGE;
    let mut constraints: [Constraint; 9] = std::array::from_fn(|_| Constraint::FREE);
    constraints[4] = Constraint::equal(3).unwrap();
    for with_texts in [false, true] {
        let stream = sending(Region::new(constraints.clone()), with_texts);
        let mut lanes = Lanes::of_stream(&stream, phext).unwrap();
        // Stopped after a row, the run leaves lanes behind that show how they are made.
        let outcome = observe(Some(1), |outside| {
            let mut sentron = Sentron::open(Idle::default(), &stream, phext);
            sentron.batch = 16;
            sentron.each(&mut lanes, outside).unwrap();
            sentron.close().1
        });
        assert_eq!(outcome.rows.len(), 1);
        let mut left = Vec::new();
        lanes.next(phext, &mut left, usize::MAX >> 1).unwrap();
        let is_entry = |location: &Location<'_>| matches!(location, Location::Entry { .. });
        let entries = left.iter().filter(|lane| is_entry(&lane.location)).count();
        match with_texts {
            true => assert!(entries > 50, "{entries} of {}", left.len()),
            false => assert_eq!(entries, 0, "the heap was read for nothing"),
        }
    }
}
