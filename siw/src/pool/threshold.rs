//! From which length on a stream is worth a hand-off.

use super::{CorePool, Rows, Work};
use crate::execute::{Collected, Flow, ResultRow, execute};
use crate::{
    Constant, DenseOp, Extent, LaneSpec, Operand, P, R, SparseOp, Stream, StreamBuilder, T, Word,
};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often each cost is measured; the least counts, as everything else is somebody else's work.
const ROUNDS: usize = 15;
const LANES: u64 = 1024;

/// Hand-offs that a stream should be worth: rows are copied there, and the other cores have other work.
const WORTH: f64 = 2.0;

/// What is measured may be off on a busy machine, but not beyond this. The most is for maps that are
/// not in memory, where a lane may have to wait for the medium.
const LANES_BOUNDS: std::ops::RangeInclusive<f64> = 256.0..=4_096.0;
const BYTES_BOUNDS: std::ops::RangeInclusive<f64> = 65_536.0..=1_048_576.0;

/// Text a lane, where lanes are given and not measured.
const LANE_BYTES: u64 = 1024;

/// Text that is copied to see how long that takes.
const TEXT_BYTES: usize = 64 << 10;

/// From which length on a stream is handed to the workers. What is shorter takes less time than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    lanes: u64,
    bytes: u64,
}

impl Threshold {
    /// So many lanes, of a KiB of text each.
    pub(super) fn of_lanes(lanes: u64) -> Threshold {
        let bytes = lanes.saturating_mul(LANE_BYTES);
        Threshold { lanes, bytes }
    }

    /// Lanes without a text that are too many.
    pub fn lanes(&self) -> u64 {
        self.lanes
    }

    /// Bytes of text that are too many.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a pass over so many lanes, in which so much text is read, is short.
    pub fn covers(&self, lanes: u64, bytes: u64) -> bool {
        // A threshold of nothing covers nothing: 0 / 0 is no number, and not less than 1.
        lanes as f64 / self.lanes as f64 + bytes as f64 / (self.bytes as f64) < 1.0
    }

    /// Whether a stream over about so many lanes of a phext is short, going by the mean length of texts.
    pub fn covers_stream(&self, stream: &Stream, phext: &Phext, lanes: u64) -> bool {
        let mean = phext.text_bytes() / phext.scrolls().max(1);
        let gathers = |word: &Word| matches!(word.sparse, SparseOp::Gather { .. });
        let bytes = match stream.each.iter().any(gathers) {
            true => lanes.saturating_mul(mean),
            false => 0,
        };
        self.covers(lanes, bytes)
    }
}

/// Lanes, and text, that take as long as a hand-off.
pub(super) fn measure(pool: &CorePool) -> Threshold {
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
    let text = vec![b'a'; TEXT_BYTES];
    let mut copy = Vec::with_capacity(TEXT_BYTES);
    let copying = least(|| {
        copy.clear();
        let text = std::str::from_utf8(black_box(&text)).unwrap_or_default();
        copy.extend_from_slice(text.as_bytes());
        black_box(&copy);
    });
    let worth = |time: Duration, of: usize| {
        let each = time.as_secs_f64() / of as f64;
        WORTH * handing.as_secs_f64() / each.max(1e-13)
    };
    let within = |worth: f64, bounds: std::ops::RangeInclusive<f64>| {
        worth.clamp(*bounds.start(), *bounds.end()) as u64
    };
    Threshold {
        lanes: within(worth(running, LANES as usize), LANES_BOUNDS),
        bytes: within(worth(copying, TEXT_BYTES), BYTES_BOUNDS),
    }
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
