//! Counts of each thread, and their sums.
//!
//! A thread has a `Block` of its own, on cache lines of its own, which only that thread writes: a
//! count is a load, an addition and a store, without a locked instruction. Counting happens once a
//! stream; nothing is counted lane by lane. Whoever reads sees each count as it was a moment ago, and
//! while streams run the counts need not be of the same moment.
//!
//! Blocks are never freed, so that a thread needs no more than a pointer to find its own. When it ends
//! its block, with what is counted there, waits for the next thread: there are as many blocks as there
//! were threads at once.

use phext_storage::coordinate::DIMENSIONS;
use serde::Serialize;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts, of one thread or of all, since the start of the process or over an interval.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)*
            /// Per dimension, library first, streams over a region that constrained it.
            pub dimensions: [u64; DIMENSIONS],
        }

        /// The counts of one thread. Two cache lines are kept apart, because processors fetch in pairs.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(super) struct Block {
            /// Runs over one lane. They are not among `runs`, `batches` and `lanes`, but each is one more
            /// of them.
            pub(super) single_runs: AtomicU64,
            $(pub(super) $name: AtomicU64,)*
            pub(super) dimensions: [AtomicU64; DIMENSIONS],
        }

        impl Block {
            pub(super) fn read(&self) -> Totals {
                let mut totals = Totals {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    dimensions: self.dimensions.each_ref().map(|n| n.load(Ordering::Relaxed)),
                };
                let singles = self.single_runs.load(Ordering::Relaxed);
                for count in [&mut totals.runs, &mut totals.batches, &mut totals.lanes] {
                    *count += singles;
                }
                totals
            }
        }

        impl std::ops::AddAssign for Totals {
            fn add_assign(&mut self, other: Totals) {
                $(self.$name += other.$name;)*
                let dimensions = self.dimensions.iter_mut().zip(other.dimensions);
                dimensions.for_each(|(sum, count)| *sum += count);
            }
        }

        impl Totals {
            const ZERO: Totals = Totals {
                $($name: 0,)*
                dimensions: [0; DIMENSIONS],
            };

            /// What was counted after `earlier`.
            pub fn since(&self, earlier: &Totals) -> Totals {
                Totals {
                    $($name: self.$name.saturating_sub(earlier.$name),)*
                    dimensions: std::array::from_fn(|d| {
                        self.dimensions[d].saturating_sub(earlier.dimensions[d])
                    }),
                }
            }
        }
    };
}

counts! {
    /// Runs of a part of a stream by a sentron: of `each` one for every piece of lanes.
    runs,
    /// Batches of lanes.
    batches,
    /// Lanes.
    lanes,
    /// Operations retired: one for each operation and active lane.
    ops,
    /// Bytes of text gathered.
    bytes_gathered,
    /// Rows given to sinks.
    rows,
    /// Nanoseconds of processor time in batches of streams. Of brief streams a sample is timed, which
    /// stands for the others: of runs over one lane one for 4,096.
    busy_ns,
    /// Operations of what `busy_ns` timed, by the same weights.
    timed_ops,
    /// Point reads that the translation cache answered.
    translation_hits,
    /// Point reads that it did not.
    translation_misses,
    /// Gathers that were compared with the one before.
    gathers_compared,
    /// Those of them whose text begins on the same page of 4 KiB, or the next.
    gathers_near,
    /// Messages between the sentrons of groups.
    messages,
    /// Barriers that groups went through.
    barriers,
    /// Nanoseconds that they took.
    barrier_ns,
}

impl Block {
    /// Runs of this thread, and of those that had the block before.
    #[inline]
    pub(super) fn runs(&self) -> u64 {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        load(&self.runs) + load(&self.single_runs)
    }
}

/// Adds to a count of the calling thread's own block.
#[inline]
pub(super) fn add(count: &AtomicU64, amount: u64) {
    // The thread is the only writer, so nothing is lost between the two.
    count.store(count.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
}

/// All blocks, and those of them that no thread has.
#[derive(Debug)]
struct Registry {
    blocks: Vec<&'static Block>,
    idle: Vec<&'static Block>,
    /// Translations of threads that ended: a block has those of its thread alone.
    ended: Totals,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    blocks: Vec::new(),
    idle: Vec::new(),
    ended: Totals::ZERO,
});

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's hold on its block.
struct Held(&'static Block);

impl Held {
    fn new() -> Held {
        let mut registry = registry();
        let block = registry.idle.pop().unwrap_or_else(|| {
            let block = Box::leak(Box::default());
            registry.blocks.push(block);
            block
        });
        Held(block)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        BLOCK.set(None);
        let mut registry = registry();
        registry.ended.translation_hits += self.0.translation_hits.swap(0, Ordering::Relaxed);
        registry.ended.translation_misses += self.0.translation_misses.swap(0, Ordering::Relaxed);
        registry.idle.push(self.0);
    }
}

thread_local! {
    static HELD: Held = Held::new();
    /// The block of `HELD` once it was asked for: finding it here takes one load.
    static BLOCK: Cell<Option<&'static Block>> = const { Cell::new(None) };
}

/// This thread's block. A thread that is ending has none and counts nothing more.
#[inline]
pub(super) fn own() -> Option<&'static Block> {
    match BLOCK.get() {
        None => hold(),
        block => block,
    }
}

#[cold]
fn hold() -> Option<&'static Block> {
    let block = HELD.try_with(|held| held.0).ok();
    BLOCK.set(block);
    block
}

/// The sums over all threads since the start of the process.
pub fn totals() -> Totals {
    let registry = registry();
    let mut totals = registry.ended;
    for block in &registry.blocks {
        totals += block.read();
    }
    totals
}

/// Counts messages that sentrons of a group sent each other.
pub fn sent(messages: u64) {
    if let Some(block) = own() {
        add(&block.messages, messages);
    }
}

/// Counts a barrier and how long the group took to get through it.
pub fn barrier(took: Duration) {
    if let Some(block) = own() {
        add(&block.barriers, 1);
        add(&block.barrier_ns, took.as_nanos() as u64);
    }
}
