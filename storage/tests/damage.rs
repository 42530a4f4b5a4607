//! Damage to stored bytes.
//!
//! Whatever changes on the medium, the store either says [`StoreError::Corrupt`] and names the file,
//! or gives exactly what was stored. The last group of the log is the known exception: with nothing
//! written after it, it cannot be told from a torn tail, so its loss is accepted there (and there
//! only).

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Store, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::{Path, PathBuf};
use support::{Model, at, batch, contents, delete, is_in, open, put, small};

/// Opens the store and reads all of it, each scroll by point and by scan.
fn read(opened: Result<Store, StoreError>) -> Result<Model, StoreError> {
    let store = opened?;
    assert_eq!(store.setting("setting").as_deref(), Some(&b"new"[..]));
    let snapshot = store.snapshot();
    let model = contents(&snapshot)?;
    for (name, scrolls) in &model {
        let phext = snapshot.phext(name).expect("a phext that was listed");
        for (coordinate, text) in scrolls {
            assert_eq!(phext.locate(coordinate)?.text()?, text);
        }
        assert!(!phext.locate(&at(77, 77))?.is_present());
    }
    Ok(model)
}

/// Commits that are in the log only.
const LOGGED: usize = 4;

/// Fills a store: two segments with shadowed slots, then a log of single commits. Gives what it held
/// after the last seal and after each commit since.
fn fill(store: &Store) -> Vec<Model> {
    let mut states = vec![Model::new()];
    store.set_setting("setting", b"old").unwrap();
    let mut commit = |phext: &str, operations| {
        let batch = batch(phext, operations);
        store.commit(batch.clone()).unwrap();
        let mut next = states[states.len() - 1].clone();
        support::apply(&mut next, &batch);
        states.push(next);
    };
    for round in 0..2 {
        for phext in ["", "a"] {
            let text = |n| format!("{phext} {round} {n} {}", "x".repeat(n as usize * 7));
            commit(
                phext,
                (1..6).map(|n| put(at(n, 2 + round), text(n))).collect(),
            );
            commit(
                phext,
                vec![delete(at(2, 2)), put(at(3, 2), format!("new {round}"))],
            );
        }
        store.seal().unwrap();
    }
    commit("a", vec![put(at(1, 1), "in the log")]);
    commit(
        "late",
        vec![put(at(1, 1), "a phext of the log's"), delete(at(3, 3))],
    );
    commit("a", vec![delete(at(4, 2))]);
    store.set_setting("setting", b"new").unwrap();
    commit("", vec![put(at(5, 5), "the last")]);
    states.split_off(states.len() - 1 - LOGGED)
}

/// Large enough that nothing seals by itself, lazy or eager in verifying what it opens.
fn options(verify_at_open_bytes: u64) -> Options {
    Options {
        memtable_bytes: 1 << 20,
        verify_at_open_bytes,
        ..small()
    }
}

/// A filled medium, and what [`fill`] gives.
fn filled() -> (MemoryVfs, Vec<Model>) {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, options(0)).unwrap();
    let states = fill(&store);
    (vfs, states)
}

/// A [`StoreError::Corrupt`] that names a file in this directory, or the directory.
fn names(error: &StoreError, directory: &str) -> bool {
    matches!(error, StoreError::Corrupt { path, .. } if is_in(path, directory) || path.ends_with(directory))
}

fn files_in(vfs: &MemoryVfs, directory: &str) -> Vec<(PathBuf, usize)> {
    let files = vfs.files().into_iter();
    files.filter(|(path, _)| is_in(path, directory)).collect()
}

#[test]
fn every_flipped_bit_of_a_segment_is_found_or_harmless() {
    let (vfs, states) = filled();
    let expected = states.last().unwrap();
    let (mut found, mut harmless) = (0, 0);
    for (path, length) in files_in(&vfs, "segments") {
        for bit in 0..length * 8 {
            let damaged = vfs.after_crash(1);
            damaged.damage(&path, bit / 8, 1 << (bit % 8));
            let verify_at_open = if bit % 3 == 0 { 1 << 30 } else { 0 };
            match read(open(&damaged, options(verify_at_open))) {
                Err(error) => {
                    assert!(names(&error, "segments"), "{path:?}, bit {bit}: {error}");
                    found += 1;
                }
                Ok(model) => {
                    assert_eq!(&model, expected, "{path:?}, bit {bit}");
                    harmless += 1;
                }
            }
        }
    }
    println!("segments: {found} flipped bits found, {harmless} harmless");
    assert!(found > 0);
}

#[test]
fn every_flipped_bit_of_the_log_is_found_or_harmless() {
    let (vfs, states) = filled();
    let [.., before_last, expected] = &states[..] else {
        unreachable!("there are several commits")
    };
    let (mut found, mut harmless, mut blind) = (0, 0, 0);
    for (path, length) in files_in(&vfs, "log") {
        for bit in 0..length * 8 {
            let damaged = vfs.after_crash(1);
            damaged.damage(&path, bit / 8, 1 << (bit % 8));
            match read(open(&damaged, options(0))) {
                Err(error) => {
                    assert!(names(&error, "log"), "{path:?}, bit {bit}: {error}");
                    found += 1;
                }
                Ok(model) if &model == before_last => blind += 1,
                Ok(model) => {
                    assert_eq!(&model, expected, "{path:?}, bit {bit}");
                    harmless += 1;
                }
            }
        }
    }
    println!("log: {found} flipped bits found, {harmless} harmless, {blind} in the last record");
    assert!(found > 0 && blind < 200 * 8);
}

#[test]
fn a_file_cut_at_any_length_is_found_or_a_prefix() {
    let (vfs, states) = filled();
    let expected = states.last().unwrap();
    for directory in ["segments", "log"] {
        for (path, length) in files_in(&vfs, directory) {
            for cut in 0..length {
                let damaged = vfs.after_crash(1);
                let file = phext_storage::vfs::Vfs::open(&damaged, &path).unwrap();
                file.truncate(cut as u64).unwrap();
                match read(open(&damaged, options(0))) {
                    Err(error) => assert!(names(&error, directory), "{path:?} to {cut}: {error}"),
                    // Nothing tells a cut log from one that ended there, down to what was sealed.
                    Ok(model) if directory == "log" => {
                        assert!(states.contains(&model), "{path:?} cut to {cut}: no prefix");
                    }
                    Ok(model) => assert_eq!(&model, expected, "{path:?} cut to {cut}"),
                }
            }
        }
    }
}

/// A store in a directory of its own, and what it holds.
fn on_disk() -> (tempfile::TempDir, Model) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), options(0)).unwrap();
    let held = fill(&store).pop().unwrap();
    (directory, held)
}

fn reopen(directory: &Path) -> Result<Model, StoreError> {
    read(Store::open(directory, options(0)))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn one_store_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = Store::open(directory.path(), options(0)).unwrap();
    let second = Store::open(directory.path(), options(0));
    assert!(
        matches!(second, Err(StoreError::Locked { .. })),
        "{second:?}"
    );
    drop(first);
    Store::open(directory.path(), options(0)).unwrap();
}

#[test]
fn missing_and_cut_files_refuse_to_open() {
    type Damage = fn(&Path);
    let check = |what: &str, is_refused: bool, damage: Damage| {
        let (directory, expected) = on_disk();
        damage(directory.path());
        match reopen(directory.path()) {
            Err(error) => {
                assert!(
                    matches!(error, StoreError::Corrupt { .. }),
                    "{what}: {error}"
                );
                assert!(is_refused, "{what}: {error}");
                let again = reopen(directory.path());
                assert!(again.is_err(), "{what}: refused once, then not");
            }
            Ok(model) => {
                assert!(!is_refused, "{what} went unnoticed");
                assert_eq!(model, expected, "{what}");
            }
        }
    };
    check("nothing", false, |_| {});
    check("the catalog is gone", true, |root| {
        std::fs::remove_dir_all(root.join("catalog")).unwrap();
    });
    check("the log is gone", true, |root| {
        std::fs::remove_dir_all(root.join("log")).unwrap();
    });
    check("the segments are gone", true, |root| {
        std::fs::remove_dir_all(root.join("segments")).unwrap();
    });
    check("a segment is cut", true, |root| {
        let path = first_file(&root.join("segments"));
        let bytes = std::fs::read(&path).unwrap();
        overwrite(&path, &bytes[..bytes.len() / 2]);
    });
    check("a segment is empty", true, |root| {
        overwrite(&first_file(&root.join("segments")), b"");
    });
    check("a log file is empty", true, |root| {
        overwrite(&first_file(&root.join("log")), b"");
    });
    check("strange names", false, |root| {
        for directory in ["segments", "log"] {
            for name in [
                "README",
                "x.seg",
                "x.log",
                "1.seg.bak",
                ".log",
                ".seg",
                "-1.log",
                "é",
            ] {
                overwrite(&root.join(directory).join(name), b"not ours");
            }
        }
        overwrite(&root.join("segments/000000000099.tmp"), b"unfinished");
        overwrite(&root.join("segments/000000000099.seg"), b"unnamed");
        overwrite(&root.join("notes.txt"), b"not ours");
    });
    check("numbers written another way", false, |root| {
        overwrite(&root.join("log/1.log"), b"not ours");
        overwrite(&root.join("log/+2.log"), b"not ours");
        overwrite(&root.join("segments/1.seg"), b"not ours");
        overwrite(&root.join("segments/+1.seg"), b"not ours");
    });
}

/// A store that never sealed has all it holds in the log.
#[test]
fn a_store_without_segments_notices_losses_too() {
    for lost in ["catalog", "log"] {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), options(0)).unwrap();
        store.commit(batch("a", vec![put(at(1, 1), "x")])).unwrap();
        drop(store);
        std::fs::remove_dir_all(directory.path().join(lost)).unwrap();
        for attempt in 1..=2 {
            let opened = reopen(directory.path());
            assert!(
                matches!(opened, Err(StoreError::Corrupt { .. })),
                "{lost}, attempt {attempt}: {opened:?}"
            );
        }
    }
}

fn first_file(directory: &Path) -> PathBuf {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).min().expect("a file")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test damages files behind the store's back"
)]
fn overwrite(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

/// Every file below a directory.
fn files_below(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files_below(&path, out),
            false => out.push(path),
        }
    }
}

/// The catalog's library may panic on damage: the store must turn that into an error as well.
#[test]
fn flipped_bits_of_the_catalog_are_found_or_harmless() {
    let (directory, expected) = on_disk();
    let mut files = Vec::new();
    files_below(&directory.path().join("catalog"), &mut files);
    files.sort();
    let mut dice = StdRng::seed_from_u64(3);
    let (mut found, mut harmless) = (0, 0);
    for flip in 0..300 {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("store");
        copy(directory.path(), &root);
        let file = &files[dice.random_range(0..files.len())];
        let mut bytes = std::fs::read(file).unwrap();
        if bytes.is_empty() {
            continue;
        }
        // Most of the file is zeros: hit what is written.
        let written: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
        let position = written[dice.random_range(0..written.len())];
        let bit = dice.random_range(0..8);
        bytes[position] ^= 1 << bit;
        let relative = file.strip_prefix(directory.path()).unwrap();
        overwrite(&root.join(relative), &bytes);
        match reopen(&root) {
            Err(error) => {
                assert!(
                    matches!(
                        &error,
                        StoreError::Corrupt { .. } | StoreError::Version { .. }
                    ),
                    "flip {flip}, {relative:?} byte {position} bit {bit}: {error}"
                );
                found += 1;
            }
            Ok(model) => {
                assert_eq!(
                    model, expected,
                    "flip {flip}, {relative:?} byte {position} bit {bit}"
                );
                harmless += 1;
            }
        }
    }
    println!("catalog: {found} flipped bits found, {harmless} harmless");
    assert!(found > 0);
}
