//! What streams and threads add to the counts.

use crate::execute::{Collected, Flow, Report, ResultRow, execute};
use crate::telemetry::counters::{self, add};
use crate::telemetry::watch::{MOST_SHARED, is_timed, shared};
use crate::telemetry::{Totals, barrier, locality, sent, totals};
use crate::{
    Constant, CoordinationOp, Destination, Extent, LaneSpec, M, P, Row, SparseOp, Stream,
    StreamBuilder, T, Word,
};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Constraint, Region};
use std::time::Duration;

/// A stream that gathers and sends the texts of its lanes.
fn gathering(lanes: LaneSpec) -> Stream {
    let mut stream = StreamBuilder::new(2);
    let is_region = matches!(lanes, LaneSpec::Region(_));
    let lanes = stream.constant(Constant::Lanes(lanes));
    let to = P(0);
    stream.each(Word::sparse(match is_region {
        true => SparseOp::Assoc { to, lanes },
        false => SparseOp::Lanes { to, lanes },
    }));
    stream.each(Word::sparse(SparseOp::Gather {
        to: T(0),
        extent: Extent::Whole,
        at: P(0),
        mask: None,
    }));
    let row = Row {
        text: Some(T(0)),
        ..Row::default()
    };
    stream.each(Word::coordination(CoordinationOp::Pack { to: M(0), row }));
    stream.each(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from: M(0),
        mask: None,
    }));
    stream.build()
}

fn points(count: u32) -> LaneSpec {
    let point = |n| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, n]).unwrap();
    LaneSpec::Points((1..=count).map(point).collect())
}

fn run(stream: &Stream) -> Report {
    let mut sink = |_: &ResultRow<'_>| Ok(Flow::Continue);
    execute(stream, Phext::empty(), &mut sink, &mut Collected::default()).unwrap()
}

/// What `work` counts in a thread of its own.
fn counted_by(work: impl FnOnce() + Send) -> Totals {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let before = own();
            work();
            own().since(&before)
        });
        worker.join().unwrap()
    })
}

/// The counts of the calling thread, and of threads that ended and had its block.
fn own() -> Totals {
    counters::own().unwrap().read()
}

#[test]
fn a_stream_counts_what_its_report_says() {
    let counted = counted_by(|| {
        let before = own();
        let report = run(&gathering(points(5000)));
        assert_eq!((report.batches, report.lanes, report.rows), (5, 5000, 5000));
        assert_eq!(report.ops, own().since(&before).ops);
    });
    assert_eq!((counted.runs, counted.batches), (1, 5));
    assert_eq!((counted.lanes, counted.rows), (5000, 5000));
    assert_eq!(
        counted.timed_ops, counted.ops,
        "a stream over many points is timed"
    );
    assert!(counted.busy_ns > 0);
}

#[test]
fn some_of_many_brief_streams_are_timed_and_stand_for_the_others() {
    let brief = gathering(points(1));
    let ops = run(&brief).ops;
    let streams = 16 << MOST_SHARED;
    let counted = counted_by(|| {
        for _ in 0..streams {
            run(&brief);
        }
    });
    assert_eq!(counted.ops, streams * ops);
    let timed = counted.timed_ops / ops;
    assert!(timed.is_multiple_of(1 << MOST_SHARED));
    assert!(timed.abs_diff(streams) <= 2 << MOST_SHARED, "{timed}");
    assert!(counted.busy_ns > 0);
}

#[test]
fn the_fewer_lanes_the_more_streams_share_a_time() {
    let check = |lanes, streams: u64| assert_eq!(1 << shared(lanes), streams, "{lanes} lanes");
    check(0, 4096);
    check(1, 4096);
    check(2, 2048);
    check(7, 1024);
    check(1000, 8);
    check(4095, 2);
    check(4096, 1);
    check(u64::MAX, 1);
}

#[test]
fn streams_that_take_turns_are_all_sampled_alike() {
    const STREAMS: u64 = 1 << 16;
    for turns in [1, 2, 3, 4, 64, 1000, 1024] {
        for shared in [0, 3, 10] {
            let runs = (0..STREAMS).map(|stream| stream * turns);
            let timed = runs.filter(|&runs| is_timed(runs, shared)).count() as u64;
            let expected = STREAMS >> shared;
            let off = timed.abs_diff(expected);
            assert!(off <= expected / 4, "{turns}, {shared}: {timed}");
        }
    }
}

#[test]
fn a_stream_that_its_sink_breaks_off_is_counted_too() {
    let counted = counted_by(|| {
        let mut sink = |_: &ResultRow<'_>| Err(std::io::ErrorKind::BrokenPipe.into());
        let stream = gathering(points(100));
        let outcome = execute(
            &stream,
            Phext::empty(),
            &mut sink,
            &mut Collected::default(),
        );
        outcome.unwrap_err();
    });
    assert_eq!((counted.runs, counted.lanes), (1, 100));
}

#[test]
fn dimensions_are_those_that_regions_constrain() {
    let mut constraints: [Constraint; 9] = std::array::from_fn(|_| Constraint::FREE);
    constraints[6] = Constraint::equal(3).unwrap();
    let stream = gathering(LaneSpec::Region(Region::new(constraints)));
    let counted = counted_by(|| {
        run(&stream);
        run(&stream);
    });
    assert_eq!(counted.dimensions, [0, 0, 0, 0, 0, 0, 2, 0, 0]);
}

#[test]
fn the_counts_of_a_thread_outlive_it() {
    let before = totals();
    counted_by(|| {
        add(&counters::own().unwrap().rows, 5);
        sent(7);
        barrier(Duration::from_micros(3));
    });
    let since = totals().since(&before);
    assert!(since.rows >= 5 && since.messages >= 7);
    assert!(since.barriers >= 1 && since.barrier_ns >= 3000);
}

#[test]
fn near_is_the_same_page_or_the_next() {
    let check = |pages: &[usize], compared, near| {
        let found = locality::compare(pages.iter().copied());
        assert_eq!(found, (compared, near), "{pages:?}");
    };
    check(&[], 0, 0);
    check(&[7], 0, 0);
    check(&[7, 7, 8, 9], 3, 3);
    check(&[7, 9, 8, 8], 3, 1);
    check(&[0, 100, 101, 0], 3, 1);
}

#[test]
fn the_first_batch_and_every_sixteenth_after_it_is_looked_at() {
    let looked: Vec<u64> = (1..=40)
        .filter(|&batch| locality::will_look(batch, 2))
        .collect();
    assert_eq!(looked, [1, 17, 33]);
    assert!(!locality::will_look(1, 1), "one lane has none before it");
}
