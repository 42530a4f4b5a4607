//! Orders that change while the store is in use.
//!
//! [`Store::set_order`] records a phext's order in the catalog; sealing follows it from then on. Parts
//! that were written under another order are read as before, and merging rewrites them in the
//! background. Each part says under which order it was written, so that a crash in between loses
//! nothing: what is left to do is seen from the parts, not remembered.

use super::Shared;
use super::Store;
use super::state::{Phext, State};
use crate::catalog::PhextRecord;
use crate::error::{Result, StoreError};
use crate::segment::Order;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is to be known of a part without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSummary {
    /// The segment that the part lies in.
    pub segment: u64,
    /// The part's index in its segment.
    pub index: u32,
    /// Number of slots.
    pub slots: u32,
    /// Number of slots that are current.
    pub live: u32,
    /// Length in its file.
    pub length_bytes: u64,
    /// The order that its keys lie in, spelled as an [`Order`] is.
    pub placement: String,
    /// Why they lie in that order.
    pub reason: String,
    /// Whether the part was written under another order than the phext's, and will be rewritten.
    pub is_stale: bool,
}

impl Phext {
    /// The sealed parts, newest first.
    pub fn part_summaries(&self) -> impl Iterator<Item = PartSummary> {
        self.parts.iter().map(|view| {
            let (placement, reason) = view.part.placement();
            PartSummary {
                segment: view.part.segment().id(),
                index: view.part.index(),
                slots: view.part.slots(),
                live: view.live(),
                length_bytes: view.part.byte_len(),
                placement,
                reason,
                is_stale: !view.part.follows(self.order),
            }
        })
    }

    /// Number of parts that were written under another order than the phext's.
    pub fn stale_parts(&self) -> usize {
        let is_stale = |view: &&super::PartView| !view.part.follows(self.order);
        self.parts.iter().filter(is_stale).count()
    }
}

impl Store {
    /// Sets the order of a phext's segments, durably, and has the parts in another one rewritten in
    /// the background; [`Phext::stale_parts`] tells how many are left. [`Store::merge`] rewrites them
    /// before it returns.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPhext`], after which nothing has changed, and failures of the file system, after which the order may or may
    /// not be set.
    pub fn set_order(&self, phext: &str, order: Order) -> Result<()> {
        self.shared.check_poison()?;
        if self.snapshot().phext(phext).is_none() {
            let name = phext.to_owned();
            return Err(StoreError::NoSuchPhext { name });
        }
        let sequence = self
            .shared
            .record_order(phext, order)
            .map_err(|error| self.shared.poison_unless_full(error))?;
        if let Some(sequence) = sequence {
            self.shared.log_checkpoint(sequence)?;
            self.shared.request_merge();
        }
        Ok(())
    }
}

impl Shared {
    /// Records and publishes the order. Gives the catalog's sequence number; `None` where the phext
    /// has that order already.
    fn record_order(&self, name: &str, order: Order) -> Result<Option<u64>> {
        let mut manifests = self.manifests.lock();
        let current = self.state.load_full();
        let phext = &current.phexts[name];
        if phext.order == order {
            return Ok(None);
        }
        let record = PhextRecord {
            name: name.to_owned(),
            order,
            created_ms: phext.created_ms,
        };
        let mut header = manifests.header;
        header.durable_lsn = current.lsn.max(header.durable_lsn);
        header.next_phext = current.next_phext;
        header.next_segment = self.next_segment.load(Ordering::Relaxed);
        self.commit_manifests(&mut manifests, header, vec![record.change(phext.id)])?;

        let _writer = self.writer.lock();
        let mut state = State::clone(&self.state.load());
        let phext = state.phexts.get_mut(name).expect("phexts are not removed");
        Arc::make_mut(phext).order = order;
        self.state.store(Arc::new(state));
        Ok(Some(manifests.header.sequence))
    }
}
