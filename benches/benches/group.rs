//! What sentrons of a group pay for meeting, beside threads that meet at a barrier.
//!
//! | group | what |
//! |---|---|
//! | all-reduce | a number in each of 36 sentrons becomes the greatest in all, through neighbours and in one place |
//! | CREDUCE | the same in a stream, of 36 sentrons on the workers of a pool |
//! | CBAR | a barrier of these |
//! | threads | as many threads at a `std::sync::Barrier`, and two threads, one a core; a reduction is an atomic maximum and two barriers |
//!
//! 36 sentrons are on as many cores as there are, which is fewer: what is compared is what a meeting costs,
//! not how fast messages are.

use criterion::{Criterion, criterion_group, criterion_main};
use phext_siw::execute::{Flow, ResultRow};
use phext_siw::group::{
    CognitiveSliceRequest, SentronGroup, TopologyType, WorkloadType, all_reduce,
};
use phext_siw::pool::{CorePool, PoolOptions, Work};
use phext_siw::{
    Constant, CoordinationOp, DenseOp, Destination, M, Operand, R, Reduction, Row, Stream,
    StreamBuilder, Word,
};
use phext_storage::Phext;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Sentrons of a group, and threads beside it.
const SENTRONS: usize = 36;
/// Meetings in one stream: what the rest of it takes is subtracted.
const MEETINGS: usize = 512;

const TOPOLOGIES: [(&str, TopologyType); 3] = [
    ("torus 6x3x2", TopologyType::TORUS_6X3X2),
    ("mesh 4x3x3", TopologyType::MESH_4X3X3),
    ("ring 12x3", TopologyType::RING_12X3),
];

fn in_memory(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("all-reduce");
    let numbers: Vec<u64> = (0..SENTRONS as u64).map(|n| n * 7919 % 1009).collect();
    for (name, topology) in TOPOLOGIES {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut numbers = numbers.clone();
                all_reduce(topology, Reduction::Max, &mut numbers);
                numbers
            });
        });
    }
    group.bench_function("in one place", |bencher| {
        bencher.iter(|| {
            let greatest = black_box(&numbers).iter().max().copied().unwrap_or(0);
            vec![greatest; SENTRONS]
        });
    });
    group.finish();
}

/// A stream that meets so often, and gives a row.
fn meeting(at: CoordinationOp, times: usize) -> Stream {
    let mut stream = StreamBuilder::new(2);
    let seven = stream.constant(Constant::Number(7));
    stream.last(Word::dense(DenseOp::Mov {
        to: R(0),
        from: Operand::Constant(seven),
    }));
    for _ in 0..times {
        stream.last(Word::coordination(at));
    }
    let row = Row {
        number: Some(R(0)),
        ..Row::default()
    };
    stream.last(Word::coordination(CoordinationOp::Pack { to: M(0), row }));
    stream.last(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from: M(0),
        mask: None,
    }));
    let stream = stream.build();
    phext_siw::validate(&stream).expect("a stream of meetings is valid");
    stream
}

fn work(stream: Stream) -> Work {
    Work {
        stream: Arc::new(stream),
        phext: Arc::new(Phext::empty().clone()),
        tenant: 0,
        limit: None,
        deadline: None,
    }
}

fn run(group: &SentronGroup, pool: &CorePool, work: &Work) -> Duration {
    let start = Instant::now();
    let mut sink = |_: &ResultRow<'_>| Ok(Flow::Continue);
    let ran = group.run(pool, work.clone(), &mut sink);
    ran.expect("nothing of it can fail");
    start.elapsed()
}

fn in_streams(criterion: &mut Criterion) {
    let pool = CorePool::start(&PoolOptions::default()).expect("there are threads");
    let reduce = CoordinationOp::Reduce {
        accumulator: R(0),
        reduction: Reduction::Max,
    };
    let without = work(meeting(CoordinationOp::Bar, 0));
    for (title, at) in [("CREDUCE", reduce), ("CBAR", CoordinationOp::Bar)] {
        let with = work(meeting(at, MEETINGS));
        let mut group = criterion.benchmark_group(title);
        for (name, topology) in TOPOLOGIES {
            let slice = pool.allocate(CognitiveSliceRequest {
                workload_type: WorkloadType::GraphNeural {
                    nodes: SENTRONS,
                    edges: 3 * SENTRONS,
                },
                required_sentrons: SENTRONS,
                topology,
                dimensional_allocation: [1; 11],
            });
            let slice = slice.expect("the pool has as many sentrons");
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|times| {
                    let once = || {
                        let rest = run(&slice, &pool, &without);
                        run(&slice, &pool, &with).saturating_sub(rest)
                    };
                    (0..times).map(|_| once()).sum::<Duration>() / MEETINGS as u32
                });
            });
        }
        group.finish();
    }
}

/// How long so many threads take for so many rounds, begun together.
fn threads(count: usize, rounds: u64, round: impl Fn(&Barrier, u64) + Sync) -> Duration {
    let barrier = Barrier::new(count);
    let time = |index| {
        barrier.wait();
        let start = Instant::now();
        for _ in 0..rounds {
            round(&barrier, index);
        }
        start.elapsed()
    };
    std::thread::scope(|scope| {
        let time = &time;
        let running: Vec<_> = (0..count)
            .map(|index| scope.spawn(move || time(index as u64)))
            .collect();
        let times = running.into_iter().map(|thread| thread.join());
        let times = times.map(|time| time.expect("no thread panics"));
        times.max().unwrap_or_default()
    })
}

fn on_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("threads");
    for count in [2, SENTRONS] {
        group.bench_function(format!("barrier of {count}"), |bencher| {
            bencher.iter_custom(|rounds| {
                threads(count, rounds, |barrier, _| {
                    barrier.wait();
                })
            });
        });
        group.bench_function(format!("reduction of {count}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let greatest = AtomicU64::new(0);
                threads(count, rounds, |barrier, number| {
                    greatest.fetch_max(number, Ordering::AcqRel);
                    barrier.wait();
                    black_box(greatest.load(Ordering::Acquire));
                    barrier.wait();
                })
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = in_memory, in_streams, on_threads
}
criterion_main!(benches);
