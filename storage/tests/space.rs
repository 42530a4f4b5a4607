//! A store that is written for ever does not grow without bound.
//!
//! Sealing trims the log, merging drops what was overwritten or deleted, and a file goes when its last
//! part has. The figures are counted on a medium in memory, so they are the same in each run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Statistics, Store, WriteBatch, WriteOp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Also where the log's records are much shorter than the zeros written ahead of them.
#[test]
fn a_log_file_is_kept_for_its_space_while_more_is_written() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs);
    let operation = |scroll| WriteOp::Put {
        coordinate: coordinate(scroll),
        text: Bytes::from(vec![b'x'; TEXT_BYTES]),
    };
    let batch = || WriteBatch {
        phext: "notes".to_owned(),
        operations: (0..20).map(operation).collect(),
    };
    let is_kept = || used(&vfs, "data/log/spare").1 == 1;
    for seals in 1..=3 {
        assert_eq!(is_kept(), seals > 1);
        while store.statistics().seals < seals {
            store.commit(batch()).unwrap();
        }
    }
    assert!(is_kept());
    store.seal().unwrap();
    assert!(!is_kept(), "a store that was asked to seal keeps no space");
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

/// A store whose sizes stand in the relation of a server's: a memtable is a small part of the data.
const OVERWRITTEN_SCROLLS: u32 = 20_000;

/// Overwrites a phext many times over and checks the figures after each round of a tenth of it.
fn overwrite(name: &str, mut next: impl FnMut(&mut StdRng) -> u32) {
    let vfs = MemoryVfs::new();
    let options = Options {
        background: false,
        memtable_bytes: 1 << 20,
        log_reserve_bytes: 64 << 10,
        ..Options::default()
    };
    let store = Store::open_with(Arc::new(vfs.clone()), Path::new("data"), options).unwrap();
    let mut dice = StdRng::seed_from_u64(7);
    for scroll in 0..OVERWRITTEN_SCROLLS {
        put(&store, "notes", scroll, 0);
    }
    let before = store.statistics();
    let (mut most_space, mut most_parts, mut most_files) = (0f64, 0, 0);
    for round in 0..80u32 {
        for _ in 0..OVERWRITTEN_SCROLLS / 10 {
            put(&store, "notes", next(&mut dice), round);
        }
        let now = store.statistics();
        let (bytes, files) = used(&vfs, "data/segments");
        assert_eq!(
            (bytes as u64, files as u64),
            (now.segment_bytes, now.segments)
        );
        most_space = most_space.max(now.space_amplification());
        most_parts = most_parts.max(now.most_parts);
        most_files = most_files.max(files);
    }
    let now = store.statistics();
    let written = |s: &Statistics| s.logged_bytes + s.sealed_bytes + s.merged_bytes;
    let user = now.user_bytes - before.user_bytes;
    let amplification = (written(&now) - written(&before)) as f64 / user as f64;
    println!(
        "{name}: {amplification:.2} bytes written for each of users', {most_space:.2} of space for \
         each that is current, {most_parts} parts, {} merges of {} seals",
        now.merges, now.seals
    );
    assert!(user > 7 * u64::from(OVERWRITTEN_SCROLLS) * TEXT_BYTES as u64);
    assert!(
        amplification <= 4.0,
        "{name}: {amplification:.2} bytes written for each"
    );
    assert!(
        most_space <= 1.3,
        "{name}: {most_space:.2} of space for each"
    );
    assert!(
        most_parts <= 16 && most_files <= 16,
        "{name}: {most_parts} parts in {most_files} files"
    );
    store.verify(|_| {}).unwrap();
}

#[test]
fn uniform_overwriting_costs_what_was_promised() {
    overwrite("uniform", |dice| dice.random_range(0..OVERWRITTEN_SCROLLS));
}

/// Nine of ten writes go to a tenth of the scrolls.
#[test]
fn skewed_overwriting_costs_what_was_promised() {
    overwrite("skewed", |dice| match dice.random_bool(0.9) {
        true => dice.random_range(0..OVERWRITTEN_SCROLLS / 10) * 10,
        false => dice.random_range(0..OVERWRITTEN_SCROLLS),
    });
}

/// A part that stays in use keeps its file, and with it those that were in it.
#[test]
fn idle_phexts_do_not_keep_the_space_of_busy_ones() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs);
    for round in 0..200u32 {
        put(&store, &format!("idle-{round}"), 1, round);
        (0..SCROLLS).for_each(|scroll| put(&store, "busy", scroll, round));
    }
    store.seal().unwrap();
    store.merge().unwrap();
    let now = store.statistics();
    println!("{now:?}");
    assert!(now.space_amplification() <= 1.3, "{now:?}");
    assert!(now.segments <= 40, "{now:?}");
}

/// Restarts that each leave a little do not leave a file each for ever.
#[test]
fn small_segments_of_many_phexts_become_few_files() {
    let vfs = MemoryVfs::new();
    for start in 0..300 {
        let store = open(&vfs);
        put(&store, &format!("phext-{start}"), 1, 0);
        store.seal().unwrap();
        store.merge().unwrap();
    }
    let (_, files) = used(&vfs, "data/segments");
    assert!(files <= 40, "{files} files");
    let store = open(&vfs);
    assert_eq!(store.snapshot().phexts().count(), 300);
    store.verify(|_| {}).unwrap();
}

/// What the log takes while nothing is written: no reserve, and no old files.
#[test]
fn an_idle_store_has_a_small_log() {
    let vfs = MemoryVfs::new();
    let options = || Options {
        background: false,
        ..Options::default()
    };
    let store = Store::open_with(Arc::new(vfs.clone()), Path::new("data"), options()).unwrap();
    const SMALL_BYTES: usize = 4 << 10;
    let check = |what: &str| {
        let (bytes, files) = used(&vfs, "data/log");
        assert!(
            bytes <= SMALL_BYTES && files == 1,
            "{what}: {bytes} bytes in {files} files"
        );
    };
    check("new");
    for round in 0..5 {
        (0..SCROLLS).for_each(|scroll| put(&store, "notes", scroll, round));
        assert!(used(&vfs, "data/log").0 > SMALL_BYTES);
        store.seal().unwrap();
        check("sealed");
    }
    drop(store);
    check("closed");
    let store = Store::open_with(Arc::new(vfs.clone()), Path::new("data"), options()).unwrap();
    store.seal().unwrap();
    check("opened again");
}

/// A phext that was written once and is idle since is sealed with the others, whose log files go.
#[test]
fn an_idle_phext_keeps_no_log_while_others_write() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs);
    put(&store, "idle", 1, 0);
    for round in 0..20 {
        (0..SCROLLS).for_each(|scroll| put(&store, "busy", scroll, round));
        let (bytes, files) = used(&vfs, "data/log");
        // One memtable's worth of small records, and what is reserved ahead of it; and as much again
        // that is kept for the next one.
        let most = 4 * MEMTABLE_BYTES as usize;
        assert!(
            bytes <= files * most && files <= 2,
            "{bytes} bytes of log in {files} files"
        );
    }
    drop(store);
    let texts = open(&vfs).snapshot().phext("idle").unwrap().scrolls();
    assert_eq!(texts, 1);
}

/// While memtables fill, two files take turns; once somebody wants what there is sealed, the space of
/// both is given back.
#[test]
fn log_files_take_turns_while_memtables_fill() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs);
    let is_spare = || vfs.files().iter().any(|(path, _)| path.ends_with("spare"));
    let mut kept = 0;
    for round in 0..20 {
        (0..SCROLLS).for_each(|scroll| put(&store, "notes", scroll, round));
        kept += usize::from(is_spare());
    }
    assert!(kept > 10, "kept after {kept} rounds of 20");
    store.seal().unwrap();
    let (bytes, files) = used(&vfs, "data/log");
    assert!(
        bytes <= 4096 && files == 1,
        "{bytes} bytes of log in {files} files"
    );
    (0..SCROLLS).for_each(|scroll| put(&store, "notes", scroll, 20));
    drop(store);
    let store = open(&vfs);
    assert!(!is_spare(), "opening keeps none");
    let notes = store.snapshot();
    assert_eq!(notes.phext("notes").unwrap().scrolls(), u64::from(SCROLLS));
}

/// A store with threads that is idle soon.
fn open_idle(vfs: &MemoryVfs, idle_after: Duration) -> Store {
    let options = Options {
        idle_after,
        // More than a test writes, so that the log holds all of it.
        memtable_bytes: 64 << 20,
        ..Options::default()
    };
    Store::open_with(Arc::new(vfs.clone()), Path::new("data"), options).unwrap()
}

/// Waits until the log takes at most so many bytes in one file.
fn await_log(vfs: &MemoryVfs, most: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (bytes, files) = used(vfs, "data/log");
        if bytes <= most && files == 1 {
            return;
        }
        assert!(Instant::now() < deadline, "{bytes} bytes in {files} files");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const IDLE: Duration = Duration::from_millis(40);
/// A header, a checkpoint, and what a log reserves first.
const EMPTY_LOG_BYTES: usize = 8 << 10;

#[test]
fn an_idle_store_holds_no_log_space() {
    let vfs = MemoryVfs::new();
    let store = open_idle(&vfs, IDLE);
    for round in 0..8 {
        (0..SCROLLS).for_each(|scroll| put(&store, "notes", scroll, round));
    }
    await_log(&vfs, EMPTY_LOG_BYTES);
    assert_eq!(store.statistics().memtable_bytes, 0);
    // And again after the next burst, which is too small for a segment of its own.
    let segments = used(&vfs, "data/segments");
    put(&store, "notes", 1, 21);
    std::thread::sleep(4 * IDLE);
    await_log(&vfs, EMPTY_LOG_BYTES);
    assert!(store.statistics().memtable_bytes > 0);
    assert!(used(&vfs, "data/segments").1 <= segments.1);
    drop(store);
    let store = open_idle(&vfs, IDLE);
    let snapshot = store.snapshot();
    assert_eq!(
        snapshot.phext("notes").unwrap().scrolls(),
        u64::from(SCROLLS)
    );
}

#[test]
fn a_log_that_is_found_at_opening_is_sealed_when_idle() {
    let vfs = MemoryVfs::new();
    let store = open_idle(&vfs, Duration::MAX);
    (0..2 * SCROLLS).for_each(|scroll| put(&store, "notes", scroll, 0));
    (0..2 * SCROLLS).for_each(|scroll| put(&store, "notes", scroll, 1));
    (0..2 * SCROLLS).for_each(|scroll| put(&store, "notes", scroll, 2));
    drop(store);
    let before = used(&vfs, "data/log").0;
    assert!(before >= 1 << 20, "{before}");
    let store = open_idle(&vfs, IDLE);
    await_log(&vfs, EMPTY_LOG_BYTES);
    drop(store);
}

#[test]
fn a_store_without_threads_is_left_as_it_is() {
    let vfs = MemoryVfs::new();
    let options = Options {
        background: false,
        idle_after: Duration::from_millis(1),
        ..Options::default()
    };
    let store = Store::open_with(Arc::new(vfs.clone()), Path::new("data"), options).unwrap();
    (0..4 * SCROLLS).for_each(|scroll| put(&store, "notes", scroll, 0));
    let before = vfs.operations();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(vfs.operations(), before);
}
