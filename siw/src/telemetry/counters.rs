//! Counts of each thread, and their sums.
//!
//! A thread has a `Block` of its own, on cache lines of its own, which only that thread writes: a
//! count is a load, an addition and a store, without a locked instruction. Counting happens once a
//! stream; nothing is counted lane by lane. Whoever reads sees each count as it was a moment ago, and
//! while streams run the counts need not be of the same moment. What a thread has counted stays
//! in the sums when it ends.

use phext_storage::coordinate::DIMENSIONS;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
            $(pub(super) $name: AtomicU64,)*
            pub(super) dimensions: [AtomicU64; DIMENSIONS],
        }

        impl Block {
            fn read(&self) -> Totals {
                Totals {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    dimensions: self.dimensions.each_ref().map(|n| n.load(Ordering::Relaxed)),
                }
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
    /// Nanoseconds of processor time in batches of streams. Of streams over few points one in 64 is
    /// timed and counts 64 times.
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

/// Adds to a count of the calling thread's own block.
#[inline]
pub(super) fn add(count: &AtomicU64, amount: u64) {
    // The thread is the only writer, so nothing is lost between the two.
    count.store(count.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
}

/// The blocks of threads that live, and the sums of those that ended.
#[derive(Debug)]
struct Registry {
    blocks: Vec<Arc<Block>>,
    ended: Totals,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    blocks: Vec::new(),
    ended: Totals::ZERO,
});

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's hold on its block.
struct Registered(Arc<Block>);

impl Registered {
    fn new() -> Registered {
        let block = Arc::<Block>::default();
        registry().blocks.push(Arc::clone(&block));
        Registered(block)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut registry = registry();
        registry.ended += self.0.read();
        registry.blocks.retain(|block| !Arc::ptr_eq(block, &self.0));
    }
}

thread_local! {
    static BLOCK: Registered = Registered::new();
}

/// Counts in this thread's block. A thread that is ending counts nothing more.
#[inline]
pub(super) fn count<T>(with: impl FnOnce(&Block) -> T) -> Option<T> {
    BLOCK.try_with(|registered| with(&registered.0)).ok()
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
    count(|block| add(&block.messages, messages));
}

/// Counts a barrier and how long the group took to get through it.
pub fn barrier(took: Duration) {
    count(|block| {
        add(&block.barriers, 1);
        add(&block.barrier_ns, took.as_nanos() as u64);
    });
}
