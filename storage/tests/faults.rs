//! Errors of the medium at every operation.
//!
//! | fault | promise |
//! |---|---|
//! | one operation fails (EIO) | the error surfaces or the store is poisoned; reads go on with exactly what was acknowledged; reopening gives a prefix with every acknowledged commit |
//! | the medium is full | writes are refused as such, reads go on, nothing is poisoned; with space again writes work |
//!
//! After a failed sync a medium keeps the bytes in memory and never writes them again. So what a
//! reopened store serves is checked once more after a power cut.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{Fault, MemoryVfs};
use phext_storage::{Store, StoreError};
use std::io::ErrorKind;
use support::workload::{Outcome, Step, run_on, states, workload};
use support::{Model, at, batch, contents, open, put, small};

fn operations(steps: &[Step]) -> u64 {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, small()).unwrap();
    assert!(run_on(&store, steps).failure.is_none());
    vfs.operations()
}

/// What a store of all batches acknowledged so far must show.
fn acknowledged(steps: &[Step], outcome: &Outcome) -> Model {
    states(steps)[outcome.acknowledged].clone()
}

/// Reads that need nothing of the medium's good will.
fn assert_serves(store: &Store, expected: &Model, context: &str) {
    assert_eq!(&contents(&store.snapshot()).unwrap(), expected, "{context}");
}

/// Commits after a recovery, and makes sure that a power cut keeps what was served.
fn assert_durable(vfs: &MemoryVfs, store: &Store, context: &str) {
    let mut expected = contents(&store.snapshot()).unwrap();
    let marker = batch("after", vec![put(at(9, 9), "x")]);
    for is_before in [true, false] {
        if !is_before {
            store.commit(marker.clone()).unwrap();
            support::apply(&mut expected, &marker);
        }
        for seed in [0, 1, 77] {
            let survivor = vfs.after_crash(seed);
            let store = open(&survivor, small())
                .unwrap_or_else(|error| panic!("{context}, then crash {seed}: {error}"));
            assert_serves(&store, &expected, &format!("{context}, then crash {seed}"));
        }
    }
}

#[test]
fn a_failing_operation_costs_nothing_acknowledged() {
    let steps = workload(1, 110);
    let total = operations(&steps);
    let (mut poisoned, mut in_opening) = (0, 0);
    for at in 0..total {
        let vfs = MemoryVfs::new();
        let kind = ErrorKind::Other;
        vfs.set_fault(Some(Fault::Fail { at, kind }));
        let context = format!("operation {at} fails");
        let store = match open(&vfs, small()) {
            Ok(store) => store,
            Err(error) => {
                assert!(matches!(error, StoreError::Io { .. }), "{context}: {error}");
                in_opening += 1;
                let store = open(&vfs, small()).unwrap();
                assert_serves(&store, &Model::new(), &context);
                assert_durable(&vfs, &store, &context);
                continue;
            }
        };
        let outcome = run_on(&store, &steps);
        assert!(outcome.failure.is_some(), "{context} and nobody says so");
        assert!(store.poison().is_some(), "{context} without poison");
        poisoned += 1;
        assert_serves(&store, &acknowledged(&steps, &outcome), &context);
        let refused = store.commit(batch("", vec![put(support::at(1, 1), "x")]));
        assert!(
            matches!(refused, Err(StoreError::Poisoned { .. })),
            "{context}"
        );
        let before = vfs.operations();
        assert!(store.seal().is_err() && store.merge().is_err(), "{context}");
        assert!(store.set_setting("s", b"x").is_err(), "{context}");
        assert_eq!(
            vfs.operations(),
            before,
            "{context}: a poisoned store writes"
        );
        drop(store);

        let store = open(&vfs, small()).unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = contents(&store.snapshot()).unwrap();
        assert!(
            outcome.allows(&states(&steps), &found),
            "{context}: no prefix"
        );
        assert_durable(&vfs, &store, &context);
    }
    println!("{total} failing operations: {poisoned} poisoned, {in_opening} in opening");
}

/// Runs the steps from `from`, going over those refused for lack of space. Gives the model.
fn run_full(store: &Store, steps: &[Step], model: &mut Model, context: &str) -> usize {
    let mut refusals = 0;
    for step in steps {
        let outcome = run_on(store, std::slice::from_ref(step));
        match (&outcome.failure, step) {
            (None, Step::Commit(batch)) => drop(support::apply(model, batch)),
            (None, _) => {}
            (Some(StoreError::DiskFull { .. }), _) => refusals += 1,
            (Some(error), _) => panic!("{context}: {error}"),
        }
        assert_eq!(store.poison(), None, "{context}: the store is poisoned");
        assert_serves(store, model, context);
    }
    refusals
}

/// Poisoning is avoidable here because log space is reserved before a record is written to it. On
/// file systems that cannot reserve, a log write itself may find no space and poisons the store.
#[test]
fn a_full_medium_refuses_writes_until_there_is_space() {
    let steps = workload(1, 110);
    let total = operations(&steps);
    let mut refusals = 0;
    for from in 0..total {
        let vfs = MemoryVfs::new();
        vfs.set_fault(Some(Fault::Full { from }));
        let context = format!("full from operation {from}");
        let store = match open(&vfs, small()) {
            Ok(store) => store,
            Err(error) => {
                assert!(
                    matches!(error, StoreError::DiskFull { .. }),
                    "{context}: {error}"
                );
                vfs.set_fault(None);
                let store = open(&vfs, small()).unwrap();
                run_full(&store, &steps, &mut Model::new(), &context);
                continue;
            }
        };
        let mut model = Model::new();
        refusals += run_full(&store, &steps, &mut model, &context);
        // A full medium does not keep a store from being opened and read.
        drop(store);
        let store = open(&vfs, small()).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_serves(&store, &model, &context);

        vfs.set_fault(None);
        assert_eq!(
            run_full(&store, &steps, &mut model, &context),
            0,
            "{context}"
        );
        store.seal().unwrap();
        store.merge().unwrap();
        assert_durable(&vfs, &store, &context);
        drop(store);
        assert_serves(
            &open(&vfs, small()).unwrap_or_else(|e| panic!("{context}: {e}")),
            &{
                let mut model = model;
                support::apply(&mut model, &batch("after", vec![put(at(9, 9), "x")]));
                model
            },
            &context,
        );
    }
    println!("{total} points of a full medium: {refusals} refusals");
    assert!(refusals > 0);
}
