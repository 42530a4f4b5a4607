//! How a store behaves.

use crate::segment::Order;

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
    /// Segments are verified in full when the store is opened, until this many bytes were read; the
    /// rest is verified chunk by chunk when touched.
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
        }
    }
}
