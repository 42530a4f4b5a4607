//! A store that is written for ever does not grow without bound.
//!
//! Sealing trims the log, merging drops what was overwritten or deleted, and a file goes when its last
//! part has. The figures are counted on a medium in memory, so they are the same in each run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Store, WriteBatch, WriteOp};
use std::path::Path;
use std::sync::Arc;

const SCROLLS: u32 = 400;
const TEXT_BYTES: usize = 500;
const MEMTABLE_BYTES: u64 = 64 << 10;
/// What the log reserves ahead of its end.
const LOG_RESERVE_BYTES: usize = 4 << 20;

fn open(vfs: &MemoryVfs) -> Store {
    let options = Options {
        background: false,
        memtable_bytes: MEMTABLE_BYTES,
        ..Options::default()
    };
    Store::open_with(Arc::new(vfs.clone()), Path::new("data"), options).unwrap()
}

fn coordinate(scroll: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1 + scroll / 20, 1 + scroll % 20]).unwrap()
}

fn put(store: &Store, phext: &str, scroll: u32, round: u32) {
    let text = Bytes::from(format!("{round:>width$}", width = TEXT_BYTES));
    let operations = vec![WriteOp::Put {
        coordinate: coordinate(scroll),
        text,
    }];
    store
        .commit(WriteBatch {
            phext: phext.to_owned(),
            operations,
        })
        .unwrap();
}

fn delete(store: &Store, phext: &str, scroll: u32) {
    let operations = vec![WriteOp::Delete {
        coordinate: coordinate(scroll),
    }];
    store
        .commit(WriteBatch {
            phext: phext.to_owned(),
            operations,
        })
        .unwrap();
}

/// Bytes and number of the files below a directory.
fn used(vfs: &MemoryVfs, directory: &str) -> (usize, usize) {
    let files = vfs.files();
    let below = files.iter().filter(|(path, _)| path.starts_with(directory));
    below.fold((0, 0), |(bytes, count), (_, length)| {
        (bytes + length, count + 1)
    })
}

#[test]
fn overwriting_for_ever_keeps_the_size() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs);
    let live = SCROLLS as usize * TEXT_BYTES;
    let mut most = 0;
    for round in 0..150 {
        (0..SCROLLS).for_each(|scroll| put(&store, "notes", scroll, round));
        let (segments, _) = used(&vfs, "data/segments");
        most = most.max(segments);
        let (log, files) = used(&vfs, "data/log");
        assert!(
            log <= 2 * LOG_RESERVE_BYTES && files <= 2,
            "{log} bytes of log in {files} files"
        );
    }
    println!(
        "segments at most {:.2} x live text after 150 rounds",
        most as f64 / live as f64
    );
    assert!(
        most < 4 * live,
        "{most} bytes of segments for {live} bytes of text"
    );
    store.seal().unwrap();
    store.merge().unwrap();
    assert_eq!(
        store.snapshot().phext("notes").unwrap().scrolls(),
        u64::from(SCROLLS)
    );
}

#[test]
fn deleting_everything_gives_the_space_back() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs);
    (0..SCROLLS).for_each(|scroll| put(&store, "notes", scroll, 0));
    store.seal().unwrap();
    (0..SCROLLS).for_each(|scroll| delete(&store, "notes", scroll));
    store.seal().unwrap();
    store.merge().unwrap();
    assert_eq!(used(&vfs, "data/segments"), (0, 0));
    drop(store);
    assert_eq!(open(&vfs).snapshot().phext("notes").unwrap().scrolls(), 0);
}

#[test]
fn many_small_phexts_do_not_become_many_files() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs);
    for round in 0..40 {
        for phext in 0..300 {
            put(&store, &format!("phext-{phext}"), round, round);
        }
    }
    store.seal().unwrap();
    store.merge().unwrap();
    let (_, files) = used(&vfs, "data/segments");
    println!("{files} segment files for 300 phexts");
    assert!(files < 100, "{files} segment files for 300 phexts");
}
