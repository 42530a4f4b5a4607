//! A repair keeps named snapshots wherever a file tells what they hold.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{Fault, MemoryVfs, Vfs};
use phext_storage::{
    Loss, Options, RepairMode, RepairReport, Store, StoreError, check_with, repair_with,
};
use std::path::PathBuf;
use std::sync::Arc;
use support::{
    Model, at, batch, contents, delete, is_in, lose_both_catalogs, lose_catalog, open, put, root,
    says_nothing_twice, small,
};

fn options() -> Options {
    Options {
        memtable_bytes: 8 << 20,
        verify_at_open_bytes: 0,
        ..small()
    }
}

/// A store, and what it and its snapshots hold.
struct Filled {
    vfs: MemoryVfs,
    now: Model,
    early: Model,
    late: Model,
}

/// Two snapshots, and merges since, so that there are segments that only they need; then a log.
fn filled() -> Filled {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, options()).unwrap();
    let write = |round: u32| {
        for phext in ["a", "b"] {
            let text = |n: u32| format!("{phext} {round} {n} {}", "x".repeat(1500));
            let last = |n: u32| if n.is_multiple_of(3) { 1 } else { 1 + round };
            let puts = (1..150).map(|n| put(at(n, last(n)), text(n)));
            store.commit(batch(phext, puts.collect())).unwrap();
        }
        store.seal().unwrap();
    };
    (0..3).for_each(&write);
    store
        .commit(batch("a", vec![delete(at(3, 1)), put(at(500, 1), "early")]))
        .unwrap();
    store.create_snapshot("early").unwrap();
    let early = contents(&store.snapshot()).unwrap();
    (3..6).for_each(&write);
    store.commit(batch("a", vec![delete(at(6, 1))])).unwrap();
    store.merge().unwrap();
    store.create_snapshot("late").unwrap();
    let late = contents(&store.snapshot()).unwrap();
    (6..9).for_each(&write);
    store.merge().unwrap();
    store
        .commit(batch("b", vec![put(at(501, 1), "now")]))
        .unwrap();
    let now = contents(&store.snapshot()).unwrap();
    Filled {
        vfs,
        now,
        early,
        late,
    }
}

/// Repairs, after a dry run that says the same and changes nothing.
fn repaired(vfs: &MemoryVfs) -> RepairReport {
    let run = |mode| {
        let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
        repair_with(&shared, &root(), mode).unwrap()
    };
    let files = vfs.files();
    let dry = run(RepairMode::DryRun);
    assert_eq!(vfs.files(), files, "a dry run");
    let report = run(RepairMode::Apply);
    assert!(report.is_applied);
    says_nothing_twice(&report);
    assert_eq!(
        (dry.damages, dry.losses, dry.actions),
        (
            report.damages.clone(),
            report.losses.clone(),
            report.actions.clone()
        )
    );
    let checked = check_with(vfs, &root(), |_| {}).unwrap();
    assert_eq!(checked.damages, [], "after the repair");
    report
}

fn named(store: &Store, name: &str) -> Model {
    contents(&store.snapshot_named(name).unwrap()).unwrap()
}

fn is_of_snapshots(loss: &Loss) -> bool {
    matches!(loss, Loss::OfSnapshot { .. } | Loss::Snapshots)
}

/// Both snapshots are there, and stay what they are when the store goes on and is opened again.
fn are_kept(filled: &Filled) {
    let store = open(&filled.vfs, options()).unwrap();
    let check = |store: &Store| {
        assert!(named(store, "early") == filled.early && named(store, "late") == filled.late);
    };
    check(&store);
    store
        .commit(batch("a", vec![put(at(7, 7), "goes on")]))
        .unwrap();
    store.seal().unwrap();
    store.merge().unwrap();
    drop(store);
    let store = open(&filled.vfs, options()).unwrap();
    check(&store);
    store.drop_snapshot("early").unwrap();
    store.drop_snapshot("late").unwrap();
    drop(store);
    let store = open(&filled.vfs, options()).unwrap();
    assert_eq!(store.snapshots(), []);
}

#[test]
fn they_outlive_the_loss_of_catalog_manifest_and_log() {
    type Damage = fn(&MemoryVfs);
    let damages: [(&str, Damage); 3] = [
        ("catalog", lose_catalog),
        ("both catalogs", lose_both_catalogs),
        ("log", |vfs| {
            for (path, _) in vfs.files() {
                if is_in(&path, "log") {
                    vfs.remove(&path).unwrap();
                }
            }
        }),
    ];
    for (what, damage) in damages {
        let filled = filled();
        damage(&filled.vfs);
        let report = repaired(&filled.vfs);
        assert!(
            !report.losses.iter().any(is_of_snapshots),
            "{what}: {:?}",
            report.losses
        );
        let kept = "keep the named snapshots early, late".to_owned();
        assert!(
            report.actions.contains(&kept),
            "{what}: {:?}",
            report.actions
        );
        let store = open(&filled.vfs, options()).unwrap();
        let now = contents(&store.snapshot()).unwrap();
        drop(store);
        for (phext, scrolls) in filled.now.iter().filter(|_| what != "log") {
            let held = &now[phext];
            assert!(
                scrolls
                    .iter()
                    .all(|(key, text)| held.get(key) == Some(text)),
                "{what}"
            );
        }
        if what == "catalog" {
            assert!(
                now == filled.now && report.losses.is_empty(),
                "{:?}",
                report.losses
            );
        }
        are_kept(&filled);
    }
}

#[test]
fn what_is_lost_is_told_where_no_file_tells_of_them() {
    let filled = filled();
    lose_both_catalogs(&filled.vfs);
    let vfs = filled.vfs.after_crash(1);
    vfs.damage(&root().join("SNAPSHOTS"), 50, 1);
    let report = repaired(&vfs);
    assert!(
        report.losses.contains(&Loss::Snapshots),
        "{:?}",
        report.losses
    );
    assert!(
        report
            .damages
            .iter()
            .any(|damage| damage.contains("SNAPSHOTS"))
    );
    assert_eq!(open(&vfs, options()).unwrap().snapshots(), []);

    let vfs = filled.vfs.after_crash(1);
    vfs.remove(&root().join("SNAPSHOTS")).unwrap();
    let report = repaired(&vfs);
    assert!(
        report.losses.contains(&Loss::Snapshots),
        "{:?}",
        report.losses
    );
}

fn segments(vfs: &MemoryVfs) -> Vec<(PathBuf, usize)> {
    let files = vfs.files().into_iter();
    files.filter(|(path, _)| is_in(path, "segments")).collect()
}

#[test]
fn damage_costs_a_snapshot_its_damaged_scrolls_and_no_others() {
    let mut concerned = 0;
    let count = segments(&filled().vfs).len();
    for index in 0..count {
        let filled = filled();
        let (path, length) = segments(&filled.vfs)[index].clone();
        if length < 400_000 {
            continue;
        }
        filled.vfs.damage(&path, 80_000, 0x55);
        let report = repaired(&filled.vfs);
        let store = open(&filled.vfs, options()).unwrap();
        for (name, expected) in [("early", &filled.early), ("late", &filled.late)] {
            let held = named(&store, name);
            let mut expected = expected.clone();
            for loss in &report.losses {
                let Loss::OfSnapshot { snapshot, loss } = loss else {
                    continue;
                };
                let Loss::Scrolls {
                    phext,
                    coordinates,
                    unnamed: 0,
                    ..
                } = &**loss
                else {
                    panic!("{loss}");
                };
                if snapshot == name {
                    concerned += 1;
                    for coordinate in coordinates {
                        expected.get_mut(phext).unwrap().remove(coordinate).unwrap();
                    }
                }
            }
            assert!(held == expected, "{name}: {:?}", report.losses);
        }
    }
    assert!(concerned > 1, "{concerned}");
}

#[test]
fn a_missing_segment_is_told_of_the_snapshot_that_needs_it() {
    let filled = filled();
    let (path, _) = segments(&filled.vfs)[0].clone();
    filled.vfs.remove(&path).unwrap();
    let report = repaired(&filled.vfs);
    let is_told = |loss: &Loss| match loss {
        Loss::OfSnapshot { snapshot, loss } => {
            snapshot == "early" && matches!(&**loss, Loss::Part { segment, .. } if *segment == path)
        }
        _ => false,
    };
    assert!(report.losses.iter().any(is_told), "{:?}", report.losses);
    let store = open(&filled.vfs, options()).unwrap();
    assert!(named(&store, "late") == filled.late);
    assert!(contents(&store.snapshot()).unwrap() == filled.now);
    named(&store, "early");
}

/// The file follows the catalog: a repair finds what the store had, wherever a crash came.
#[test]
fn a_crash_while_one_is_created_or_dropped_leaves_what_the_catalog_says() {
    let names =
        |store: &Store| -> Vec<String> { store.snapshots().into_iter().map(|s| s.name).collect() };
    type Change = fn(&Store) -> Result<(), StoreError>;
    let changes: [Change; 2] = [
        |store| store.create_snapshot("new").map(|_| ()),
        |store| store.drop_snapshot("early"),
    ];
    let before = filled().vfs;
    let (mut cuts, mut changed) = (0, 0);
    for change in changes {
        for at in 0.. {
            let vfs = before.after_crash(1);
            let store = open(&vfs, options()).unwrap();
            vfs.set_fault(Some(Fault::PowerOff {
                at: vfs.operations() + at,
            }));
            let done = change(&store).is_ok();
            drop(store);
            for seed in 0..2 {
                let vfs = vfs.after_crash(seed);
                let store = open(&vfs, options()).unwrap();
                let expected = names(&store);
                drop(store);
                changed += u64::from(expected != ["early", "late"]);
                lose_both_catalogs(&vfs);
                let report = repaired(&vfs);
                assert!(
                    !report.losses.iter().any(is_of_snapshots),
                    "{:?}",
                    report.losses
                );
                let store = open(&vfs, options()).unwrap();
                assert_eq!(names(&store), expected, "after a crash at {at}");
                expected.iter().for_each(|name| drop(named(&store, name)));
                cuts += 1;
            }
            if done {
                break;
            }
        }
    }
    assert!(
        cuts > 20 && changed > 2,
        "{cuts} cuts, {changed} after a change"
    );
}
