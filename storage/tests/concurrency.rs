//! Many threads on one store, with sealing and merging in the background.
//!
//! Every batch writes the same counter to three coordinates of one phext, so a reader that ever sees
//! them differ has seen half a batch. What was acknowledged must be there at the end, and after the
//! store was closed and opened again right away.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::{MemoryVfs, RealVfs, Vfs};
use phext_storage::{Options, Snapshot, Store, WriteBatch};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use support::{at, batch, contents, put, root};

const WRITERS: u32 = 8;
const ROUNDS: u64 = 300;

fn options() -> Options {
    Options {
        memtable_bytes: 20_000,
        log_reserve_bytes: 1 << 16,
        ..Options::default()
    }
}

/// The three coordinates of a writer, far apart.
fn triple(writer: u32) -> [Coordinate; 3] {
    [
        at(1, writer + 1),
        at(2, writer * 100 + 1),
        at(0x7FFF_FFFF, 1 + writer),
    ]
}

fn phext_of(writer: u32) -> &'static str {
    ["", "even"][usize::from(writer.is_multiple_of(2))]
}

/// A writer's batch number `counter`, followed by a scroll of its own to keep.
fn counted(writer: u32, counter: u64) -> WriteBatch {
    let text = format!("{counter:06} {}", "x".repeat(counter as usize % 300));
    let mut operations: Vec<_> = triple(writer).map(|c| put(c, text.clone())).into();
    operations.push(put(at(100 + writer, counter as u32 + 1), text));
    batch(phext_of(writer), operations)
}

/// The counter that all three coordinates of a writer show.
fn counter_of(snapshot: &Snapshot, writer: u32) -> Option<u64> {
    let phext = snapshot.phext(phext_of(writer))?;
    let texts = triple(writer).map(|c| phext.locate(&c).unwrap().text().unwrap().to_vec());
    assert!(
        texts.iter().all(|text| *text == texts[0]),
        "half a batch of writer {writer} is visible"
    );
    std::str::from_utf8(texts[0].get(..6)?)
        .unwrap()
        .parse()
        .ok()
}

fn commit_all(store: &Store, writer: u32) {
    for counter in 1..=ROUNDS {
        store.commit(counted(writer, counter)).unwrap();
        let seen = counter_of(&store.snapshot(), writer);
        assert_eq!(seen, Some(counter), "a writer does not see its own write");
    }
}

/// Submits in bursts and waits for each burst's acknowledgements.
fn submit_all(store: &Store, writer: u32) {
    let (sender, receiver) = mpsc::channel();
    let mut counter = 0;
    while counter < ROUNDS {
        let burst = (counter + 1)..=(counter + 10).min(ROUNDS);
        for number in burst.clone() {
            let sender = sender.clone();
            let answer = Box::new(move |outcome| sender.send((number, outcome)).unwrap());
            if store.submit(counted(writer, number), answer) {
                while store.drive() {}
            }
        }
        for expected in burst {
            let (number, outcome) = receiver.recv().unwrap();
            outcome.unwrap();
            assert_eq!(number, expected, "batches of one writer change their order");
            counter = number;
        }
    }
}

/// Reads until told to stop; counters never go back, and a snapshot never changes.
fn watch(store: &Store, stop: &AtomicBool, reads: &AtomicU64) {
    let mut last = [None; WRITERS as usize];
    while !stop.load(Ordering::Relaxed) {
        let snapshot = store.snapshot();
        let before = contents(&snapshot).unwrap();
        for writer in 0..WRITERS {
            let counter = counter_of(&snapshot, writer);
            assert!(counter >= last[writer as usize], "a counter went back");
            last[writer as usize] = counter;
        }
        thread::yield_now();
        assert_eq!(contents(&snapshot).unwrap(), before, "a snapshot changed");
        reads.fetch_add(1, Ordering::Relaxed);
    }
}

fn check_contents(store: &Store) {
    let snapshot = store.snapshot();
    for writer in 0..WRITERS {
        assert_eq!(counter_of(&snapshot, writer), Some(ROUNDS));
        let phext = snapshot.phext(phext_of(writer)).unwrap();
        for counter in 1..=ROUNDS {
            let kept = phext.locate(&at(100 + writer, counter as u32 + 1)).unwrap();
            let expected = format!("{counter:06} ");
            assert!(kept.text().unwrap().starts_with(expected.as_bytes()));
        }
    }
}

fn run(vfs: &Arc<dyn Vfs>, directory: &Path) {
    let store = Store::open_with(Arc::clone(vfs), directory, options()).unwrap();
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| watch(&store, &stop, &reads));
        }
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || match writer % 4 {
                    3 => submit_all(store, writer),
                    _ => commit_all(store, writer),
                })
            })
            .collect();
        let outcomes: Vec<_> = writers
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        stop.store(true, Ordering::Relaxed);
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    });
    assert_eq!(store.poison(), None);
    check_contents(&store);
    let expected = contents(&store.snapshot()).unwrap();
    drop(store);
    let store = Store::open_with(Arc::clone(vfs), directory, options()).unwrap();
    check_contents(&store);
    assert_eq!(contents(&store.snapshot()).unwrap(), expected);
    store.verify(|_| {}).unwrap();
    println!("{} snapshots checked", reads.into_inner());
}

#[test]
fn readers_never_see_half_a_batch_in_memory() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    run(&vfs, &root());
}

#[test]
fn readers_never_see_half_a_batch_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(RealVfs);
    run(&vfs, directory.path());
}

/// Dropping a store whose sealing and merging are under way loses nothing, and the directory is free
/// as soon as the drop returns.
#[test]
fn a_store_can_be_reopened_right_after_it_was_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let memory: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let real: Arc<dyn Vfs> = Arc::new(RealVfs);
    let in_memory = root();
    for (vfs, root, times) in [
        (memory, in_memory.as_path(), 300),
        (real, directory.path(), 25),
    ] {
        for time in 1..=times {
            let small = Options {
                memtable_bytes: 500,
                ..options()
            };
            let store = Store::open_with(Arc::clone(&vfs), root, small).unwrap();
            for n in 0..4u32 {
                let text = format!("{time} {}", "x".repeat(n as usize * 100));
                store
                    .commit(batch("a", vec![put(at(1, n + 1), text)]))
                    .unwrap();
            }
            let held = store.snapshot();
            drop(store);
            let expected = contents(&held).unwrap();
            let again = Store::open_with(Arc::clone(&vfs), root, options()).unwrap();
            assert_eq!(contents(&again.snapshot()).unwrap(), expected);
        }
    }
}
