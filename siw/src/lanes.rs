//! The lane specification, over which scrolls a stream runs: the page table's own type.
//!
//! In a stream that writes, points may come in any order and repeat: writes apply in the order given.

pub use phext_storage::page_table::LaneSpec;
