//! A repair keeps what is whole, names what is lost, and can be cut short anywhere.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{Catalog, Fault, MemoryVfs, Vfs};
use phext_storage::{Loss, Options, RepairMode, RepairReport, Store, StoreError};
use phext_storage::{check_with, repair, repair_with};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{
    Model, apply, at, batch, contents, delete, lose_both_catalogs, lose_catalog, open, put, root,
    says_nothing_twice, small,
};

fn options() -> Options {
    Options {
        memtable_bytes: 8 << 20,
        verify_at_open_bytes: 0,
        ..small()
    }
}

/// The commits in the log behind the last seal.
const LOGGED: usize = 4;

/// Two phexts in two segments with overwritten and deleted scrolls, then a log. Gives the state
/// after the last seal, and after each commit since.
fn fill(store: &Store) -> Vec<Model> {
    let mut states = vec![Model::new()];
    let mut commit = |phext: &str, operations| {
        let batch = batch(phext, operations);
        store.commit(batch.clone()).unwrap();
        let mut next = states[states.len() - 1].clone();
        apply(&mut next, &batch);
        states.push(next);
    };
    store.set_setting("setting", b"kept").unwrap();
    for round in 0..2 {
        for phext in ["a", "b"] {
            let text = |n: u32| format!("{phext} {round} {n} {}", "x".repeat(300 + n as usize));
            let last = |n: u32| if n.is_multiple_of(2) { 2 } else { 2 + round };
            commit(
                phext,
                (1..300).map(|n| put(at(n, last(n)), text(n))).collect(),
            );
            commit(phext, vec![delete(at(5, 2)), delete(at(6 + round, 2))]);
        }
        store.seal().unwrap();
    }
    commit(
        "a",
        vec![put(at(1, 1), "in the log"), put(at(2, 2), "newer")],
    );
    commit("late", vec![put(at(1, 1), "a phext of the log's")]);
    commit("b", vec![delete(at(8, 2))]);
    commit("b", vec![put(at(9, 9), "the last")]);
    states.split_off(states.len() - 1 - LOGGED)
}

fn filled() -> (MemoryVfs, Vec<Model>) {
    let vfs = MemoryVfs::new();
    let states = fill(&open(&vfs, options()).unwrap());
    (vfs, states)
}

fn run(vfs: &MemoryVfs, mode: RepairMode) -> Result<RepairReport, StoreError> {
    let vfs: Arc<dyn Vfs> = Arc::new(vfs.clone());
    repair_with(&vfs, &root(), mode)
}

fn files_in(vfs: &MemoryVfs, directory: &str) -> Vec<(PathBuf, usize)> {
    let files = vfs.files().into_iter();
    files
        .filter(|(path, _)| path.parent() == Some(&root().join(directory)))
        .collect()
}

fn held(vfs: &MemoryVfs) -> Model {
    let store = open(vfs, options()).unwrap();
    contents(&store.snapshot()).unwrap()
}

/// Repairs, after a dry run that must say the same and change nothing. Gives what the store holds.
fn repaired(vfs: &MemoryVfs) -> (Model, RepairReport) {
    let refused = open(vfs, options()).and_then(|store| {
        contents(&store.snapshot())?;
        Ok(())
    });
    assert!(refused.is_err(), "the damage does not show");
    let (operations, files) = (vfs.operations(), vfs.files());
    let dry = run(vfs, RepairMode::DryRun).unwrap();
    assert_eq!(
        (vfs.operations(), vfs.files()),
        (operations, files),
        "a dry run"
    );
    assert!(!dry.is_applied && !dry.damages.is_empty());
    let report = run(vfs, RepairMode::Apply).unwrap();
    assert!(report.is_applied);
    says_nothing_twice(&report);
    assert_eq!(
        (&dry.damages, &dry.losses, &dry.actions),
        (&report.damages, &report.losses, &report.actions)
    );
    let model = held(vfs);
    let checked = check_with(vfs, &root(), |_| {}).unwrap();
    assert_eq!(checked.damages, [], "after the repair");
    let again = run(vfs, RepairMode::Apply).unwrap();
    assert!(again.damages.is_empty() && !again.is_applied, "{again:?}");
    let store = open(vfs, options()).unwrap();
    store
        .commit(batch("a", vec![put(at(7, 7), "goes on")]))
        .unwrap();
    store.seal().unwrap();
    drop(store);
    assert_eq!(held(vfs)["a"][&at(7, 7)], b"goes on");
    (model, report)
}

/// `held` without what these losses name is `expected` without it.
fn equal_but_for(losses: &[Loss], held: &Model, expected: &Model) {
    let mut expected = expected.clone();
    for loss in losses {
        let Loss::Scrolls {
            phext,
            coordinates,
            unnamed,
            ..
        } = loss
        else {
            panic!("{loss}");
        };
        assert_eq!(*unnamed, 0, "{loss}");
        for coordinate in coordinates {
            assert!(
                expected
                    .get_mut(phext)
                    .unwrap()
                    .remove(coordinate)
                    .is_some(),
                "{coordinate}"
            );
        }
    }
    assert!(
        *held == expected,
        "the store holds something else than was reported"
    );
}

fn damage_chunk(vfs: &MemoryVfs) {
    let (path, length) = files_in(vfs, "segments")[0].clone();
    vfs.damage(&path, length * 2 / 5, 0x55);
}

fn damage_log(vfs: &MemoryVfs) {
    let path = files_in(vfs, "log").last().unwrap().0.clone();
    let bytes = vfs.map(&path).unwrap().to_vec();
    let find = |text: &[u8]| {
        bytes
            .windows(text.len())
            .position(|window| window == text)
            .unwrap()
    };
    vfs.damage(&path, find(b"a phext of the log's"), 1);
}

#[test]
fn a_good_store_is_left_alone() {
    let (vfs, states) = filled();
    let operations = vfs.operations();
    for mode in [RepairMode::DryRun, RepairMode::Apply] {
        let report = run(&vfs, mode).unwrap();
        assert!(
            report.damages.is_empty() && report.losses.is_empty(),
            "{report:?}"
        );
        assert!(!report.is_applied);
    }
    assert_eq!(vfs.operations(), operations);
    assert_eq!(&held(&vfs), states.last().unwrap());
}

#[test]
fn damaged_chunks_cost_their_scrolls_and_no_others() {
    let (vfs, states) = filled();
    damage_chunk(&vfs);
    let (model, report) = repaired(&vfs);
    assert!(!report.losses.is_empty());
    equal_but_for(&report.losses, &model, states.last().unwrap());
    let moved = files_in(&vfs, "repair-1/segments");
    assert_eq!(moved.len(), 1, "the damaged file is kept: {moved:?}");
}

/// A byte of which several bits are wrong costs the scroll that has it, if it is one's, and no other: also
/// in a part's dictionaries, without which the store does not open. One wrong bit costs nothing anywhere.
#[test]
fn a_damaged_byte_costs_one_scroll_at_most() {
    let (vfs, states) = filled();
    let expected = states.last().unwrap();
    let (path, length) = files_in(&vfs, "segments")[1].clone();
    let (mut lost, mut kept, mut unopened) = (0, 0, 0);
    let places = (700..length - 300).step_by(1999).map(|at| (at, 0x55));
    let bits = (64..length).step_by(1777).map(|at| (at, 1 << (at % 8)));
    for (at, mask) in places.chain(bits) {
        let vfs = vfs.after_crash(1);
        vfs.damage(&path, at, mask);
        unopened += u32::from(open(&vfs, options()).is_err());
        let report = run(&vfs, RepairMode::Apply).unwrap();
        let losses = &report.losses;
        match losses.as_slice() {
            [] => kept += 1,
            [Loss::Scrolls { coordinates, .. }] if coordinates.len() == 1 && mask == 0x55 => {
                lost += 1;
            }
            _ => panic!("byte {at}: {losses:?}"),
        }
        equal_but_for(losses, &held(&vfs), expected);
    }
    assert!(
        lost > 50 && kept > 5 && unopened > 5,
        "{lost}, {kept}, {unopened}"
    );
}

/// Scrolls that are lost with a segment are those that were current in it.
#[test]
fn lost_segments_cost_what_was_current_in_them() {
    type Damage = fn(&MemoryVfs, &Path, usize);
    let check = |what: &str, damage: Damage| {
        let (vfs, states) = filled();
        let (path, length) = files_in(&vfs, "segments")[1].clone();
        damage(&vfs, &path, length);
        let (model, report) = repaired(&vfs);
        let expected = states.last().unwrap();
        let is_part = |loss: &Loss| matches!(loss, Loss::Part { segment, .. } if *segment == path);
        assert!(
            report.losses.len() == 2 && report.losses.iter().all(is_part),
            "{what}: {report:?}"
        );
        let mut lost = 0;
        for (phext, scrolls) in expected {
            for (coordinate, text) in scrolls {
                match model.get(phext).and_then(|held| held.get(coordinate)) {
                    Some(held) => assert_eq!(held, text, "{what}: {coordinate}"),
                    // The second segment holds the second round.
                    None => {
                        assert!(text.starts_with(format!("{phext} 1 ").as_bytes()), "{what}");
                        lost += text.len() as u64;
                    }
                }
            }
        }
        let held: usize = model.values().map(|scrolls| scrolls.len()).sum();
        let known: usize = expected.values().map(|scrolls| scrolls.len()).sum();
        assert!(held < known, "{what}");
        let reported = report.losses.iter().map(|loss| match loss {
            Loss::Part { text_bytes, .. } => text_bytes.unwrap(),
            _ => 0,
        });
        // What the log overwrote or deleted was current when the catalog was written.
        assert!(reported.sum::<u64>() >= lost && lost > 0, "{what}");
    };
    check("missing", |vfs, path, _| vfs.remove(path).unwrap());
    check("cut", |vfs, path, length| {
        Vfs::open(vfs, path)
            .unwrap()
            .truncate(length as u64 / 2)
            .unwrap();
    });
}

#[test]
fn a_damaged_log_keeps_the_prefix() {
    let (vfs, states) = filled();
    damage_log(&vfs);
    let (model, report) = repaired(&vfs);
    assert_eq!(model, states[1], "the one commit before the damage");
    let [Loss::Commits { first, last }] = report.losses[..] else {
        panic!("{:?}", report.losses);
    };
    assert!(first < last, "{first} to {last}");
    assert!(
        !files_in(&vfs, "repair-1/log").is_empty(),
        "the damaged file is kept"
    );
}

#[test]
fn a_missing_log_leaves_what_is_sealed() {
    let (vfs, states) = filled();
    for (path, _) in files_in(&vfs, "log") {
        vfs.remove(&path).unwrap();
    }
    let (model, report) = repaired(&vfs);
    assert_eq!(model, states[0]);
    let [Loss::Commits { first, last }, Loss::Later { after }] = report.losses[..] else {
        panic!("{:?}", report.losses);
    };
    // A sealing logs a checkpoint, which is lost with the commits behind it.
    assert_eq!((last - first, after), (LOGGED as u64, last));
}

/// Without the catalog nothing is lost, and sealed deletes may be undone.
fn rebuilt(vfs: &MemoryVfs, expected: &Model) -> RepairReport {
    let (model, report) = repaired(vfs);
    let is_told = |loss: &Loss| {
        matches!(
            loss,
            Loss::Deletes { .. } | Loss::Settings | Loss::Snapshots | Loss::Unknown { .. }
        )
    };
    assert!(report.losses.iter().all(is_told), "{:?}", report.losses);
    for (phext, scrolls) in &model {
        for (coordinate, text) in scrolls {
            match expected[phext].get(coordinate) {
                Some(known) => assert!(text == known, "{phext:?} {coordinate}"),
                None => {
                    let deleted = [at(5, 2), at(6, 2), at(7, 2), at(7, 3)];
                    assert!(deleted.contains(coordinate), "{phext:?} {coordinate}");
                    let told = report
                        .losses
                        .iter()
                        .any(|loss| matches!(loss, Loss::Deletes { .. }));
                    assert!(told, "{:?}", report.losses);
                }
            }
        }
    }
    for (phext, scrolls) in expected {
        assert!(
            scrolls.keys().all(|key| model[phext].contains_key(key)),
            "{phext:?}"
        );
    }
    report
}

#[test]
fn a_lost_catalog_is_taken_from_what_was_published() {
    let (vfs, states) = filled();
    lose_catalog(&vfs);
    let (model, report) = repaired(&vfs);
    assert_eq!((&model, report.losses), (states.last().unwrap(), vec![]));
    let store = open(&vfs, options()).unwrap();
    assert_eq!(store.setting("setting").as_deref(), Some(&b"kept"[..]));
}

#[test]
fn without_both_catalogs_one_is_rebuilt_from_the_segments() {
    let (vfs, states) = filled();
    lose_both_catalogs(&vfs);
    rebuilt(&vfs, states.last().unwrap());
}

#[test]
fn a_catalog_that_lost_its_newest_state_is_rebuilt_and_its_settings_kept() {
    let vfs = MemoryVfs::new();
    let path = root().join("catalog");
    let store = open(&vfs, options()).unwrap();
    store.set_setting("setting", b"kept").unwrap();
    store
        .commit(batch("a", vec![put(at(1, 1), "one"), put(at(2, 1), "two")]))
        .unwrap();
    store.seal().unwrap();
    let old = vfs.scan_catalog(&path).unwrap();
    store
        .commit(batch("a", vec![put(at(2, 1), "2"), put(at(3, 1), "three")]))
        .unwrap();
    store.seal().unwrap();
    let expected = contents(&store.snapshot()).unwrap();
    drop(store);
    restore(&*vfs.open_catalog(&path).unwrap(), old);
    vfs.remove(&root().join("MANIFEST")).unwrap();
    let (model, _) = repaired(&vfs);
    assert_eq!(
        model["a"]
            .iter()
            .filter(|(key, _)| **key != at(7, 7))
            .count(),
        3
    );
    for (coordinate, text) in &expected["a"] {
        assert_eq!(&model["a"][coordinate], text);
    }
    let store = open(&vfs, options()).unwrap();
    assert_eq!(store.setting("setting").as_deref(), Some(&b"kept"[..]));
}

fn restore(catalog: &dyn Catalog, entries: Vec<(Vec<u8>, Vec<u8>)>) {
    let removed = catalog
        .scan()
        .unwrap()
        .into_iter()
        .map(|(key, _)| (key, None));
    catalog.apply(&removed.collect::<Vec<_>>()).unwrap();
    let restored = entries.into_iter().map(|(key, value)| (key, Some(value)));
    catalog.apply(&restored.collect::<Vec<_>>()).unwrap();
}

#[test]
fn merged_parts_do_not_bring_their_sources_back() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, options()).unwrap();
    for round in 0..6 {
        for phext in ["a", "b"] {
            let text = |n: u32| format!("{phext} {round} {n}");
            let puts = (1..40)
                .map(|n| put(at(n, 1 + n % (round + 1)), text(n)))
                .collect();
            store.commit(batch(phext, puts)).unwrap();
        }
        store.seal().unwrap();
        if round % 2 == 1 {
            store.merge().unwrap();
        }
    }
    let expected = contents(&store.snapshot()).unwrap();
    drop(store);
    lose_both_catalogs(&vfs);
    assert_eq!(repaired(&vfs).0, expected);
}

#[test]
fn a_repair_that_is_cut_short_is_ended_by_the_next_one() {
    type Damage = fn(&MemoryVfs);
    let damages: [(&str, Damage); 4] = [
        ("chunk", damage_chunk),
        ("log", damage_log),
        ("catalog", lose_catalog),
        ("both catalogs", lose_both_catalogs),
    ];
    for (what, damage) in damages {
        let (vfs, _) = filled();
        damage(&vfs);
        let whole = vfs.after_crash(1);
        run(&whole, RepairMode::Apply).unwrap();
        let most = whole.operations();
        let expected = held(&whole);
        assert!(most > 10, "{what}: {most} operations");
        let mut begun = 0;
        for operation in 0..most {
            for seed in 0..4 {
                let cut = vfs.after_crash(1);
                cut.set_fault(Some(Fault::PowerOff { at: operation }));
                let ended = run(&cut, RepairMode::Apply);
                assert!(ended.is_err(), "{what}: the power went at {operation}");
                let after = cut.after_crash(seed);
                let early = open(&after, options());
                if let Err(error) = &early {
                    begun += u64::from(error.to_string().contains("was begun"));
                }
                drop(early);
                run(&after, RepairMode::Apply).unwrap();
                assert!(
                    held(&after) == expected,
                    "{what}: power off at {operation}, seed {seed}"
                );
            }
        }
        assert!(begun > 0, "{what}: some crash lies between begin and end");
    }
}

#[test]
fn a_store_on_disk_is_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let states = fill(&Store::open(directory.path(), options()).unwrap());
    std::fs::remove_dir_all(directory.path().join("catalog")).unwrap();
    let refused = Store::open(directory.path(), options()).unwrap_err();
    assert!(refused.to_string().contains("`sqd repair`"), "{refused}");
    let report = repair(directory.path(), RepairMode::DryRun).unwrap();
    assert!(!report.damages.is_empty() && !directory.path().join("repair-1").exists());
    let report = repair(directory.path(), RepairMode::Apply).unwrap();
    assert!(report.is_applied && directory.path().join("repair-1/log").is_dir());
    let store = Store::open(directory.path(), options()).unwrap();
    let model = contents(&store.snapshot()).unwrap();
    for (phext, scrolls) in states.last().unwrap() {
        for (coordinate, text) in scrolls {
            assert_eq!(&model[phext][coordinate], text);
        }
    }
}
