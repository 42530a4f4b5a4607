//! From which length on a stream is worth a hand-off.

use super::{CorePool, Rows, Work};
use crate::execute::{Collected, Flow, ResultRow, execute};
use crate::{
    Constant, DenseOp, Extent, LaneSpec, Operand, P, R, SparseOp, Stream, StreamBuilder, T, Word,
};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often each cost is measured; the least counts, as everything else is somebody else's work.
const ROUNDS: usize = 15;
const LANES: u64 = 1024;

/// Hand-offs that a stream should be worth: rows are copied there, and the other cores have other work.
const WORTH: f64 = 2.0;

/// What is measured may be off on a busy machine, but not beyond this.
const BOUNDS: std::ops::RangeInclusive<f64> = 256.0..=16_384.0;

/// Lanes that take as long as a hand-off.
pub(super) fn measure(pool: &CorePool) -> u64 {
    let phext = Arc::new(Phext::empty().clone());
    let nothing = Arc::new(Stream::default());
    let handing = least(|| {
        let mut chunks = pool.submit::<Rows>(Work {
            stream: Arc::clone(&nothing),
            phext: Arc::clone(&phext),
            tenant: 0,
            limit: None,
            deadline: None,
        });
        while let Ok(Some(_)) = chunks.next() {}
    });
    let lanes = some_lanes();
    let running = least(|| {
        let mut sink = |_: &ResultRow<'_>| Ok(Flow::Continue);
        // An empty phext has no damage, and the stream sends no row.
        let _ = execute(&lanes, &phext, &mut sink, &mut Collected::default());
    });
    let lane = running.as_secs_f64() / LANES as f64;
    let lanes = WORTH * handing.as_secs_f64() / lane.max(1e-10);
    lanes.clamp(*BOUNDS.start(), *BOUNDS.end()) as u64
}

fn least(mut run: impl FnMut()) -> Duration {
    let mut once = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..ROUNDS).map(|_| once()).min().unwrap_or_default()
}

/// A stream that looks for scrolls and gathers them.
fn some_lanes() -> Stream {
    let points = (1..=LANES as u32)
        .filter_map(|scroll| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).ok())
        .collect();
    let mut stream = StreamBuilder::new(2);
    let lanes = stream.constant(Constant::Lanes(LaneSpec::Points(points)));
    let one = stream.constant(Constant::Number(1));
    stream.each(Word::sparse(SparseOp::Lanes { to: P(0), lanes }));
    stream.each(Word::sparse(SparseOp::Gather {
        to: T(0),
        extent: Extent::Whole,
        at: P(0),
        mask: None,
    }));
    stream.each(Word::dense(DenseOp::Len {
        to: R(0),
        at: P(0),
        mask: None,
    }));
    stream.each(Word::dense(DenseOp::Add {
        to: R(1),
        kind: crate::NumberKind::U64,
        left: R(0),
        right: Operand::Constant(one),
    }));
    stream.build()
}
