//! What cannot be read for another reason than damage may be whole: neither a repair nor a check takes
//! it for damage, and a repair changes nothing then.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test puts something in the way behind the store's back"
)]

mod support;

use phext_storage::vfs::{Fault, MemoryVfs, Vfs};
use phext_storage::{
    Loss, Options, RepairMode, RepairReport, Store, StoreError, check, check_with, repair,
    repair_with,
};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use support::{
    Model, at, batch, contents, delete, is_in, lose_both_catalogs, lose_catalog, open, put, root,
    small,
};

fn options() -> Options {
    Options {
        memtable_bytes: 8 << 20,
        ..small()
    }
}

/// A sealed scroll that was deleted after, sealed as well, a named snapshot, and a log.
fn fill(store: &Store) {
    let puts = (1..200).map(|n| put(at(n, 1), format!("{n:0400}")));
    store.commit(batch("a", puts.collect())).unwrap();
    store.seal().unwrap();
    store.commit(batch("a", vec![delete(at(5, 1))])).unwrap();
    store.create_snapshot("kept").unwrap();
    store
        .commit(batch("a", vec![put(at(6, 1), "new")]))
        .unwrap();
}

fn filled() -> MemoryVfs {
    let vfs = MemoryVfs::new();
    fill(&open(&vfs, options()).unwrap());
    vfs
}

fn run(vfs: &MemoryVfs, mode: RepairMode) -> Result<RepairReport, StoreError> {
    let vfs: Arc<dyn Vfs> = Arc::new(vfs.clone());
    repair_with(&vfs, &root(), mode)
}

fn held(vfs: &MemoryVfs) -> Model {
    contents(&open(vfs, options()).unwrap().snapshot()).unwrap()
}

const KINDS: [io::ErrorKind; 3] = [
    io::ErrorKind::StorageFull,
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::OutOfMemory,
];

#[test]
fn a_failing_access_is_no_damage() {
    let good = filled();
    let without_copies = filled();
    for name in ["MANIFEST", "SNAPSHOTS", "DURABLE"] {
        without_copies.remove(&root().join(name)).unwrap();
    }
    for vfs in [good, without_copies] {
        let expected = held(&vfs.after_crash(1));
        for lasting in [false, true] {
            for at in 0.. {
                let vfs = vfs.after_crash(1);
                let kind = KINDS[at as usize % KINDS.len()];
                vfs.set_fault(Some(Fault::FailAccess { at, kind, lasting }));
                let files = vfs.files();
                let repaired = run(&vfs, RepairMode::Apply);
                if let Ok(report) = &repaired {
                    assert!(report.damages.is_empty(), "access {at}: {report:?}");
                }
                let needed = vfs.accesses();
                let checked = check_with(&vfs, &root(), |_| {});
                if let Ok(report) = &checked {
                    assert_eq!(report.damages, [], "access {at}");
                }
                assert_eq!(vfs.files(), files, "access {at}");
                vfs.set_fault(None);
                assert!(held(&vfs) == expected, "access {at}");
                if needed <= at {
                    assert!(repaired.is_ok());
                    break;
                }
                assert!(!lasting || repaired.is_err(), "access {at} was not needed");
            }
        }
    }
}

/// What is damaged is repaired as far as it goes with errors on the way, and not otherwise.
#[test]
fn an_error_does_not_add_to_a_damage() {
    type Damage = fn(&MemoryVfs);
    let damages: [Damage; 3] = [lose_catalog, lose_both_catalogs, |vfs| {
        let files = vfs.files().into_iter();
        let mut segments = files.filter(|(path, _)| is_in(path, "segments"));
        let (path, length) = segments.next().unwrap();
        vfs.damage(&path, length / 2, 1);
    }];
    for damage in damages {
        let vfs = filled();
        damage(&vfs);
        let expected = run(&vfs, RepairMode::DryRun).unwrap();
        for at in 0..200 {
            let vfs = vfs.after_crash(1);
            let kind = KINDS[at as usize % KINDS.len()];
            let lasting = false;
            vfs.set_fault(Some(Fault::FailAccess { at, kind, lasting }));
            if let Ok(report) = run(&vfs, RepairMode::DryRun) {
                assert_eq!(report.damages, expected.damages, "access {at}");
                assert_eq!(report.losses, expected.losses, "access {at}");
            }
        }
    }
}

#[test]
fn a_segment_that_cannot_be_opened_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    fill(&Store::open(directory.path(), options()).unwrap());
    let segment = directory.path().join("segments/000000000001.seg");
    let elsewhere = directory.path().join("elsewhere");
    std::fs::rename(&segment, &elsewhere).unwrap();
    std::fs::create_dir(&segment).unwrap();
    for mode in [RepairMode::DryRun, RepairMode::Apply] {
        let refused = repair(directory.path(), mode).unwrap_err();
        assert!(
            refused.to_string().contains("000000000001.seg"),
            "{refused}"
        );
    }
    let refused = check(directory.path(), |_| {}).unwrap_err();
    assert!(
        refused.to_string().contains("000000000001.seg"),
        "{refused}"
    );
    std::fs::remove_dir(&segment).unwrap();
    std::fs::rename(&elsewhere, &segment).unwrap();
    assert_eq!(check(directory.path(), |_| {}).unwrap().damages, []);
}

#[test]
fn a_log_of_another_version_is_kept() {
    let vfs = filled();
    let mut files = vfs.files().into_iter().map(|(path, _)| path);
    let log = files.rfind(|path| is_in(path, "log")).unwrap();
    let mut bytes = vfs.bytes(&log);
    bytes[8] = 9;
    let checksum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    vfs.put(&log, bytes);
    let is_version = |error: &StoreError| matches!(error, StoreError::Version { found: 9, .. });
    assert!(is_version(&run(&vfs, RepairMode::Apply).unwrap_err()));
    assert!(is_version(&check_with(&vfs, &root(), |_| {}).unwrap_err()));
}

fn copies(vfs: &MemoryVfs) -> Vec<(PathBuf, usize)> {
    let files = vfs.files().into_iter();
    let is_copy = |path: &PathBuf| {
        ["MANIFEST", "SNAPSHOTS", "DURABLE"]
            .iter()
            .any(|n| path.ends_with(n))
    };
    files.filter(|(path, _)| is_copy(path)).collect()
}

/// The files that repeat what others say cost nothing, and are named.
#[test]
fn every_flipped_byte_of_a_copy_is_found_and_mended() {
    let vfs = filled();
    let expected = held(&vfs.after_crash(1));
    assert_eq!(copies(&vfs).len(), 3);
    for (path, length) in copies(&vfs) {
        for byte in 0..length {
            let vfs = vfs.after_crash(1);
            vfs.damage(&path, byte, 1 << (byte % 8));
            let checked = check_with(&vfs, &root(), |_| {}).unwrap();
            let places: Vec<&PathBuf> = checked.damages.iter().map(|d| &d.path).collect();
            assert_eq!(places, [&path], "byte {byte}");
            let files = vfs.files();
            let dry = run(&vfs, RepairMode::DryRun).unwrap();
            assert_eq!(vfs.files(), files);
            assert_eq!(
                (dry.damages.len(), dry.losses.as_slice()),
                (1, &[] as &[Loss])
            );
            assert!(run(&vfs, RepairMode::Apply).unwrap().is_applied);
            assert_eq!(check_with(&vfs, &root(), |_| {}).unwrap().damages, []);
            assert!(run(&vfs, RepairMode::Apply).unwrap().damages.is_empty());
            assert!(held(&vfs) == expected, "{path:?}, byte {byte}");
            assert_eq!(copies(&vfs).len(), 4, "it is written anew");
        }
    }
}
