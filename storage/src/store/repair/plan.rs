//! What the repaired store holds.

use super::evidence::Evidence;
use super::place::New;
use super::report::{Loss, RepairReport};
use crate::catalog::{Contents, Header, ManifestPart, SnapshotRecord};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::segment::{Order, Part, PartSource, SalvagedText, Segment, file_name};
use crate::store::Paths;
use crate::store::manifest::manifest_of;
use crate::store::shadow::Shadow;
use crate::store::state::{PartView, Phext, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The repaired store, apart from its bytes.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) state: State,
    pub(super) header: Header,
    pub(super) settings: BTreeMap<String, Vec<u8>>,
    pub(super) snapshots: BTreeMap<String, SnapshotRecord>,
    /// Segments that nothing names any more.
    pub(super) retired: BTreeSet<u64>,
    /// Log files, all of which are replaced by one that is empty.
    pub(super) logs: Vec<u64>,
}

/// A part to be placed in the repaired store.
pub(super) struct Placed {
    pub(super) view: PartView,
    /// The id of the segment it was written in first, for it tells parts of one age apart.
    id: u64,
    /// Coordinates that are lost: older scrolls there must not take their place.
    lost: Vec<Coordinate>,
}

impl Plan {
    /// Makes the plan, with new segments in `new`. Adds losses and actions to the report.
    pub(super) fn make(
        evidence: &Evidence,
        new: &New,
        paths: &Paths,
        report: &mut RepairReport,
    ) -> Result<Plan> {
        let known = evidence
            .catalog
            .as_ref()
            .or(evidence.stale_catalog.as_ref());
        let header = known.map(|contents| contents.header).unwrap_or_default();
        let on_disk = evidence
            .segments
            .keys()
            .next_back()
            .map_or(1, |last| last + 1);
        new.number_segments_from(on_disk.max(header.next_segment));
        let mut planner = Planner {
            evidence,
            new,
            paths,
            report,
        };
        let mut state = match &evidence.catalog {
            Some(contents) => planner.state_of_catalog(contents)?,
            None => planner.state_of_parts(evidence.stale_catalog.as_ref())?,
        };
        state.next_phext = state.next_phext.max(header.next_phext).max(1);
        let last_lsn = planner.replay(&mut state)?;
        let snapshots = planner.snapshots()?;
        let plan = Plan {
            header: Header {
                sequence: header.sequence.max(evidence.log.checkpoint) + 1,
                sealed_lsn: last_lsn,
                durable_lsn: last_lsn,
                next_segment: new.next_segment(),
                next_phext: state.next_phext,
                digest: 0,
            },
            settings: known
                .map(|contents| contents.settings.clone())
                .unwrap_or_default(),
            retired: planner.retired(&state, &snapshots),
            snapshots,
            logs: evidence.log.numbers.clone(),
            state,
        };
        if evidence.are_snapshots_lost {
            planner.report.losses.push(Loss::Snapshots);
        }
        if evidence.catalog.is_none() {
            planner.report.losses.push(Loss::Settings);
        }
        Ok(plan)
    }
}

pub(super) struct Planner<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) new: &'a New,
    paths: &'a Paths,
    pub(super) report: &'a mut RepairReport,
}

impl Planner<'_> {
    /// The state that a whole catalog names, with damaged parts salvaged.
    fn state_of_catalog(&mut self, contents: &Contents) -> Result<State> {
        let mut state = State {
            lsn: contents.header.sealed_lsn,
            ..State::default()
        };
        for (&id, record) in &contents.phexts {
            let name: Arc<str> = Arc::from(record.name.as_str());
            let mut phext = Phext::new(id, Arc::clone(&name), record.order, record.created_ms);
            if let Some(manifest) = contents.manifests.get(&id) {
                phext.sealed_lsn = manifest.sealed_lsn;
                for entry in &manifest.parts {
                    let placed = self.place_entry(id, &record.name, record.order, entry)?;
                    phext.parts.extend(placed.map(|placed| placed.view));
                }
            }
            count(&mut phext);
            state.next_phext = state.next_phext.max(id + 1);
            state.phexts.insert(name, Arc::new(phext));
        }
        Ok(state)
    }

    /// The part that a manifest names, or what is left of it.
    pub(super) fn place_entry(
        &mut self,
        phext: u64,
        name: &str,
        order: Order,
        entry: &ManifestPart,
    ) -> Result<Option<Placed>> {
        let segment = self.paths.segments.join(file_name(entry.segment));
        let lost = |text_bytes| Loss::Part {
            phext: name.to_owned(),
            segment,
            index: entry.index,
            text_bytes,
        };
        let found = self.evidence.segments.get(&entry.segment);
        let opened = found.and_then(|found| part_of(found.segment.as_ref()?, phext, name, entry));
        let Some(part) = opened else {
            self.report.losses.push(lost(Some(entry.live_text_bytes)));
            return Ok(None);
        };
        let shadow = Shadow::decode(&self.paths.catalog, &entry.shadow, part.slots())?;
        if found.is_some_and(|found| found.is_whole) {
            let mut view = PartView::new(part);
            for slot in shadow.iter() {
                view.shadow_slot(slot)?;
            }
            let id = entry.segment;
            let lost = Vec::new();
            return Ok(Some(Placed { view, id, lost }));
        }
        self.salvage(&part, order, &shadow)
    }

    /// Writes the whole scrolls of a damaged part into a new segment.
    fn salvage(
        &mut self,
        part: &Arc<Part>,
        order: Order,
        shadow: &Shadow,
    ) -> Result<Option<Placed>> {
        let salvaged = part.salvage(|slot| shadow.contains(slot));
        let segment = part.segment();
        if !salvaged.lost.is_empty() || salvaged.lost_unnamed > 0 {
            self.report.losses.push(Loss::Scrolls {
                phext: part.name().to_owned(),
                segment: segment.path().to_path_buf(),
                coordinates: salvaged.lost.clone(),
                unnamed: salvaged.lost_unnamed,
            });
        }
        if salvaged.good.is_empty() {
            return Ok(None);
        }
        self.report.actions.push(format!(
            "write {} whole scrolls of phext {:?} in {} into a new segment",
            salvaged.good.len(),
            part.name(),
            segment.path().display()
        ));
        let (first_lsn, last_lsn) = part.lsn_range();
        let texts: Vec<SalvagedText> = salvaged.good.iter().map(|&(_, text)| text).collect();
        let source = PartSource {
            phext: part.phext(),
            name: part.name(),
            order,
            first_lsn,
            last_lsn,
            keys: salvaged
                .good
                .iter()
                .map(|&(coordinate, _)| coordinate)
                .collect(),
            text: Box::new(|index| salvaged.text(part, texts[index])),
        };
        let written = self.new.write_segment(&[source])?;
        Ok(Some(Placed {
            view: PartView::new(written.part(0)?),
            id: segment.id(),
            lost: salvaged.lost.clone(),
        }))
    }

    /// The state that the parts themselves tell, newer scrolls in front of older ones.
    fn state_of_parts(&mut self, stale: Option<&Contents>) -> Result<State> {
        let mut phexts: BTreeMap<u64, (String, Vec<Placed>)> = BTreeMap::new();
        for (&id, found) in &self.evidence.segments {
            let path = self.paths.segments.join(file_name(id));
            let Some(segment) = &found.segment else {
                self.report.losses.push(Loss::Segment { path });
                continue;
            };
            for index in 0..segment.parts() {
                let part = segment.part(index).ok();
                match part.or_else(|| segment.mended_part(index)) {
                    Some(part) => {
                        let placed = self.place_part(&part, found.is_whole, stale)?;
                        let entry = phexts.entry(part.phext());
                        let name = || (part.name().to_owned(), Vec::new());
                        entry.or_insert_with(name).1.extend(placed);
                    }
                    None => self.report.losses.push(Loss::Part {
                        phext: String::new(),
                        segment: path.clone(),
                        index,
                        text_bytes: None,
                    }),
                }
            }
        }
        self.report.actions.push(format!(
            "rebuild the catalog from {} segments",
            self.evidence.segments.len()
        ));
        let mut state = State::default();
        for (id, (name, mut parts)) in phexts {
            shadow_older(&mut parts)?;
            parts.sort_by_key(|placed| {
                std::cmp::Reverse((placed.view.part.lsn_range().1, placed.id))
            });
            let record = stale.and_then(|stale| stale.phexts.get(&id));
            let order = record.map_or(Order::Auto, |record| record.order);
            let created_ms = record.map_or(0, |record| record.created_ms);
            let name: Arc<str> = Arc::from(name);
            let mut phext = Phext::new(id, Arc::clone(&name), order, created_ms);
            phext.parts = parts.into_iter().map(|placed| placed.view).collect();
            let lsns = phext.parts.iter().map(|view| view.part.lsn_range().1);
            phext.sealed_lsn = lsns.max().unwrap_or(0);
            state.lsn = state.lsn.max(phext.sealed_lsn);
            count(&mut phext);
            state.next_phext = state.next_phext.max(id + 1);
            state.phexts.insert(name, Arc::new(phext));
        }
        if state.lsn > 0 {
            self.report.losses.push(Loss::Deletes { last: state.lsn });
        }
        Ok(state)
    }

    /// A part with what an older catalog and named snapshots know of its shadow: shadows only grow.
    fn place_part(
        &mut self,
        part: &Arc<Part>,
        is_whole: bool,
        stale: Option<&Contents>,
    ) -> Result<Option<Placed>> {
        let snapshots = self.evidence.snapshots.values();
        let older = snapshots.map(|snapshot| &snapshot.point.manifests);
        let older = older.chain(stale.map(|stale| &stale.manifests));
        let manifests = older.filter_map(|manifests| manifests.get(&part.phext()));
        let id = part.segment().id();
        let mut shadow = Shadow::default();
        for entry in manifests.flat_map(|manifest| &manifest.parts) {
            if (entry.segment, entry.index) == (id, part.index()) {
                let known = Shadow::decode(&self.paths.catalog, &entry.shadow, part.slots())?;
                known.iter().for_each(|slot| _ = shadow.insert(slot));
            }
        }
        if !is_whole {
            let record = stale.and_then(|stale| stale.phexts.get(&part.phext()));
            let order = record.map_or(Order::Auto, |record| record.order);
            return self.salvage(part, order, &shadow);
        }
        let mut view = PartView::new(Arc::clone(part));
        for slot in shadow.iter() {
            view.shadow_slot(slot)?;
        }
        let lost = Vec::new();
        Ok(Some(Placed { view, id, lost }))
    }

    /// The segments on the medium that neither the state nor a named snapshot uses.
    fn retired(
        &mut self,
        state: &State,
        snapshots: &BTreeMap<String, SnapshotRecord>,
    ) -> BTreeSet<u64> {
        let mut used = state.segment_ids();
        used.extend(snapshots.values().flat_map(|s| s.point.segments()));
        let retired = self
            .evidence
            .segments
            .keys()
            .copied()
            .filter(|id| !used.contains(id));
        let retired: BTreeSet<u64> = retired.collect();
        if !retired.is_empty() {
            let names: Vec<String> = retired.iter().map(|&id| file_name(id)).collect();
            self.report
                .actions
                .push(format!("move aside {}", names.join(", ")));
        }
        self.report.actions.push(format!(
            "move aside the catalog and {} log files, and begin new ones",
            self.evidence.log.numbers.len()
        ));
        retired
    }
}

/// The part that a manifest names. Where its header is damaged, what the manifest knows of it must be
/// in it all the same.
fn part_of(
    segment: &Arc<Segment>,
    phext: u64,
    name: &str,
    entry: &ManifestPart,
) -> Option<Arc<Part>> {
    let fits = |part: &Part| {
        let (first_lsn, last_lsn) = part.lsn_range();
        part.text_bytes() >= entry.live_text_bytes && first_lsn <= last_lsn
    };
    let damaged = || segment.damaged_part(entry.index).ok();
    let part = segment.part(entry.index).ok();
    let part = part.or_else(|| segment.mended_part(entry.index));
    let part = part.or_else(|| damaged().filter(|part| fits(part)))?;
    let is_known = part.phext() == phext && part.name() == name;
    is_known.then_some(part)
}

/// Counts the scrolls of a phext whose parts were placed.
fn count(phext: &mut Phext) {
    phext.scrolls = phext.parts.iter().map(|view| u64::from(view.live())).sum();
    phext.text_bytes = phext.parts.iter().map(PartView::live_text_bytes).sum();
}

/// Shadows each scroll of which another part has a newer one, or had one that is lost.
fn shadow_older(parts: &mut [Placed]) -> Result<()> {
    let mut scrolls: Vec<(Coordinate, usize, Option<u32>)> = Vec::new();
    for (index, placed) in parts.iter().enumerate() {
        for live in placed.view.live_slots() {
            let (coordinate, slot) = live?;
            scrolls.push((coordinate, index, Some(slot)));
        }
        scrolls.extend(
            placed
                .lost
                .iter()
                .map(|&coordinate| (coordinate, index, None)),
        );
    }
    scrolls.sort_unstable();
    let mut shadowed = Vec::new();
    for same in scrolls.chunk_by(|a, b| a.0 == b.0) {
        let newest = same.iter().map(|&(_, index, _)| index);
        let newest = newest.reduce(|a, b| if is_newer(&parts[b], &parts[a]) { b } else { a });
        shadowed.extend(same.iter().filter(|&&(_, index, _)| Some(index) != newest));
    }
    for &(_, index, slot) in shadowed {
        if let Some(slot) = slot {
            parts[index].view.shadow_slot(slot)?;
        }
    }
    Ok(())
}

/// Whether a scroll in part `a` is newer than one at the same coordinate in part `b`.
///
/// Where their LSN ranges lie apart, those tell. Where they overlap, one of the two was written by a
/// merge or an ingest while the other was there or was still to come: whatever was current then is
/// in the one that was written later, and everything older at its coordinates was not.
fn is_newer(a: &Placed, b: &Placed) -> bool {
    let ((a_first, a_last), (b_first, b_last)) = (a.view.part.lsn_range(), b.view.part.lsn_range());
    if a_first > b_last {
        return true;
    }
    if b_first > a_last {
        return false;
    }
    a.id > b.id
}

impl Plan {
    /// The entries of the repaired catalog but its header.
    pub(super) fn changes(&self) -> Vec<crate::catalog::Change> {
        let phexts = self.state.phexts.values();
        let settings = self.settings.iter();
        phexts
            .flat_map(|phext| manifest_of(phext, phext.parts.iter()))
            .chain(settings.map(|(name, value)| crate::catalog::setting_change(name, value)))
            .chain(
                self.snapshots
                    .iter()
                    .map(|(name, record)| record.change(name)),
            )
            .collect()
    }
}
