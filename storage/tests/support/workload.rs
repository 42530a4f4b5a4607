//! A seeded workload, and what a store may hold after it was interrupted.

use super::{Model, append, apply, at, batch, delete, open, put, small};
use phext_storage::vfs::Vfs;
use phext_storage::{Store, StoreError, WriteBatch};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One step of a workload.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A batch.
    Commit(WriteBatch),
    /// A seal on request, besides those that full memtables make due.
    Seal,
    /// Merging on request.
    Merge,
    /// A setting.
    Setting(u8),
}

/// A workload of this many steps on three phexts.
pub(crate) fn workload(seed: u64, length: usize) -> Vec<Step> {
    let mut dice = StdRng::seed_from_u64(seed);
    (0..length).map(|number| step(&mut dice, number)).collect()
}

fn step(dice: &mut StdRng, number: usize) -> Step {
    match dice.random_range(0..100) {
        0..8 => Step::Seal,
        8..12 => Step::Merge,
        12..14 => Step::Setting(number as u8),
        _ => Step::Commit(random_batch(dice, number)),
    }
}

fn random_batch(dice: &mut StdRng, number: usize) -> WriteBatch {
    let phext = ["", "a", "b"][dice.random_range(0..3)];
    let count = if dice.random_bool(0.6) {
        1
    } else {
        dice.random_range(2..6)
    };
    let operation = |_| {
        let coordinate = at(dice.random_range(1..4), dice.random_range(1..5));
        let length = [3, 30, 300, 700][dice.random_range(0..4)];
        let text = format!("{number}:").repeat(length / 3);
        match dice.random_range(0..10) {
            0..6 => put(coordinate, text),
            6..8 => append(coordinate, &text[..text.len().min(40)]),
            _ => delete(coordinate),
        }
    };
    batch(phext, (0..count).map(operation).collect())
}

/// The contents after each prefix of a workload's commits, the empty one first.
pub(crate) fn states(steps: &[Step]) -> Vec<Model> {
    states_from(Model::new(), steps)
}

/// The contents after each prefix of a workload's commits on a store that held `first`.
pub(crate) fn states_from(first: Model, steps: &[Step]) -> Vec<Model> {
    let mut states = vec![first];
    for step in steps {
        if let Step::Commit(batch) = step {
            let mut next = states[states.len() - 1].clone();
            apply(&mut next, batch);
            states.push(next);
        }
    }
    states
}

/// How far a workload came.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Commits acknowledged.
    pub(crate) acknowledged: usize,
    /// Commits asked for.
    pub(crate) attempted: usize,
    /// The first error.
    pub(crate) failure: Option<StoreError>,
}

impl Outcome {
    /// Whether a store may hold `found`: every acknowledged commit, and of the others a prefix.
    pub(crate) fn allows(&self, states: &[Model], found: &Model) -> bool {
        states[self.acknowledged..=self.attempted].contains(found)
    }
}

/// Opens a store and runs the steps until the first error.
pub(crate) fn run(vfs: &(impl Vfs + Clone + 'static), steps: &[Step]) -> Outcome {
    match open(vfs, small()) {
        Ok(store) => run_on(&store, steps),
        Err(error) => Outcome {
            failure: Some(error),
            ..Outcome::default()
        },
    }
}

/// Runs the steps until the first error.
pub(crate) fn run_on(store: &Store, steps: &[Step]) -> Outcome {
    let mut outcome = Outcome::default();
    for step in steps {
        let done = match step {
            Step::Commit(batch) => {
                outcome.attempted += 1;
                let committed = store.commit(batch.clone());
                outcome.acknowledged += usize::from(committed.is_ok());
                committed.map(|_| ())
            }
            Step::Seal => store.seal(),
            Step::Merge => store.merge(),
            Step::Setting(value) => store.set_setting("setting", &[*value]),
        };
        if let Err(error) = done {
            outcome.failure = Some(error);
            break;
        }
    }
    outcome
}
