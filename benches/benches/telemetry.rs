//! What counting adds to a stream.
//!
//! | stream | what |
//! |---|---|
//! | point | a point read |
//! | batch get | 1,000 points at random |
//!
//! Printed is what counting the same stream once more adds to it: how much longer streams take that
//! are each counted again, beside those that are not. Both run in turns, in many short rounds, whose
//! ratios have a median, a least and a greatest. Beside it is how long counting takes alone, when
//! nothing can go on beside it.

use phext_benches::dataset::{Dataset, point};
use phext_siw::execute::{Collected, Flow, Lanes, Report, ResultRow, execute};
use phext_siw::telemetry::{Watch, look};
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
/// Rounds, each of which gives a ratio.
const ROUNDS: usize = 401;

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

/// What is counted of a stream, as the executor does it: of one over a point, that is known beforehand.
#[inline]
fn count(stream: &Stream, lanes: &Lanes<'_>, report: &Report, told: &Report) {
    let watch = match lanes {
        Lanes::Points([_]) => Watch::start_one(),
        lanes => Watch::start(stream, lanes, || None),
    };
    watch.stop(black_box(report), told);
}

/// Nanoseconds of a call, over so many.
fn nanoseconds(calls: u32, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| work());
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// The least, the median and the greatest.
fn spread(mut numbers: Vec<f64>) -> [f64; 3] {
    numbers.sort_by(f64::total_cmp);
    let last = numbers.len() - 1;
    [numbers[0], numbers[last / 2], numbers[last]]
}

/// Measures a stream, the stream counted once more, and counting alone, in turns.
fn measure(name: &str, calls: u32, stream: &Stream, phext: &Phext) {
    let report = run(stream, phext);
    let told = black_box(Report::default());
    let texts = vec![&b"text"[..]; report.lanes as usize];
    let lanes = Lanes::of_stream(stream, phext).expect("the store is whole");
    let count = || {
        if texts.len() > 1 {
            look(texts.iter().copied());
        }
        count(stream, &lanes, &report, &told);
    };
    let once = || {
        black_box(run(stream, phext));
    };
    let twice = || {
        black_box(run(stream, phext));
        count();
    };
    let (mut streams, mut added, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Whoever is second finds warmer caches, so they swap places.
        let (plain, counted) = if round % 2 == 0 {
            let plain = nanoseconds(calls, once);
            (plain, nanoseconds(calls, twice))
        } else {
            let counted = nanoseconds(calls, twice);
            (nanoseconds(calls, once), counted)
        };
        streams.push(plain);
        // A stream counts itself: without it takes what is left.
        let counting = counted - plain;
        added.push(100.0 * counting / (plain - counting));
        alone.push(100.0 * nanoseconds(calls, count) / plain);
    }
    let [_, stream, _] = spread(streams);
    let [least, median, greatest] = spread(added);
    println!(
        "{name}: {stream:.0} ns; counting adds {median:.2} % (rounds {least:.2} to {greatest:.2})"
    );
    let [least, median, greatest] = spread(alone);
    println!("{name}: counting alone is {median:.2} % (rounds {least:.2} to {greatest:.2})");
}

fn main() {
    let dataset = Dataset::small(SCROLLS);
    measure("point", 5_000, &gets(1), &dataset.phext);
    measure("batch get", 25, &gets(BATCH), &dataset.phext);
}
