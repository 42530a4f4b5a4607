//! Errors of the medium at every operation and every access.
//!
//! | fault | promise |
//! |---|---|
//! | one operation fails (EIO) | the error surfaces or the store is poisoned; reads go on with exactly what was acknowledged; reopening gives a prefix with every acknowledged commit |
//! | one access fails, be it a read, a map, a list or a lock; or all from one on | the same |
//! | one operation fails, and from then on the medium is full | the same, and the full medium can be opened and read |
//! | one operation finds no space, a sync perhaps after it did its work | the same, also where the power goes while commits go on |
//! | the medium is full | writes are refused as such, reads go on, nothing is poisoned; with space again writes work |
//!
//! The workloads commit, seal, merge and change settings; each fault strikes a new store and one that
//! is opened again with segments and a log. After a failed sync a medium keeps the bytes in memory
//! and never writes them again, so what a reopened store serves is checked once more after a power
//! cut.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{Fault, MemoryVfs};
use phext_storage::{Store, StoreError};
use std::io::ErrorKind;
use support::workload::{Outcome, Step, run, run_on, states, states_from, workload};
use support::{Model, at, batch, contents, open, put, small, tell};

fn operations(steps: &[Step]) -> u64 {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, small()).unwrap();
    assert!(run_on(&store, steps).failure.is_none());
    vfs.operations()
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

/// A medium with the commits of a first workload, and what it holds.
fn lived_in() -> (MemoryVfs, Model) {
    let vfs = MemoryVfs::new();
    let steps = workload(11, 40);
    assert!(run(&vfs, &steps).failure.is_none());
    (vfs.after_crash(1), states(&steps).pop().unwrap())
}

/// The media that faults strike, each with what it holds.
fn media() -> [(MemoryVfs, Model); 2] {
    [(MemoryVfs::new(), Model::new()), lived_in()]
}

/// How often a fault hit where.
#[derive(Debug, Default)]
struct Hits {
    poisoned: usize,
    in_opening: usize,
}

/// Runs a workload into a fault and checks everything that is promised. `reopened` prepares the
/// medium for being opened again: the machine was mended, or was not.
fn strike(
    (medium, held): &(MemoryVfs, Model),
    steps: &[Step],
    fault: Fault,
    reopened: Option<Fault>,
    hits: &mut Hits,
) {
    let context = format!("{fault:?}");
    let vfs = medium.after_crash(1);
    vfs.set_fault(Some(fault));
    let allowed = states_from(held.clone(), steps);
    let outcome = match open(&vfs, small()) {
        Ok(store) => {
            hits.poisoned += 1;
            let outcome = run_on(&store, steps);
            // The mark is written when the commit is durable already: the next one is told.
            let is_marks = store
                .poison()
                .is_some_and(|cause| cause.contains("DURABLE"));
            assert!(
                outcome.failure.is_some() || is_marks,
                "{context} and nobody says so"
            );
            assert_poisoned(&vfs, &store, &allowed[outcome.acknowledged], &context);
            outcome
        }
        Err(error) => {
            assert!(matches!(error, StoreError::Io { .. }), "{context}: {error}");
            hits.in_opening += 1;
            Outcome::default()
        }
    };
    vfs.set_fault(reopened);
    let store = open(&vfs, small()).unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = contents(&store.snapshot()).unwrap();
    assert!(outcome.allows(&allowed, &found), "{context}: no prefix");
    if reopened.is_some() {
        drop(store);
        vfs.set_fault(None);
        let store = open(&vfs, small()).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_serves(&store, &found, &context);
        return assert_durable(&vfs, &store, &context);
    }
    assert_durable(&vfs, &store, &context);
}

/// A store that met a fault refuses every write without touching the medium, and reads go on.
fn assert_poisoned(vfs: &MemoryVfs, store: &Store, expected: &Model, context: &str) {
    assert!(store.poison().is_some(), "{context} without poison");
    assert_serves(store, expected, context);
    let refused = store.commit(batch("", vec![put(at(1, 1), "x")]));
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
}

/// The operations and accesses that a workload takes on a medium.
fn cost(medium: &MemoryVfs, steps: &[Step]) -> (u64, u64) {
    let vfs = medium.after_crash(1);
    assert!(run(&vfs, steps).failure.is_none());
    (vfs.operations(), vfs.accesses())
}

#[test]
fn a_failing_operation_costs_nothing_acknowledged() {
    let steps = workload(1, 110);
    let (mut hits, mut count) = (Hits::default(), 0);
    for medium in media() {
        let (operations, _) = cost(&medium.0, &steps);
        for at in 0..operations {
            let kind = ErrorKind::Other;
            strike(&medium, &steps, Fault::Fail { at, kind }, None, &mut hits);
            count += 1;
        }
    }
    tell!("faults: {count} failing operations, {hits:?}");
    assert!(hits.poisoned > 0 && hits.in_opening > 0);
}

#[test]
fn a_failing_access_costs_nothing_acknowledged() {
    let steps = workload(12, 60);
    for lasting in [false, true] {
        let (mut hits, mut count) = (Hits::default(), 0);
        for medium in media() {
            let (operations, accesses) = cost(&medium.0, &steps);
            assert!(accesses > operations, "reading counts");
            for at in 0..accesses {
                let kind = ErrorKind::Other;
                let fault = Fault::FailAccess { at, kind, lasting };
                strike(&medium, &steps, fault, None, &mut hits);
                count += 1;
            }
        }
        tell!("faults: {count} failing accesses, lasting: {lasting}, {hits:?}");
        assert!(hits.poisoned > 0 && hits.in_opening > 0);
    }
}

#[test]
fn an_error_and_then_a_full_medium_cost_nothing_acknowledged() {
    let steps = workload(13, 80);
    let (mut hits, mut count) = (Hits::default(), 0);
    let medium = lived_in();
    let (operations, _) = cost(&medium.0, &steps);
    for at in 0..operations {
        let kind = ErrorKind::Other;
        let fault = Fault::FailThenFull { at, kind };
        strike(
            &medium,
            &steps,
            fault,
            Some(Fault::Full { from: 0 }),
            &mut hits,
        );
        count += 1;
    }
    tell!("faults: {count} failing operations on a medium that is full after, {hits:?}");
    assert!(hits.poisoned > 0 && hits.in_opening > 0);
}

/// Runs one step and gives the contents that a power cut may leave now: what was acknowledged, and what
/// a commit would have made of it that failed otherwise than for lack of space.
fn run_step(store: &Store, step: &Step, model: &mut Model, context: &str) -> (bool, Vec<Model>) {
    let outcome = run_on(store, std::slice::from_ref(step));
    let mut allowed = vec![model.clone()];
    if let Step::Commit(batch) = step {
        let mut after = model.clone();
        support::apply(&mut after, batch);
        match &outcome.failure {
            None => {
                *model = after.clone();
                allowed = vec![after];
            }
            Some(StoreError::DiskFull { .. }) => {}
            Some(_) => allowed.push(after),
        }
    }
    assert_serves(store, model, context);
    (outcome.failure.is_some(), allowed)
}

/// How many steps follow the one that met the fault.
const STEPS_AFTER: usize = 5;

#[test]
fn a_full_medium_at_a_sync_and_then_a_crash_cost_nothing_acknowledged() {
    let steps = workload(14, 70);
    let (mut count, mut went_on) = (0, 0);
    for (medium, held) in media() {
        let (operations, _) = cost(&medium, &steps);
        for at in 0..operations {
            let kind = ErrorKind::StorageFull;
            let context = format!("no space at operation {at}");
            let vfs = medium.after_crash(1);
            vfs.set_fault(Some(Fault::FailDone { at, kind }));
            let Ok(store) = open(&vfs, small()) else {
                continue;
            };
            let mut model = held.clone();
            let mut left = None;
            for step in &steps {
                let (failed, allowed) = run_step(&store, step, &mut model, &context);
                left = left.map(|left: usize| left - 1);
                left = left.or(failed.then_some(STEPS_AFTER));
                if left.is_some() {
                    for seed in [0, 1, 77] {
                        let store = open(&vfs.after_crash(seed), small()).unwrap_or_else(|error| {
                            panic!("{context}, then crash {seed}: {error}")
                        });
                        let found = contents(&store.snapshot()).unwrap();
                        assert!(allowed.contains(&found), "{context}, then crash {seed}");
                    }
                }
                if left == Some(0) || store.poison().is_some() {
                    break;
                }
            }
            count += 1;
            went_on += usize::from(store.poison().is_none());
        }
    }
    tell!("faults: {count} operations without space and then crashes, {went_on} without poison");
    assert!(went_on > 0);
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
                    matches!(error, StoreError::NoSpaceToOpen { .. }),
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
    tell!("faults: {total} points of a full medium: {refusals} refusals");
    assert!(refusals > 0);
}
