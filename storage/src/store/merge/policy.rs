//! What is merged next.
//!
//! ```text
//! 1. nothing current     parts without a current slot are dropped; that costs nothing
//! 2. too many parts      of a phext, or files of the store: the group that is cheapest per part saved
//! 3. too much is dead    the file with the greatest dead share is cleaned
//! 4. another order       parts that were written under another order than the phext's
//! 5. better reads        more than a few parts, as far as the budget of written bytes goes
//! ```
//!
//! A shadow says exactly which slots are dead, so cleaning is greedy, as in a log-structured file
//! system: the deadest file gives the most room for the fewest bytes. Which parts are merged with each
//! other, [`groups`](super::groups) says. The smaller the limit on parts, the more often a byte is
//! rewritten; the limit grows with the phext, so that it is rewritten about twice at most while it lives.
//!
//! Segments in which a merge met damage are left out, of what is merged as well as of what is due: no
//! merge makes them less. But parts of them without a current slot are dropped as others are.
//!
//! Everything here is a function of counts and sizes. No clock, no I/O.

use super::super::state::{PartView, Phext, State};
use super::groups::{Limits, Weight, best_group, cheapest_group, weights};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Dead bytes for each current one, in percent, above which files are cleaned. Below the 30 that are
/// promised, since bytes die while a merge runs.
const DEAD_PERCENT: u64 = 27;
/// The same, above which files will soon be cleaned, and parts are not merged for reads alone.
const DEAD_PERCENT_SOON: u64 = 15;
/// The same where somebody asked for a merge.
const DEAD_PERCENT_ASKED: u64 = 10;
/// Parts of a phext that are merged only as far as the budget goes, or where somebody asked.
const FEW_PARTS: usize = 4;
/// Parts of a small phext, above which they are merged whatever it costs.
const MANY_PARTS: usize = 12;
/// The limit of a phext's parts, however large it is, unless single parts may not grow further.
const MOST_PARTS: usize = 32;
/// Files of the store that are merged only when there are more.
const MANY_FILES: usize = 32;
/// A part of at least this share of a phext's current bytes may be merged, even where that makes one
/// merge large: the number of parts is bounded by it.
const LARGEST_SHARE: u64 = 8;

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Effort {
    /// What has to be, and better reads for at most this many bytes written.
    Budget(u64),
    /// Everything that makes the store smaller or reads cheaper.
    Asked,
}

/// The parts of one phext that become one.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) phext: Arc<Phext>,
    /// What is merged, as it was when the merge began.
    pub(super) sources: Vec<PartView>,
}

/// The store's files, and what in them is dead.
#[derive(Debug, Default)]
pub(in super::super) struct Space {
    files: BTreeMap<u64, FileUse>,
    /// Bytes of current scrolls that no segment holds yet.
    memory: u64,
}

#[derive(Debug, Default)]
struct FileUse {
    weight: Weight,
    bytes: u64,
    /// Parts of it that are in use, by phext.
    parts: Vec<(Arc<Phext>, PartView)>,
    /// Whether a rewrite would drop anything.
    is_reclaimable: bool,
    /// Whether merges leave it out.
    is_set_aside: bool,
}

/// Figures of [`Space`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct SpaceTotals {
    pub(in super::super) files: u64,
    pub(in super::super) bytes: u64,
    /// Bytes of current scrolls, in segments or in memory.
    pub(in super::super) live: u64,
    pub(in super::super) dead: u64,
}

impl Space {
    /// The files that the state's parts lie in.
    pub(in super::super) fn of(state: &State) -> Space {
        let mut space = Space::default();
        for phext in state.phexts.values() {
            for view in &phext.parts {
                let segment = view.part.segment();
                let file = space.files.entry(segment.id()).or_default();
                file.bytes = segment.byte_len();
                file.is_set_aside = segment.is_set_aside();
                file.weight = file.weight.plus(Weight::of(view));
                file.parts.push((Arc::clone(phext), view.clone()));
                file.is_reclaimable |= view.shadow.len() > 0;
            }
            space.memory += phext.memory_bytes();
        }
        for file in space.files.values_mut() {
            file.count_lost_parts();
        }
        space
    }

    /// Of all files.
    pub(in super::super) fn totals(&self) -> SpaceTotals {
        self.totals_of(self.files.values())
    }

    /// Of the files that merges take.
    fn mergeable_totals(&self) -> SpaceTotals {
        self.totals_of(self.mergeable())
    }

    fn mergeable(&self) -> impl Iterator<Item = &FileUse> {
        self.files.values().filter(|file| !file.is_set_aside)
    }

    fn totals_of<'a>(&self, files: impl Iterator<Item = &'a FileUse>) -> SpaceTotals {
        let mut totals = SpaceTotals {
            live: self.memory,
            ..SpaceTotals::default()
        };
        for file in files {
            totals.files += 1;
            totals.bytes += file.bytes;
            totals.live += file.weight.live;
            totals.dead += file.weight.dead;
        }
        totals
    }

    /// The deadest file, where more of the store is dead than `percent` of what is current.
    fn victim(&self, percent: u64) -> Option<&FileUse> {
        let totals = self.mergeable_totals();
        if totals.dead * 100 <= totals.live * percent {
            return None;
        }
        let dead_share = |file: &&FileUse| {
            // Compared as fractions of 2^20, so that the order is total.
            let bytes = (file.weight.live + file.weight.dead).max(1);
            (u128::from(file.weight.dead) << 20) / u128::from(bytes)
        };
        let reclaimable = self.mergeable().filter(|file| file.is_reclaimable);
        reclaimable.max_by_key(dead_share)
    }
}

impl FileUse {
    /// Counts the bytes of parts that are in the file and in no phext any more.
    fn count_lost_parts(&mut self) {
        let Some((_, view)) = self.parts.first() else {
            return;
        };
        let all = view.part.segment().parts() as usize;
        if self.parts.len() < all {
            self.is_reclaimable = true;
            let used: u64 = self.parts.iter().map(|(_, v)| v.part.byte_len()).sum();
            self.weight.dead += self.bytes.saturating_sub(used);
        }
        if !self.is_reclaimable {
            self.weight.dead = 0;
        }
    }
}

/// The merge that is due in this state; empty where none is.
pub(super) fn plan(state: &State, space: &Space, limits: Limits, effort: Effort) -> Vec<Job> {
    let mut jobs = empty_parts(state);
    if jobs.is_empty() {
        jobs = crowded_phexts(state, limits, |phext| most_parts(phext, limits), u64::MAX);
    }
    if jobs.is_empty() {
        jobs = crowded_files(space, limits);
    }
    if jobs.is_empty() {
        let percent = match effort {
            Effort::Budget(_) => DEAD_PERCENT,
            Effort::Asked => DEAD_PERCENT_ASKED,
        };
        jobs = space
            .victim(percent)
            .map_or(Vec::new(), |file| jobs_by_phext(file.parts.iter()));
    }
    if jobs.is_empty() {
        jobs = stale_parts(state, limits);
    }
    if jobs.is_empty() {
        let totals = space.mergeable_totals();
        let budget = match effort {
            // Cleaning must not wait behind a merge that could have waited.
            Effort::Budget(_) if totals.dead * 100 > totals.live * DEAD_PERCENT_SOON => 0,
            Effort::Budget(bytes) => bytes,
            Effort::Asked => u64::MAX,
        };
        jobs = crowded_phexts(state, limits, |_| FEW_PARTS, budget);
    }
    jobs
}

/// How far the store is above its limits: 0 where merging is on time, 1000 where it is late by as
/// much as is meant to happen at all.
pub(in super::super) fn debt_permille(state: &State, space: &Space, limits: Limits) -> u64 {
    let totals = space.mergeable_totals();
    let allowed = totals.live * DEAD_PERCENT / 100;
    let late = totals.dead.saturating_sub(allowed);
    // What a memtable overwrites dies before a merge can begin.
    let space_debt = late * 1000 / (totals.live / 10 + limits.memtable_bytes / 2).max(1);
    let parts_debt = |phext: &Arc<Phext>| {
        let most = most_parts(phext, limits);
        let parts = mergeable(phext);
        let late = parts.len().saturating_sub(most);
        // Where no two parts fit into a merge, their number is nobody's fault.
        match late {
            0 => 0,
            _ if cheapest_group(&weights(&parts), room(phext, limits)).is_none() => 0,
            _ => (late * 1000 / most) as u64,
        }
    };
    let parts_debt = state.phexts.values().map(parts_debt).max().unwrap_or(0);
    space_debt.max(parts_debt)
}

/// Parts of a phext above which they are merged whatever it costs.
fn most_parts(phext: &Phext, limits: Limits) -> usize {
    let live: u64 = phext.parts.iter().map(PartView::live_bytes).sum();
    let seals = live / limits.memtable_bytes.max(1);
    (MANY_PARTS as u64 + seals / 4).min(MOST_PARTS as u64) as usize
}

/// The parts that merges take, by their least coordinates.
fn mergeable(phext: &Phext) -> Vec<&PartView> {
    let parts = phext.parts.iter();
    let mut parts: Vec<&PartView> = parts.filter(|view| is_mergeable(view)).collect();
    parts.sort_by_key(|view| view.part.coordinates().0);
    parts
}

fn is_mergeable(view: &PartView) -> bool {
    !view.part.segment().is_set_aside()
}

/// The room of one merge for parts of this phext.
fn room(phext: &Phext, limits: Limits) -> Limits {
    let live: u64 = phext.parts.iter().map(PartView::live_bytes).sum();
    Limits {
        bytes: limits.bytes.max(live / LARGEST_SHARE),
        ..limits
    }
}

/// Parts without a current slot.
fn empty_parts(state: &State) -> Vec<Job> {
    jobs_of(state, |phext| {
        let is_empty = |view: &&PartView| view.live() == 0;
        phext.parts.iter().filter(is_empty).cloned().collect()
    })
}

/// Groups of parts of phexts that have more than `most` of them, for at most `budget` bytes.
fn crowded_phexts(
    state: &State,
    limits: Limits,
    most: impl Fn(&Phext) -> usize,
    budget: u64,
) -> Vec<Job> {
    let mut left = budget.min(limits.bytes);
    let mut slots_left = limits.slots;
    let mut jobs = Vec::new();
    for phext in state.phexts.values() {
        let parts = mergeable(phext);
        if parts.len() <= most(phext) {
            continue;
        }
        let Some(group) = best_group(&parts, room(phext, limits), budget) else {
            continue;
        };
        let Weight { live, slots, .. } = group.weight;
        let is_beyond = live > left || slots > slots_left;
        if is_beyond && !jobs.is_empty() {
            continue;
        }
        left = left.saturating_sub(live);
        slots_left = slots_left.saturating_sub(slots);
        let members = group.members.into_iter().map(|index| parts[index]);
        jobs.push(Job {
            phext: Arc::clone(phext),
            sources: members.cloned().collect(),
        });
    }
    jobs
}

/// The smallest files, where the store has more than its size explains.
fn crowded_files(space: &Space, limits: Limits) -> Vec<Job> {
    let totals = space.mergeable_totals();
    let explained = (totals.live / (limits.memtable_bytes / 2).max(1)) as usize;
    let files: Vec<&FileUse> = space.mergeable().collect();
    if files.len() <= MANY_FILES + explained {
        return Vec::new();
    }
    let weights: Vec<Weight> = files.iter().map(|file| file.weight).collect();
    let group = cheapest_group(&weights, limits).map_or(Vec::new(), |group| group.members);
    jobs_by_phext(group.iter().flat_map(|&index| &files[index].parts))
}

/// The jobs that rewrite these parts, one for each phext.
fn jobs_by_phext<'a>(parts: impl Iterator<Item = &'a (Arc<Phext>, PartView)>) -> Vec<Job> {
    let mut jobs: BTreeMap<u64, Job> = BTreeMap::new();
    for (phext, view) in parts {
        let job = jobs.entry(phext.id).or_insert_with(|| Job {
            phext: Arc::clone(phext),
            sources: Vec::new(),
        });
        job.sources.push(view.clone());
    }
    jobs.into_values().collect()
}

/// Parts that were written under another order than their phext's.
fn stale_parts(state: &State, limits: Limits) -> Vec<Job> {
    let stale = |phext: &Phext| {
        let is_stale = |view: &&PartView| !view.part.follows(phext.order);
        let stale = mergeable(phext).into_iter().filter(is_stale);
        let mut sum = Weight::default();
        let fits = |view: &&PartView| {
            let first = sum == Weight::default();
            sum = sum.plus(Weight::of(view));
            first || limits.holds(sum)
        };
        stale.take_while(fits).cloned().collect()
    };
    // One phext at a time, so that one is done before the next begins.
    jobs_of(state, stale).into_iter().take(1).collect()
}

fn jobs_of(state: &State, sources: impl Fn(&Phext) -> Vec<PartView>) -> Vec<Job> {
    let job = |phext: &Arc<Phext>| Job {
        phext: Arc::clone(phext),
        sources: sources(phext),
    };
    let jobs = state.phexts.values().map(job);
    jobs.filter(|job| !job.sources.is_empty()).collect()
}
