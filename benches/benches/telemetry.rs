//! What counting adds to a stream.
//!
//! | group | what |
//! |---|---|
//! | point | a point read, and what is counted of it |
//! | batch get | 1,000 points at random, and what is counted of them |
//!
//! At the end the ratio of both is printed, measured in turns.

use criterion::{Criterion, criterion_group, criterion_main};
use phext_benches::dataset::{Dataset, point};
use phext_siw::execute::{Collected, Flow, Report, ResultRow, execute};
use phext_siw::telemetry::{Watch, count_report, look};
use phext_siw::{
    Constant, CoordinationOp, Destination, Extent, LaneSpec, M, P, Row, SparseOp, Stream,
    StreamBuilder, T, Word,
};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::hint::black_box;
use std::time::Instant;

const SCROLLS: u32 = 100_000;
const BATCH: usize = 1_000;
/// Rounds of the ratio, whose medians are compared.
const ROUNDS: usize = 31;

/// A stream that sends coordinates and texts of points chosen at random.
fn gets(points: usize) -> Stream {
    let mut random = StdRng::seed_from_u64(points as u64);
    let mut points: Vec<Coordinate> = (0..points)
        .map(|_| point(random.random_range(0..SCROLLS)))
        .collect();
    points.sort_unstable();
    points.dedup();
    let mut stream = StreamBuilder::new(2);
    let lanes = stream.constant(Constant::Lanes(LaneSpec::Points(points)));
    stream.each(Word::sparse(SparseOp::Lanes { to: P(0), lanes }));
    stream.each(Word::sparse(SparseOp::Gather {
        to: T(0),
        extent: Extent::Whole,
        at: P(0),
        mask: None,
    }));
    let row = Row {
        coordinate: Some(P(0)),
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

fn run(stream: &Stream, phext: &Phext) -> Report {
    let mut sink = |row: &ResultRow<'_>| {
        black_box(row.text);
        Ok(Flow::Continue)
    };
    execute(stream, phext, &mut sink, &mut Collected::default()).expect("the store is whole")
}

/// Everything that is counted of a stream whose batch gathered these texts.
fn counted(stream: &Stream, report: &Report, texts: &[&[u8]]) {
    let watch = Watch::start(black_box(stream));
    if texts.len() > 1 {
        look(texts.iter().copied());
    }
    watch.stop(black_box(report.ops));
    count_report(black_box(report), &Report::default());
}

/// Nanoseconds of a call, over so many.
fn nanoseconds(calls: u32, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| work());
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Measures a stream and what is counted of it in turns, and prints the ratio.
fn print_ratio(name: &str, calls: u32, mut stream: impl FnMut(), mut counting: impl FnMut()) {
    let (mut streams, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        streams.push(nanoseconds(calls, &mut stream));
        counts.push(nanoseconds(calls, &mut counting));
    }
    let (stream, counting) = (median(streams), median(counts));
    // A stream counts itself, so that without counting it would take the difference.
    let percent = 100.0 * counting / (stream - counting);
    println!("{name}: {stream:.1} ns, of which counting {counting:.1} ns: {percent:.2} % added");
}

fn telemetry(criterion: &mut Criterion) {
    let dataset = Dataset::small(SCROLLS);
    let texts = vec![&b"text"[..]; BATCH];
    for (name, points, calls) in [("point", 1, 20_000), ("batch get", BATCH, 50)] {
        let stream = gets(points);
        let report = run(&stream, &dataset.phext);
        let texts = &texts[..points];
        let mut group = criterion.benchmark_group(name);
        group.bench_function("stream", |b| b.iter(|| run(&stream, &dataset.phext)));
        group.bench_function("counting", |b| b.iter(|| counted(&stream, &report, texts)));
        group.finish();
        let stream_once = || {
            black_box(run(&stream, &dataset.phext));
        };
        print_ratio(name, calls, stream_once, || {
            counted(&stream, &report, texts);
        });
    }
}

criterion_group!(benches, telemetry);
criterion_main!(benches);
