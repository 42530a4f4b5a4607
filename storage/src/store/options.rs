//! How a store behaves, and how it divides memory.
//!
//! One budget for memory stands for the three limits that take the most of it. In sixteenths of it:
//!
//! | of a budget | for | and why the limit is what it is |
//! |---|---|---|
//! | 4 | memtables | four times `memtable_bytes`: the active ones stop at twice the limit, and as much may be frozen |
//! | 4 | a segment that is sealed | what a builder needs for each slot is twice a memtable's overhead, for what is frozen |
//! | 4 | a merge | `merge_memory_bytes` |
//! | 3 | an ingest | less than fifteen times `ingest_part_bytes`, where scrolls are as short as their entries |
//! | 1 | tables of segments, shadows, the catalog | grows with the data, and is reported, not limited |
//!
//! Outside it are requests and answers under way, threads, the cache of the catalog's engine, and the
//! mapped segments, which belong to the system.

use crate::segment::Order;
use std::time::Duration;

/// The part of a budget that `memtable_bytes` is: memtables take four times, sealing four times it.
const BUDGET_BY_MEMTABLE: u64 = 16;
/// The part of a budget that `merge_memory_bytes` is.
const BUDGET_BY_MERGE: u64 = 4;
/// The part of a budget that `ingest_part_bytes` is: fifteen of them are three sixteenths.
const BUDGET_BY_INGEST_PART: u64 = 80;

/// How much memory a store may take for what it writes and rewrites. See the module's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    bytes: u64,
}

/// A budget that no store can work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a memory budget of {bytes} bytes is too small: give at least {least}", least = MemoryBudget::LEAST_BYTES)]
pub struct MemoryBudgetTooSmall {
    /// What was asked for.
    pub bytes: u64,
}

impl MemoryBudget {
    /// The smallest budget: memtables of 1 MiB, below which the store would mostly seal.
    pub const LEAST_BYTES: u64 = 16 << 20;

    /// A budget of this many bytes.
    ///
    /// # Errors
    /// Where it is below [`Self::LEAST_BYTES`].
    pub fn new(bytes: u64) -> Result<MemoryBudget, MemoryBudgetTooSmall> {
        match bytes >= Self::LEAST_BYTES {
            true => Ok(MemoryBudget { bytes }),
            false => Err(MemoryBudgetTooSmall { bytes }),
        }
    }

    /// Its bytes.
    pub fn bytes(self) -> u64 {
        self.bytes
    }
}

/// Settings of a store. The defaults suit a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes in memtables above which they are sealed into a segment.
    pub memtable_bytes: u64,
    /// The longest scroll in bytes.
    pub max_scroll_bytes: u64,
    /// The order of phexts created from now on.
    pub order: Order,
    /// Whether sealing and merging run on threads of their own. Without, they run on the thread
    /// whose write made them due, which makes a test's sequence of operations repeatable.
    pub background: bool,
    /// Segments are verified in full when the store is opened, until this many bytes were read, so that
    /// damage is told then; the rest is verified chunk by chunk when touched. Either way reads of a
    /// damaged chunk fail and others do not.
    pub verify_at_open_bytes: u64,
    /// Bytes a second that merging writes while it is on time; more where it is late, and without a
    /// limit where it is very late. 0 is no limit.
    pub merge_bytes_per_second: u64,
    /// About how many bytes of memory one merge may take. Larger merges make fewer parts of large
    /// phexts.
    pub merge_memory_bytes: u64,
    /// How far ahead of its end a log file's space is reserved at most, in bytes: an append inside reserved
    /// space cannot fail for lack of it, and its sync has no file length to make durable.
    pub log_reserve_bytes: u64,
    /// Bytes of text that an ingest gathers for a part. It holds up to three times as much, and about
    /// 300 bytes for each scroll in them.
    pub ingest_part_bytes: u64,
    /// After this long without a commit, and at most twice as long, the log of a store with background
    /// threads gives back the space that it does not need, and is sealed where it holds 1 MiB or more.
    /// Shorter makes more and smaller segments of what is written in bursts. [`Duration::MAX`] is never.
    pub idle_after: Duration,
    /// Segments of at least this many bytes are brought into huge pages once no merge is due, where the
    /// system has such pages for files and enough memory for all that is mapped. [`u64::MAX`] is
    /// never.
    pub huge_page_segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            memtable_bytes: 64 << 20,
            max_scroll_bytes: 64 << 20,
            order: Order::Auto,
            background: true,
            verify_at_open_bytes: 32 << 20,
            merge_bytes_per_second: 64 << 20,
            merge_memory_bytes: 512 << 20,
            log_reserve_bytes: 4 << 20,
            ingest_part_bytes: 256 << 20,
            idle_after: Duration::from_secs(5),
            huge_page_segment_bytes: 64 << 20,
        }
    }
}

impl Options {
    /// These options, with the limits on memory that a budget comes to.
    #[must_use]
    pub fn within(self, budget: MemoryBudget) -> Options {
        Options {
            memtable_bytes: budget.bytes / BUDGET_BY_MEMTABLE,
            merge_memory_bytes: budget.bytes / BUDGET_BY_MERGE,
            ingest_part_bytes: budget.bytes / BUDGET_BY_INGEST_PART,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ingest;
    use super::super::maintenance::STALL_FACTOR;
    use super::super::merge::SLOT_BYTES;
    use super::super::state::memtable_bytes;
    use super::*;

    /// What the limits allow at worst, from what each structure takes: active and frozen memtables,
    /// a builder over the frozen ones, a merge, an ingest.
    fn worst(options: &Options) -> u64 {
        let full = STALL_FACTOR * options.memtable_bytes;
        let sealing = full * SLOT_BYTES / memtable_bytes(0);
        2 * full
            + sealing
            + options.merge_memory_bytes
            + ingest::most_bytes(options.ingest_part_bytes)
    }

    #[test]
    fn the_shares_fit_into_the_budget() {
        for bytes in [
            MemoryBudget::LEAST_BYTES,
            (16 << 20) + 1,
            512 << 20,
            1 << 30,
            1 << 40,
        ] {
            let options = Options::default().within(MemoryBudget::new(bytes).unwrap());
            let worst = worst(&options);
            // The last sixteenth is left to what is not limited, and the shares are not wasted.
            assert!(worst <= bytes - bytes / 16, "{worst} of {bytes}");
            assert!(worst >= bytes / 10 * 9, "{worst} of {bytes}");
        }
    }

    #[test]
    fn other_options_stay() {
        let options = Options {
            max_scroll_bytes: 77,
            background: false,
            ..Options::default()
        };
        let within = options.within(MemoryBudget::new(1 << 30).unwrap());
        assert_eq!((within.max_scroll_bytes, within.background), (77, false));
        assert_eq!(within.memtable_bytes, Options::default().memtable_bytes);
    }

    #[test]
    fn small_budgets_are_refused() {
        let bytes = MemoryBudget::LEAST_BYTES - 1;
        let refused = MemoryBudget::new(bytes).unwrap_err();
        assert_eq!(refused, MemoryBudgetTooSmall { bytes });
        let said = "a memory budget of 16777215 bytes is too small: give at least 16777216";
        assert_eq!(refused.to_string(), said);
    }
}
