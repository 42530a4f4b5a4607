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
use support::{Model, at, batch, contents, delete, is_in, open, put, small, tell};

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
            assert_eq!(phext.text(coordinate)?, Some(&text[..]));
        }
        assert!(!phext.locate(&at(77, 77))?.is_present());
        assert_eq!(phext.text(&at(77, 77))?, None);
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
    tell!("damage: segments, {found} flipped bits found, {harmless} harmless");
    assert!(found > 0);
}

#[test]
fn a_damaged_chunk_is_told_at_opening_and_costs_its_scrolls_only() {
    let vfs = MemoryVfs::new();
    let text = |n: u32| format!("{n} {}", "x".repeat(1000));
    let store = open(&vfs, options(0)).unwrap();
    let puts = (1..400).map(|n| put(at(n, 1), text(n))).collect();
    store.commit(batch("a", puts)).unwrap();
    store.seal().unwrap();
    drop(store);
    let (path, length) = files_in(&vfs, "segments").remove(0);
    vfs.damage(&path, length / 2, 1);

    for (verify_at_open_bytes, told) in [(1 << 30, 1), (0, 0)] {
        let store = open(&vfs.after_crash(1), options(verify_at_open_bytes)).unwrap();
        assert_eq!(store.statistics().damaged_chunks, told);
        let snapshot = store.snapshot();
        let phext = snapshot.phext("a").unwrap();
        let mut refused = 0;
        for n in 1..400 {
            let found = phext.locate(&at(n, 1));
            match found.and_then(|found| found.text().map(<[u8]>::to_vec)) {
                Ok(served) => assert_eq!(served, text(n).as_bytes()),
                Err(error) => {
                    assert!(names(&error, "segments"), "{error}");
                    refused += 1;
                }
            }
        }
        assert!((60..70).contains(&refused), "{refused} of 64 KiB");
        assert_eq!(store.statistics().damaged_chunks, 1);
        store
            .commit(batch("a", vec![put(at(1000, 1), "written all the same")]))
            .unwrap();
    }
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
    tell!(
        "damage: log, {found} flipped bits found, {harmless} harmless, {blind} in the last record"
    );
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
///
/// Every bit that was written is flipped; `SQD_CATALOG_FLIPS` says how many of them, evenly, where that
/// takes too long.
#[test]
fn flipped_bits_of_the_catalog_are_found_or_harmless() {
    let (directory, expected) = on_disk();
    let mut files = Vec::new();
    files_below(&directory.path().join("catalog"), &mut files);
    files.sort();
    // Most of a file is zeros: what is written is hit.
    let mut bits: Vec<(PathBuf, usize)> = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let written = (0..bytes.len()).filter(|&position| bytes[position] != 0);
        let of_file = written.flat_map(|position| (0..8).map(move |bit| position * 8 + bit));
        bits.extend(of_file.map(|bit| (file.clone(), bit)));
    }
    let count = match std::env::var("SQD_CATALOG_FLIPS").as_deref() {
        Ok(count) => count.parse().expect("SQD_CATALOG_FLIPS is a number"),
        Err(_) => bits.len(),
    };
    let (mut found, mut harmless) = (0, 0);
    for flip in 0..count.min(bits.len()) {
        let (file, bit) = &bits[flip * bits.len() / count.min(bits.len())];
        let scratch = scratch();
        let root = scratch.path().join("store");
        copy(directory.path(), &root);
        let mut bytes = std::fs::read(file).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let relative = file.strip_prefix(directory.path()).unwrap();
        overwrite(&root.join(relative), &bytes);
        match reopen(&root) {
            Err(error) => {
                assert!(
                    matches!(
                        &error,
                        StoreError::Corrupt { .. } | StoreError::Version { .. }
                    ),
                    "{relative:?} bit {bit}: {error}"
                );
                found += 1;
            }
            Ok(model) => {
                assert_eq!(model, expected, "{relative:?} bit {bit}");
                harmless += 1;
            }
        }
    }
    tell!(
        "damage: catalog, {found} of {} flipped bits found, {harmless} harmless, of {} written",
        found + harmless,
        bits.len()
    );
    assert!(found > 0);
}

/// A directory that goes, in memory where the machine has such a place: syncs cost nothing there.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A store with two segments of several chunks each, and a log behind them.
fn of_several_chunks() -> (MemoryVfs, Model) {
    let vfs = MemoryVfs::new();
    let mut dice = StdRng::seed_from_u64(4);
    let mut model = Model::new();
    let store = open(&vfs, options(0)).unwrap();
    for round in 1..=2 {
        let scrolls = (1..=60).map(|number| {
            let letters: String = (0..2500)
                .map(|_| char::from(dice.random_range(b'a'..=b'z')))
                .collect();
            put(at(round, number), letters)
        });
        let batch = batch("large", scrolls.collect());
        support::apply(&mut model, &batch);
        store.commit(batch).unwrap();
        store.seal().unwrap();
    }
    store.set_setting("setting", b"new").unwrap();
    (vfs, model)
}

/// The unit in which segments carry checksums.
const CHUNK_BYTES: usize = 64 << 10;
/// The unit in which media lose and misplace bytes.
const SECTOR_BYTES: usize = 512;

/// What was found of a kind of damage.
#[derive(Debug, Default)]
struct Counts {
    found: usize,
    harmless: usize,
}

/// Opens a medium that something was done to. `is_fine` says whether what it holds may be served.
fn judge(
    damaged: &MemoryVfs,
    directory: &str,
    counts: &mut Counts,
    what: &str,
    is_fine: impl Fn(&Model) -> bool,
) {
    match read(open(damaged, options(0))) {
        Err(error) => {
            assert!(names(&error, directory), "{what}: {error}");
            counts.found += 1;
        }
        Ok(model) => {
            assert!(is_fine(&model), "{what}: wrong bytes were served");
            counts.harmless += 1;
        }
    }
}

/// Bytes that are whole, and in the wrong place.
#[test]
fn chunks_in_each_others_place_are_found() {
    let (vfs, expected) = of_several_chunks();
    let segments = files_in(&vfs, "segments");
    let chunks: Vec<(usize, usize)> = (0..segments.len())
        .flat_map(|file| (0..segments[file].1 / CHUNK_BYTES).map(move |chunk| (file, chunk)))
        .collect();
    let mut counts = Counts::default();
    for (index, &(file, chunk)) in chunks.iter().enumerate() {
        for &(other_file, other_chunk) in &chunks[index + 1..] {
            let damaged = vfs.after_crash(1);
            let here = (&segments[file].0, chunk * CHUNK_BYTES);
            let there = (&segments[other_file].0, other_chunk * CHUNK_BYTES);
            swap(&damaged, here, there, CHUNK_BYTES);
            let what = format!("chunk {chunk} of {here:?} in the place of {there:?}");
            judge(&damaged, "segments", &mut counts, &what, |model| {
                model == &expected
            });
        }
    }
    for directory in ["segments", "log"] {
        let files = files_in(&vfs, directory);
        for (file, (path, _)) in files.iter().enumerate() {
            for (other, _) in &files[file + 1..] {
                let damaged = vfs.after_crash(1);
                let bytes = vfs.bytes(path);
                damaged.put(path, vfs.bytes(other));
                damaged.put(other, bytes);
                let what = format!("{path:?} in the place of {other:?}");
                judge(&damaged, directory, &mut counts, &what, |model| {
                    model == &expected
                });
            }
        }
    }
    tell!(
        "damage: {} swaps of chunks and files found, {} harmless",
        counts.found,
        counts.harmless
    );
    assert!(chunks.len() >= 4 && counts.found > 0 && counts.harmless == 0);
}

fn swap(vfs: &MemoryVfs, here: (&PathBuf, usize), there: (&PathBuf, usize), length: usize) {
    let (mut first, second) = (vfs.bytes(here.0), vfs.bytes(there.0));
    let moved = first[here.1..here.1 + length].to_vec();
    let other = second[there.1..there.1 + length].to_vec();
    first[here.1..here.1 + length].copy_from_slice(&other);
    vfs.put(here.0, first);
    let mut second = vfs.bytes(there.0);
    second[there.1..there.1 + length].copy_from_slice(&moved);
    vfs.put(there.0, second);
}

/// What a medium puts in a sector's place.
#[derive(Debug, Clone, Copy)]
enum Instead {
    Zeros,
    TheSectorBefore,
    TheSectorAfter,
    Noise,
}

#[test]
fn sectors_that_are_zeroed_or_duplicated_are_found_or_harmless() {
    let (large, large_model) = of_several_chunks();
    let (small, states) = filled();
    let media = [(large, vec![large_model]), (small, states)];
    for instead in [
        Instead::Zeros,
        Instead::TheSectorBefore,
        Instead::TheSectorAfter,
        Instead::Noise,
    ] {
        let mut counts = Counts::default();
        for (vfs, states) in &media {
            for directory in ["segments", "log"] {
                for (path, length) in files_in(vfs, directory) {
                    for sector in 0..length.div_ceil(SECTOR_BYTES) {
                        let damaged = vfs.after_crash(1);
                        replace(&damaged, &path, sector, instead);
                        let what = format!("{instead:?} in sector {sector} of {path:?}");
                        // The log's last group is its blind spot: any state since the last seal.
                        judge(&damaged, directory, &mut counts, &what, |model| {
                            match directory == "log" {
                                true => states.contains(model),
                                false => Some(model) == states.last(),
                            }
                        });
                    }
                }
            }
        }
        tell!(
            "damage: {instead:?} in a sector, {} found, {} harmless or the end of the log",
            counts.found,
            counts.harmless
        );
        assert!(counts.found > 0, "{instead:?}");
    }
}

fn replace(vfs: &MemoryVfs, path: &Path, sector: usize, instead: Instead) {
    let mut bytes = vfs.bytes(path);
    let from = sector * SECTOR_BYTES;
    let to = (from + SECTOR_BYTES).min(bytes.len());
    let other = match instead {
        Instead::Zeros => vec![0; to - from],
        Instead::TheSectorBefore => {
            bytes[from.saturating_sub(SECTOR_BYTES)..][..to - from].to_vec()
        }
        Instead::TheSectorAfter if to + (to - from) <= bytes.len() => {
            bytes[to..to + (to - from)].to_vec()
        }
        Instead::TheSectorAfter => vec![0xff; to - from],
        Instead::Noise => {
            let mut dice = StdRng::seed_from_u64(sector as u64);
            (0..to - from).map(|_| dice.random()).collect()
        }
    };
    bytes[from..to].copy_from_slice(&other);
    vfs.put(path, bytes);
}
