//! Crash states by the thousand.
//!
//! A *life* is a store that runs a few short workloads, one after another, with a power cut between
//! them. At every changing operation of a workload the medium is copied as a power cut would leave
//! it, many times with different losses. Each copy that differs from those before it, or must hold
//! more acknowledged commits, is a *crash state* and must pass [`Checker::check`]. One run of a
//! workload thus gives the states of all its operations. Some states are cut once more while they
//! recover.
//!
//! Everything is drawn from a seed, apart from the salts of log files, which change no outcome.

use super::workload::{Outcome, Step, states_from, workload};
use super::{Model, apply, at, batch, contents, open, put, root, small};
use phext_storage::vfs::{Fault, Losses, MemoryVfs, Moment, Vfs};
use phext_storage::{Store, StoreError, WriteBatch};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Workloads of a life.
const WORKLOADS: usize = 3;
/// Steps of a workload.
const STEPS: usize = 20;
/// Random losses drawn for each change that is not durable, besides losing everything and nothing.
const DRAWS: usize = 4;
/// And at most so many at one operation.
const MOST_DRAWS: usize = 12;
/// One state in so many is cut again while it recovers.
const CUT_AGAIN: u32 = 4;
/// The operations of a recovery, about.
const RECOVERY_OPERATIONS: u64 = 12;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// At least so many states.
    pub(crate) states: u64,
    /// What everything is drawn from.
    pub(crate) seed: u64,
    /// How many threads work.
    pub(crate) threads: usize,
}

/// What was run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Crash states checked: those that differ within their workload.
    pub(crate) states: u64,
    /// Power cuts sampled, with those that left the same.
    pub(crate) samples: u64,
    /// Of the states, those that were cut while they recovered.
    pub(crate) during_recovery: u64,
    /// Operations at which the power was cut.
    pub(crate) operations: u64,
    /// What the power cuts did.
    pub(crate) losses: Losses,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.states += other.states;
        self.samples += other.samples;
        self.during_recovery += other.during_recovery;
        self.operations += other.operations;
        self.losses.add(&other.losses);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Losses {
            torn,
            reordered,
            lengths_only,
            lost,
            names_kept,
            names_lost,
            transactions_kept,
            transactions_lost,
            ..
        } = self.losses;
        write!(
            f,
            "{} distinct crash states, {} of them during recovery, from {} power cuts at {} \
             operations; {torn} writes torn, {lengths_only} left as a length, {lost} lost, {reordered} reordered; \
             names: {names_kept} kept, {names_lost} lost; catalog transactions: \
             {transactions_kept} kept, {transactions_lost} lost",
            self.states, self.during_recovery, self.samples, self.operations
        )
    }
}

/// Runs lives until there were enough states. The error says what was wrong first, and where.
pub(crate) fn sample(plan: &Plan) -> Result<Tally, String> {
    let (total, next) = (Mutex::new(Tally::default()), AtomicU64::new(0));
    let failure: Mutex<Option<String>> = Mutex::new(None);
    let is_over = AtomicBool::new(false);
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let outcome = live(plan.seed.wrapping_add(number));
            let mut total = locked(&total);
            match outcome {
                Ok(tally) => total.add(&tally),
                Err(error) => drop(locked(&failure).get_or_insert(error)),
            }
            if total.states >= plan.states || locked(&failure).is_some() {
                is_over.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..plan.threads.max(1) {
            scope.spawn(work);
        }
    });
    let failure = locked(&failure).take();
    failure.map_or_else(|| Ok(*locked(&total)), Err)
}

/// One life. Its seed alone decides what happens.
fn live(seed: u64) -> Result<Tally, String> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut vfs = MemoryVfs::new();
    let mut held = Model::new();
    let mut tally = Tally::default();
    for number in 0..WORKLOADS {
        let steps = workload(dice.random(), STEPS);
        let checker = Arc::new(Checker::new(states_from(held, &steps), dice.random()));
        let watching = Arc::clone(&checker);
        vfs.set_watch(move |moment| watching.at(moment));
        let finished = run(&vfs, &steps, &checker);
        checker
            .finish(finished, &mut tally)
            .map_err(|error| format!("life {seed}, workload {number}: {error}"))?;
        vfs = vfs.after_crash(dice.random_range(0..50));
        let store = open(&vfs, small()).map_err(|error| format!("life {seed}: {error}"))?;
        held = contents(&store.snapshot()).map_err(|error| format!("life {seed}: {error}"))?;
    }
    Ok(tally)
}

fn run(vfs: &MemoryVfs, steps: &[Step], checker: &Checker) -> Result<(), StoreError> {
    let store = open(vfs, small())?;
    for step in steps {
        match step {
            Step::Commit(batch) => {
                checker.attempted.fetch_add(1, Ordering::SeqCst);
                store.commit(batch.clone())?;
                checker.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Step::Seal => store.seal()?,
            Step::Merge => store.merge()?,
            Step::Setting(value) => store.set_setting("setting", &[*value])?,
        }
    }
    Ok(())
}

/// Checks the crash states of one workload.
struct Checker {
    /// The contents after each prefix of the commits.
    states: Vec<Model>,
    acknowledged: AtomicUsize,
    attempted: AtomicUsize,
    progress: Mutex<Progress>,
}

struct Progress {
    dice: StdRng,
    /// States examined, each with the commits that it had to hold.
    seen: HashSet<(u64, usize)>,
    tally: Tally,
    failure: Option<String>,
}

impl Checker {
    fn new(states: Vec<Model>, seed: u64) -> Checker {
        Checker {
            states,
            acknowledged: AtomicUsize::new(0),
            attempted: AtomicUsize::new(0),
            progress: Mutex::new(Progress {
                dice: StdRng::seed_from_u64(seed),
                seen: HashSet::new(),
                tally: Tally::default(),
                failure: None,
            }),
        }
    }

    /// The power goes before an operation.
    fn at(&self, moment: &Moment<'_>) {
        let progress = &mut *locked(&self.progress);
        progress.tally.operations += 1;
        let outcome = Outcome {
            acknowledged: self.acknowledged.load(Ordering::SeqCst),
            attempted: self.attempted.load(Ordering::SeqCst),
            failure: None,
        };
        let draws = (moment.pending() * DRAWS).min(MOST_DRAWS);
        for number in 0..2 + draws as u64 {
            let seed = match number {
                0 | 1 => number,
                _ => progress.dice.random_range(2..u64::MAX),
            };
            let survivor = moment.after_crash(seed);
            let context = format!("crash at {}, losses {seed}", moment.operation());
            let is_new = self.examine(&survivor, &outcome, progress, &context);
            if is_new && progress.dice.random_ratio(1, CUT_AGAIN) {
                self.cut_again(&moment.after_crash(seed), &outcome, progress, &context);
            }
        }
    }

    /// The power goes once more while the store recovers.
    fn cut_again(
        &self,
        survivor: &MemoryVfs,
        outcome: &Outcome,
        progress: &mut Progress,
        context: &str,
    ) {
        let at = progress.dice.random_range(0..RECOVERY_OPERATIONS);
        survivor.set_fault(Some(Fault::PowerOff { at }));
        drop(open(survivor, small()));
        let seed = progress.dice.random_range(0..u64::MAX);
        let context = format!("{context}, then at {at}, losses {seed}");
        let survivor = survivor.after_crash(seed);
        let is_new = self.examine(&survivor, outcome, progress, &context);
        progress.tally.during_recovery += u64::from(is_new);
    }

    /// Checks a state unless it was checked before; says whether it was new.
    fn examine(
        &self,
        survivor: &MemoryVfs,
        outcome: &Outcome,
        progress: &mut Progress,
        context: &str,
    ) -> bool {
        progress.tally.samples += 1;
        progress.tally.losses.add(&survivor.losses());
        let state = (fingerprint(survivor), outcome.acknowledged);
        if !progress.seen.insert(state) {
            return false;
        }
        progress.tally.states += 1;
        if let Err(error) = self.check(survivor, outcome) {
            progress
                .failure
                .get_or_insert(format!("{context}: {error}"));
        }
        true
    }

    /// A survivor must open, hold a prefix of the commits with all acknowledged ones, take another
    /// commit, and still have everything after a power cut that loses all it can.
    fn check(&self, survivor: &MemoryVfs, outcome: &Outcome) -> Result<(), String> {
        let store = open(survivor, small()).map_err(|error| error.to_string())?;
        let found = read(&store)?;
        if !outcome.allows(&self.states, &found) {
            return Err("the contents are no prefix with every acknowledged commit".into());
        }
        let mut expected = found;
        store.commit(marker()).map_err(|error| error.to_string())?;
        apply(&mut expected, &marker());
        let store = open(&survivor.after_crash(0), small()).map_err(|error| error.to_string())?;
        match read(&store)? == expected {
            true => Ok(()),
            false => Err("what recovery served is lost in the next crash".into()),
        }
    }

    /// Takes in what was counted; the error is the first thing that was wrong.
    fn finish(&self, finished: Result<(), StoreError>, tally: &mut Tally) -> Result<(), String> {
        let progress = locked(&self.progress);
        tally.add(&progress.tally);
        match (&progress.failure, finished) {
            (Some(failure), _) => Err(failure.clone()),
            (None, finished) => finished.map_err(|error| error.to_string()),
        }
    }
}

fn read(store: &Store) -> Result<Model, String> {
    contents(&store.snapshot()).map_err(|error| error.to_string())
}

fn marker() -> WriteBatch {
    batch("after the crash", vec![put(at(7, 7), "still here")])
}

/// What is on a medium, as a number.
fn fingerprint(vfs: &MemoryVfs) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (path, _) in vfs.files() {
        vfs.bytes(&path).hash(&mut hasher);
        path.hash(&mut hasher);
    }
    let catalog = vfs.open_catalog(&root().join("catalog"));
    let entries = catalog.and_then(|catalog| catalog.scan());
    entries.expect("a survivor has power").hash(&mut hasher);
    hasher.finish()
}

/// A failed check is kept as a value; a lock that a panic left behind is as good as any.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
