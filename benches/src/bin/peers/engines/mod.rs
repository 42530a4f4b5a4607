//! The engines, each in a file, and two baselines that are no engines.

use crate::engine::Kind;

mod append;
mod directory;
mod fjall;
mod in_flight;
mod lmdb;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sled;
mod sqd;

/// All that were compiled in, in the order of the report.
pub(crate) const KINDS: &[Kind] = &[
    sqd::KIND,
    lmdb::KIND,
    redb::KIND,
    fjall::KIND,
    sled::KIND,
    #[cfg(feature = "rocksdb")]
    rocksdb::KIND,
];

/// What engines are held against where a bar says so. They take part whenever a workload of theirs
/// is measured.
pub(crate) const BASELINES: &[Kind] = &[directory::KIND, append::KIND];
