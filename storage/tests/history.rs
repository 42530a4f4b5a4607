//! Checkpoints and named snapshots.
//!
//! | what | how |
//! |---|---|
//! | a checkpoint opens as a store with the state of its moment | at steps of a workload, in memory and on files |
//! | it holds what was acknowledged, whole, while others write | a thread writes meanwhile |
//! | it is whole, or says that it is not | a power cut, an error and a full medium at each operation |
//! | a snapshot never changes, and its space comes back | a workload with snapshots, merges and reopening, against a model |
//! | a snapshot is there or not, and right if it is | a power cut at each operation of creating and dropping |

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{Fault, MemoryVfs};
use phext_storage::{CheckpointMode, Options, Store, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use support::workload::{Step, run, run_on, states, workload};
use support::{Model, SetOnDrop, apply, at, batch, contents, is_in, open, put, small};

fn target() -> PathBuf {
    PathBuf::from("/checkpoint")
}

fn open_at(vfs: &MemoryVfs, directory: &Path) -> Result<Store, StoreError> {
    Store::open_with(Arc::new(vfs.clone()), directory, small())
}

fn step(store: &Store, step: &Step, model: &mut Model) {
    assert!(run_on(store, std::slice::from_ref(step)).failure.is_none());
    if let Step::Commit(batch) = step {
        apply(model, batch);
    }
}

#[test]
fn checkpoints_open_with_the_state_of_their_moment() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, small()).unwrap();
    let mut model = Model::new();
    let mut taken = Vec::new();
    for (number, next) in workload(5, 240).iter().enumerate() {
        if number % 12 == 0 {
            let directory = PathBuf::from(format!("/checkpoint {number}"));
            let mode = [CheckpointMode::Link, CheckpointMode::Copy][number % 24 / 12];
            let lsn = store.checkpoint(&directory, mode).unwrap();
            assert_eq!(lsn, store.snapshot().lsn());
            taken.push((directory, lsn, model.clone()));
        }
        step(&store, next, &mut model);
    }
    for (directory, lsn, model) in taken {
        let copy = open_at(&vfs, &directory).unwrap();
        assert_eq!(copy.snapshot().lsn(), lsn);
        assert!(
            contents(&copy.snapshot()).unwrap() == model,
            "{directory:?}"
        );
        assert_eq!(copy.recovery().replayed_records, 0);
        copy.commit(batch("new", vec![put(at(1, 1), "x")])).unwrap();
        copy.seal().unwrap();
        copy.merge().unwrap();
        drop(copy);
        let again = open_at(&vfs, &directory).unwrap();
        assert_eq!(again.snapshot().phext("new").unwrap().scrolls(), 1);
    }
    assert!(
        contents(&store.snapshot()).unwrap() == model,
        "the store goes on"
    );
}

/// A store after a workload, with something in segments and in memory.
fn lived_in() -> (MemoryVfs, Model) {
    let vfs = MemoryVfs::new();
    let steps = workload(6, 60);
    assert!(run(&vfs, &steps).failure.is_none());
    let vfs = vfs.after_crash(1);
    (vfs, states(&steps).pop().unwrap())
}

/// What is at the target of a checkpoint: nothing, something that says it is unfinished, or a store.
fn found_at_target(vfs: &MemoryVfs) -> Option<Model> {
    let files = vfs.files().into_iter();
    if !files.map(|(path, _)| path).any(|p| p.starts_with(target())) {
        return None;
    }
    match open_at(vfs, &target()) {
        Ok(store) => Some(contents(&store.snapshot()).unwrap()),
        Err(StoreError::Incomplete { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_power_cut_in_a_checkpoint_leaves_a_whole_one_or_none() {
    let (medium, model) = lived_in();
    let (mut whole, mut none) = (0, 0);
    for number in 0.. {
        let vfs = medium.after_crash(1);
        let store = open(&vfs, small()).unwrap();
        let at = vfs.operations() + number;
        vfs.set_fault(Some(Fault::PowerOff { at }));
        let done = store.checkpoint(&target(), CheckpointMode::Link).is_ok();
        for seed in [0, 1, 2 + number, 1_000_000 + number] {
            let survivor = vfs.after_crash(seed);
            match found_at_target(&survivor) {
                Some(found) => {
                    assert!(found == model, "operation {number}, seed {seed}");
                    whole += 1;
                }
                None => {
                    assert!(!done, "operation {number}, seed {seed}: it was lost");
                    none += 1;
                }
            }
            let store = open(&survivor, small()).unwrap();
            assert!(contents(&store.snapshot()).unwrap() == model);
        }
        if done && vfs.operations() <= at {
            break;
        }
    }
    assert!(whole > 4 && none > 40, "{whole} whole, {none} not");
}

#[test]
fn an_error_in_a_checkpoint_costs_the_checkpoint_only() {
    let (medium, model) = lived_in();
    let mut failed = 0;
    for number in 0.. {
        for full in [false, true] {
            let vfs = medium.after_crash(1);
            let store = open(&vfs, small()).unwrap();
            let at = vfs.operations() + number;
            vfs.set_fault(Some(match full {
                true => Fault::Full { from: at },
                false => Fault::Fail {
                    at,
                    kind: ErrorKind::Other,
                },
            }));
            let done = store.checkpoint(&target(), CheckpointMode::Copy);
            vfs.set_fault(None);
            let found = found_at_target(&vfs);
            assert!(
                found.as_ref().is_none_or(|found| *found == model),
                "{number}"
            );
            assert!(done.is_err() || found.is_some(), "{number}");
            failed += usize::from(done.is_err());
            assert_eq!(store.poison(), None, "{number}: {done:?}");
            store.commit(batch("a", vec![put(at_nine(), "x")])).unwrap();
        }
        let vfs = medium.after_crash(1);
        let store = open(&vfs, small()).unwrap();
        let before = vfs.operations();
        store.checkpoint(&target(), CheckpointMode::Copy).unwrap();
        if number > vfs.operations() - before {
            break;
        }
    }
    assert!(failed > 20, "{failed}");
}

fn at_nine() -> phext_storage::coordinate::Coordinate {
    at(9, 9)
}

#[test]
fn a_target_that_is_not_empty_is_refused_and_stays() {
    let (vfs, model) = lived_in();
    let store = open(&vfs, small()).unwrap();
    store.checkpoint(&target(), CheckpointMode::Link).unwrap();
    for directory in [target(), support::root()] {
        let again = store.checkpoint(&directory, CheckpointMode::Link);
        assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
    }
    assert!(found_at_target(&vfs).unwrap() == model);
}

#[test]
fn checkpoints_on_files_beside_a_busy_writer() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        memtable_bytes: 4000,
        ..Options::default()
    };
    let store = Store::open(&directory.path().join("store"), options.clone()).unwrap();
    let acknowledged = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let numbered = |number: u64| {
        let text = format!("{number:06}").repeat(20);
        batch(
            "n",
            (1..5).map(|key| put(at(key, 1), text.as_str())).collect(),
        )
    };
    std::thread::scope(|scope| {
        let _ended = SetOnDrop(&done);
        scope.spawn(|| {
            for number in 1.. {
                if done.load(Ordering::Acquire) {
                    break;
                }
                store.commit(numbered(number)).unwrap();
                acknowledged.store(number, Ordering::Release);
            }
        });
        for round in 0..12 {
            let path = directory.path().join(format!("checkpoint-{round}"));
            let known = acknowledged.load(Ordering::Acquire);
            let mode = [CheckpointMode::Link, CheckpointMode::Copy][round % 2];
            store.checkpoint(&path, mode).unwrap();
            let copy = Store::open(&path, options.clone()).unwrap();
            let model = contents(&copy.snapshot()).unwrap();
            let Some(scrolls) = model.get("n") else {
                assert_eq!(known, 0);
                continue;
            };
            let number = |text: &Vec<u8>| std::str::from_utf8(&text[..6]).unwrap().parse().unwrap();
            let numbers: Vec<u64> = scrolls.values().map(number).collect();
            assert_eq!(numbers, vec![numbers[0]; 4], "a batch is torn");
            assert!(numbers[0] >= known, "{numbers:?}, {known} was acknowledged");
        }
    });
}

#[test]
fn snapshots_never_change_and_their_space_comes_back() {
    for seed in 0..4 {
        let mut dice = StdRng::seed_from_u64(seed);
        let vfs = MemoryVfs::new();
        let mut store = open(&vfs, small()).unwrap();
        let mut model = Model::new();
        let mut kept: BTreeMap<String, Model> = BTreeMap::new();
        for (number, next) in workload(seed + 20, 250).iter().enumerate() {
            step(&store, next, &mut model);
            let name = format!("s{}", dice.random_range(0..6));
            match dice.random_range(0..10) {
                0 if !kept.contains_key(&name) => {
                    store.create_snapshot(&name).unwrap();
                    kept.insert(name, model.clone());
                }
                1 if kept.remove(&name).is_some() => store.drop_snapshot(&name).unwrap(),
                2 => {
                    drop(store);
                    store = open(&vfs, small()).unwrap();
                }
                _ => {}
            }
            let names: Vec<String> = store.snapshots().into_iter().map(|s| s.name).collect();
            assert!(names.iter().eq(kept.keys()), "seed {seed}, step {number}");
            for (name, model) in &kept {
                let found = contents(&store.snapshot_named(name).unwrap()).unwrap();
                assert!(found == *model, "seed {seed}, step {number}, {name}");
            }
        }
        for name in kept.keys() {
            store.drop_snapshot(name).unwrap();
        }
        let files = || {
            let files = vfs.files().into_iter().map(|(path, _)| path);
            files.filter(|path| is_in(path, "segments")).count()
        };
        let before = files();
        drop(store);
        let store = open(&vfs, small()).unwrap();
        assert_eq!(files(), before, "opening found nothing to remove");
        assert!(contents(&store.snapshot()).unwrap() == model);
    }
}

#[test]
fn a_power_cut_leaves_a_snapshot_or_none() {
    let (medium, model) = lived_in();
    let mut seen = [0; 4];
    for number in 0.. {
        let vfs = medium.after_crash(1);
        let store = open(&vfs, small()).unwrap();
        let at = vfs.operations() + number;
        vfs.set_fault(Some(Fault::PowerOff { at }));
        let created = store.create_snapshot("s").is_ok();
        let overwrite = batch("a", vec![put(at_nine(), "later")]);
        let _ = store.commit(overwrite);
        let dropped = created && store.drop_snapshot("s").is_ok();
        for seed in [0, 1, 2 + number, 1_000_000 + number] {
            let survivor = vfs.after_crash(seed);
            let store = open(&survivor, small()).unwrap();
            let context = format!("operation {number}, seed {seed}");
            match store.snapshot_named("s") {
                Ok(snapshot) => {
                    assert!(!dropped, "{context}");
                    assert!(contents(&snapshot).unwrap() == model, "{context}");
                    seen[usize::from(created)] += 1;
                    store.drop_snapshot("s").unwrap();
                }
                Err(StoreError::NoSuchSnapshot { .. }) => {
                    // Created and not dropped yet: only a drop under way may have taken it.
                    seen[2 + usize::from(created)] += 1;
                }
                Err(error) => panic!("{context}: {error}"),
            }
            store.create_snapshot("s").unwrap();
        }
        if dropped && vfs.operations() <= at {
            break;
        }
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}

#[test]
fn names_of_snapshots_are_checked() {
    let (vfs, _) = lived_in();
    let store = open(&vfs, small()).unwrap();
    for name in ["", "a b", "a/b", "\u{e4}", &"x".repeat(101)] {
        let made = store.create_snapshot(name);
        assert!(matches!(made, Err(StoreError::SnapshotName)), "{name:?}");
    }
    store.create_snapshot("a").unwrap();
    let again = store.create_snapshot("a");
    assert!(matches!(again, Err(StoreError::SnapshotExists { .. })));
    let none = store.drop_snapshot("b");
    assert!(matches!(none, Err(StoreError::NoSuchSnapshot { .. })));
    assert!(store.snapshot_named("b").is_err());
}
