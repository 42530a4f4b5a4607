//! Scrolls whose bytes are damaged are overwritten and deleted like others, by writes and by the log.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{CheckpointMode, Options, RepairMode, Snapshot};
use phext_storage::{Store, StoreError, WriteOp, repair_with};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{
    Model, append, apply, at, batch, contents, delete, is_in, open, put, root, small, tell,
};

const CHUNK: usize = 1 << 16;
const SCROLLS: u32 = 2000;

fn options() -> Options {
    Options {
        memtable_bytes: 64 << 20,
        verify_at_open_bytes: 0,
        ..small()
    }
}

fn commit(store: &Store, model: &mut Model, phext: &str, operations: Vec<WriteOp>) {
    let batch = batch(phext, operations);
    let lengths = store.commit(batch.clone()).unwrap().previous_lengths;
    assert_eq!(lengths, apply(model, &batch));
}

fn key(n: u32) -> Coordinate {
    at(1 + n / 100, 1 + n % 100 * 3)
}

/// A phext in one sealed segment, and a small one in another; both segments older than the log.
fn sealed(order: &str) -> (MemoryVfs, Model) {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, options()).unwrap();
    let mut model = Model::new();
    let text = |n: u32| format!("{n} {}", "x".repeat(100 + n as usize % 300));
    let puts = (0..SCROLLS).map(|n| put(key(n), text(n)));
    commit(&store, &mut model, "a", puts.collect());
    store.set_order("a", order.parse().unwrap()).unwrap();
    store.seal().unwrap();
    commit(&store, &mut model, "b", vec![put(at(1, 1), "apart")]);
    store.seal().unwrap();
    (vfs, model)
}

/// What writes do that the log then holds: a put, deletes and an append over every fourth scroll, one
/// by one and in a batch, over some of them twice, and beside them.
fn write_over(store: &Store, model: &mut Model) {
    for n in (0..SCROLLS).step_by(4) {
        let operation = match n / 4 % 4 {
            0 => put(key(n), format!("newer {n}")),
            1 => delete(key(n)),
            2 => append(key(n), " and more"),
            _ => put(key(n), ""),
        };
        commit(store, model, "a", vec![operation]);
    }
    let again = (0..SCROLLS).step_by(12).map(|n| put(key(n), "once more"));
    commit(store, model, "a", again.collect());
    let absent = (1..50).map(|n| match n % 2 {
        0 => put(at(n, 2), "beside"),
        _ => delete(at(n, 500)),
    });
    commit(store, model, "a", absent.collect());
    commit(store, model, "b", vec![append(at(1, 1), ", still")]);
}

fn segments(vfs: &MemoryVfs) -> Vec<(PathBuf, usize)> {
    let files = vfs.files().into_iter();
    files.filter(|(path, _)| is_in(path, "segments")).collect()
}

/// The scrolls of `model` that reads refuse because of damage. What they do not refuse is right.
fn refused(snapshot: &Snapshot, model: &Model) -> BTreeSet<Coordinate> {
    let mut refused = BTreeSet::new();
    for (name, scrolls) in model {
        let phext = snapshot.phext(name).unwrap();
        for (coordinate, text) in scrolls {
            let found = phext.locate(coordinate);
            match found.and_then(|found| found.text().map(<[u8]>::to_vec)) {
                Ok(found) => assert!(found == *text, "{name:?} {coordinate}"),
                Err(error) => {
                    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
                    refused.insert(*coordinate);
                }
            }
        }
    }
    refused
}

/// As [`refused`], and the figures of every phext are exact.
fn refused_of(snapshot: &Snapshot, model: &Model) -> BTreeSet<Coordinate> {
    for (name, scrolls) in model {
        let phext = snapshot.phext(name).unwrap();
        let bytes: usize = scrolls.values().map(Vec::len).sum();
        let held = (phext.scrolls(), phext.text_bytes());
        assert_eq!(held, (scrolls.len() as u64, bytes as u64), "{name:?}");
    }
    let a = snapshot.phext("a").unwrap();
    let is_absent = |key: &Coordinate| !model["a"].contains_key(key);
    for coordinate in (0..SCROLLS).map(key).filter(is_absent) {
        // Where a directory is damaged, reads do not know what is absent.
        let found = a.locate(&coordinate);
        assert!(!found.is_ok_and(|found| found.is_present()), "{coordinate}");
    }
    refused(snapshot, model)
}

fn follow(vfs: &MemoryVfs) -> Snapshot {
    let vfs = Arc::new(vfs.clone());
    let follower = Store::open_read_only_with(vfs, &root(), options());
    follower.unwrap().snapshot()
}

/// Opening, writing, sealing, merging, snapshots and checkpoints over a damaged chunk.
fn lives_with(vfs: &MemoryVfs, model: &Model, context: &str) -> usize {
    let mut model = model.clone();
    let followed = refused_of(&follow(vfs), &model);
    let store = open(vfs, options()).unwrap();
    let lost = refused_of(&store.snapshot(), &model);
    assert_eq!((&followed, store.poison()), (&lost, None), "{context}");

    // Writes over what is still damaged.
    for (n, coordinate) in lost.iter().enumerate().step_by(2) {
        let added = store.commit(batch("a", vec![append(*coordinate, "no")]));
        assert!(
            matches!(added, Err(StoreError::Corrupt { .. })),
            "{context}"
        );
        let operation = match n % 4 {
            0 => put(*coordinate, "mended"),
            _ => delete(*coordinate),
        };
        commit(&store, &mut model, "a", vec![operation]);
    }
    let left = refused_of(&store.snapshot(), &model);
    assert_eq!(left.len(), lost.len() / 2, "{context}");
    assert_eq!(refused_of(&follow(vfs), &model), left, "{context}");

    let checkpoint = Path::new("/checkpoint");
    store.checkpoint(checkpoint, CheckpointMode::Link).unwrap();
    let copied = Store::open_with(Arc::new(vfs.clone()), checkpoint, options()).unwrap();
    assert_eq!(refused_of(&copied.snapshot(), &model), left, "{context}");
    drop(copied);
    store.create_snapshot("kept").unwrap();
    let kept = model.clone();
    let operation = put(at(900, 1), "after the snapshot");
    commit(&store, &mut model, "a", vec![operation]);
    store.seal().unwrap();
    // Given up, or done where only what is not needed for it is damaged.
    let merged = store.merge();
    assert!(
        matches!(merged, Ok(()) | Err(StoreError::Corrupt { .. })),
        "{context}"
    );
    assert_eq!(store.poison(), None, "{context}");
    if let Some(coordinate) = left.first() {
        let operation = put(*coordinate, "after a merge");
        commit(&store, &mut model, "a", vec![operation]);
    }
    let after = refused_of(&store.snapshot(), &model);
    assert!(after.is_subset(&left), "{context}");
    let named = store.snapshot_named("kept").unwrap();
    assert_eq!(refused_of(&named, &kept), left, "{context}");
    drop((named, store));
    let store = open(&vfs.after_crash(1), options()).unwrap();
    assert_eq!(refused_of(&store.snapshot(), &model), after, "{context}");
    lost.len()
}

/// Bytes flipped in each chunk in turn of the segment that the log writes over.
#[test]
fn a_log_over_a_damaged_chunk_is_replayed_and_goes_on() {
    let (mut opened, mut refused, mut chunks) = (0, 0, 0);
    for order in ["auto", "hilbert", "prefix=2,morton"] {
        let (vfs, mut model) = sealed(order);
        let store = open(&vfs, options()).unwrap();
        write_over(&store, &mut model);
        drop(store);
        let (path, length) = segments(&vfs)[0].clone();
        for at in (300..length).step_by(CHUNK) {
            chunks += 1;
            let damaged = vfs.after_crash(1);
            damaged.damage(&path, at, 40);
            // Opening reads header, dictionaries, the first fence and the trailer.
            if open(&damaged, options()).is_ok() {
                let context = format!("{order}: byte {at} of {length}");
                refused += lives_with(&damaged, &model, &context);
                opened += 1;
            }
        }
    }
    tell!("replay over damage: {chunks} chunks, {opened} opened, {refused} scrolls refused");
    assert!(
        opened + 9 >= chunks && refused > 1000,
        "{opened} of {chunks}, {refused}"
    );
}

/// Where damage in several places hides a scroll that the log replaces, the store serves what was
/// acknowledged and writes nothing: what it sealed would not say that the old scroll is gone.
#[test]
fn what_damage_hides_wholly_is_not_written_over() {
    const SCROLLS: u32 = 40_000;
    let key = |n| at(1 + n / 100, 1 + n);
    let vfs = MemoryVfs::new();
    let store = open(&vfs, options()).unwrap();
    let (mut model, mut put_since) = (Model::new(), Model::new());
    let puts = (0..SCROLLS).map(|n| put(key(n), format!("{n} {}", "x".repeat(30))));
    commit(&store, &mut model, "a", puts.collect());
    store.seal().unwrap();
    for n in (0..SCROLLS).step_by(50) {
        let operation = match n % 100 {
            0 => delete(key(n)),
            _ => put(key(n), "newer"),
        };
        commit(&store, &mut model, "a", vec![operation.clone()]);
        apply(&mut put_since, &batch("a", vec![operation]));
    }
    drop(store);
    let (path, length) = segments(&vfs)[0].clone();
    let mut hidden = 0;
    for second in (2 * CHUNK..length - CHUNK).step_by(CHUNK) {
        let vfs = vfs.after_crash(1);
        [CHUNK, second]
            .iter()
            .for_each(|&at| vfs.damage(&path, at, 1));
        let Ok(store) = open(&vfs, options()) else {
            continue;
        };
        let Some(cause) = store.poison() else {
            continue;
        };
        assert!(cause.contains("sqd repair"), "{cause}");
        hidden += 1;
        let lost = refused(&store.snapshot(), &model);
        assert_eq!(refused(&store.snapshot(), &put_since), BTreeSet::new());
        assert_eq!(refused(&follow(&vfs), &model), lost);
        let refused = [
            store
                .commit(batch("a", vec![put(at(9, 9), "no")]))
                .map(|_| ()),
            store.seal(),
            store.merge(),
        ];
        assert!(
            refused
                .iter()
                .all(|done| matches!(done, Err(StoreError::Poisoned { .. })))
        );
        drop(store);
        let shared: Arc<dyn phext_storage::vfs::Vfs> = Arc::new(vfs.clone());
        repair_with(&shared, &root(), RepairMode::Apply).unwrap();
        let store = open(&vfs, options()).unwrap();
        let held = contents(&store.snapshot()).unwrap();
        assert!(
            put_since["a"]
                .iter()
                .all(|(key, text)| held["a"].get(key) == Some(text))
        );
        assert!(
            held["a"]
                .iter()
                .all(|(key, text)| model["a"].get(key) == Some(text))
        );
        commit(
            &store,
            &mut model.clone(),
            "b",
            vec![put(at(9, 9), "goes on")],
        );
    }
    assert!(hidden > 0);
}
