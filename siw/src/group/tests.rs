//! Groups of many sentrons on few workers.

use super::*;
use crate::execute::ResultRow;
use crate::pool::tests::{SCROLLS, SEND, at, begin, executed, pool, work};
use crate::pool::{CorePool, PoolError, Work};
use crate::{
    Constant, CoordinationOp, DenseOp, Destination, Fold, LaneSpec, M, Operand, R, Reduction, Row,
    Stream, StreamBuilder, Word,
};

const ALL: [TopologyType; 3] = [
    TopologyType::TORUS_6X3X2,
    TopologyType::MESH_4X3X3,
    TopologyType::RING_12X3,
];

fn request(required_sentrons: usize, topology: TopologyType) -> CognitiveSliceRequest {
    CognitiveSliceRequest {
        workload_type: WorkloadType::GraphNeural {
            nodes: 36,
            edges: 108,
        },
        required_sentrons,
        topology,
        dimensional_allocation: [1; 11],
    }
}

fn run(pool: &CorePool, topology: TopologyType, work: Work) -> Result<Vec<Message>, PoolError> {
    let group = pool.allocate(request(topology.places(), topology))?;
    let mut rows = Vec::new();
    let mut sink = |row: &ResultRow<'_>| {
        rows.push(Message::of(row));
        Ok(crate::execute::Flow::Continue)
    };
    group.run(pool, work, &mut sink)?;
    Ok(rows)
}

/// Counts lanes, with barriers before the count is brought together.
fn counting(barriers: usize) -> Stream {
    let mut stream = begin(LaneSpec::All);
    let zero = stream.constant(Constant::Number(0));
    stream.once(Word::dense(DenseOp::Mov {
        to: R(0),
        from: Operand::Constant(zero),
    }));
    stream.each(Word::dense(DenseOp::Red {
        accumulator: R(0),
        fold: Fold::Count,
        mask: None,
    }));
    for _ in 0..barriers {
        stream.last(Word::coordination(CoordinationOp::Bar));
    }
    stream.last(Word::coordination(CoordinationOp::Reduce {
        accumulator: R(0),
        reduction: Reduction::Count,
    }));
    pack_and_send(&mut stream);
    stream.build()
}

fn pack_and_send(stream: &mut StreamBuilder) {
    let row = Row {
        number: Some(R(0)),
        ..Row::default()
    };
    stream.last(Word::coordination(CoordinationOp::Pack { to: M(0), row }));
    stream.last(Word::coordination(SEND));
}

#[test]
fn thirty_six_sentrons_run_on_two_workers_and_on_one() {
    let work = work(counting(3));
    let expected = executed(&work);
    for workers in [1, 2] {
        let pool = pool(workers);
        for topology in ALL {
            let counted = run(&pool, topology, work.clone()).unwrap();
            assert_eq!(counted, expected, "{topology:?} on {workers}");
        }
    }
}

/// Each sentron sends a row in a direction, and all that came is merged.
fn sending(to: Destination) -> Stream {
    let mut stream = StreamBuilder::new(2);
    let seven = stream.constant(Constant::Number(7));
    stream.last(Word::dense(DenseOp::Mov {
        to: R(0),
        from: Operand::Constant(seven),
    }));
    let row = Row {
        number: Some(R(0)),
        ..Row::default()
    };
    stream.last(Word::coordination(CoordinationOp::Pack { to: M(0), row }));
    let (from, mask) = (M(0), None);
    stream.last(Word::coordination(CoordinationOp::Send { to, from, mask }));
    stream.last(Word::coordination(CoordinationOp::Bar));
    stream.last(Word::coordination(CoordinationOp::Recv { to: M(0) }));
    stream.last(Word::coordination(CoordinationOp::Merge { message: M(0) }));
    stream.last(Word::coordination(SEND));
    stream.build()
}

#[test]
fn mail_reaches_neighbours_and_is_lost_beyond_an_end() {
    let pool = pool(2);
    let check = |topology, to, expected| {
        let rows = run(&pool, topology, work(sending(to))).unwrap();
        assert_eq!(rows.len(), expected, "{topology:?} {to:?}");
        assert!(rows.iter().all(|row| row.number == Some(7)));
    };
    check(ALL[0], Destination::XPlus, 36);
    check(ALL[0], Destination::ZMinus, 36);
    check(ALL[1], Destination::XPlus, 27);
    check(ALL[1], Destination::YMinus, 24);
    check(ALL[2], Destination::YPlus, 36);
}

/// Each sentron brings a row with its number of lanes.
fn counted_apart() -> Stream {
    let mut stream = begin(LaneSpec::All);
    let zero = stream.constant(Constant::Number(0));
    stream.once(Word::dense(DenseOp::Mov {
        to: R(0),
        from: Operand::Constant(zero),
    }));
    stream.each(Word::dense(DenseOp::Red {
        accumulator: R(0),
        fold: Fold::Count,
        mask: None,
    }));
    let row = Row {
        number: Some(R(0)),
        ..Row::default()
    };
    stream.last(Word::coordination(CoordinationOp::Pack { to: M(0), row }));
    stream.last(Word::coordination(CoordinationOp::Merge { message: M(0) }));
    stream.last(Word::coordination(SEND));
    stream.build()
}

#[test]
fn allocated_scrolls_go_to_their_sentrons() {
    // Coordinates have the dimensions 2, 4, 7 and 8: see `at`.
    let check = |topology: TopologyType, dealt: &[(usize, usize)]| {
        let mut positions = [1; 11];
        for &(dimension, count) in dealt {
            positions[dimension] = count;
        }
        let mut expected = vec![0; topology.places()];
        for n in 0..SCROLLS {
            let at = at(n);
            let number = (0..9).fold(0, |number, d| {
                number * positions[d] + (at.components()[d] as usize - 1) % positions[d]
            });
            expected[number] += 1;
        }
        for workers in [1, 3] {
            let pool = pool(workers);
            let group = pool.allocate(CognitiveSliceRequest {
                dimensional_allocation: positions,
                ..request(topology.places(), topology)
            });
            let group = group.unwrap();
            let mut found = Vec::new();
            let mut sink = |row: &ResultRow<'_>| {
                found.extend(row.number);
                Ok(Flow::Continue)
            };
            let report = group.run(&pool, work(counted_apart()), &mut sink).unwrap();
            assert_eq!(found, expected, "{dealt:?} on {workers}");
            assert_eq!(report.lanes, u64::from(SCROLLS), "each lane is run once");
            // What is brought together is the same as without.
            let counted = group.run(&pool, work(counting(1)), &mut |row: &ResultRow<'_>| {
                assert_eq!(row.number, Some(u64::from(SCROLLS)));
                Ok(Flow::Continue)
            });
            counted.unwrap();
        }
    };
    check(TopologyType::TORUS_6X3X2, &[(4, 2), (7, 3), (8, 6)]);
    check(TopologyType::MESH_4X3X3, &[(2, 3), (4, 3), (8, 4)]);
    check(TopologyType::RING_12X3, &[(4, 3), (2, 12)]);
    check(TopologyType::ring(5), &[(8, 5)]);
    check(TopologyType::ring(7), &[(0, 7)]);
}

#[test]
fn slices_are_refused_and_given_back() {
    let pool = pool(1);
    let ask = |count| pool.allocate(request(count, TopologyType::ring(count)));
    let first = ask(40).unwrap();
    let refused = ask(25).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "25 sentrons are asked for and 24 of 64 are free: ask for fewer, wait for slices to be dropped, \
         or configure more"
    );
    let second = ask(24).unwrap();
    drop(first);
    assert_eq!(ask(40).unwrap().request().required_sentrons, 40);
    drop(second);
    assert!(ask(64).is_ok());
    let wrong = pool.allocate(request(35, TopologyType::TORUS_6X3X2));
    assert!(matches!(wrong, Err(PoolError::Topology { .. })));
    assert!(matches!(ask(0), Err(PoolError::Topology { .. })));
    let mut uneven = request(6, TopologyType::ring(6));
    uneven.dimensional_allocation[8] = 5;
    let refused = pool.allocate(uneven);
    assert!(matches!(refused, Err(PoolError::Positions { .. })));
    assert!(ask(64).is_ok(), "what is refused takes none");
}

#[test]
fn a_group_refuses_what_has_no_order() {
    let mut stream = begin(LaneSpec::All);
    let row = Row {
        coordinate: Some(crate::P(0)),
        ..Row::default()
    };
    stream.each(Word::coordination(CoordinationOp::Pack { to: M(0), row }));
    stream.each(Word::coordination(SEND));
    let refused = run(&pool(1), ALL[0], work(stream.build()));
    assert!(matches!(refused, Err(PoolError::Unordered)));
}
