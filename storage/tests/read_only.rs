//! Reading a store beside its writer.
//!
//! | what | how |
//! |---|---|
//! | a follower sees every acknowledged commit, and nothing else | after each step of a workload, sealing and merging included |
//! | it changes nothing | the medium counts changing operations; the files are compared |
//! | batches are whole, and time does not go back | a thread writes, seals and merges while another follows, in memory and on files |
//! | what was not acknowledged is not seen | an error at each operation in turn |
//! | after a power cut it sees what is proven | a power cut at each operation in turn |

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{Fault, MemoryVfs, RealVfs, Vfs};
use phext_storage::{Follower, Options, Snapshot, Store, StoreError, WriteBatch};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use support::workload::{run, run_on, states, workload};
use support::{Model, apply, at, batch, contents, open, put, root, small};

fn follow(vfs: &MemoryVfs) -> Result<Follower, StoreError> {
    Store::open_read_only_with(Arc::new(vfs.clone()), &root(), small())
}

#[test]
fn a_follower_sees_every_acknowledged_commit_and_changes_nothing() {
    for seed in 1..4 {
        let vfs = MemoryVfs::new();
        let store = open(&vfs, small()).unwrap();
        let mut follower = follow(&vfs).unwrap();
        let mut model = Model::new();
        for (number, step) in workload(seed, 200).iter().enumerate() {
            assert!(run_on(&store, std::slice::from_ref(step)).failure.is_none());
            if let support::workload::Step::Commit(batch) = step {
                apply(&mut model, batch);
            }
            let before = (vfs.operations(), vfs.files());
            let seen = follower.refresh().unwrap();
            assert!(
                contents(&seen).unwrap() == model,
                "seed {seed}, step {number}"
            );
            assert_eq!(seen.lsn(), follower.snapshot().lsn());
            if number % 7 == 0 {
                let fresh = follow(&vfs).unwrap().snapshot();
                assert!(
                    contents(&fresh).unwrap() == model,
                    "seed {seed}, step {number}"
                );
            }
            assert_eq!(before, (vfs.operations(), vfs.files()));
        }
    }
}

#[test]
fn an_earlier_snapshot_of_a_follower_stays_as_it_was() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, small()).unwrap();
    store
        .commit(batch("a", vec![put(at(1, 1), "old")]))
        .unwrap();
    store.seal().unwrap();
    let mut follower = follow(&vfs).unwrap();
    let earlier = follower.snapshot();
    let expected = contents(&earlier).unwrap();
    for number in 0..8 {
        let text = number.to_string();
        store.commit(batch("a", vec![put(at(1, 1), text)])).unwrap();
        store.seal().unwrap();
    }
    store.merge().unwrap();
    let later = follower.refresh().unwrap();
    assert_ne!(contents(&later).unwrap(), expected);
    assert_eq!(
        contents(&earlier).unwrap(),
        expected,
        "its segments are gone"
    );
}

const KEYS: u32 = 5;

/// Commits that put one number at all keys.
fn numbered(number: u64) -> WriteBatch {
    let text = |key| format!("{number:08}").repeat(1 + key as usize * 3);
    batch(
        "n",
        (1..=KEYS).map(|key| put(at(key, 1), text(key))).collect(),
    )
}

/// The number that a snapshot shows; 0 where there is none yet.
fn number_in(snapshot: &Snapshot) -> u64 {
    let model = contents(snapshot).unwrap();
    let Some(scrolls) = model.get("n") else {
        return 0;
    };
    let number = |text: &[u8]| std::str::from_utf8(&text[..8]).unwrap().parse().unwrap();
    let numbers: Vec<u64> = scrolls.values().map(|text| number(text)).collect();
    assert_eq!(numbers, vec![numbers[0]; KEYS as usize], "a batch is torn");
    numbers[0]
}

/// Writes, seals and merges on one thread and follows on others.
fn follow_a_busy_writer(vfs: &Arc<dyn Vfs>, directory: &Path, commits: u64) {
    let options = Options {
        memtable_bytes: 4000,
        log_reserve_bytes: 4096,
        ..Options::default()
    };
    let store = Store::open_with(Arc::clone(vfs), directory, options.clone()).unwrap();
    let acknowledged = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let watch = || {
        let mut follower =
            Store::open_read_only_with(Arc::clone(vfs), directory, options.clone()).unwrap();
        let (mut last, mut looks) = (0, 0);
        while !done.load(Ordering::Acquire) {
            let known = acknowledged.load(Ordering::Acquire);
            let seen = number_in(&follower.refresh().unwrap());
            assert!(seen >= known, "{seen} is seen, {known} was acknowledged");
            assert!(seen >= last, "{seen} after {last}");
            last = seen;
            looks += 1;
            std::thread::yield_now();
        }
        assert_eq!(number_in(&follower.refresh().unwrap()), commits);
        looks
    };
    let start = Instant::now();
    let looks = std::thread::scope(|scope| {
        let watchers = [scope.spawn(watch), scope.spawn(watch)];
        for number in 1..=commits {
            store.commit(numbered(number)).unwrap();
            acknowledged.store(number, Ordering::Release);
        }
        done.store(true, Ordering::Release);
        watchers.map(|watcher| watcher.join().unwrap())
    });
    assert!(looks.iter().all(|&looks| looks > 1), "{looks:?}");
    println!("{commits} commits, {looks:?} looks, {:?}", start.elapsed());
}

#[test]
fn a_busy_writer_in_memory_is_followed() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    follow_a_busy_writer(&vfs, &root(), 1500);
}

#[test]
fn a_busy_writer_on_files_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(RealVfs);
    follow_a_busy_writer(&vfs, directory.path(), 400);
}

/// The state before the last commit that changed something.
fn before(states: &[Model], acknowledged: usize) -> &Model {
    let newest = &states[acknowledged];
    let earlier = states[..acknowledged].iter().rev();
    earlier
        .clone()
        .find(|state| *state != newest)
        .unwrap_or(newest)
}

#[test]
fn what_failed_is_not_seen() {
    let steps = workload(2, 60);
    let states = states(&steps);
    let (mut seen, mut unmarked) = (0, 0);
    for at in 0.. {
        let vfs = MemoryVfs::new();
        let store = open(&vfs, small()).unwrap();
        let at = vfs.operations() + at;
        let kind = ErrorKind::Other;
        vfs.set_fault(Some(Fault::Fail { at, kind }));
        let outcome = run_on(&store, &steps);
        let found = contents(&follow(&vfs).unwrap().snapshot()).unwrap();
        let mut expected = vec![&states[outcome.acknowledged]];
        if store
            .poison()
            .is_some_and(|cause| cause.contains("DURABLE"))
        {
            // The commit is durable, but what says so could not be written.
            expected.push(before(&states, outcome.acknowledged));
            unmarked += 1;
        }
        assert!(expected.contains(&&found), "operation {at} fails");
        seen += 1;
        if vfs.operations() <= at {
            break;
        }
    }
    assert!(seen > 100 && unmarked > 10, "{seen}, {unmarked}");
}

#[test]
fn after_a_power_cut_what_is_proven_is_seen() {
    let steps = workload(3, 60);
    let states = states(&steps);
    let (mut whole, mut without_last) = (0, 0);
    for at in 0.. {
        let vfs = MemoryVfs::new();
        vfs.set_fault(Some(Fault::PowerOff { at }));
        let outcome = run(&vfs, &steps);
        for seed in [0, 1, 2 + at] {
            let survivor = vfs.after_crash(seed);
            let follower = match follow(&survivor) {
                Ok(follower) => follower,
                // Nothing was published yet.
                Err(StoreError::Io { .. }) if outcome.acknowledged == 0 => continue,
                Err(error) => panic!("crash at {at}, seed {seed}: {error}"),
            };
            let found = contents(&follower.snapshot()).unwrap();
            if found == states[outcome.acknowledged] {
                whole += 1;
            } else {
                let one_less = before(&states, outcome.acknowledged);
                assert!(&found == one_less, "crash at {at}, seed {seed}");
                without_last += 1;
            }
        }
        if outcome.failure.is_none() {
            break;
        }
    }
    assert!(whole > 100 && without_last > 10, "{whole}, {without_last}");
}
