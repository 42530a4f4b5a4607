//! A second data directory that is opened for ever, with what `fixture.rs` lacks.
//!
//! `fixtures/store-reused.tar.gz` was written by the store once and is in the repository. It has a log
//! file that was another log before, a named snapshot whose scrolls have changed since, a part with
//! postings, a phext along Peano's curve, and one whose parts lie in the orders that their keys suggested.
//!
//! ```text
//! cargo test -p phext-storage --test fixture_reused -- --ignored    writes it anew
//! ```
//!
//! That is for a change of the format before its first release; see `fixture.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test that cannot go on fails, and this one reads and writes files; clippy sees only functions marked as tests"
)]

#[path = "support/packed.rs"]
mod packed;
mod support;

use packed::{fixture, pack, unpack};
use phext_storage::coordinate::Coordinate;
use phext_storage::{Options, Phext, Store, WriteBatch, check};
use std::path::{Path, PathBuf};
use support::{Model, apply, at, batch, contents, delete, put};

const NAME: &str = "store-reused.tar.gz";

/// What a file of the repository may take.
const MOST_BYTES: u64 = 200_000;

/// Scrolls of the phext in the order `auto`: a part of as many has postings.
const MANY: u32 = 8_400;

/// Commits after the last that is sealed on purpose: so many that a log file is used again.
const LATER: u32 = 160;

const SNAPSHOT: &str = "before";

fn options(memtable_bytes: u64) -> Options {
    Options {
        memtable_bytes,
        background: false,
        log_reserve_bytes: 4096,
        ..Options::default()
    }
}

/// Four dimensions of few components each.
fn place(number: u32) -> Coordinate {
    let (a, b, c) = (number % 7 + 1, number / 7 % 20 + 1, number / 140 % 20 + 1);
    Coordinate::new([1, a, 1, b, 1, c, 1, 1, number / 2_800 + 1]).unwrap()
}

/// What the named snapshot holds. Few different texts, whose checksums take little where they are packed.
fn first() -> Vec<WriteBatch> {
    let text = |number: u32| format!("text {}", number % 5);
    let many = (0..MANY).map(|number| put(place(number), text(number)));
    let peano = (0..300).map(|number| put(place(number * 17), text(number)));
    vec![
        batch("auto", many.collect()),
        batch("peano", peano.collect()),
    ]
}

/// What has changed since.
fn second() -> Vec<WriteBatch> {
    let changes = |step: usize| {
        let deleted = (0..MANY).step_by(step).map(|number| delete(place(number)));
        let replaced = (3..MANY).step_by(step);
        deleted
            .chain(replaced.map(|number| put(place(number), "changed")))
            .collect()
    };
    vec![batch("auto", changes(40)), batch("peano", changes(170))]
}

/// Commits that fill small memtables.
fn third() -> impl Iterator<Item = WriteBatch> {
    (0..LATER).map(|number| {
        batch(
            "late",
            vec![put(at(number + 1, 7), format!("{number:050}"))],
        )
    })
}

fn after(batches: impl IntoIterator<Item = WriteBatch>) -> Model {
    let mut model = Model::new();
    for batch in batches {
        apply(&mut model, &batch);
    }
    model
}

/// Writes the store of the fixture into a directory.
fn write(directory: &Path) {
    let store = Store::open(directory, options(64 << 20)).unwrap();
    let commit = |batch| store.commit(batch).unwrap();
    first().into_iter().for_each(|batch| _ = commit(batch));
    store.set_order("peano", "peano".parse().unwrap()).unwrap();
    store.seal().unwrap();
    store.create_snapshot(SNAPSHOT).unwrap();
    second().into_iter().for_each(|batch| _ = commit(batch));
    store.seal().unwrap();
    drop(store);
    let store = Store::open(directory, options(4_000)).unwrap();
    third().for_each(|batch| _ = store.commit(batch).unwrap());
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Whether the newest log file was another one before, as its header says: docs/FORMAT.md.
fn is_log_reused(directory: &Path) -> bool {
    let mut logs = files(&directory.join("log")).into_iter();
    let newest = logs.rfind(|path| path.extension().is_some_and(|extension| extension == "log"));
    std::fs::read(newest.unwrap()).unwrap()[12] == 1
}

/// Bytes of postings in all parts, as their headers say.
fn posting_bytes(directory: &Path) -> u64 {
    let of_segment = |path: PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let trailer = bytes.len() - 64;
        let (parts, table) = (u64_at(trailer + 8), u64_at(trailer + 16) as usize);
        let part = |index: u64| u64_at(table + index as usize * 16) as usize;
        // The eighth section of ten.
        (0..parts)
            .map(|index| u64_at(part(index) + 144 + 7 * 16 + 8))
            .sum::<u64>()
    };
    files(&directory.join("segments"))
        .into_iter()
        .map(of_segment)
        .sum()
}

fn placements(phext: &Phext) -> Vec<String> {
    let parts = phext.part_summaries();
    parts
        .map(|part| format!("{} ({})", part.placement, part.reason))
        .collect()
}

#[test]
fn the_second_fixture_opens_and_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    unpack(&fixture(NAME), MOST_BYTES, directory);
    assert!(is_log_reused(directory));
    assert!(posting_bytes(directory) > 0);
    let report = check(directory, |_| {}).unwrap();
    assert_eq!(report.damages, []);
    assert_eq!(report.torn_tail, None);

    let store = Store::open(directory, options(64 << 20)).unwrap();
    assert!(store.recovery().replayed_records > 0);
    let names: Vec<String> = store.snapshots().into_iter().map(|s| s.name).collect();
    assert_eq!(names, [SNAPSHOT]);
    let named = store.snapshot_named(SNAPSHOT).unwrap();
    assert_eq!(contents(&named).unwrap(), after(first()));

    let snapshot = store.snapshot();
    let expected = after(first().into_iter().chain(second()).chain(third()));
    assert_eq!(contents(&snapshot).unwrap(), expected);
    for (name, scrolls) in &expected {
        let phext = snapshot.phext(name).unwrap();
        for number in 0..MANY {
            let coordinate = place(number);
            let text = phext.text(&coordinate).unwrap();
            assert_eq!(
                text,
                scrolls.get(&coordinate).map(Vec::as_slice),
                "{coordinate}"
            );
        }
    }
    let placements = |name| placements(snapshot.phext(name).unwrap());
    assert_eq!(
        snapshot.phext("peano").unwrap().order().to_string(),
        "peano"
    );
    assert_eq!(
        placements("peano"),
        ["peano (as the phext's order says)"; 2]
    );
    assert_eq!(
        placements("auto"),
        [
            "hilbert (auto: suggested by the keys, which are few)",
            "prefix=3,hilbert (auto: suggested by the keys, which are few)",
        ]
    );
}

#[test]
#[ignore = "writes the fixture into the source tree"]
fn write_the_fixture() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    assert!(is_log_reused(directory.path()) && posting_bytes(directory.path()) > 0);
    pack(directory.path(), &fixture(NAME));
}
