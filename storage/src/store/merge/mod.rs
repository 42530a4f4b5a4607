//! Merging: parts of a phext become one, without their shadowed slots.
//!
//! [`policy`] says which parts, [`pace`] how fast. Here is how: the current slots of the sources are
//! written as a new part, a catalog transaction puts it in their place, the next state sees it, and
//! files go that no part uses any more. Parts of several phexts are merged into one file, so that many
//! small phexts do not become many small files.
//!
//! Writers go on meanwhile. What they shadow in the sources is shadowed in the merged part before it
//! is published; all but the last of it without a lock that they want.

mod pace;
mod policy;

pub(super) use pace::{Pace, share};
pub(super) use policy::{Effort, Limits, Space};

use super::Shared;
use super::manifest::manifest_of;
use super::shadow::Shadow;
use super::state::{PartView, Phext, State};
use super::statistics::add;
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use crate::segment::{Part, PartSource, Segment, write_metered};
use policy::{Job, debt_permille, plan};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Current bytes of one merge, unless a phext is so large that its parts must be larger.
const MERGE_BYTES: u64 = 1 << 30;
/// What a slot takes in memory while its part is written: its coordinate twice, where it comes from,
/// its codes, its place on the curve, its record.
pub(super) const SLOT_BYTES: u64 = 192;
/// Bytes written to log and segments for each thousand of users', up to which merges are spent on
/// fewer parts: below the four that are promised, to leave some for cleaning that has to be.
const BUDGET_PERMILLE: u64 = 3500;

/// A merged part that follows what is shadowed in its sources.
struct Merged<'a> {
    job: &'a Job,
    /// `None` where the sources had no current slot.
    view: Option<PartView>,
    /// The shadow of each source that the view reflects.
    seen: Vec<Shadow>,
}

impl Shared {
    fn limits(&self) -> Limits {
        Limits {
            memtable_bytes: self.options.memtable_bytes,
            slots: (self.options.merge_memory_bytes / SLOT_BYTES).max(1),
            bytes: MERGE_BYTES,
        }
    }

    /// How far a merge in the background may go.
    pub(super) fn budget(&self) -> Effort {
        Effort::Budget(self.counters.budget_bytes(BUDGET_PERMILLE))
    }

    /// Says how far merging is behind.
    pub(super) fn measure_debt(&self) {
        let state = self.state.load_full();
        let space = Space::of(&state);
        self.pace
            .set_debt(debt_permille(&state, &space, self.limits()));
    }

    /// Merges what is due, once. Says whether anything was.
    pub(super) fn merge(&self, effort: Effort) -> Result<bool> {
        let _one_at_a_time = self.merging.lock();
        self.check_poison()?;
        let jobs = {
            let state = self.state.load_full();
            plan(&state, &Space::of(&state), self.limits(), effort)
        };
        if jobs.is_empty() {
            self.measure_debt();
            return Ok(false);
        }
        let merged = match self.write_merged(&jobs, effort) {
            Err(_) if self.pace.is_closing() => return Err(StoreError::Closed),
            merged => merged?,
        };
        self.commit_merged(merged)?;
        self.remove_unused(&jobs)?;
        add(&self.counters.merges, 1);
        self.measure_debt();
        Ok(true)
    }

    /// Writes one segment with the merged parts.
    fn write_merged<'a>(&self, jobs: &'a [Job], effort: Effort) -> Result<Vec<Merged<'a>>> {
        let sources = jobs.iter().map(Job::source).collect::<Result<Vec<_>>>()?;
        let has_part: Vec<bool> = sources.iter().map(Option::is_some).collect();
        let sources: Vec<PartSource<'_>> = sources.into_iter().flatten().collect();
        let mut parts = Vec::new();
        if !sources.is_empty() {
            let id = self.next_segment();
            let meter = |bytes: u64| {
                if self.options.background && effort != Effort::Asked {
                    self.pace.admit(bytes)?;
                }
                add(&self.counters.merged_bytes, bytes);
                Ok(())
            };
            write_metered(&*self.vfs, &self.paths.segments, id, &sources, &meter)?;
            let segment = Segment::open(&*self.vfs, &self.paths.segments, id)?;
            let opened = (0..sources.len() as u32).map(|index| segment.part(index));
            parts = opened.collect::<Result<Vec<_>>>()?;
        }
        let mut parts = parts.into_iter();
        let merged = |(job, has_part): (&'a Job, bool)| Merged {
            job,
            view: has_part.then(|| {
                let part = parts.next().expect("a part for each job that has slots");
                PartView::new(part)
            }),
            seen: job.sources.iter().map(|view| view.shadow.clone()).collect(),
        };
        Ok(jobs.iter().zip(has_part).map(merged).collect())
    }

    fn commit_merged(&self, mut merged: Vec<Merged<'_>>) -> Result<()> {
        // Held throughout: a seal that shadows slots of the sources must not come in between.
        let mut manifests = self.manifests.lock();
        let current = self.state.load_full();
        let mut changes = Vec::new();
        for merged in &mut merged {
            let phext = &current.phexts[&merged.job.phext.name];
            merged.catch_up(phext)?;
            changes.extend(manifest_of(phext, merged.parts(phext).iter()));
        }
        let mut header = manifests.header;
        header.durable_lsn = current.lsn.max(header.durable_lsn);
        header.next_segment = self.next_segment.load(Ordering::Relaxed);
        self.commit_manifests(&mut manifests, header, changes)?;

        // What writers shadowed during the transaction is most of it; under their lock there is
        // little left.
        let current = self.state.load_full();
        for merged in &mut merged {
            merged.catch_up(&current.phexts[&merged.job.phext.name])?;
        }
        let _writer = self.writer.lock();
        let mut state = State::clone(&self.state.load());
        for merged in &mut merged {
            let phext = state
                .phexts
                .get_mut(&merged.job.phext.name)
                .expect("phexts are not removed");
            merged.catch_up(phext)?;
            let parts = merged.parts(phext);
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
        self.remove_unretained(&unused)
    }
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
}

impl Merged<'_> {
    /// Shadows what was shadowed in the sources since the last time.
    fn catch_up(&mut self, phext: &Phext) -> Result<()> {
        let Some(view) = &mut self.view else {
            return Ok(());
        };
        for (source, seen) in self.job.sources.iter().zip(&mut self.seen) {
            let now = phext
                .parts
                .iter()
                .find(|view| Arc::ptr_eq(&view.part, &source.part))
                .expect("only the one merge at a time removes parts");
            for slot in now.shadow.since(seen) {
                let coordinate = source.part.coordinate(slot)?;
                let slot = view
                    .part
                    .slot_of(&coordinate)?
                    .expect("the merge took every current slot");
                view.shadow_slot(slot)?;
            }
            *seen = now.shadow.clone();
        }
        Ok(())
    }

    /// The parts of `phext` with the merged part in place of the newest of its sources.
    fn parts(&self, phext: &Phext) -> Vec<PartView> {
        let is_source = |view: &PartView| {
            let sources = &mut self.job.sources.iter();
            sources.any(|source| Arc::ptr_eq(&source.part, &view.part))
        };
        let mut merged = self.view.clone();
        let mut parts = Vec::with_capacity(phext.parts.len());
        for view in &phext.parts {
            match is_source(view) {
                true => parts.extend(merged.take()),
                false => parts.push(view.clone()),
            }
        }
        parts
    }
}
