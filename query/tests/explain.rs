//! What explanations say is what was done: alone in its process, because it holds the counts of the
//! process against them.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use bytes::Bytes;
use phext_query::explain::{StreamExplanation, explain_with};
use phext_query::{
    Cancel, Explanation, Fields, Filter, Flow, OptimizationTier, Order, OrderKey, Output, Part,
    Pooled, Query, ResultRow, Target, explain, run,
};
use phext_siw::cc::CostModel;
use phext_siw::telemetry;
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn point(n: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, 1, n / 100 + 1, n % 100 + 1]).unwrap()
}

/// 5,000 scrolls of different lengths in a part.
fn phext() -> Arc<Phext> {
    let options = Options {
        background: false,
        ..Options::default()
    };
    let vfs = Arc::new(MemoryVfs::default());
    let store = Store::open_with(vfs, Path::new("/data"), options).unwrap();
    let put = |n| WriteOp::Put {
        coordinate: point(n),
        text: Bytes::from("x".repeat(n as usize * 7 % 300)),
    };
    let batch = WriteBatch {
        phext: String::new(),
        operations: (0..5000).map(put).collect(),
    };
    store.commit(batch).unwrap();
    store.seal().unwrap();
    store.snapshot().phext("").unwrap().clone()
}

fn queries() -> Vec<Query> {
    let range = Target::Range {
        from: point(10),
        to: point(4000),
    };
    let long = Query {
        filters: vec![Filter::Length(200..=u64::MAX), Filter::contains("xxx")],
        ..Query::rows(range, Fields::TEXT)
    };
    vec![
        Query::point(point(3)),
        Query::rows(Target::Points((0..2000).map(point).collect()), Fields::TEXT),
        long.clone(),
        Query {
            limit: Some(7),
            ..long.clone()
        },
        Query {
            output: Output::Count,
            ..long.clone()
        },
        Query {
            order: Some(Order {
                key: OrderKey::Length,
                descending: true,
            }),
            limit: Some(10),
            ..long
        },
    ]
}

/// What is told of a stream agrees with itself.
fn check_stream(stream: &StreamExplanation) {
    let timings = stream.timings.as_ref().unwrap();
    let operations = timings.operations();
    let ops: u64 = operations.iter().map(|kind| kind.ops).sum();
    assert_eq!(ops, stream.report.ops);
    let of_operations: Duration = operations.iter().map(|kind| kind.time).sum();
    let parts: Duration = Part::ALL.map(|part| timings.part_time(part)).iter().sum();
    // What asking for the time takes is known only as far as it is the same each time.
    let about = timings.overhead();
    assert!(of_operations <= parts + about, "{timings:?}");
    assert!(parts <= stream.running + about, "{stream:?}");
    let text = stream.text();
    for kind in operations {
        assert!(text.contains(&kind.name), "{} is not in\n{text}", kind.name);
    }
    let lanes = |kind: &&phext_query::OperationTime| kind.name.starts_with("SLANES");
    let lanes = operations.iter().find(lanes).unwrap();
    assert_eq!(
        (lanes.lanes, lanes.runs),
        (stream.report.lanes, stream.report.batches)
    );
}

/// A server explains what it answers: both are done alike.
fn check_on_a_server(query: &Query, phext: &Arc<Phext>) {
    let mut rows = |_: &ResultRow<'_>| Ok(Flow::Continue);
    let cancel = Cancel::default();
    let mut pooled = Pooled {
        pool: None,
        phext: Arc::clone(phext),
        tenant: 0,
        deadline: None,
        cancel: &cancel,
    };
    let report = run(query, phext, &mut rows).unwrap();
    let explanation = explain_with(&mut pooled, query, phext, &mut rows).unwrap();
    assert_eq!(explanation.report, report, "{query:?}");
}

#[test]
fn parts_add_up_and_operations_are_those_that_were_counted() {
    // Calibration runs streams too.
    CostModel::of_process();
    let phext = phext();
    let mut rows = |_: &ResultRow<'_>| Ok(Flow::Continue);
    for query in queries() {
        for tier in 0..4 {
            let query = Query {
                tier: OptimizationTier::of_number(tier).unwrap(),
                ..query.clone()
            };
            check_on_a_server(&query, &phext);
            let before = telemetry::totals();
            let report = run(&query, &phext, &mut rows).unwrap();
            let ran = telemetry::totals();
            let start = Instant::now();
            let explanation = explain(&query, &phext, &mut rows).unwrap();
            let took = start.elapsed();
            let explained = telemetry::totals().since(&ran);
            let ran = ran.since(&before);
            assert_eq!(explanation.report, report, "it is run as ever: {query:?}");
            let Explanation { streams, .. } = &explanation;
            let ops = |count: fn(&StreamExplanation) -> u64| streams.iter().map(count).sum::<u64>();
            assert_eq!(ops(|stream| stream.report.ops), ran.ops);
            assert_eq!((explained.runs, explained.ops), (ran.runs, ran.ops));
            assert_eq!(explained.bytes_gathered, ran.bytes_gathered);
            streams.iter().for_each(check_stream);
            let running: Duration = streams.iter().map(|stream| stream.running).sum();
            assert!(running <= took);
            let Explanation {
                planning,
                compiling,
                running,
                ..
            } = explanation;
            assert!(planning + compiling + running <= took, "{explanation:?}");
        }
    }
}
