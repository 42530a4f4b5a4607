//! What streams and threads add to the counts.

use crate::execute::{Collected, Flow, Report, ResultRow, execute};
use crate::telemetry::counters::{add, count};
use crate::telemetry::watch::SAMPLED;
use crate::telemetry::{Totals, barrier, locality, sent, totals};
use crate::{
    Constant, CoordinationOp, Destination, Extent, LaneSpec, M, P, Row, SparseOp, Stream,
    StreamBuilder, T, Word,
};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Constraint, Region};
use std::sync::atomic::Ordering;
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
            work();
            own()
        });
        worker.join().unwrap()
    })
}

/// The counts of the calling thread.
fn own() -> Totals {
    count(|block| Totals {
        runs: block.runs.load(Ordering::Relaxed),
        batches: block.batches.load(Ordering::Relaxed),
        lanes: block.lanes.load(Ordering::Relaxed),
        ops: block.ops.load(Ordering::Relaxed),
        rows: block.rows.load(Ordering::Relaxed),
        busy_ns: block.busy_ns.load(Ordering::Relaxed),
        timed_ops: block.timed_ops.load(Ordering::Relaxed),
        dimensions: block
            .dimensions
            .each_ref()
            .map(|d| d.load(Ordering::Relaxed)),
        ..Totals::default()
    })
    .unwrap()
}

#[test]
fn a_stream_counts_what_its_report_says() {
    let counted = counted_by(|| {
        let report = run(&gathering(points(2000)));
        assert_eq!((report.batches, report.lanes, report.rows), (2, 2000, 2000));
        assert_eq!(report.ops, own().ops);
    });
    assert_eq!((counted.runs, counted.batches), (1, 2));
    assert_eq!((counted.lanes, counted.rows), (2000, 2000));
    assert_eq!(
        counted.timed_ops, counted.ops,
        "a stream over many points is timed"
    );
    assert!(counted.busy_ns > 0);
}

#[test]
fn one_of_many_brief_streams_is_timed_and_stands_for_the_others() {
    let brief = gathering(points(1));
    let ops = run(&brief).ops;
    let counted = counted_by(|| {
        for _ in 0..SAMPLED {
            run(&brief);
        }
    });
    assert_eq!(counted.ops, SAMPLED * ops);
    assert_eq!(counted.timed_ops, SAMPLED * ops);
    assert!(counted.busy_ns > 0);
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
        count(|block| add(&block.rows, 5));
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
