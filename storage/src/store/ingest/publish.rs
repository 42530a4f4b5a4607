//! When an ingest takes effect.
//!
//! An ingest is one entry of the commit order. Its LSN is that of the checkpoint record that it logs:
//! every record of the log with a lower LSN is older than it, every one with a higher LSN newer. The
//! commits that are older must not be replayed over it, so the phext's manifest says up to which LSN
//! its parts and shadows reflect the log, and replay skips the phext's records up to there.
//!
//! ```text
//! 1. merging waits; what is in memory is sealed (Add), while commits go on
//! 2. commits wait; what was committed meanwhile becomes a small part (Add) or goes (Replace)
//! 3. one catalog transaction: the manifest with the new parts, and its LSN
//! 4. the checkpoint record, which claims the ingest's LSN, and the next state
//! ```
//!
//! | a crash after | leaves |
//! |---|---|
//! | 1, 2 | the phext as before; segments that no manifest names are removed at opening |
//! | 3, 4 | the ingest; older records of the phext are skipped, newer ones are replayed over it |

use super::super::manifest::manifest_of;
use super::super::seal::Occasion;
use super::super::state::{PartView, Phext, State, memtable_bytes};
use super::super::writer::Writer;
use super::super::{Shared, manifest::Manifests};
use super::overlap::Overlaps;
use super::pipeline::Built;
use super::{IngestMode, IngestSummary};
use crate::error::{Result, StoreError};
use crate::log::Payload;
use crate::segment::{Part, PartSource, Segment, write_segment};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

impl Shared {
    /// Makes what was built part of the phext, atomically and durably.
    pub(super) fn publish(&self, mode: IngestMode, mut built: Built) -> Result<IngestSummary> {
        // Parts must not be merged away while their shadows are computed, or from under a merge.
        let _merging = self.merging.lock();
        let mut overlaps = Overlaps::default();
        if mode == IngestMode::Add {
            self.seal(Occasion::Asked)
                .map_err(|error| self.poison_unless_full(error))?;
            overlaps.extend(&built, &self.phext_of(&built).parts)?;
        }
        let mut frost = self.frost.lock();
        if mode == IngestMode::Add {
            let sealed = self.seal_frozen(&mut frost, Occasion::Asked);
            sealed.map_err(|error| self.poison_unless_full(error))?;
            overlaps.extend(&built, &self.phext_of(&built).parts)?;
        }
        let before = self.phext_of(&built).parts.clone();
        let publish = || self.publish_now(mode, &mut built, &overlaps);
        let summary = self.unless_it_panics("an ingest", publish)?;
        drop(frost);
        self.remove_segments(before.iter())
            .map_err(|error| self.poison_unless_full(error))?;
        self.request_huge_pages();
        Ok(summary)
    }

    /// The phext as it is now, or as it would be created.
    fn phext_of(&self, built: &Built) -> Arc<Phext> {
        let target = &built.target;
        match self.state.load().phexts.get(&target.name) {
            Some(phext) => Arc::clone(phext),
            None => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                Arc::new(Phext::new(
                    target.phext,
                    Arc::clone(&target.name),
                    target.order,
                    now.map_or(0, |time| time.as_millis() as u64),
                ))
            }
        }
    }

    fn publish_now(
        &self,
        mode: IngestMode,
        built: &mut Built,
        overlaps: &Overlaps,
    ) -> Result<IngestSummary> {
        let mut manifests = self.manifests.lock();
        let mut writer = self.writer.lock();
        self.check_poison()?;
        let mut phext = Phext::clone(&self.phext_of(built));
        assert_eq!(phext.id, built.target.phext, "the id was reserved");
        let previous_scrolls = phext.scrolls;
        let mut views: Vec<PartView> = built.parts.iter().cloned().map(PartView::new).collect();
        if mode == IngestMode::Add {
            let rest = self.seal_rest(&phext, built, &writer)?;
            views.extend(rest.map(PartView::new));
            for view in &phext.parts {
                views.push(overlaps.shadowed(view)?);
            }
        }
        let freed: u64 = phext
            .active
            .iter()
            .map(|(_, text)| memtable_bytes(text.len()))
            .sum();
        phext.reset(views, writer.next_lsn - 1);
        self.commit_ingest(&mut manifests, &mut writer, &phext, built)?;

        let lsn = writer.next_lsn;
        writer.log.flush().map_err(|error| self.poison(&error))?;
        writer.next_lsn += 1;
        let mut state = State::clone(&self.state.load());
        state.lsn = lsn;
        state.active_bytes = state.active_bytes.saturating_sub(freed);
        state.next_phext = state.next_phext.max(phext.id + 1);
        state
            .phexts
            .insert(Arc::clone(&phext.name), Arc::new(phext));
        self.state.store(Arc::new(state));
        self.mark_durable(&writer);
        Ok(IngestSummary {
            lsn,
            scrolls: built.parts.iter().map(|part| u64::from(part.slots())).sum(),
            text_bytes: built.parts.iter().map(|part| part.text_bytes()).sum(),
            parts: built.parts.len(),
            previous_scrolls,
        })
    }

    /// Commits the manifest of `phext`, with room in the log for the checkpoint that follows.
    fn commit_ingest(
        &self,
        manifests: &mut Manifests,
        writer: &mut Writer,
        phext: &Phext,
        built: &mut Built,
    ) -> Result<()> {
        let mut header = manifests.header;
        header.durable_lsn = writer.next_lsn - 1;
        header.next_phext = self.state.load().next_phext.max(phext.id + 1);
        header.next_segment = self.next_segment.load(Ordering::Relaxed);
        let sequence = header.sequence + 1;
        let lsn = writer.next_lsn;
        writer.push(&Payload::Checkpoint { sequence }, lsn);
        if let Err(error) = writer.log.prepare() {
            writer.log.discard();
            return Err(self.poison_unless_full(error));
        }
        let changes = manifest_of(phext, phext.parts.iter());
        let committed = manifests.commit(header, changes.to_vec());
        if let Err(error) = committed {
            writer.log.discard();
            if manifests.lacks(&changes) {
                return Err(self.poison_unless_full(error));
            }
            // It may be there when the store is opened again: its segments must stay, and commits
            // that would be replayed over it must not be made on the state without it.
            built.keep();
            let cause = error.to_string();
            self.poison(&error);
            return Err(StoreError::Poisoned { cause });
        }
        built.keep();
        Ok(())
    }

    /// What was committed to the phext and is not sealed yet, less what the ingest replaces, as a
    /// part. Only what was committed since the sealing just before: it is little, and commits wait.
    fn seal_rest(
        &self,
        phext: &Phext,
        built: &mut Built,
        writer: &Writer,
    ) -> Result<Option<Arc<Part>>> {
        let mut rest: Vec<(_, &Bytes)> = Vec::new();
        for (coordinate, text) in phext.active.iter() {
            if !built.replaces(coordinate)? {
                rest.push((*coordinate, text));
            }
        }
        if rest.is_empty() {
            return Ok(None);
        }
        let source = PartSource {
            phext: phext.id,
            name: &phext.name,
            order: phext.order,
            first_lsn: writer.next_lsn - 1,
            last_lsn: writer.next_lsn - 1,
            keys: rest.iter().map(|&(coordinate, _)| coordinate).collect(),
            text: Box::new(|index| Ok(rest[index].1)),
        };
        let id = self.next_segment();
        built.begun(id);
        write_segment(&*self.vfs, &self.paths.segments, id, &[source])?;
        let segment = Segment::open(&*self.vfs, &self.paths.segments, id)?;
        Ok(Some(segment.part(0)?))
    }
}
