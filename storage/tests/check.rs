//! `check` lists every damaged place and changes nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{MemoryVfs, RealVfs, Vfs};
use phext_storage::{CheckReport, Options, Store, StoreError, check, check_with};
use std::path::{Path, PathBuf};
use support::{at, batch, contents, delete, is_in, open, put, root, small};

fn options() -> Options {
    Options {
        memtable_bytes: 8 << 20,
        verify_at_open_bytes: 0,
        ..small()
    }
}

/// Two phexts in two segments, with shadowed slots, and a log.
fn fill(store: &Store) {
    for round in 0..2 {
        for phext in ["a", "b"] {
            let text = |n: u32| format!("{phext} {round} {n} {}", "x".repeat(300 + n as usize));
            let puts = (1..400)
                .map(|n| put(at(n, 2 + n % 2 * round), text(n)))
                .collect();
            store.commit(batch(phext, puts)).unwrap();
            store.commit(batch(phext, vec![delete(at(5, 2))])).unwrap();
        }
        store.seal().unwrap();
    }
    store
        .commit(batch("a", vec![put(at(1, 1), "in the log")]))
        .unwrap();
}

fn filled() -> MemoryVfs {
    let vfs = MemoryVfs::new();
    fill(&open(&vfs, options()).unwrap());
    vfs
}

fn report(vfs: &MemoryVfs) -> CheckReport {
    check_with(vfs, &root(), |_| {}).unwrap()
}

fn segments(vfs: &MemoryVfs) -> Vec<(PathBuf, usize)> {
    let files = vfs.files().into_iter();
    files.filter(|(path, _)| is_in(path, "segments")).collect()
}

#[test]
fn a_good_store_is_good_and_stays_as_it_is() {
    let vfs = filled();
    let before = vfs.operations();
    let mut last = None;
    let report = check_with(&vfs, &root(), |progress| {
        assert!(progress.done <= progress.total);
        last = Some(progress);
    })
    .unwrap();
    assert_eq!(vfs.operations(), before, "a check changes nothing");
    assert_eq!(report.damages, []);
    let bytes: usize = segments(&vfs).iter().map(|(_, length)| length).sum();
    assert_eq!((report.segments, report.segment_bytes), (2, bytes as u64));
    assert_eq!((report.phexts, report.log_records > 0), (2, true));
    let last = last.unwrap();
    assert_eq!((last.done, last.total), (last.total, 2 * bytes as u64));

    let model = contents(&open(&vfs, options()).unwrap().snapshot()).unwrap();
    let scrolls: usize = model.values().map(|scrolls| scrolls.len()).sum();
    assert_eq!(
        report.scrolls + 1,
        scrolls as u64,
        "all but the one in the log"
    );
}

#[test]
fn every_damaged_place_is_listed() {
    let vfs = filled();
    let mut expected = Vec::new();
    for (path, length) in segments(&vfs) {
        for offset in [length * 2 / 5, length * 4 / 5] {
            vfs.damage(&path, offset, 4);
            expected.push((path.clone(), (offset - offset % 65_536) as u64));
        }
    }
    let report = report(&vfs);
    for (path, offset) in &expected {
        let is_listed =
            |damage: &&phext_storage::Damage| (&damage.path, damage.offset) == (path, *offset);
        let damage = report.damages.iter().find(is_listed);
        let damage = damage.unwrap_or_else(|| panic!("{path:?} at {offset}: {:?}", report.damages));
        assert!(
            damage.scrolls > 50 && !damage.coordinates.is_empty(),
            "{damage}"
        );
        assert!(!damage.phexts.is_empty(), "{damage}");
    }
}

#[test]
fn every_flipped_bit_of_a_segment_is_listed() {
    let vfs = filled();
    for (path, length) in segments(&vfs) {
        for offset in (0..length).step_by(4999).chain(length - 80..length) {
            let damaged = vfs.after_crash(1);
            damaged.damage(&path, offset, 1 << (offset % 8));
            let report = report(&damaged);
            let is_listed = report.damages.iter().any(|damage| damage.path == path);
            assert!(is_listed, "{path:?}, byte {offset}: {:?}", report.damages);
        }
    }
}

#[test]
fn losses_are_listed() {
    let check = |lost: &str, directory: &str| {
        let vfs = filled();
        let paths: Vec<PathBuf> = vfs.files().into_iter().map(|(path, _)| path).collect();
        for path in paths.iter().filter(|path| is_in(path, lost)) {
            vfs.remove(path).unwrap();
        }
        let damages = report(&vfs).damages;
        let names = |path: &Path| is_in(path, directory) || path.ends_with(directory);
        assert!(
            damages.iter().any(|damage| names(&damage.path)),
            "{lost}: {damages:?}"
        );
    };
    check("segments", "segments");
    check("log", "log");
}

#[test]
fn a_lost_catalog_is_listed_and_an_open_store_is_not_checked() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), options()).unwrap();
    fill(&store);
    let refused = check(directory.path(), |_| {});
    assert!(
        matches!(refused, Err(StoreError::Locked { .. })),
        "{refused:?}"
    );
    drop(store);
    assert_eq!(check(directory.path(), |_| {}).unwrap().damages, []);
    std::fs::remove_dir_all(directory.path().join("catalog")).unwrap();
    let report = check(directory.path(), |_| {}).unwrap();
    let damages = &report.damages;
    assert_eq!(damages.len(), 1, "nothing else is damaged: {damages:?}");
    assert!(damages[0].path.ends_with("catalog"), "{damages:?}");
    assert_eq!(report.segments, 2, "the segments are checked all the same");
    assert!(report.log_records > 0, "and the log");
    let manifest = directory.path().join("MANIFEST");
    RealVfs.remove(&manifest).unwrap();
    let damages = check(directory.path(), |_| {}).unwrap().damages;
    assert_eq!(damages.len(), 1, "nor without its copy: {damages:?}");
    assert!(damages[0].path.ends_with("catalog"), "{damages:?}");
}

#[test]
fn missing_segments_are_listed_and_not_counted() {
    let directory = tempfile::tempdir().unwrap();
    fill(&Store::open(directory.path(), options()).unwrap());
    let segments = directory.path().join("segments");
    let first = std::fs::read_dir(&segments).unwrap().next().unwrap();
    let first = first.unwrap().path();
    RealVfs.remove(&first).unwrap();
    let report = check(directory.path(), |_| {}).unwrap();
    assert_eq!((report.segments, report.damages.len()), (1, 1));
    assert_eq!(report.damages[0].path, first);
    assert_eq!(report.damages[0].phexts, ["a", "b"]);
    std::fs::remove_dir_all(&segments).unwrap();
    let report = check(directory.path(), |_| {}).unwrap();
    assert_eq!((report.segments, report.segment_bytes), (0, 0));
    let damages = report.damages;
    assert_eq!(
        damages.len(),
        3,
        "the directory and each of them: {damages:?}"
    );
    assert_eq!(damages[0].path, segments);
    std::fs::remove_dir_all(directory.path().join("log")).unwrap();
    let damages = check(directory.path(), |_| {}).unwrap().damages;
    let is_log = |path: &Path| path.ends_with("log");
    assert!(
        damages.iter().any(|damage| is_log(&damage.path)),
        "{damages:?}"
    );
}
