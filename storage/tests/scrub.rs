//! The scrub reads what the medium holds, whatever is cached, and bars what is damaged.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::MemoryVfs;
use phext_storage::{IngestMode, Options, Store, StoreError};
use std::path::PathBuf;
use support::{at, batch, contents, is_in, open, put, small};

const CHUNK_BYTES: u64 = 1 << 16;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn options() -> Options {
    Options {
        memtable_bytes: 8 << 20,
        verify_at_open_bytes: 0,
        ..small()
    }
}

/// A store with three segments of several chunks, every chunk of which was verified.
fn filled(vfs: &MemoryVfs) -> Store {
    let store = open(vfs, options()).unwrap();
    for segment in 0..3 {
        let text = |n: u32| format!("{segment} {n} {}", "x".repeat(500));
        let puts = (1..400).map(|n| put(at(n, 1 + segment), text(n))).collect();
        store.commit(batch("a", puts)).unwrap();
        store.seal().unwrap();
    }
    store.verify(|_| {}).unwrap();
    store
}

fn segments(vfs: &MemoryVfs) -> Vec<(PathBuf, usize)> {
    let files = vfs.files().into_iter();
    files.filter(|(path, _)| is_in(path, "segments")).collect()
}

/// Steps until a pass ends. Gives the bytes read and what was found.
fn pass(store: &Store, step_bytes: u64) -> (u64, Vec<StoreError>) {
    let (mut bytes, mut damages) = (0, Vec::new());
    for _ in 0..1000 {
        let step = store.scrub_step(step_bytes, 5).unwrap();
        bytes += step.bytes;
        damages.extend(step.damages);
        if step.is_pass_complete {
            return (bytes, damages);
        }
    }
    panic!("the pass does not end");
}

#[test]
fn a_pass_reads_every_chunk_and_changes_nothing() {
    let vfs = MemoryVfs::new();
    let store = filled(&vfs);
    let before = contents(&store.snapshot()).unwrap();
    for (passes, step_bytes) in [(1, CHUNK_BYTES), (2, 3 * CHUNK_BYTES), (3, 1 << 30)] {
        let (bytes, damages) = pass(&store, step_bytes);
        let all: usize = segments(&vfs).iter().map(|(_, length)| length).sum();
        assert!(damages.is_empty(), "{damages:?}");
        // Checksum tables and trailers are read as well, and not counted.
        assert!(
            bytes < all as u64 && bytes + 3 * 300 > all as u64,
            "{bytes} of {all}"
        );
        assert_eq!(store.statistics().scrub_passes, passes);
    }
    assert_eq!(contents(&store.snapshot()).unwrap(), before);
}

#[test]
fn damage_behind_the_cache_is_found_and_barred() {
    let vfs = MemoryVfs::new();
    let store = filled(&vfs);
    let (path, length) = segments(&vfs)[1].clone();
    let offset = length / 2;
    vfs.damage(&path, offset, 1);
    // The map is a copy of what the medium held, as a cached page is.
    contents(&store.snapshot()).unwrap();
    let (_, damages) = pass(&store, CHUNK_BYTES);
    let [
        StoreError::Corrupt {
            path: found,
            offset: chunk,
            ..
        },
    ] = &damages[..]
    else {
        panic!("{damages:?}");
    };
    let expected = offset as u64 - offset as u64 % CHUNK_BYTES;
    assert_eq!((found, *chunk), (&path, expected));
    assert_eq!(store.statistics().damaged_chunks, 1);

    let snapshot = store.snapshot();
    let phext = snapshot.phext("a").unwrap();
    let (mut served, mut refused) = (0, 0);
    for n in 1..400 {
        for last in 1..=3 {
            let text = phext
                .locate(&at(n, last))
                .and_then(|found| found.text().map(<[u8]>::to_vec));
            match text {
                Ok(text) => {
                    assert!(text.starts_with(format!("{} {n} ", last - 1).as_bytes()));
                    served += 1;
                }
                Err(StoreError::Corrupt { path: named, .. }) => {
                    assert_eq!(named, path);
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(
        refused > 50 && served > 800,
        "{refused} refused, {served} served"
    );
    store
        .commit(batch("a", vec![put(at(1000, 1), "written all the same")]))
        .unwrap();
}

/// The phext has other segments by then: only the snapshot needs the damaged one.
#[test]
fn damage_that_only_a_snapshot_would_see_is_found() {
    for is_read in [false, true] {
        let vfs = MemoryVfs::new();
        let store = filled(&vfs);
        store.create_snapshot("before").unwrap();
        let (path, length) = segments(&vfs)[1].clone();
        store
            .ingest("a", IngestMode::Replace)
            .unwrap()
            .finish()
            .unwrap();
        assert_eq!(store.statistics().segments, 0);
        if is_read {
            contents(&store.snapshot_named("before").unwrap()).unwrap();
        }
        let (bytes, damages) = pass(&store, CHUNK_BYTES);
        assert!(
            bytes > 2 * length as u64 && damages.is_empty(),
            "{damages:?}"
        );
        vfs.damage(&path, length / 2, 1);
        let (_, damages) = pass(&store, CHUNK_BYTES);
        assert!(
            matches!(&damages[..], [StoreError::Corrupt { path: found, .. }] if *found == path)
        );
        let read = contents(&store.snapshot_named("before").unwrap());
        assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{is_read}");
        store.drop_snapshot("before").unwrap();
        let (bytes, damages) = pass(&store, CHUNK_BYTES);
        assert!(bytes == 0 && damages.is_empty(), "{damages:?}");
    }
}

#[test]
fn damage_to_a_checksum_table_is_found() {
    let vfs = MemoryVfs::new();
    let store = filled(&vfs);
    let (path, length) = segments(&vfs)[0].clone();
    vfs.damage(&path, length - 70, 1);
    let (_, damages) = pass(&store, 1 << 30);
    assert!(matches!(&damages[..], [StoreError::Corrupt { path: found, .. }] if *found == path));
}

#[test]
fn a_pass_is_spread_over_its_period_and_outlives_a_restart() {
    let vfs = MemoryVfs::new();
    let store = filled(&vfs);
    assert_eq!(store.scrub_due_ms(DAY_MS), 0, "a first pass is due at once");
    store.scrub_step(CHUNK_BYTES, 1000).unwrap();
    let early = store.scrub_due_ms(DAY_MS);
    store.scrub_step(CHUNK_BYTES, 2000).unwrap();
    let later = store.scrub_due_ms(DAY_MS);
    assert!(
        1000 < early && early < later && later < 1000 + DAY_MS,
        "{early}, {later}"
    );
    while !store
        .scrub_step(CHUNK_BYTES, 3000)
        .unwrap()
        .is_pass_complete
    {}
    assert_eq!(store.scrub_due_ms(DAY_MS), 1000 + DAY_MS, "the next one");
    drop(store);
    let store = open(&vfs, options()).unwrap();
    assert_eq!(store.scrub_due_ms(DAY_MS), 1000 + DAY_MS, "after a restart");
}

#[test]
fn an_empty_store_has_nothing_to_scrub() {
    let store = open(&MemoryVfs::new(), options()).unwrap();
    let step = store.scrub_step(1, 7).unwrap();
    assert!(step.is_pass_complete && step.bytes == 0 && step.damages.is_empty());
    assert_eq!(store.scrub_due_ms(DAY_MS), 7 + DAY_MS);
}
