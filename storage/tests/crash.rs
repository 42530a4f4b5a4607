//! Power cuts at every operation.
//!
//! One seeded workload is run on a medium in memory and the power is cut at each of its changing
//! operations in turn. What the medium may look like afterwards is sampled by seed: nothing of what
//! was not synced (0), all of it (1), or a random part with torn writes. Each time the store must
//! open and hold the state after some prefix of the commits that includes every acknowledged one; it
//! must accept a further commit, and keep it.
//!
//! Two canaries take one promise away from the medium and demand that the oracle notices.

mod support;

use phext_storage::vfs::{Catalog, Fault, File, Mapping, MemoryVfs, Metadata, Vfs};
use phext_storage::{Store, StoreError, WriteBatch};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::Debug;
use std::io;
use std::path::Path;
use support::workload::{Outcome, Step, run, states, states_from, workload};
use support::{Model, at, batch, contents, is_in, open, put, small, tell};

const RANDOM_SEEDS: u64 = 4;

/// Why a crash state is wrong.
#[derive(Debug)]
enum Wrong {
    /// The store does not open.
    Refused(#[expect(dead_code, reason = "shown when a check fails")] StoreError),
    /// Its contents are no prefix that holds every acknowledged commit.
    NotAPrefix,
}

/// The seeds for the crash at one operation.
fn seeds(at: u64) -> impl Iterator<Item = u64> {
    [0, 1]
        .into_iter()
        .chain((0..RANDOM_SEEDS).map(move |n| 2 + at * RANDOM_SEEDS + n))
}

/// Opens what is left and compares it with the prefixes allowed. Gives the store.
fn recover(
    survivor: &(impl Vfs + Clone + 'static),
    steps: &[Step],
    outcome: &Outcome,
) -> Result<Store, Wrong> {
    let store = open(survivor, small()).map_err(Wrong::Refused)?;
    let found = contents(&store.snapshot()).map_err(Wrong::Refused)?;
    match outcome.allows(&states(steps), &found) {
        true => Ok(store),
        false => Err(Wrong::NotAPrefix),
    }
}

fn marker() -> WriteBatch {
    batch("after the crash", vec![put(at(7, 7), "still here")])
}

/// Recovers, commits, seals, and recovers again.
fn check(survivor: &MemoryVfs, steps: &[Step], outcome: &Outcome) -> Result<(), Wrong> {
    let store = recover(survivor, steps, outcome)?;
    let mut expected = contents(&store.snapshot()).map_err(Wrong::Refused)?;
    store.commit(marker()).map_err(Wrong::Refused)?;
    support::apply(&mut expected, &marker());
    // The second crash loses whatever recovery left unsynced.
    for seed in [0, 1, 99] {
        let again = survivor.after_crash(seed);
        let store = open(&again, small()).map_err(Wrong::Refused)?;
        if contents(&store.snapshot()).map_err(Wrong::Refused)? != expected {
            return Err(Wrong::NotAPrefix);
        }
        store.seal().map_err(Wrong::Refused)?;
        store.merge().map_err(Wrong::Refused)?;
    }
    Ok(())
}

/// The number of changing operations of the whole workload.
fn operations(steps: &[Step]) -> u64 {
    let vfs = MemoryVfs::new();
    let outcome = run(&vfs, steps);
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    vfs.operations()
}

fn crashed(steps: &[Step], at: u64) -> (MemoryVfs, Outcome) {
    let vfs = MemoryVfs::new();
    vfs.set_fault(Some(Fault::PowerOff { at }));
    let outcome = run(&vfs, steps);
    (vfs, outcome)
}

#[test]
fn a_crash_anywhere_leaves_a_prefix_with_every_acknowledged_commit() {
    let steps = workload(1, 110);
    let total = operations(&steps);
    let mut states = 0;
    for at in 0..total {
        let (vfs, outcome) = crashed(&steps, at);
        for seed in seeds(at) {
            let checked = check(&vfs.after_crash(seed), &steps, &outcome);
            assert!(checked.is_ok(), "crash at {at}, seed {seed}: {checked:?}");
            states += 1;
        }
    }
    tell!("crash: {states} crash states at {total} operations");
}

#[test]
fn many_short_workloads_survive_a_crash_anywhere() {
    let mut states = 0;
    for workload_seed in 2..10 {
        let steps = workload(workload_seed, 40);
        let total = operations(&steps);
        for at in 0..total {
            let (vfs, outcome) = crashed(&steps, at);
            let seed = 1000 * workload_seed + at;
            let checked = check(&vfs.after_crash(seed), &steps, &outcome);
            assert!(
                checked.is_ok(),
                "workload {workload_seed}, crash at {at}, seed {seed}: {checked:?}"
            );
            states += 1;
        }
    }
    tell!("crash: {states} crash states of short workloads");
}

#[test]
fn a_crash_during_recovery_loses_nothing_either() {
    let steps = workload(1, 110);
    let total = operations(&steps);
    let mut dice = StdRng::seed_from_u64(5);
    let mut states = 0;
    for at in (0..total).step_by(3) {
        let (vfs, outcome) = crashed(&steps, at);
        let seed = dice.random_range(0..1000);
        for second in 0.. {
            let survivor = vfs.after_crash(seed);
            survivor.set_fault(Some(Fault::PowerOff { at: second }));
            let opened = open(&survivor, small());
            let is_through = opened.is_ok() && survivor.operations() <= second;
            drop(opened);
            for second_seed in [0, 1, dice.random_range(2..1000)] {
                let checked = check(&survivor.after_crash(second_seed), &steps, &outcome);
                assert!(
                    checked.is_ok(),
                    "crash at {at}, seed {seed}, then at {second}, seed {second_seed}: {checked:?}"
                );
                states += 1;
            }
            if is_through {
                break;
            }
        }
    }
    tell!("crash: {states} states of a crash during recovery");
}

/// What one crash leaves behind (old log files, segments that no manifest names) meets the next.
#[test]
fn a_store_survives_one_crash_after_another() {
    let mut dice = StdRng::seed_from_u64(6);
    let mut states = 0;
    for life in 0..150 {
        let mut vfs = MemoryVfs::new();
        let mut held = Model::new();
        for crash in 0..12 {
            let context = format!("life {life}, crash {crash}");
            let steps = workload(dice.random(), 12);
            let at = vfs.operations() + dice.random_range(0..120);
            vfs.set_fault(Some(Fault::PowerOff { at }));
            let outcome = run(&vfs, &steps);
            vfs = vfs.after_crash(dice.random_range(0..50));
            let store = open(&vfs, small()).unwrap_or_else(|error| panic!("{context}: {error}"));
            let found = contents(&store.snapshot()).unwrap();
            assert!(
                outcome.allows(&states_from(held, &steps), &found),
                "{context}: no prefix"
            );
            held = found;
            states += 1;
        }
    }
    tell!("crash: {states} crashes, one after another");
}

/// A medium that breaks one promise.
#[derive(Debug, Clone)]
struct Liar {
    medium: MemoryVfs,
    lie: Lie,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Log files say that they are synced, and are not.
    LogSync,
    /// Segment files say that they are synced, and are not.
    SegmentSync,
    /// The directory of segments says that it is synced, and is not.
    SegmentsDirectory,
    /// The directory of the log says that it is synced, and is not.
    LogDirectory,
    /// None.
    None,
}

impl Liar {
    fn file(&self, path: &Path, file: Box<dyn File>) -> Box<dyn File> {
        let is_hit = match self.lie {
            Lie::LogSync => is_in(path, "log"),
            Lie::SegmentSync => is_in(path, "segments"),
            _ => false,
        };
        match is_hit {
            true => Box::new(LyingFile { file }),
            false => file,
        }
    }
}

#[derive(Debug)]
struct LyingFile {
    file: Box<dyn File>,
}

impl File for LyingFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        self.file.read_all()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Vfs for Liar {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.medium.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.medium.list(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(self.file(path, self.medium.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(self.file(path, self.medium.open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        self.medium.read(path)
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        self.medium.map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.medium.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.medium.remove(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.medium.hard_link(from, to)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.medium.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self.lie {
            Lie::SegmentsDirectory if path.ends_with("segments") => Ok(()),
            Lie::LogDirectory if path.ends_with("log") => Ok(()),
            _ => self.medium.sync_dir(path),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.medium.lock(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.medium.metadata(path)
    }

    fn open_catalog(&self, path: &Path) -> io::Result<Box<dyn Catalog>> {
        self.medium.open_catalog(path)
    }

    fn scan_catalog(&self, path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.medium.scan_catalog(path)
    }

    fn rename_catalog(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.medium.rename_catalog(from, to)
    }

    fn read_medium(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.medium.read_medium(path, offset, length)
    }

    fn release(&self, path: &Path) -> io::Result<()> {
        self.medium.release(path)
    }
}

/// How many crash states the oracle finds to have lost something or not to open.
fn wrong_states(lie: Lie) -> (usize, usize) {
    let steps = workload(1, 60);
    let total = operations(&steps);
    let (mut lost, mut refused) = (0, 0);
    for at in 0..total {
        let medium = MemoryVfs::new();
        medium.set_fault(Some(Fault::PowerOff { at }));
        let liar = Liar { medium, lie };
        let outcome = run(&liar, &steps);
        for seed in seeds(at) {
            match recover(&liar.medium.after_crash(seed), &steps, &outcome) {
                Ok(_) => {}
                Err(Wrong::NotAPrefix) => lost += 1,
                Err(Wrong::Refused(_)) => refused += 1,
            }
        }
    }
    (lost, refused)
}

#[test]
fn the_oracle_sees_a_missing_sync() {
    assert_eq!(wrong_states(Lie::None), (0, 0), "an honest medium");
    // (lie, whether acknowledged commits vanish, whether the store refuses to open)
    let lies = [
        (Lie::LogSync, true, true),
        (Lie::SegmentSync, false, true),
        (Lie::SegmentsDirectory, false, true),
        (Lie::LogDirectory, true, true),
    ];
    for (lie, loses, refuses) in lies {
        let (lost, refused) = wrong_states(lie);
        tell!("crash: {lie:?}: {lost} states with a loss, {refused} that do not open");
        assert_eq!((lost > 0, refused > 0), (loses, refuses), "{lie:?}");
    }
}
