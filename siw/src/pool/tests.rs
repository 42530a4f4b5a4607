//! The pool against [`execute`], and what it promises about streams that go wrong.
//!
//! Chunks of a test stop their stream at gates, so that what is asserted happened and does not merely
//! happen soon enough.

use super::*;
use crate::execute::{Flow, Message, ResultRow, execute};
use crate::tests::random;
use crate::{
    Comparison, Constant, CoordinationOp, DenseOp, Destination, Fold, K, LaneSpec, M, Operand, P,
    R, Ranking, Row, SparseOp, Stream, StreamBuilder, TallyKey, Word,
};
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, LazyLock};
use std::task::{Wake, Waker};
use std::time::Duration;

pub(crate) fn at(n: u32) -> Coordinate {
    let components = [
        1,
        1,
        n / 900 + 1,
        1,
        n / 300 % 3 + 1,
        1,
        1,
        n / 10 % 30 + 1,
        n % 10 + 1,
    ];
    Coordinate::new(components).unwrap()
}

pub(crate) const SCROLLS: u32 = 10_000;

/// Scrolls in two parts and in memory.
static PHEXT: LazyLock<Arc<Phext>> = LazyLock::new(|| {
    let path = Path::new("/data");
    let store = Store::open_with(Arc::new(MemoryVfs::new()), path, Options::default()).unwrap();
    for (modulus, is_sealed) in [(2, true), (3, true), (5, false)] {
        let held = (0..SCROLLS).filter(|n| n % modulus == 0 || modulus == 2);
        let put = |n| WriteOp::Put {
            coordinate: at(n),
            text: format!("{n} of {modulus}").into(),
        };
        let batch = WriteBatch {
            phext: "p".to_owned(),
            operations: held.map(put).collect(),
        };
        store.commit(batch).unwrap();
        if is_sealed {
            store.seal().unwrap();
        }
    }
    Arc::clone(store.snapshot().phext("p").unwrap())
});

pub(crate) fn phext() -> Arc<Phext> {
    Arc::clone(&PHEXT)
}

pub(crate) fn pool(workers: usize) -> CorePool {
    CorePool::start(&PoolOptions {
        workers,
        sentrons: 64,
        inline_lanes: Some(0),
        piece_lanes: 64,
    })
    .unwrap()
}

pub(crate) fn work(stream: Stream) -> Work {
    assert_eq!(crate::validate(&stream), Ok(()));
    Work {
        stream: Arc::new(stream),
        phext: phext(),
        tenant: 1,
        limit: None,
        deadline: None,
    }
}

pub(crate) fn begin(lanes: LaneSpec) -> StreamBuilder {
    let mut stream = StreamBuilder::new(2);
    let lanes = stream.constant(Constant::Lanes(lanes));
    let to = P(0);
    stream.each(Word::sparse(SparseOp::Lanes { to, lanes }));
    stream
}

pub(crate) const SEND: CoordinationOp = CoordinationOp::Send {
    to: Destination::Sink,
    from: M(0),
    mask: None,
};

/// Rows of coordinates and lengths; of some only, where a length is asked for.
fn rows(lanes: LaneSpec, longer_than: Option<u64>) -> Stream {
    let mut stream = begin(lanes);
    send_rows(&mut stream, longer_than);
    stream.build()
}

fn send_rows(stream: &mut StreamBuilder, longer_than: Option<u64>) {
    stream.each(Word::dense(DenseOp::Len {
        to: R(0),
        at: P(0),
        mask: None,
    }));
    let row = Row {
        coordinate: Some(P(0)),
        length: Some(R(0)),
        ..Row::default()
    };
    stream.each(Word::coordination(CoordinationOp::Pack { to: M(0), row }));
    let mask = longer_than.map(|bytes| {
        let bytes = stream.constant(Constant::Number(bytes));
        stream.each(Word::dense(DenseOp::Cmp {
            to: K(0),
            comparison: Comparison::Gt,
            left: R(0),
            right: Operand::Constant(bytes),
        }));
        K(0)
    });
    stream.each(Word::coordination(CoordinationOp::Send {
        to: Destination::Sink,
        from: M(0),
        mask,
    }));
}

/// All rows twice, batch by batch: in one go.
fn rows_twice() -> Stream {
    let mut stream = begin(LaneSpec::All);
    send_rows(&mut stream, None);
    stream.each(Word::coordination(SEND));
    stream.build()
}

/// The bytes of all lanes.
fn total(lanes: LaneSpec) -> Stream {
    let mut stream = begin(lanes);
    let zero = stream.constant(Constant::Number(0));
    stream.once(Word::dense(DenseOp::Mov {
        to: R(1),
        from: Operand::Constant(zero),
    }));
    stream.each(Word::dense(DenseOp::Len {
        to: R(0),
        at: P(0),
        mask: None,
    }));
    let fold = Fold::Sum(R(0));
    stream.each(Word::dense(DenseOp::Red {
        accumulator: R(1),
        fold,
        mask: None,
    }));
    stream.last(Word::coordination(CoordinationOp::Reduce {
        accumulator: R(1),
        reduction: fold.reduction(),
    }));
    let row = Row {
        number: Some(R(1)),
        ..Row::default()
    };
    stream.last(Word::coordination(CoordinationOp::Pack { to: M(0), row }));
    stream.last(Word::coordination(SEND));
    stream.build()
}

/// The longest scrolls, or scrolls counted by section.
fn merged(lanes: LaneSpec, is_top: bool) -> Stream {
    let mut stream = begin(lanes);
    let count = stream.constant(Constant::Number(70));
    stream.each(Word::dense(DenseOp::Len {
        to: R(0),
        at: P(0),
        mask: None,
    }));
    stream.each(Word::coordination(match is_top {
        true => CoordinationOp::Top {
            accumulator: M(0),
            ranking: Ranking::Greatest,
            at: P(0),
            by: R(0),
            count,
            mask: None,
        },
        false => CoordinationOp::Tally {
            accumulator: M(0),
            key: TallyKey::Component(7),
            at: P(0),
            value: Some(R(0)),
            mask: None,
        },
    }));
    stream.last(Word::coordination(CoordinationOp::Merge { message: M(0) }));
    stream.last(Word::coordination(SEND));
    stream.build()
}

pub(crate) fn executed(work: &Work) -> Vec<Message> {
    let mut rows = Vec::new();
    let mut sink = |row: &ResultRow<'_>| {
        rows.push(Message::of(row));
        let is_enough = work.limit == Some(rows.len() as u64);
        Ok(if is_enough {
            Flow::Stop
        } else {
            Flow::Continue
        })
    };
    if work.limit != Some(0) {
        let mut writes = Collected::default();
        execute(&work.stream, &work.phext, &mut sink, &mut writes).unwrap();
    }
    rows
}

fn pooled(pool: &CorePool, work: &Work) -> Result<Vec<Message>, PoolError> {
    let mut rows = Vec::new();
    let mut sink = |row: &ResultRow<'_>| {
        rows.push(Message::of(row));
        Ok(Flow::Continue)
    };
    let report = pool.run(work, &mut sink)?;
    assert_eq!(report.rows, rows.len() as u64);
    Ok(rows)
}

fn lanes() -> impl Strategy<Value = LaneSpec> {
    let point = || (0..SCROLLS + 50).prop_map(at);
    let points = proptest::collection::vec(point(), 0..300);
    prop_oneof![
        Just(LaneSpec::All),
        (point(), point()).prop_map(|(from, to)| LaneSpec::Range { from, to }),
        points.clone().prop_map(LaneSpec::Points),
        (point(), point(), points).prop_map(|(from, to, mut points)| {
            points.sort_unstable();
            points.dedup();
            LaneSpec::Union { from, to, points }
        }),
    ]
}

static POOL: LazyLock<CorePool> = LazyLock::new(|| pool(3));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_pool_gives_what_execute_gives(
        lanes in lanes(),
        longer in prop::option::of(0..12u64),
        which in 0..5,
        limit in prop::option::of(0..400u64),
    ) {
        let stream = match which {
            0 => rows_twice(),
            1 => total(lanes),
            2 => merged(lanes, true),
            3 => merged(lanes, false),
            _ => rows(lanes, longer),
        };
        let work = Work { limit, ..work(stream) };
        prop_assert_eq!(pooled(&POOL, &work).unwrap(), executed(&work));
    }

    #[test]
    fn random_streams_too(stream in random::stream(), limit in prop::option::of(0..40u64)) {
        let work = Work { limit, ..work(stream) };
        match pooled(&POOL, &work) {
            Ok(rows) => prop_assert_eq!(rows, executed(&work)),
            Err(error) => prop_assert!(matches!(error, PoolError::Writes), "{error}"),
        }
    }
}

/// Opens once.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap();
        drop(
            self.opened
                .wait_while(is_open, |is_open| !*is_open)
                .unwrap(),
        );
    }
}

/// A chunk that counts its rows and tells a hook of each.
macro_rules! probe {
    ($name:ident, $bytes:expr, $hook:expr) => {
        #[derive(Default)]
        struct $name(Vec<Coordinate>);
        impl $name {
            fn made() -> &'static AtomicU64 {
                static MADE: AtomicU64 = AtomicU64::new(0);
                &MADE
            }
        }
        impl Chunk for $name {
            fn add(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
                self.0.extend(row.coordinate);
                Self::made().fetch_add(1, Ordering::SeqCst);
                let hook: fn() = $hook;
                hook();
                Ok(())
            }
            fn bytes(&self) -> usize {
                self.0.len() * $bytes
            }
            fn rows(&self) -> u64 {
                self.0.len() as u64
            }
            fn truncate(&mut self, rows: u64) {
                self.0.truncate(rows as usize);
            }
        }
    };
}

#[test]
fn a_dropped_stream_ends() {
    static ENTERED: LazyLock<Gate> = LazyLock::new(Gate::default);
    static GATE: LazyLock<Gate> = LazyLock::new(Gate::default);
    probe!(Gated, 1, || {
        ENTERED.open();
        GATE.pass();
    });
    let pool = pool(1);
    let chunks = pool.submit::<Gated>(work(rows_twice()));
    ENTERED.pass();
    drop(chunks);
    GATE.open();
    // The only worker has left the dropped stream once another has ended.
    pooled(&pool, &work(total(LaneSpec::All))).unwrap();
    let made = Gated::made().load(Ordering::SeqCst);
    assert!(
        made <= 2 * crate::BATCH_LANES as u64,
        "{made} rows: no batch was begun after the drop"
    );
}

#[test]
fn a_stream_ends_when_nobody_waits_for_the_answer() {
    static ENTERED: LazyLock<Gate> = LazyLock::new(Gate::default);
    static GATE: LazyLock<Gate> = LazyLock::new(Gate::default);
    probe!(Holding, 1, || {
        ENTERED.open();
        GATE.pass();
    });
    let pool = pool(1);
    let holding = pool.submit::<Holding>(work(rows(LaneSpec::All, None)));
    ENTERED.pass();
    // It waits for the only worker, and the thread for it.
    let cancel = Cancel::default();
    let waiting = work(rows(LaneSpec::All, None));
    let run = || {
        pool.run_until(&waiting, &cancel, &mut |_: &ResultRow<'_>| {
            Ok(Flow::Continue)
        })
    };
    std::thread::scope(|scope| {
        let running = scope.spawn(run);
        while pool.streams() < 2 {
            std::thread::yield_now();
        }
        cancel.cancel();
        assert!(matches!(running.join().unwrap(), Err(PoolError::Cancelled)));
    });
    assert_eq!(pool.streams(), 1);
    assert!(matches!(run(), Err(PoolError::Cancelled)), "none is begun");
    GATE.open();
    drop(holding);
    assert_eq!(pool.streams(), 0);
}

#[test]
fn a_stream_on_this_thread_ends_too() {
    let cancel = Cancel::default();
    let mut taken = 0;
    let mut sink = |_: &ResultRow<'_>| {
        taken += 1;
        cancel.cancel();
        Ok(Flow::Continue)
    };
    let ended = run_here(&work(rows(LaneSpec::All, None)), &cancel, &mut sink, None);
    assert!(matches!(ended, Err(PoolError::Cancelled)), "{ended:?}");
    assert!(taken <= 2 * crate::BATCH_LANES, "{taken} rows");
    let late = Work {
        deadline: Some(Instant::now()),
        ..work(rows(LaneSpec::All, None))
    };
    let mut none = |_: &ResultRow<'_>| Ok(Flow::Continue);
    let ended = run_here(&late, &Cancel::default(), &mut none, None);
    assert!(matches!(ended, Err(PoolError::Deadline)), "{ended:?}");
}

#[test]
fn lanes_and_text_take_time() {
    let check = |threshold: u64, lanes, bytes, expected| {
        let threshold = Threshold::of_lanes(threshold);
        assert_eq!(
            threshold.covers(lanes, bytes),
            expected,
            "{threshold:?} {lanes} {bytes}"
        );
    };
    check(1000, 999, 0, true);
    check(1000, 1000, 0, false);
    check(1000, 0, 1_023_999, true);
    check(1000, 500, 511_999, true);
    check(1000, 500, 512_000, false);
    check(0, 0, 0, false);
    check(u64::MAX, 1 << 40, 1 << 60, true);
    // A limit says nothing of the lanes of what is gathered from all.
    let limited = |stream| Work {
        limit: Some(1),
        ..work(stream)
    };
    let enough = 5000;
    let lanes = |stream| limited(stream).estimate(enough).unwrap();
    assert_eq!(lanes(rows(LaneSpec::All, None)), 1);
    assert_eq!(lanes(rows(LaneSpec::All, Some(3))), enough);
    assert_eq!(lanes(total(LaneSpec::All)), enough);
}

#[test]
fn a_stream_past_its_deadline_ends() {
    let pool = pool(1);
    let late = Work {
        deadline: Some(Instant::now()),
        ..work(total(LaneSpec::All))
    };
    assert!(matches!(pooled(&pool, &late), Err(PoolError::Deadline)));
    // Under way: the sink takes until the deadline is past.
    static DEADLINE: Mutex<Option<Instant>> = Mutex::new(None);
    probe!(
        Slow,
        1,
        || while Some(Instant::now()) < *DEADLINE.lock().unwrap() {
            std::thread::sleep(Duration::from_millis(1));
        }
    );
    let deadline = Some(Instant::now() + Duration::from_millis(30));
    *DEADLINE.lock().unwrap() = deadline;
    let mut chunks = pool.submit::<Slow>(Work {
        deadline,
        ..work(rows_twice())
    });
    assert!(matches!(chunks.next(), Err(PoolError::Deadline)));
    drop(chunks);
    pooled(&pool, &work(total(LaneSpec::All))).unwrap();
    let made = Slow::made().load(Ordering::SeqCst);
    assert!(made <= 2 * crate::BATCH_LANES as u64, "{made} rows");
}

#[test]
fn a_panic_ends_one_stream() {
    probe!(Panicking, 1, || panic!("of the test"));
    let pool = pool(1);
    for _ in 0..3 {
        let mut chunks = pool.submit::<Panicking>(work(rows(LaneSpec::All, None)));
        let ended = chunks.next().map(drop);
        assert!(
            matches!(&ended, Err(PoolError::Panicked(text)) if text == "of the test"),
            "{ended:?}"
        );
    }
    let work = work(rows(LaneSpec::All, None));
    assert_eq!(pooled(&pool, &work).unwrap(), executed(&work));
}

#[test]
fn tenants_take_turns() {
    static ENTERED: LazyLock<Gate> = LazyLock::new(Gate::default);
    static GATE: LazyLock<Gate> = LazyLock::new(Gate::default);
    probe!(First, 1, || {
        ENTERED.open();
        GATE.pass();
    });
    probe!(Many, 1, || ());
    // How far the many were when the few had their last row.
    static MANY: AtomicU64 = AtomicU64::new(0);
    probe!(Few, 1, || MANY
        .store(Many::made().load(Ordering::SeqCst), Ordering::SeqCst));
    let pool = pool(1);
    let of_tenant = |tenant, lanes| Work {
        tenant,
        ..work(rows(lanes, None))
    };
    // While this holds the only worker, the others queue.
    let point = LaneSpec::Points(vec![at(0)]);
    let first = pool.submit::<First>(of_tenant(0, point));
    ENTERED.pass();
    let many: Vec<_> = (0..8)
        .map(|_| pool.submit::<Many>(of_tenant(1, LaneSpec::All)))
        .collect();
    let lanes = LaneSpec::Range {
        from: at(0),
        to: at(640),
    };
    let mut few = pool.submit::<Few>(of_tenant(2, lanes));
    GATE.open();
    while few.next().unwrap().is_some() {}
    // One thing of the many for each thing of the few.
    let made_few = Few::made().load(Ordering::SeqCst);
    assert_eq!(made_few, 641);
    let made = MANY.load(Ordering::SeqCst);
    drop((first, many));
    assert!(
        made <= 2 * made_few,
        "{made} rows of the one tenant while the other had {made_few}"
    );
}

#[test]
fn a_slow_client_stops_its_stream_and_not_the_pool() {
    probe!(Large, 1 << 20, || ());
    let pool = pool(1);
    let mut chunks = pool.submit::<Large>(work(rows(LaneSpec::All, None)));
    // Nobody takes anything, and another stream goes through all the same.
    pooled(&pool, &work(total(LaneSpec::All))).unwrap();
    let first = chunks.next().unwrap().unwrap();
    let made = Large::made().load(Ordering::SeqCst);
    assert!(made < 30, "{made} chunks of a mebibyte wait");
    let mut all = first.0;
    while let Some(chunk) = chunks.next().unwrap() {
        all.extend(chunk.0);
    }
    let expected: Vec<_> = (0..SCROLLS).map(at).collect();
    assert!(all == expected, "all rows came, in order");
}

#[test]
fn a_limit_stops_further_pieces() {
    probe!(Counted, 1, || ());
    let pool = pool(2);
    let mut chunks = pool.submit::<Counted>(Work {
        limit: Some(70),
        ..work(rows(LaneSpec::All, None))
    });
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next().unwrap() {
        all.extend(chunk.0);
    }
    assert_eq!(all, (0..70).map(at).collect::<Vec<_>>());
    drop(chunks);
    drop(pool);
    let made = Counted::made().load(Ordering::SeqCst);
    assert!(made < 1000, "{made} rows were made for 70");
}

#[test]
fn a_pool_that_stops_ends_its_streams() {
    static ENTERED: LazyLock<Gate> = LazyLock::new(Gate::default);
    static GATE: LazyLock<Gate> = LazyLock::new(Gate::default);
    probe!(Held, 1, || {
        ENTERED.open();
        GATE.pass();
    });
    let pool = pool(1);
    let running = pool.submit::<Held>(work(rows(LaneSpec::All, None)));
    ENTERED.pass();
    let mut waiting = pool.submit::<Rows>(work(total(LaneSpec::All)));
    let stopping = std::thread::spawn(move || drop(pool));
    assert!(matches!(waiting.next(), Err(PoolError::Stopped)));
    GATE.open();
    stopping.join().unwrap();
    drop(running);
}

#[test]
fn a_future_is_woken() {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut chunks = POOL.submit::<Rows>(work(rows(LaneSpec::All, None)));
    let mut rows = 0;
    loop {
        match chunks.poll_next(&mut Context::from_waker(&waker)) {
            Poll::Pending => std::thread::park(),
            Poll::Ready(Ok(Some(chunk))) => rows += chunk.rows(),
            Poll::Ready(ended) => break assert!(ended.unwrap().is_none()),
        }
    }
    assert_eq!(rows, u64::from(SCROLLS));
}

#[test]
fn the_threshold_is_measured() {
    let pool = CorePool::start(&PoolOptions::default()).unwrap();
    let threshold = pool.threshold();
    assert!((256..=4096).contains(&threshold.lanes()));
    assert!((65_536..=1_048_576).contains(&threshold.bytes()));
    assert!(pool.workers() > 0);
    let short = work(rows(LaneSpec::Points(vec![at(3)]), None));
    assert!(pool.is_short(&short).unwrap(), "a point is read here");
    assert_eq!(pooled(&pool, &short).unwrap(), executed(&short));
}
