//! The state of a store at one LSN: what a snapshot sees.
//!
//! A state never changes once published. Its maps share structure, so the next state costs as much
//! as the change. A scroll lives in exactly one visible place:
//!
//! ```text
//! active memtable -> frozen memtable (being sealed), unless hidden -> parts, unless shadowed
//! ```

use super::memtable::Memtable;
use super::shadow::Shadow;
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::log::Lsn;
use crate::page_table::{Counters, PartWalk};
use crate::segment::{Candidate, Entry, Order, Part, Place, Probe, Segment};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

/// Everything visible at one LSN.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// The last change applied.
    pub(crate) lsn: Lsn,
    /// The phexts by name.
    pub(crate) phexts: imbl::OrdMap<Arc<str>, Arc<Phext>>,
    /// The id of the next phext.
    pub(crate) next_phext: u64,
    /// Ids of phexts that an ingest under way will create, unless a commit does so first.
    pub(crate) reserved: imbl::OrdMap<Arc<str>, u64>,
    /// Bytes in active memtables, overhead included.
    pub(crate) active_bytes: u64,
    /// Bytes in memtables that are being sealed, overhead included.
    pub(crate) frozen_bytes: u64,
}

/// One phext at one LSN.
#[derive(Debug, Clone)]
pub struct Phext {
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    pub(crate) order: Order,
    pub(crate) created_ms: u64,
    /// Records of the log up to here are not replayed: an ingest took their place. What is sealed
    /// since is not counted, as the store's own sealed LSN says more.
    pub(crate) sealed_lsn: Lsn,
    pub(crate) active: Memtable,
    pub(crate) frozen: Option<Frozen>,
    /// Newest first.
    pub(crate) parts: Vec<PartView>,
    pub(crate) scrolls: u64,
    pub(crate) text_bytes: u64,
    derived: Arc<Derived>,
    counters: Arc<Counters>,
}

/// A memtable on its way into a segment.
#[derive(Debug, Clone)]
pub(crate) struct Frozen {
    pub(crate) scrolls: Memtable,
    /// Scrolls overwritten or deleted since.
    pub(crate) hidden: imbl::OrdSet<Coordinate>,
}

/// A part and which of its slots are current.
#[derive(Debug, Clone)]
pub struct PartView {
    pub(crate) part: Arc<Part>,
    pub(crate) shadow: Shadow,
    /// Bytes of text in shadowed slots.
    pub(crate) shadowed_bytes: u64,
}

/// Figures of a phext that take a pass over it, kept until it changes.
#[derive(Debug, Default)]
pub struct Derived {
    /// Length in bytes of the phext as one document.
    pub document_bytes: OnceLock<u64>,
    /// XXH3-128 of that document.
    pub document_checksum: OnceLock<u128>,
    /// Length in bytes of its table of contents.
    pub toc_bytes: OnceLock<u64>,
}

/// Bytes that a scroll takes in a memtable besides its text.
const ENTRY_BYTES: u64 = 96;

/// What a scroll of this length takes in a memtable.
pub(crate) fn memtable_bytes(text: usize) -> u64 {
    ENTRY_BYTES + text as u64
}

impl State {
    /// The id that a phext which does not exist gets when it is created.
    pub(crate) fn id_for(&self, name: &str) -> u64 {
        self.reserved.get(name).copied().unwrap_or(self.next_phext)
    }
}

impl State {
    /// The segments that phexts use.
    pub(crate) fn segment_ids(&self) -> BTreeSet<u64> {
        let views = self.phexts.values().flat_map(|phext| &phext.parts);
        views.map(|view| view.part.segment().id()).collect()
    }

    /// The segments in use, by id.
    pub(super) fn segments(&self) -> Vec<Arc<Segment>> {
        let views = self.phexts.values().flat_map(|phext| &phext.parts);
        let segments = views.map(|view| (view.part.segment().id(), view.part.segment()));
        let segments: BTreeMap<u64, &Arc<Segment>> = segments.collect();
        segments.into_values().cloned().collect()
    }
}

impl Phext {
    /// An empty phext.
    pub(crate) fn new(id: u64, name: Arc<str>, order: Order, created_ms: u64) -> Phext {
        Phext {
            id,
            name,
            order,
            created_ms,
            sealed_lsn: 0,
            active: Memtable::default(),
            frozen: None,
            parts: Vec::new(),
            scrolls: 0,
            text_bytes: 0,
            derived: Arc::default(),
            counters: Arc::default(),
        }
    }

    /// A phext without scrolls: what a read of an unknown one sees.
    pub fn empty() -> &'static Phext {
        static EMPTY: LazyLock<Phext> =
            LazyLock::new(|| Phext::new(0, Arc::from(""), Order::Auto, 0));
        &EMPTY
    }

    /// The phext's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The order that its segments are written in.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Number of scrolls.
    pub fn scrolls(&self) -> u64 {
        self.scrolls
    }

    /// Bytes of text in all scrolls.
    pub fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Number of sealed parts.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Bytes of current scrolls that are in no part: their texts and coordinates.
    pub(crate) fn memory_bytes(&self) -> u64 {
        const COORDINATE_BYTES: u64 = 36;
        let sealed: u64 = self.parts.iter().map(PartView::live_text_bytes).sum();
        let scrolls: u64 = self.parts.iter().map(|view| u64::from(view.live())).sum();
        self.text_bytes - sealed + (self.scrolls - scrolls) * COORDINATE_BYTES
    }

    /// Figures kept with this version of the phext, for whoever computes them.
    pub fn derived(&self) -> &Derived {
        &self.derived
    }

    /// What scans of this phext did since the store was opened, whichever version they read.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether any scroll is in memory.
    #[inline]
    pub(crate) fn has_memory(&self) -> bool {
        !self.active.is_empty() || self.frozen.is_some()
    }

    /// The scroll at a coordinate, if it is in memory.
    #[inline]
    pub(crate) fn in_memory(&self, coordinate: &Coordinate) -> Option<&Bytes> {
        if !self.has_memory() {
            return None;
        }
        let frozen = || self.frozen.as_ref()?.get(coordinate);
        self.active.get(coordinate).or_else(frozen)
    }

    /// Makes `text` the scroll at `coordinate`; an empty text removes it. Gives the length of what
    /// was there. Where this fails nothing has changed.
    pub(crate) fn put(&mut self, coordinate: Coordinate, text: Bytes) -> Result<Option<u64>> {
        if text.is_empty() {
            return self.take(&coordinate);
        }
        let length = text.len() as u64;
        let previous = match self.active.insert(coordinate, text) {
            Some(length) => Some(length as u64),
            None => self.hide(&coordinate).inspect_err(|_| {
                self.active.remove(&coordinate);
            })?,
        };
        self.count(previous, Some(length));
        Ok(previous)
    }

    /// Makes `text`, which is not empty, the scroll at `coordinate`, where none is in memory. One in a
    /// part is not hidden.
    pub(crate) fn put_over(&mut self, coordinate: Coordinate, text: Bytes) {
        self.count(None, Some(text.len() as u64));
        self.active.insert(coordinate, text);
    }

    /// Removes the scroll at `coordinate`. Gives its length. Where this fails nothing has changed.
    pub(crate) fn take(&mut self, coordinate: &Coordinate) -> Result<Option<u64>> {
        let length = match self.active.remove(coordinate) {
            Some(length) => Some(length as u64),
            None => self.hide(coordinate)?,
        };
        self.count(length, None);
        Ok(length)
    }

    /// Counts that a scroll of one length took the place of one of another.
    fn count(&mut self, before: Option<u64>, after: Option<u64>) {
        self.forget_derived();
        self.scrolls -= u64::from(before.is_some());
        self.text_bytes -= before.unwrap_or_default();
        self.scrolls += u64::from(after.is_some());
        self.text_bytes += after.unwrap_or_default();
    }

    /// Asks for the buckets where the parts look for a coordinate.
    pub(super) fn prefetch_buckets(&self, coordinate: &Coordinate, probe: Probe) {
        for view in &self.parts {
            if view.part.may_span(coordinate) {
                view.part.prefetch_bucket(probe);
            }
        }
    }

    /// Asks for the entries that the parts' buckets name.
    pub(super) fn prefetch_entries(&self, coordinate: &Coordinate, probe: Probe) {
        for view in &self.parts {
            if let Candidate::Likely(offset) = view.part.candidate(coordinate, probe) {
                view.part.prefetch_entry(offset);
            }
        }
    }

    /// Hides a scroll that is not in the active memtable.
    fn hide(&mut self, coordinate: &Coordinate) -> Result<Option<u64>> {
        if let Some(frozen) = &mut self.frozen
            && let Some(length) = frozen.get(coordinate).map(|text| text.len() as u64)
        {
            frozen.hidden.insert(*coordinate);
            return Ok(Some(length));
        }
        let probe = Probe::new(coordinate);
        for view in &mut self.parts {
            if let Some(length) = view.hide(coordinate, probe)? {
                return Ok(Some(length));
            }
        }
        Ok(None)
    }

    /// Makes these parts, newest first, all that the phext holds. They reflect the log up to
    /// `sealed_lsn`.
    pub(crate) fn reset(&mut self, parts: Vec<PartView>, sealed_lsn: Lsn) {
        self.active = Memtable::default();
        self.frozen = None;
        self.scrolls = parts.iter().map(|view| u64::from(view.live())).sum();
        self.text_bytes = parts.iter().map(PartView::live_text_bytes).sum();
        self.parts = parts;
        self.sealed_lsn = sealed_lsn;
        self.forget_derived();
    }

    /// Lets go of figures of another version: only the first change of a group finds them shared.
    fn forget_derived(&mut self) {
        match Arc::get_mut(&mut self.derived) {
            Some(derived) => *derived = Derived::default(),
            None => self.derived = Arc::default(),
        }
    }

    /// Moves the active memtable out of the way of new changes.
    pub(crate) fn freeze(&mut self) {
        assert!(self.frozen.is_none(), "one memtable is sealed at a time");
        if !self.active.is_empty() {
            let scrolls = std::mem::take(&mut self.active);
            self.frozen = Some(Frozen {
                scrolls,
                hidden: imbl::OrdSet::new(),
            });
        }
    }
}

impl Frozen {
    fn get(&self, coordinate: &Coordinate) -> Option<&Bytes> {
        self.scrolls
            .get(coordinate)
            .filter(|_| !self.hidden.contains(coordinate))
    }
}

impl PartView {
    /// A part of which every slot is current.
    pub(crate) fn new(part: Arc<Part>) -> PartView {
        PartView {
            part,
            shadow: Shadow::default(),
            shadowed_bytes: 0,
        }
    }

    /// Marks a current slot as no longer so.
    pub(crate) fn shadow_slot(&mut self, slot: u32) -> Result<()> {
        let text_bytes = self.part.record(slot)?.length;
        self.shadow_place(Place { slot, text_bytes });
        Ok(())
    }

    fn shadow_place(&mut self, place: Place) {
        if self.shadow.insert(place.slot) {
            self.shadowed_bytes += u64::from(place.text_bytes);
        }
    }

    /// Marks the slot of a coordinate, if it is current, as no longer so. Gives the length of its text.
    fn hide(&mut self, coordinate: &Coordinate, probe: Probe) -> Result<Option<u64>> {
        let place = self.part.place(coordinate, probe)?;
        let current = place.filter(|place| !self.shadow.contains(place.slot));
        if let Some(place) = current {
            self.shadow_place(place);
        }
        Ok(current.map(|place| u64::from(place.text_bytes)))
    }

    /// Bytes of text in current slots.
    pub(crate) fn live_text_bytes(&self) -> u64 {
        self.part.text_bytes() - self.shadowed_bytes
    }

    /// Bytes of the part that its current slots account for: their texts, and of the sections as
    /// large a share as of the slots.
    pub(crate) fn live_bytes(&self) -> u64 {
        let sections = self.part.byte_len() - self.part.text_bytes();
        let share = u128::from(sections) * u128::from(self.live());
        self.live_text_bytes() + (share / u128::from(self.part.slots())) as u64
    }

    /// Number of current slots.
    pub(crate) fn live(&self) -> u32 {
        self.part.slots() - self.shadow.len()
    }

    /// The current slots with their coordinates, in coordinate order, up to the first that cannot be read.
    pub(crate) fn live_slots(&self) -> impl Iterator<Item = Result<(Coordinate, u32)>> {
        let mut walk = Some(PartWalk::whole(self));
        let slot_of = |entry: Entry| (entry.coordinate, entry.found.slot);
        std::iter::from_fn(move || {
            let next = walk.as_mut()?.next().transpose();
            if !matches!(next, Some(Ok(_))) {
                walk = None;
            }
            next.map(|entry| entry.map(slot_of))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Store, WriteBatch, WriteOp};
    use crate::coordinate::Coordinate;
    use crate::error::StoreError;
    use crate::vfs::MemoryVfs;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn a_walk_over_current_slots_ends_with_the_first_error() {
        let options = Options {
            background: false,
            ..Options::default()
        };
        let vfs = Arc::new(MemoryVfs::new());
        let store = Store::open_with(vfs, Path::new("/store"), options).unwrap();
        let put = |last| WriteOp::Put {
            coordinate: Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, last]).unwrap(),
            text: b"text"[..].into(),
        };
        let batch = WriteBatch {
            phext: "a".to_owned(),
            operations: (1..=300).map(put).collect(),
        };
        store.commit(batch).unwrap();
        store.seal().unwrap();
        let state = store.shared.state.load_full();
        let view = &state.phexts.get("a").unwrap().parts[0];
        assert_eq!(view.live_slots().filter(Result::is_ok).count(), 300);
        let segment = view.part.segment();
        (0..segment.chunks()).for_each(|chunk| segment.mark_bad(chunk));
        let found: Vec<_> = view.live_slots().take(1000).collect();
        let errors = found.iter().filter(|slot| slot.is_err()).count();
        assert_eq!(errors, 1, "{} slots", found.len());
        assert!(matches!(
            found.last(),
            Some(Err(StoreError::Corrupt { .. }))
        ));
    }
}
