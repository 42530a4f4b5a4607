//! Figures for operators: what the store wrote, what it holds, and how long writers waited.
//!
//! Write amplification is `(logged + sealed + merged) / user` bytes, since the store was opened.
//! Space amplification is `segment / live` bytes: what segments take, for each byte that current
//! scrolls would take if they were written anew. The log comes on top; it holds at most what is in
//! memtables and a reserve. Bytes of the catalog are counted apart: they are values given to it, of
//! which it makes what it likes.
//!
//! Memory is counted by what holds it: memtables, active and frozen; shadows; the tables of segments;
//! the catalog's entries. Mapped bytes are files, of which the system keeps in memory what it likes,
//! and how much that is only the system knows.

use super::Shared;
use super::manifest::Manifests;
use super::merge::Space;
use super::state::State;
use crate::catalog::{Change, Header};
use crate::error::Result;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Figures for operators. Counts are since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Of memory in memtables that are written to, with their overhead.
    pub memtable_bytes: u64,
    /// Of memory in memtables that are being sealed, with their overhead.
    pub frozen_bytes: u64,
    /// Of memory in shadows: the slots of segments that are not current.
    pub shadow_bytes: u64,
    /// Of memory in checksums of segments and what is known of their chunks and parts.
    pub table_bytes: u64,
    /// Of memory in entries of the catalog, manifests and shadows as they are stored among them.
    pub catalog_bytes: u64,
    /// Of segment files in use, which are mapped: address space, not memory of the process.
    pub mapped_bytes: u64,
    /// Of those, the bytes that were brought into huge pages. The system may have taken some apart since.
    pub huge_page_bytes: u64,
    /// Of the log file that is written to.
    pub log_bytes: u64,
    /// Written by users: texts, and coordinates at 36 bytes each.
    pub user_bytes: u64,
    /// Written to the log.
    pub logged_bytes: u64,
    /// Written to segments by sealing.
    pub sealed_bytes: u64,
    /// Written to segments by merging.
    pub merged_bytes: u64,
    /// Values given to the catalog.
    pub cataloged_bytes: u64,
    /// Of segment files in use.
    pub segment_bytes: u64,
    /// Of current scrolls: their share of segments, or texts and coordinates in memory.
    pub live_bytes: u64,
    /// Of segment files, for what is not, and would go if they were rewritten.
    pub dead_bytes: u64,
    /// Segment files in use.
    pub segments: u64,
    /// Parts of all phexts.
    pub parts: u64,
    /// Parts of the phext that has most.
    pub most_parts: u64,
    /// Parts that were written under another order than their phext's.
    pub stale_parts: u64,
    /// How often segments were sealed.
    pub seals: u64,
    /// How often parts were merged.
    pub merges: u64,
    /// How far merging is behind, in thousandths: 0 is on time; above 1000 writers are slowed down.
    pub debt_permille: u64,
    /// How often a commit group waited until there was room.
    pub stalls: u64,
    /// How long commit groups waited for room.
    pub stall_us: u64,
    /// How often a commit group was held back a little.
    pub slowdowns: u64,
    /// How long commit groups were held back.
    pub slowdown_us: u64,
    /// That the scrub has read.
    pub scrubbed_bytes: u64,
    /// Passes that the scrub has ended.
    pub scrub_passes: u64,
    /// Chunks of segments in use that were found damaged, by a scrub, a merge or a read.
    pub damaged_chunks: u64,
    /// Segments in use that merges leave out since one of them met damage there.
    pub unmergeable_segments: u64,
}

impl Statistics {
    /// What a state holds; nothing that is counted as it happens.
    pub(super) fn of(state: &State) -> Statistics {
        let space = Space::of(state).totals();
        let segments = state.segments();
        let views = || state.phexts.values().flat_map(|phext| &phext.parts);
        let parts = || state.phexts.values().map(|phext| phext.parts.len() as u64);
        Statistics {
            memtable_bytes: state.active_bytes,
            frozen_bytes: state.frozen_bytes,
            shadow_bytes: views().map(|view| view.shadow.heap_bytes()).sum(),
            table_bytes: segments.iter().map(|segment| segment.table_bytes()).sum(),
            mapped_bytes: segments.iter().map(|segment| segment.byte_len()).sum(),
            huge_page_bytes: segments.iter().map(|segment| segment.huge_bytes()).sum(),
            segment_bytes: space.bytes,
            live_bytes: space.live,
            dead_bytes: space.dead,
            segments: space.files,
            parts: parts().sum(),
            most_parts: parts().max().unwrap_or(0),
            stale_parts: state.phexts.values().map(|p| p.stale_parts() as u64).sum(),
            damaged_chunks: segments.iter().map(|segment| segment.bad_chunks()).sum(),
            unmergeable_segments: segments.iter().filter(|s| s.is_set_aside()).count() as u64,
            ..Statistics::default()
        }
    }

    /// Bytes of memory in what is counted; mapped ones are none of it.
    pub fn heap_bytes(&self) -> u64 {
        let memtables = self.memtable_bytes + self.frozen_bytes;
        memtables + self.shadow_bytes + self.table_bytes + self.catalog_bytes
    }

    /// Bytes written to log and segments for each byte that users wrote; 0 before the first.
    pub fn write_amplification(&self) -> f64 {
        let written = self.logged_bytes + self.sealed_bytes + self.merged_bytes;
        ratio(written, self.user_bytes)
    }

    /// Bytes that segments take for each byte that is current; 0 where nothing is.
    pub fn space_amplification(&self) -> f64 {
        ratio(self.segment_bytes, self.live_bytes)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) user_bytes: AtomicU64,
    pub(super) logged_bytes: AtomicU64,
    pub(super) sealed_bytes: AtomicU64,
    pub(super) merged_bytes: AtomicU64,
    pub(super) cataloged_bytes: AtomicU64,
    pub(super) seals: AtomicU64,
    pub(super) merges: AtomicU64,
    stalls: AtomicU64,
    stall_us: AtomicU64,
    slowdowns: AtomicU64,
    slowdown_us: AtomicU64,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    pub(super) fn stalled(&self, time: Duration) {
        add(&self.stalls, 1);
        add(&self.stall_us, time.as_micros() as u64);
    }

    pub(super) fn slowed_down(&self, time: Duration) {
        add(&self.slowdowns, 1);
        add(&self.slowdown_us, time.as_micros() as u64);
    }

    /// Bytes that may still be written while `permille` / 1000 bytes are written for each of users'.
    pub(super) fn budget_bytes(&self, permille: u64) -> u64 {
        let allowed = get(&self.user_bytes).saturating_mul(permille) / 1000;
        let written = get(&self.logged_bytes) + get(&self.sealed_bytes) + get(&self.merged_bytes);
        allowed.saturating_sub(written)
    }
}

impl Shared {
    /// [`Manifests::commit`], counted.
    pub(super) fn commit_manifests(
        &self,
        manifests: &mut Manifests,
        header: Header,
        changes: Vec<Change>,
    ) -> Result<()> {
        let values = changes.iter().filter_map(|(_, value)| value.as_ref());
        let bytes = values.map(Vec::len).sum::<usize>();
        add(&self.counters.cataloged_bytes, bytes as u64);
        manifests.commit(header, changes)
    }

    /// See [`Store::statistics`](super::Store::statistics).
    pub(super) fn statistics(&self) -> Statistics {
        let (scrubbed_bytes, scrub_passes) = self.scrubbed();
        let counters = &self.counters;
        Statistics {
            catalog_bytes: self.manifests.lock().heap_bytes(),
            log_bytes: self.writer.lock().log.len(),
            user_bytes: get(&counters.user_bytes),
            logged_bytes: get(&counters.logged_bytes),
            sealed_bytes: get(&counters.sealed_bytes),
            merged_bytes: get(&counters.merged_bytes),
            cataloged_bytes: get(&counters.cataloged_bytes),
            seals: get(&counters.seals),
            merges: get(&counters.merges),
            debt_permille: self.pace.debt_permille(),
            stalls: get(&counters.stalls),
            stall_us: get(&counters.stall_us),
            slowdowns: get(&counters.slowdowns),
            slowdown_us: get(&counters.slowdown_us),
            scrubbed_bytes,
            scrub_passes,
            ..Statistics::of(&self.state.load_full())
        }
    }
}
