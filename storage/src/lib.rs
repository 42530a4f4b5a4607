//! The storage engine of sqd: coordinates, phext text, curves, log, segments, page table, store.
//!
//! [`Store`] is the way in. A store holds many phexts; a [`Snapshot`] is a consistent view of all of
//! them that never changes; [`page_table`] turns coordinates and patterns of them into slots.
//! ARCHITECTURE.md at the root of the repository is the map, docs/FORMAT.md the bytes.

mod canary;
mod catalog;
pub mod coordinate;
pub mod curves;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "lab")]
#[doc(hidden)]
pub mod lab;
mod log;
pub mod page_table;
pub mod phext;
mod prefetch;
mod segment;
mod store;
mod sync;
pub mod vfs;

pub use error::{Result, StoreError};
pub use log::Lsn;
pub use segment::{Order, OrderError};
pub use store::{CheckProgress, CheckReport, Damage, ScrubStep, check, check_with};
pub use store::{
    CheckpointMode, Commit, Derived, Follower, Ingest, IngestMode, IngestSummary, MemoryBudget,
    MemoryBudgetTooSmall, OnCommit, Options, PartSummary, PartView, Phext, Recovery, Snapshot,
    SnapshotSummary, Statistics, Store, WriteBatch, WriteOp, validate_name,
};
pub use store::{Loss, RepairMode, RepairReport, repair, repair_with};
