//! Merging: parts of a phext become one, without their shadowed slots.
//!
//! Parts are grouped by size, a tier for each factor of four; four parts of a tier are merged, so a
//! scroll is rewritten once a tier. A part that is half shadowed is rewritten alone. Parts of several
//! phexts are merged into one file, so that many small phexts do not become many small files.

use super::Shared;
use super::manifest::manifest_of;
use super::shadow::Shadow;
use super::state::{PartView, Phext, State};
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use crate::segment::{Part, PartSource, Segment, file_name, write_segment};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Parts of one tier that are merged.
const TIER_PARTS: usize = 4;
/// Parts up to this size are of the lowest tier.
const LOWEST_TIER_BYTES: u64 = 1 << 20;
/// One merge stops taking phexts above this many bytes.
const MERGE_BYTES: u64 = 1 << 30;
/// A merged part has at most this many slots.
const MAX_SLOTS: u64 = 1 << 31;

/// The parts of one phext that become one.
struct Job {
    phext: Arc<Phext>,
    /// What is merged, as it was when the merge began.
    sources: Vec<PartView>,
}

impl Shared {
    /// Merges what is due, once. Says whether anything was.
    pub(super) fn merge(&self) -> Result<bool> {
        let _one_at_a_time = self.merging.lock();
        self.check_poison()?;
        let jobs = plan(&self.state.load());
        if jobs.is_empty() {
            return Ok(false);
        }
        let merged = self.write_merged(&jobs)?;
        self.commit_merged(&jobs, &merged)?;
        self.remove_unused(&jobs)?;
        Ok(true)
    }

    /// Writes one segment with the merged parts. A job without a current slot has none.
    fn write_merged(&self, jobs: &[Job]) -> Result<Vec<Option<Arc<Part>>>> {
        let sources = jobs.iter().map(Job::source).collect::<Result<Vec<_>>>()?;
        let has_part: Vec<bool> = sources.iter().map(Option::is_some).collect();
        let sources: Vec<PartSource<'_>> = sources.into_iter().flatten().collect();
        if sources.is_empty() {
            return Ok(vec![None; jobs.len()]);
        }
        let id = self.next_segment();
        write_segment(&*self.vfs, &self.paths.segments, id, &sources)?;
        let segment = Segment::open(&*self.vfs, &self.paths.segments, id)?;
        let mut index = 0..;
        has_part
            .into_iter()
            .map(|has_part| match has_part {
                true => segment
                    .part(index.next().expect("an endless range"))
                    .map(Some),
                false => Ok(None),
            })
            .collect()
    }

    fn commit_merged(&self, jobs: &[Job], merged: &[Option<Arc<Part>>]) -> Result<()> {
        // Held throughout: a seal that shadows slots of the sources must not come in between.
        let mut manifests = self.manifests.lock();
        let current = self.state.load();
        let mut changes = Vec::new();
        for (job, part) in jobs.iter().zip(merged) {
            let phext = &current.phexts[&job.phext.name];
            let parts = job.merged_parts(phext, part.as_ref())?;
            changes.extend(manifest_of(phext, parts.iter()));
        }
        let mut header = manifests.header;
        header.durable_lsn = current.lsn.max(header.durable_lsn);
        header.next_segment = self.next_segment.load(Ordering::Relaxed);
        manifests.commit(header, changes)?;

        let _writer = self.writer.lock();
        let mut state = State::clone(&self.state.load());
        for (job, part) in jobs.iter().zip(merged) {
            let phext = state
                .phexts
                .get_mut(&job.phext.name)
                .expect("phexts are not removed");
            let parts = job.merged_parts(phext, part.as_ref())?;
            Arc::make_mut(phext).parts = parts;
        }
        self.state.store(Arc::new(state));
        Ok(())
    }

    /// Removes the segments of merged parts that no phext uses any more. Snapshots that do keep
    /// their maps.
    fn remove_unused(&self, jobs: &[Job]) -> Result<()> {
        self.remove_segments(jobs.iter().flat_map(|job| &job.sources))
    }

    /// Removes those segments of these parts that no phext uses.
    pub(super) fn remove_segments<'a>(
        &self,
        parts: impl Iterator<Item = &'a PartView>,
    ) -> Result<()> {
        let mut unused: BTreeSet<u64> = parts.map(|view| view.part.segment().id()).collect();
        for phext in self.state.load().phexts.values() {
            for view in &phext.parts {
                unused.remove(&view.part.segment().id());
            }
        }
        if unused.is_empty() {
            return Ok(());
        }
        let directory = &self.paths.segments;
        for id in unused {
            let path = directory.join(file_name(id));
            self.vfs
                .remove(&path)
                .map_err(|e| StoreError::io("remove", &path, e))?;
        }
        self.vfs
            .sync_dir(directory)
            .map_err(|e| StoreError::io("sync", directory, e))
    }
}

/// What is due in this state.
fn plan(state: &State) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut bytes = 0;
    for phext in state.phexts.values() {
        let sources = sources_due(phext);
        if sources.is_empty() {
            continue;
        }
        bytes += sources.iter().map(|view| view.part.byte_len()).sum::<u64>();
        jobs.push(Job {
            phext: Arc::clone(phext),
            sources,
        });
        if bytes > MERGE_BYTES {
            break;
        }
    }
    jobs
}

/// The parts of a phext that are due: the smallest full tier, else a part that is half shadowed or
/// in another order than the phext's.
fn sources_due(phext: &Phext) -> Vec<PartView> {
    let parts = &phext.parts;
    let highest = parts.iter().map(tier).max().unwrap_or(0);
    for wanted in 0..=highest {
        let same: Vec<PartView> = parts
            .iter()
            .filter(|view| tier(view) == wanted)
            .cloned()
            .collect();
        let slots: u64 = same.iter().map(|view| u64::from(view.live())).sum();
        if same.len() >= TIER_PARTS && slots <= MAX_SLOTS {
            return same;
        }
    }
    let is_due = |view: &&PartView| {
        view.shadow.len() >= view.part.slots().div_ceil(2) || !view.part.follows(phext.order)
    };
    parts.iter().filter(is_due).take(1).cloned().collect()
}

fn tier(view: &PartView) -> u32 {
    let mut tier = 0;
    let mut size = view.part.byte_len();
    while size > LOWEST_TIER_BYTES {
        size /= 4;
        tier += 1;
    }
    tier
}

impl Job {
    /// The current slots of all sources, in coordinate order; `None` where there are none.
    fn source(&self) -> Result<Option<PartSource<'_>>> {
        let mut slots: Vec<(Coordinate, &Part, u32)> = Vec::new();
        for view in &self.sources {
            for live in view.live_slots() {
                let (coordinate, slot) = live?;
                slots.push((coordinate, &view.part, slot));
            }
        }
        if slots.is_empty() {
            return Ok(None);
        }
        // Each source is sorted already, and a stable sort merges sorted runs.
        slots.sort_by_key(|&(coordinate, ..)| coordinate);
        let lsns = self.sources.iter().map(|view| view.part.lsn_range());
        let (first_lsn, last_lsn) = lsns
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .expect("a job has sources");
        Ok(Some(PartSource {
            phext: self.phext.id,
            name: &self.phext.name,
            order: self.phext.order,
            first_lsn,
            last_lsn,
            keys: slots.iter().map(|&(coordinate, ..)| coordinate).collect(),
            text: Box::new(move |index| {
                let (_, part, slot) = slots[index];
                part.text(slot)
            }),
        }))
    }

    /// The parts of `phext` with the merged part, newest of all sources, in place of the sources.
    /// Slots shadowed since the merge began are shadowed in the merged part.
    fn merged_parts(&self, phext: &Phext, merged: Option<&Arc<Part>>) -> Result<Vec<PartView>> {
        let mut parts = phext.parts.clone();
        let mut merged = merged.map(|part| PartView::new(Arc::clone(part)));
        let mut place = None;
        for source in &self.sources {
            let at = parts
                .iter()
                .position(|view| Arc::ptr_eq(&view.part, &source.part))
                .expect("only the one merge at a time removes parts");
            let now = parts.remove(at);
            place = Some(place.unwrap_or(at));
            if let Some(merged) = &mut merged {
                shadow_since(merged, &now, &source.shadow)?;
            }
        }
        if let (Some(merged), Some(place)) = (merged, place) {
            parts.insert(place, merged);
        }
        Ok(parts)
    }
}

/// Shadows in `merged` what was shadowed in a source since `earlier`.
fn shadow_since(merged: &mut PartView, source: &PartView, earlier: &Shadow) -> Result<()> {
    for slot in source.shadow.since(earlier) {
        let coordinate = source.part.coordinate(slot)?;
        let slot = merged
            .part
            .slot_of(&coordinate)?
            .expect("the merge took every current slot");
        merged.shadow_slot(slot)?;
    }
    Ok(())
}
