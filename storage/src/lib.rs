//! The storage engine of sqd: coordinates, phext text, curves, log, segments, page table, store.
//!
//! [`Store`] is the way in. A store holds many phexts; a [`Snapshot`] is a consistent view of all of
//! them that never changes; [`page_table`] turns coordinates and patterns of them into slots.
//! ARCHITECTURE.md at the root of the repository is the map, docs/FORMAT.md the bytes.

pub mod coordinate;
pub mod curves;
mod error;
mod log;
pub mod phext;
mod segment;
pub mod vfs;

pub use error::{Result, StoreError};
pub use segment::{Order, OrderError, RecordInfo};
