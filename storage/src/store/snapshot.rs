//! A consistent view of the whole store.

use super::state::{Phext, State};
use crate::log::Lsn;
use std::sync::Arc;

/// The store as it was at one LSN. Taking one copies a pointer; it never changes, and it neither
/// blocks writers nor is blocked by them.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) state: Arc<State>,
}

impl Snapshot {
    /// The last change that the snapshot sees.
    pub fn lsn(&self) -> Lsn {
        self.state.lsn
    }

    /// A phext by name.
    pub fn phext(&self, name: &str) -> Option<&Arc<Phext>> {
        self.state.phexts.get(name)
    }

    /// All phexts, by name.
    pub fn phexts(&self) -> impl Iterator<Item = &Arc<Phext>> {
        self.state.phexts.values()
    }
}
