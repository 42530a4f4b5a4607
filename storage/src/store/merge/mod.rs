//! Merging: parts of a phext become one, without their shadowed slots.
//!
//! [`policy`] says which parts, [`pace`] how fast. Here is how: the current slots of the sources are
//! written as a new part, a catalog transaction puts it in their place, the next state sees it, and
//! files go that no part uses any more. Parts of several phexts are merged into one file, so that many
//! small phexts do not become many small files.
//!
//! Writers go on meanwhile. What they shadow in the sources is shadowed in the merged part before it
//! is published; all but the last of it without a lock that they want.
//!
//! A merge that meets damaged bytes is given up, as if it had not begun. The segment that has them is
//! left out of merges until the store is opened again: it stays, with all that can be read of it.

mod groups;
mod pace;
mod policy;

pub(super) use groups::Limits;
pub(super) use pace::{Pace, share};
pub(super) use policy::{Effort, Space};

use super::Shared;
use super::manifest::{Manifests, manifest_of};
use super::shadow::Shadow;
use super::state::{PartView, Phext, State};
use super::statistics::add;
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use crate::segment::{Part, PartSource, Segment, file_name, write_metered};
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

/// What came of an attempt to merge.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Nothing is due.
    Idle,
    Merged,
    /// Damage was met; what has it is left out from now on.
    GivenUp(StoreError),
}

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

    /// Merges what is due, once.
    pub(super) fn merge(&self, effort: Effort) -> Result<Attempt> {
        let _one_at_a_time = self.merging.lock();
        self.check_poison()?;
        let jobs = {
            let state = self.state.load_full();
            plan(&state, &Space::of(&state), self.limits(), effort)
        };
        if jobs.is_empty() {
            self.measure_debt();
            return Ok(Attempt::Idle);
        }
        let merged = match self.write_merged(&jobs, effort) {
            Err(_) if self.pace.is_closing() => return Err(StoreError::Closed),
            written => written.and_then(|merged| self.commit_merged(merged)),
        };
        let attempt = match merged {
            Err(error @ StoreError::Corrupt { .. }) => {
                set_aside(&jobs, &error);
                Attempt::GivenUp(error)
            }
            merged => {
                merged?;
                self.remove_unused(&jobs)?;
                add(&self.counters.merges, 1);
                Attempt::Merged
            }
        };
        self.measure_debt();
        Ok(attempt)
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
            parts = self.open_parts(id).inspect_err(|_| self.discard(id))?;
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

    fn open_parts(&self, id: u64) -> Result<Vec<Arc<Part>>> {
        let segment = Segment::open(&*self.vfs, &self.paths.segments, id)?;
        (0..segment.parts())
            .map(|index| segment.part(index))
            .collect()
    }

    fn commit_merged(&self, mut merged: Vec<Merged<'_>>) -> Result<()> {
        // Held throughout: a seal that shadows slots of the sources must not come in between.
        let mut manifests = self.manifests.lock();
        let current = self.state.load_full();
        let caught_up = catch_up(&mut merged, &current);
        caught_up.inspect_err(|_| self.discard_merged(&merged))?;
        let parts = |merged: &Merged<'_>, phext: &Phext| merged.parts(phext);
        self.record(&mut manifests, &merged, parts)?;
        self.publish_recorded(&mut manifests, &mut merged)
    }

    /// Publishes what the catalog names already; where that fails the catalog names the sources again.
    fn publish_recorded(&self, manifests: &mut Manifests, merged: &mut [Merged<'_>]) -> Result<()> {
        let published = self.publish_merged(merged);
        if published.is_err() {
            let parts = |_: &Merged<'_>, phext: &Phext| phext.parts.clone();
            let restored = self.record(manifests, merged, parts);
            restored.map_err(|error| self.poison(&error))?;
            self.discard_merged(merged);
        }
        published
    }

    /// Commits the manifests of these phexts, with the parts that `parts` gives.
    fn record(
        &self,
        manifests: &mut Manifests,
        merged: &[Merged<'_>],
        parts: impl Fn(&Merged<'_>, &Phext) -> Vec<PartView>,
    ) -> Result<()> {
        let current = self.state.load_full();
        let changes = merged.iter().flat_map(|merged| {
            let phext = &current.phexts[&merged.job.phext.name];
            manifest_of(phext, parts(merged, phext).iter())
        });
        let mut header = manifests.header;
        header.durable_lsn = current.lsn.max(header.durable_lsn);
        header.next_segment = self.next_segment.load(Ordering::Relaxed);
        self.commit_manifests(manifests, header, changes.collect())
    }

    /// Puts the merged parts in the place of their sources.
    fn publish_merged(&self, merged: &mut [Merged<'_>]) -> Result<()> {
        // What writers shadowed during the transaction is most of it; under their lock there is
        // little left.
        catch_up(merged, &self.state.load_full())?;
        let _writer = self.writer.lock();
        let mut state = State::clone(&self.state.load());
        for merged in merged {
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

    /// Removes the segment of merged parts that no manifest names.
    fn discard_merged(&self, merged: &[Merged<'_>]) {
        if let Some(view) = merged.iter().find_map(|merged| merged.view.as_ref()) {
            self.discard(view.part.segment().id());
        }
    }

    /// Removes a segment that no manifest names, for space matters where the disk is full. Where this
    /// fails the next opening removes it.
    pub(super) fn discard(&self, id: u64) {
        let _ = self.vfs.remove(&self.paths.segments.join(file_name(id)));
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
        self.forget_recent();
        self.remove_unretained(&unused)
    }
}

/// Leaves the source that has this damage out of later merges; all of them where it is in none, so that
/// a merge which cannot be done is not tried for ever.
fn set_aside(jobs: &[Job], error: &StoreError) {
    let sources = || jobs.iter().flat_map(|job| &job.sources);
    let has_damage = |view: &&PartView| {
        let path = view.part.segment().path();
        matches!(error, StoreError::Corrupt { path: damaged, .. } if damaged == path)
    };
    let is_known = sources().any(|view| has_damage(&view));
    for view in sources().filter(|view| !is_known || has_damage(view)) {
        let segment = view.part.segment();
        if segment.set_aside() {
            tracing::error!(
                %error,
                segment = %segment.path().display(),
                "a merge met damage and was given up; the segment is left out of merges until the store \
                 is opened again; `sqd check` lists all that is damaged, `sqd repair` says what can be kept"
            );
        }
    }
}

fn catch_up(merged: &mut [Merged<'_>], state: &State) -> Result<()> {
    let mut merged = merged.iter_mut();
    merged.try_for_each(|merged| merged.catch_up(&state.phexts[&merged.job.phext.name]))
}

impl Job {
    /// The current slots of all sources, in coordinate order; `None` where there are none.
    fn source(&self) -> Result<Option<PartSource<'_>>> {
        let mut slots: Vec<(Coordinate, &Part, u32)> = Vec::new();
        // What has no current slot goes without being read.
        for view in self.sources.iter().filter(|view| view.live() > 0) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, Store, WriteBatch, WriteOp};
    use crate::vfs::MemoryVfs;
    use std::path::Path;

    fn open(vfs: &MemoryVfs) -> Store {
        let options = Options {
            background: false,
            ..Options::default()
        };
        Store::open_with(Arc::new(vfs.clone()), Path::new("/store"), options).unwrap()
    }

    fn put(store: &Store, numbers: std::ops::Range<u32>, text: &'static str) {
        let put = |number| WriteOp::Put {
            coordinate: Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, number]).unwrap(),
            text: text.into(),
        };
        let batch = WriteBatch {
            phext: "a".to_owned(),
            operations: numbers.map(put).collect(),
        };
        store.commit(batch).unwrap();
    }

    #[test]
    fn parts_of_one_stretch_each_are_merged_with_their_neighbours() {
        let store = open(&MemoryVfs::new());
        // The last part is the lightest one.
        for part in [5, 2, 7, 0, 3, 6, 1, 4] {
            let scrolls = if part == 7 { 9 } else { 10 };
            put(&store, part * 10 + 1..part * 10 + 1 + scrolls, "text");
            store.seal().unwrap();
        }
        let shared = &store.shared;
        // Three of them are one merge.
        let limits = Limits {
            slots: 30,
            ..shared.limits()
        };
        let state = shared.state.load_full();
        let jobs = plan(&state, &Space::of(&state), limits, Effort::Asked);
        let [job] = &jobs[..] else {
            panic!("{jobs:?}");
        };
        let first = |view: &PartView| view.part.coordinates().0.components()[8];
        let merged: Vec<u32> = job.sources.iter().map(first).collect();
        assert_eq!(merged, [1, 11, 21]);
    }

    /// What was written cannot be read back, which shows only when a scroll of it is overwritten after
    /// the catalog names it.
    #[test]
    fn a_merge_that_cannot_be_published_leaves_its_sources_in_the_catalog() {
        let vfs = MemoryVfs::new();
        let store = open(&vfs);
        for segment in 0..6 {
            put(&store, segment * 10 + 1..segment * 10 + 11, "old");
            store.seal().unwrap();
        }
        let shared = &store.shared;
        let state = shared.state.load_full();
        let jobs = plan(&state, &Space::of(&state), shared.limits(), Effort::Asked);
        let mut merged = shared.write_merged(&jobs, Effort::Asked).unwrap();
        let written = Arc::clone(merged[0].view.as_ref().unwrap().part.segment());
        {
            let mut manifests = shared.manifests.lock();
            let parts = |merged: &Merged<'_>, phext: &Phext| merged.parts(phext);
            shared.record(&mut manifests, &merged, parts).unwrap();
            put(&store, 5..16, "new");
            (0..written.chunks()).for_each(|chunk| written.mark_bad(chunk));
            let published = shared.publish_recorded(&mut manifests, &mut merged);
            let Err(error @ StoreError::Corrupt { .. }) = published else {
                panic!("{published:?}");
            };
            set_aside(&jobs, &error);
        }
        drop(merged);
        assert!(vfs.files().iter().all(|(path, _)| path != written.path()));
        assert_eq!(
            store.statistics().unmergeable_segments,
            6,
            "no source is to blame"
        );
        store.merge().unwrap();
        assert_eq!((store.statistics().merges, store.poison()), (0, None));
        put(&store, 61..62, "last");
        drop(store);
        let store = open(&vfs);
        let snapshot = store.snapshot();
        let phext = snapshot.phext("a").unwrap();
        assert_eq!((phext.scrolls(), phext.parts()), (61, 6));
        for number in 1..=61 {
            let coordinate = Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, number]).unwrap();
            let expected: &[u8] = match number {
                5..16 => b"new",
                61 => b"last",
                _ => b"old",
            };
            let found = phext.locate(&coordinate).unwrap();
            assert_eq!(found.text().unwrap(), expected, "{number}");
        }
    }
}
