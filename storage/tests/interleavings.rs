//! The real store under random interleavings of its threads, by shuttle.
//!
//! Compiled only with `--cfg sqd_shuttle`, which puts shuttle's locks and published pointer in the
//! place of the real ones (`storage/src/sync.rs`); elsewhere this file is empty. What is run is the
//! product's own group commit, publication, sealing and merging on a medium in memory. A deadlock, a
//! panic and a failed check end the run with the schedule that led there.
//!
//! | test | what could go wrong |
//! |---|---|
//! | hand-over | a batch that nobody commits, a lead that nobody has, a batch committed twice |
//! | publication | a commit that a seal or merge publishes away, a torn batch in a snapshot, a snapshot that changes |
//!
//! `.ci/run` runs them twice more with a step left out (`storage/src/canary.rs`), and demands failure.

#![cfg(sqd_shuttle)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::MemoryVfs;
use phext_storage::{Snapshot, Store};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner, thread};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Model, apply, at, batch, contents, open, put, small, tell};

/// Interleavings of each test, unless `SQD_INTERLEAVINGS` says otherwise.
const DEFAULT_INTERLEAVINGS: usize = 2_000;

fn check(name: &str, model: fn()) {
    let count = std::env::var("SQD_INTERLEAVINGS").map_or(DEFAULT_INTERLEAVINGS, |count| {
        count.parse().expect("SQD_INTERLEAVINGS is a number")
    });
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    let runs = Runner::new(RandomScheduler::new(count), config).run(model);
    tell!("interleavings: {runs} of {name}");
}

/// A pair of scrolls that a batch writes together.
fn pair(writer: u32, number: u32) -> phext_storage::WriteBatch {
    let text = format!("{writer}.{number} {}", "x".repeat(400));
    let operations = vec![put(at(writer, 1), text.clone()), put(at(writer, 2), text)];
    batch("shared", operations)
}

/// Fails where a snapshot holds half of a batch. Gives what it holds.
fn whole_batches(snapshot: &Snapshot) -> Model {
    let found = contents(snapshot).unwrap();
    for scrolls in found.values() {
        for writer in 1..=3 {
            let halves = (scrolls.get(&at(writer, 1)), scrolls.get(&at(writer, 2)));
            assert_eq!(halves.0, halves.1, "half of a batch of writer {writer}");
        }
    }
    found
}

/// What is there after a power cut that loses all it can.
fn after_power_cut(vfs: &MemoryVfs) -> Model {
    let store = open(&vfs.after_crash(0), small()).unwrap();
    contents(&store.snapshot()).unwrap()
}

#[test]
fn no_batch_is_lost_at_a_hand_over() {
    check("the hand-over of the lead", || {
        let vfs = MemoryVfs::new();
        let store = Arc::new(open(&vfs, small()).unwrap());
        let mut expected = Model::new();
        let mut threads = Vec::new();
        for writer in 1..=3 {
            let store = Arc::clone(&store);
            (1..=2).for_each(|number| drop(apply(&mut expected, &pair(writer, number))));
            threads.push(thread::spawn(move || {
                for number in 1..=2 {
                    store.commit(pair(writer, number)).unwrap();
                }
            }));
        }
        let done = Arc::new(AtomicUsize::new(0));
        for number in 4..=5 {
            apply(&mut expected, &pair(number, 1));
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            threads.push(thread::spawn(move || submit(&store, number, &done)));
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(
            done.load(Ordering::SeqCst),
            2,
            "each callback is called once"
        );
        assert_eq!(contents(&store.snapshot()).unwrap(), expected);
        drop(store);
        assert_eq!(after_power_cut(&vfs), expected);
    });
}

/// Commits by callback, as the server does, and drives as long as it is asked to.
fn submit(store: &Store, number: u32, done: &Arc<AtomicUsize>) {
    let done = Arc::clone(done);
    let on_commit = move |outcome: phext_storage::Result<phext_storage::Commit>| {
        outcome.unwrap();
        done.fetch_add(1, Ordering::SeqCst);
    };
    if store.submit(pair(number, 1), Box::new(on_commit)) {
        while store.drive() {}
    }
}

#[test]
fn nothing_is_published_away_and_snapshots_stay() {
    check("publication and reclaim", || {
        let vfs = MemoryVfs::new();
        let store = Arc::new(open(&vfs, small()).unwrap());
        let mut expected = Model::new();
        for writer in 1..=2 {
            apply(&mut expected, &pair(writer, 0));
            store.commit(pair(writer, 0)).unwrap();
            store.seal().unwrap();
        }
        let writers: Vec<_> = (1..=2)
            .map(|writer| {
                let store = Arc::clone(&store);
                (1..=2).for_each(|number| drop(apply(&mut expected, &pair(writer, number))));
                thread::spawn(move || {
                    for number in 1..=2 {
                        store.commit(pair(writer, number)).unwrap();
                        let seen = whole_batches(&store.snapshot());
                        let text = &seen["shared"][&at(writer, 1)];
                        let mine = format!("{writer}.{number} ");
                        assert!(text.starts_with(mine.as_bytes()), "a commit is not visible");
                    }
                })
            })
            .collect();
        let maintenance = {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                for _ in 0..2 {
                    store.seal().unwrap();
                    store.merge().unwrap();
                }
            })
        };
        let reader = {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                let snapshot = store.snapshot();
                let before = whole_batches(&snapshot);
                for _ in 0..3 {
                    thread::yield_now();
                    assert_eq!(whole_batches(&snapshot), before, "a snapshot changed");
                }
            })
        };
        for thread in writers.into_iter().chain([maintenance, reader]) {
            thread.join().unwrap();
        }
        assert_eq!(whole_batches(&store.snapshot()), expected);
        drop(store);
        assert_eq!(after_power_cut(&vfs), expected);
    });
}
