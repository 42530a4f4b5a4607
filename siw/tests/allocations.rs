//! In steady state a batch allocates nothing: the registers of the streams before serve it.

use bytes::Bytes;
use phext_siw::assemble::assemble;
use phext_siw::execute::{Collected, Flow, ResultRow, execute};
use phext_siw::{
    Comparison, Constant, CoordinationOp, DenseOp, Destination, Extent, Fold, K, LaneSpec, Level,
    M, NumberKind, Operand, P, R, Row, SparseOp, Stream, StreamBuilder, T, TextMatch, TextOperand,
    Word,
};
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count a thread.
struct Counting;

#[expect(unsafe_code, reason = "the trait is unsafe; see docs/UNSAFE.md")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: what the caller promises is what the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn point(n: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, 1, n / 1000 + 1, n % 1000 + 1])
        .expect("components are from 1")
}

/// 20,000 scrolls in a part.
fn phext() -> Arc<Phext> {
    let options = Options {
        background: false,
        ..Options::default()
    };
    let vfs = Arc::new(MemoryVfs::default());
    let store = Store::open_with(vfs, Path::new("/data"), options).expect("memory is empty");
    let put = |n| WriteOp::Put {
        coordinate: point(n),
        text: Bytes::from("x".repeat(n as usize % 300)),
    };
    let batch = WriteBatch {
        phext: String::new(),
        operations: (0..20_000).map(put).collect(),
    };
    store.commit(batch).expect("memory takes it");
    store.seal().expect("memory takes it");
    store.snapshot().phext("").expect("it was written").clone()
}

/// Sends the texts longer than 100 bytes, with numbers; with `vectors`, looks for a pattern in them and
/// binds them to themselves too.
fn stream(tier: u8, lanes: LaneSpec, vectors: bool) -> Stream {
    let mut stream = StreamBuilder::new(tier);
    let hundred = stream.constant(Constant::Number(100));
    let lanes = stream.constant(Constant::Lanes(lanes));
    let (at, from, mask) = (P(0), M(0), Some(K(0)));
    for to in [R(0), R(3)] {
        let from = Operand::Constant(hundred);
        stream.once(Word::dense(DenseOp::Mov { to, from }));
    }
    stream.each(Word::sparse(SparseOp::Lanes { to: at, lanes }));
    stream.each(
        Word::dense(DenseOp::Len {
            to: R(1),
            at,
            mask: None,
        })
        .with_sparse(SparseOp::Prefch {
            at,
            level: Level::Text,
        }),
    );
    stream.each(
        Word::dense(DenseOp::Cmp {
            to: K(0),
            comparison: Comparison::Gt,
            left: R(1),
            right: Operand::Register(R(0)),
        })
        .with_sparse(SparseOp::Index {
            to: R(2),
            dimension: 8,
            at,
        }),
    );
    let to = T(0);
    stream.each(
        Word::sparse(SparseOp::Gather {
            to,
            extent: Extent::Whole,
            at,
            mask,
        })
        .with_dense(DenseOp::Add {
            kind: NumberKind::U64,
            to: R(2),
            left: R(2),
            right: Operand::Register(R(1)),
        }),
    );
    if vectors {
        let pattern = stream.constant(Constant::Text("xxx".into()));
        stream.each(Word::dense(DenseOp::Match {
            to: K(1),
            place: TextMatch::Contains,
            text: to,
            pattern,
            mask,
        }));
        stream.each(Word::dense(DenseOp::HdBind {
            to: T(1),
            left: to,
            right: TextOperand::Register(to),
        }));
    }
    let row = Row {
        coordinate: Some(at),
        text: Some(to),
        length: Some(R(1)),
        number: Some(R(2)),
        ..Row::default()
    };
    stream.each(
        Word::coordination(CoordinationOp::Pack { to: from, row }).with_dense(DenseOp::Red {
            accumulator: R(3),
            fold: Fold::Max(R(1)),
            mask,
        }),
    );
    stream.each(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from,
        mask,
    }));
    stream.build()
}

/// Allocations of a run after others of the same stream, and the rows it sent.
fn allocations(stream: &Stream, phext: &Phext) -> (u64, u64) {
    let mut bytes = 0;
    let mut sink = |row: &ResultRow<'_>| {
        bytes += row.text.map_or(0, <[u8]>::len);
        Ok(Flow::Continue)
    };
    let mut run = || {
        execute(stream, phext, &mut sink, &mut Collected::default()).expect("the store is whole")
    };
    run();
    run();
    let before = ALLOCATIONS.get();
    let report = run();
    let allocations = ALLOCATIONS.get() - before;
    (allocations - of_validation(stream), report.rows)
}

/// Debug builds validate every stream that runs.
fn of_validation(stream: &Stream) -> u64 {
    let before = ALLOCATIONS.get();
    if cfg!(debug_assertions) {
        phext_siw::validate(stream).expect("it ran");
    }
    ALLOCATIONS.get() - before
}

#[test]
fn a_batch_allocates_nothing() {
    let phext = phext();
    let first = |n: u32| LaneSpec::Range {
        from: point(0),
        to: point(n - 1),
    };
    for tier in 0..=3 {
        let (few, few_rows) = allocations(&stream(tier, first(2_000), true), &phext);
        let (many, many_rows) = allocations(&stream(tier, first(20_000), true), &phext);
        assert!(
            few_rows > 0 && many_rows > 5 * few_rows,
            "the canary: streams do things"
        );
        assert_eq!(few, many, "tier {tier}");
        assert!(
            many < 10,
            "tier {tier}: a cursor allocates a little, {many} times"
        );
    }
}

/// What the stream above leaves out: regions, hashes, lines, tests, the best rows and tallies.
fn rankings(tier: u8, sections: u32) -> Stream {
    let text = format!(
        "
.tier {tier}
.constant one number 1
.constant fifty number 50
.constant some lanes region 1.1.1/1.1.1/1.1-{sections}.*
.constant inside lanes region *.*.*/*.*.*/*.*.5-900
.once
DMOV r0, one
.each
SASSOC p0, some
DHASH r1, r2, p0 | STEST k0, p0, inside
SGATHER.lines t0, p0, r0, r0 {{k0}}
CTOP.greatest m0, p0, r1, fifty {{k0}}
CTALLY.section m1, p0
CPACK m2, text=t0, number=r1
CSEND.sink m2 {{k0}}
.last
CSEND.sink m0
CSEND.sink m1
"
    );
    assemble(&text).expect("the text is a stream").stream
}

#[test]
fn a_batch_of_a_region_allocates_nothing() {
    let phext = phext();
    for tier in 0..=3 {
        let (few, few_rows) = allocations(&rankings(tier, 2), &phext);
        let (many, many_rows) = allocations(&rankings(tier, 20), &phext);
        assert!(
            few_rows > 1_000 && many_rows > 8 * few_rows,
            "the canary: streams do things"
        );
        assert!(
            many < few + 12,
            "tier {tier}: positions and tallies grow, {few} and {many} times"
        );
    }
}

#[test]
fn points_allocate_nothing_at_all() {
    let phext = phext();
    for count in [1, 5, 5_000] {
        let points = LaneSpec::Points((0..count).map(|n| point(2 * n)).collect());
        for tier in 0..=3 {
            let (allocations, _) = allocations(&stream(tier, points.clone(), false), &phext);
            assert_eq!(allocations, 0, "{count} points, tier {tier}");
        }
    }
}
