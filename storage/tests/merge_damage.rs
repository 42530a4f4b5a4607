//! A merge that meets damaged bytes is given up: writes go on, no scroll is dropped, and the damage is told.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Loss, Options, Order, RepairMode, Store, StoreError, check_with, repair_with};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{Model, apply, at, batch, is_in, open, put, root, small};

const SEGMENTS: u32 = 7;
const SCROLLS: u32 = 300;
/// An offset in the second chunk of a segment, where texts are.
const IN_A_HEAP: usize = 80_000;

fn options() -> Options {
    Options {
        memtable_bytes: 8 << 20,
        verify_at_open_bytes: 0,
        ..small()
    }
}

/// Two phexts in more segments than a merge that somebody asks for leaves, each overwriting some of the
/// one before.
fn filled() -> (MemoryVfs, Model) {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, options()).unwrap();
    let mut model = Model::new();
    for segment in 0..SEGMENTS {
        for phext in ["a", "b"] {
            let text = |n: u32| format!("{phext} {segment} {n} {}", "x".repeat(1000));
            let last = |n: u32| if n.is_multiple_of(5) { 1 } else { 1 + segment };
            let puts = (1..=SCROLLS).map(|n| put(at(n, last(n)), text(n)));
            let batch = batch(phext, puts.collect());
            store.commit(batch.clone()).unwrap();
            apply(&mut model, &batch);
        }
        store.seal().unwrap();
    }
    (vfs, model)
}

fn segments(vfs: &MemoryVfs) -> Vec<(PathBuf, usize)> {
    let files = vfs.files().into_iter();
    files.filter(|(path, _)| is_in(path, "segments")).collect()
}

fn is_damage_of(error: &StoreError, damaged: &Path) -> bool {
    matches!(error, StoreError::Corrupt { path, .. } if path == damaged)
}

/// Every scroll is there or is said to be damaged. Gives those that are said to be.
fn refused(store: &Store, model: &Model, damaged: &Path) -> Vec<(String, Coordinate)> {
    let snapshot = store.snapshot();
    let mut refused = Vec::new();
    for (name, scrolls) in model {
        let phext = snapshot.phext(name).unwrap();
        assert_eq!(phext.scrolls(), scrolls.len() as u64);
        for (coordinate, text) in scrolls {
            let found = phext.locate(coordinate);
            match found.and_then(|found| found.text().map(<[u8]>::to_vec)) {
                Ok(found) => assert!(found == *text, "{name:?} {coordinate}"),
                Err(error) => {
                    assert!(is_damage_of(&error, damaged), "{error}");
                    refused.push((name.clone(), *coordinate));
                }
            }
        }
    }
    refused
}

/// Writes, seals and merges as if nothing were damaged, and tries no merge again.
fn goes_on(store: &Store, model: &mut Model) {
    assert_eq!(store.poison(), None);
    for n in 1..4 {
        let batch = batch("a", vec![put(at(1000 + n, 1), "written all the same")]);
        store.commit(batch.clone()).unwrap();
        apply(model, &batch);
        store.seal().unwrap();
    }
    store.merge().unwrap();
    let merged = store.statistics().merged_bytes;
    store.merge().unwrap();
    assert_eq!(store.statistics().merged_bytes, merged, "it is tried again");
    assert_eq!(store.poison(), None);
}

/// What `check` and `repair` say of a store that merged around a damaged byte: all but the scroll that
/// has it is kept.
fn is_found_and_repaired(
    vfs: &MemoryVfs,
    model: &Model,
    damaged: &Path,
    refused: &[(String, Coordinate)],
) {
    let checked = check_with(vfs, &root(), |_| {}).unwrap();
    assert!(!checked.damages.is_empty(), "{damaged:?}");
    let shared: Arc<dyn phext_storage::vfs::Vfs> = Arc::new(vfs.clone());
    let report = repair_with(&shared, &root(), RepairMode::Apply).unwrap();
    assert!(report.is_applied && report.damages.len() == 1, "{report:?}");
    let store = open(vfs, options()).unwrap();
    let snapshot = store.snapshot();
    let held: u64 = snapshot.phexts().map(|phext| phext.scrolls()).sum();
    let known: usize = model.values().map(|scrolls| scrolls.len()).sum();
    let mut told = Vec::new();
    for loss in &report.losses {
        let Loss::Scrolls {
            phext, coordinates, ..
        } = loss
        else {
            panic!("{loss}");
        };
        told.extend(coordinates.iter().map(|&key| (phext.clone(), key)));
    }
    assert_eq!(known - held as usize, told.len(), "{report:?}");
    assert!(told.len() <= 1, "one byte is damaged: {told:?}");
    assert!(told.iter().all(|scroll| refused.contains(scroll)));
    for phext in snapshot.phexts() {
        for (coordinate, text) in &model[phext.name()] {
            let found = phext.locate(coordinate).unwrap();
            assert!(!found.is_present() || found.text().unwrap() == text);
        }
    }
    store.merge().unwrap();
    let statistics = store.statistics();
    assert_eq!(
        (statistics.damaged_chunks, statistics.unmergeable_segments),
        (0, 0)
    );
}

/// A flipped bit in each chunk in turn. A merge reads heaps, and perhaps nothing else: damage to the
/// rest goes with the old files.
#[test]
fn a_merge_goes_around_a_damaged_segment() {
    let (vfs, model) = filled();
    let (path, length) = segments(&vfs)[2].clone();
    let (mut given_up, mut healed) = (0, 0);
    for offset in (100..length - 1000).step_by(40_000) {
        let (vfs, mut model) = (vfs.after_crash(1), model.clone());
        vfs.damage(&path, offset, 1);
        let Ok(store) = open(&vfs, options()) else {
            // A header, which opening reads.
            continue;
        };
        let merged = store.merge();
        match merged {
            Err(error) => {
                assert!(is_damage_of(&error, &path), "{error}");
                given_up += 1;
            }
            Ok(()) => {
                assert_eq!(refused(&store, &model, &path), []);
                healed += 1;
                continue;
            }
        }
        let statistics = store.statistics();
        assert_eq!(
            (statistics.damaged_chunks, statistics.unmergeable_segments),
            (1, 1)
        );
        assert!(statistics.merges > 0, "the other segments are merged");
        let lost = refused(&store, &model, &path);
        assert!(!lost.is_empty() && lost.len() < 400, "{}", lost.len());
        goes_on(&store, &mut model);
        assert_eq!(refused(&store, &model, &path), lost);
        drop(store);
        assert!(
            segments(&vfs).iter().any(|(file, _)| *file == path),
            "it stays"
        );
        let store = open(&vfs, options()).unwrap();
        assert_eq!(refused(&store, &model, &path), lost, "after a restart");
        drop(store);
        is_found_and_repaired(&vfs, &model, &path, &lost);
    }
    assert!(given_up > 5, "{given_up} given up, {healed} healed");
}

/// An order is set all the same; the damaged part keeps the old one.
#[test]
fn a_new_order_leaves_a_damaged_part_as_it_is() {
    let (vfs, mut model) = filled();
    let (path, _) = segments(&vfs)[3].clone();
    vfs.damage(&path, IN_A_HEAP, 1);
    let store = open(&vfs, options()).unwrap();
    let hilbert: Order = "hilbert".parse().unwrap();
    // The store has no threads, so that the parts are rewritten here.
    store.set_order("a", hilbert).unwrap();
    let stale = |store: &Store| store.snapshot().phext("a").unwrap().stale_parts();
    assert_eq!((stale(&store), store.poison()), (1, None));
    assert_eq!(store.statistics().unmergeable_segments, 1);
    let lost = refused(&store, &model, &path);
    assert!(!lost.is_empty());
    goes_on(&store, &mut model);
    assert_eq!(refused(&store, &model, &path), lost);
    drop(store);
    let store = open(&vfs, options()).unwrap();
    assert!(
        is_damage_of(&store.merge().unwrap_err(), &path),
        "tried once more"
    );
    assert_eq!((stale(&store), store.poison()), (1, None));
    drop(store);
    is_found_and_repaired(&vfs, &model, &path, &lost);
}

/// The thread that merges in the background goes around the damage too, and does not spin.
#[test]
fn background_merges_go_around_a_damaged_segment() {
    let (vfs, mut model) = filled();
    let (path, _) = segments(&vfs)[0].clone();
    vfs.damage(&path, IN_A_HEAP, 1);
    let options = Options {
        background: true,
        ..options()
    };
    let store = open(&vfs, options).unwrap();
    for n in 0..60 {
        let puts = (1..=30).map(|m| put(at(2000 + n, m), "in the background"));
        let batch = batch("a", puts.collect());
        store.commit(batch.clone()).unwrap();
        apply(&mut model, &batch);
        store.seal().unwrap();
        // An order that changes asks the thread for the segment again and again.
        let order = ["hilbert", "morton"][n as usize % 2].parse().unwrap();
        store.set_order("a", order).unwrap();
    }
    let asked = store.merge();
    assert!(asked.is_ok() || is_damage_of(&asked.unwrap_err(), &path));
    let statistics = store.statistics();
    assert_eq!((statistics.unmergeable_segments, store.poison()), (1, None));
    assert!(
        statistics.merges > 1 && statistics.debt_permille == 0,
        "{statistics:?}"
    );
    let lost = refused(&store, &model, &path);
    assert!(!lost.is_empty());
}

/// What is dead as a whole goes without being read.
#[test]
fn a_damaged_part_without_a_current_scroll_is_dropped() {
    let (vfs, model) = filled();
    let (path, _) = segments(&vfs)[2].clone();
    vfs.damage(&path, IN_A_HEAP, 1);
    let store = open(&vfs, options()).unwrap();
    assert!(is_damage_of(&store.merge().unwrap_err(), &path));
    let mut replaced = Model::new();
    for phext in ["a", "b"] {
        let mut ingest = store
            .ingest(phext, phext_storage::IngestMode::Replace)
            .unwrap();
        for (coordinate, text) in &model[phext] {
            ingest.push(*coordinate, text).unwrap();
        }
        ingest.finish().unwrap();
        replaced.insert(phext.to_owned(), model[phext].clone());
    }
    assert_eq!(store.statistics().unmergeable_segments, 0);
    assert_eq!(refused(&store, &replaced, &path), []);
}
