//! What the executor of streams adds to the page table, and to loops written by hand.
//!
//! | group | the executor | beside it |
//! |---|---|---|
//! | point | a point read, as a stream that is there and as a query | `Phext::locate` and the text |
//! | batch get | 1,000 points at random, as a stream and through `workloads::lookup` | `Phext::locate_batch` and the texts |
//! | scan-filter | scrolls longer than a bound in a phext of 100,000 | a loop over the lanes |

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use phext_benches::dataset::{Dataset, point};
use phext_query::workloads::lookup;
use phext_query::{Query, Target};
use phext_siw::execute::{Collected, Flow, ResultRow, execute};
use phext_siw::{
    Comparison, Constant, CoordinationOp, DenseOp, Destination, Fold, K, LaneSpec, M, Operand, P,
    R, Row, SparseOp, Stream, StreamBuilder, Word,
};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::hint::black_box;

const SCROLLS: u32 = 100_000;
const BATCH: usize = 1_000;

fn run(stream: &Stream, phext: &Phext, tell: &mut dyn FnMut(&ResultRow<'_>)) {
    let mut sink = |row: &ResultRow<'_>| {
        tell(row);
        Ok(Flow::Continue)
    };
    execute(stream, phext, &mut sink, &mut Collected::default()).expect("the store is whole");
}

fn texts_of(points: Vec<Coordinate>) -> Stream {
    let query = Query {
        target: Target::Points(points),
        ..Query::point(Coordinate::ORIGIN)
    };
    let plan = phext_query::Plan::new(&query).expect("texts of points go together");
    plan.stream().clone()
}

fn some_points(random: &mut StdRng, count: usize) -> Vec<Coordinate> {
    let mut points: Vec<_> = (0..count)
        .map(|_| point(random.random_range(0..SCROLLS)))
        .collect();
    points.sort_unstable();
    points.dedup();
    points
}

fn points(criterion: &mut Criterion) {
    let data = Dataset::small(SCROLLS);
    let mut random = StdRng::seed_from_u64(1);
    let streams: Vec<_> = (0..BATCH)
        .map(|_| texts_of(some_points(&mut random, 1)))
        .collect();
    let coordinates: Vec<_> = (0..BATCH)
        .flat_map(|_| some_points(&mut random, 1))
        .collect();
    let mut group = criterion.benchmark_group("point");
    let mut turn = (0..BATCH).cycle();
    group.bench_function("executor", |bencher| {
        bencher.iter(|| {
            let stream = &streams[turn.next().expect("it is endless")];
            run(stream, &data.phext, &mut |row| {
                black_box(row.text);
            });
        });
    });
    let mut turn = coordinates.iter().cycle();
    group.bench_function("query", |bencher| {
        bencher.iter(|| {
            let query = Query::point(*turn.next().expect("it is endless"));
            let mut sink = |row: &ResultRow<'_>| {
                black_box(row.text);
                Ok(Flow::Continue)
            };
            phext_query::run(&query, &data.phext, &mut sink).expect("the store is whole");
        });
    });
    let mut turn = coordinates.iter().cycle();
    group.bench_function("page table", |bencher| {
        bencher.iter(|| {
            let coordinate = turn.next().expect("it is endless");
            let location = data.phext.locate(coordinate).expect("the store is whole");
            black_box(location.text().expect("the store is whole"));
        });
    });
}

fn batch_get(criterion: &mut Criterion) {
    let data = Dataset::small(SCROLLS);
    let mut random = StdRng::seed_from_u64(2);
    let batches: Vec<_> = (0..50).map(|_| some_points(&mut random, BATCH)).collect();
    let streams: Vec<_> = batches.iter().cloned().map(texts_of).collect();
    let mut group = criterion.benchmark_group("batch get");
    let mut turn = streams.iter().cycle();
    group.bench_function("executor", |bencher| {
        bencher.iter_batched(
            || turn.next().expect("it is endless"),
            |stream| {
                run(stream, &data.phext, &mut |row| {
                    black_box(row.text);
                });
            },
            BatchSize::SmallInput,
        );
    });
    let mut turn = batches.iter().cycle();
    group.bench_function("lookup", |bencher| {
        bencher.iter_batched(
            || turn.next().expect("it is endless"),
            |batch| {
                let mut sink = |row: &ResultRow<'_>| {
                    black_box(row.text);
                    Ok(Flow::Continue)
                };
                lookup(&data.phext, batch, &mut sink).expect("the store is whole");
            },
            BatchSize::SmallInput,
        );
    });
    let mut turn = batches.iter().cycle();
    let mut locations = Vec::new();
    group.bench_function("page table", |bencher| {
        bencher.iter_batched(
            || turn.next().expect("it is endless"),
            |batch| {
                locations.clear();
                let located = data.phext.locate_batch(batch, &mut locations);
                located.expect("the store is whole");
                for location in &locations {
                    black_box(location.text().expect("the store is whole"));
                }
            },
            BatchSize::SmallInput,
        );
    });
}

/// How many scrolls are longer than 150 bytes, and the coordinates of those longer than 290.
fn longer() -> Stream {
    let mut stream = StreamBuilder::new(3);
    let zero = stream.constant(Constant::Number(0));
    let all = stream.constant(Constant::Lanes(LaneSpec::All));
    let bounds = [150, 290].map(|bound| stream.constant(Constant::Number(bound)));
    let (at, length, mask) = (P(0), R(1), Some(K(0)));
    let longer = |to, bound| DenseOp::Cmp {
        to,
        comparison: Comparison::Gt,
        left: length,
        right: Operand::Constant(bound),
    };
    stream.once(Word::dense(DenseOp::Mov {
        to: R(0),
        from: Operand::Constant(zero),
    }));
    stream.each(Word::sparse(SparseOp::Lanes { to: at, lanes: all }));
    stream.each(Word::dense(DenseOp::Len {
        to: length,
        at,
        mask: None,
    }));
    stream.each(Word::dense(longer(K(0), bounds[0])));
    let row = Row {
        coordinate: Some(at),
        length: Some(length),
        ..Row::default()
    };
    stream.each(
        Word::dense(DenseOp::Red {
            accumulator: R(0),
            fold: Fold::Count,
            mask,
        })
        .with_coordination(CoordinationOp::Pack { to: M(0), row }),
    );
    stream.each(Word::dense(longer(K(1), bounds[1])));
    stream.each(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from: M(0),
        mask: Some(K(1)),
    }));
    let row = Row {
        number: Some(R(0)),
        ..Row::default()
    };
    stream.last(Word::coordination(CoordinationOp::Pack { to: M(1), row }));
    stream.last(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from: M(1),
        mask: None,
    }));
    stream.build()
}

fn scan_filter(criterion: &mut Criterion) {
    let data = Dataset::small(SCROLLS);
    let stream = longer();
    let mut group = criterion.benchmark_group("scan-filter");
    group.bench_function("executor", |bencher| {
        bencher.iter(|| {
            run(&stream, &data.phext, &mut |row| {
                black_box((row.coordinate, row.length, row.number));
            });
        });
    });
    let mut lanes = Vec::with_capacity(1_024);
    group.bench_function("loop", |bencher| {
        bencher.iter(|| {
            let mut cursor = data
                .phext
                .lanes(&LaneSpec::All)
                .expect("the store is whole");
            let mut count = 0;
            loop {
                lanes.clear();
                cursor
                    .next_batch(&mut lanes, 1_024)
                    .expect("the store is whole");
                if lanes.is_empty() {
                    break;
                }
                for lane in &lanes {
                    let length = lane.location.text_len().expect("the store is whole");
                    count += u64::from(length > 150);
                    if length > 290 {
                        black_box((lane.coordinate, length));
                    }
                }
            }
            black_box(count);
        });
    });
}

criterion_group!(benches, points, batch_get, scan_filter);
criterion_main!(benches);
