//! How lanes are found, place by place: a second look at a specification, for people.
//!
//! It does what a cursor does when it is opened, and counts. Texts are not touched, and ranges are
//! counted by where they begin and end, not walked.

use super::counters::ScanFigures;
use super::kernels::Kernels;
use super::lanes::LaneSpec;
use super::memory::RegionWalk;
use super::region::Region;
use super::{Location, matches, nearest, scan};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::store::{Memtable, PartView, Phext};
use std::fmt::{self, Display, Formatter};

/// Where lanes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Scrolls that are not sealed yet: the active memtable and the frozen one.
    Memory,
    /// A part of a segment.
    Part {
        /// The segment's file.
        segment: String,
        /// The part's number in it.
        part: u32,
        /// Its slots.
        slots: u32,
    },
    /// All places together.
    Everywhere,
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Place::Memory => f.write_str("memory"),
            Place::Part { segment, part, .. } => write!(f, "{segment}, part {part}"),
            Place::Everywhere => f.write_str("everywhere"),
        }
    }
}

/// How lanes are found in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Nothing there can match: a component that is asked for does not occur.
    RuledOut,
    /// From one coordinate to another, or with jumps over what does not match.
    Walk,
    /// Zone maps rule blocks of keys out; the keys of the others are tested.
    ZoneMap,
    /// Posting lists lead to the slots.
    Postings,
    /// Each point is looked up.
    Points,
    /// Blocks are taken by the least distance that they can have.
    Nearest,
}

impl Display for Strategy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::RuledOut => "ruled out",
            Strategy::Walk => "walk",
            Strategy::ZoneMap => "zone map",
            Strategy::Postings => "postings",
            Strategy::Points => "points",
            Strategy::Nearest => "nearest",
        })
    }
}

/// How lanes of a specification are found in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Where.
    pub place: Place,
    /// How.
    pub strategy: Strategy,
    /// Slots that were expected at most, before anything was scanned.
    pub estimated_slots: u64,
    /// Current slots that there are; `None` where only a walk would tell.
    pub slots: Option<u64>,
    /// Blocks of keys that there are.
    pub blocks: u64,
    /// Those of them that were ruled out unread.
    pub blocks_pruned: u64,
    /// Those of them whose keys were tested.
    pub blocks_tested: u64,
}

/// As a person reads it.
impl Display for Access {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, ", self.place, self.strategy)?;
        if let Some(slots) = self.slots {
            write!(f, "{slots} of ")?;
        }
        write!(f, "at most {} slots", self.estimated_slots)?;
        if self.blocks > 0 {
            let (tested, blocks, pruned) = (self.blocks_tested, self.blocks, self.blocks_pruned);
            write!(
                f,
                "; {tested} of {blocks} blocks tested, {pruned} ruled out"
            )?;
        }
        Ok(())
    }
}

impl Access {
    fn new(place: Place, strategy: Strategy, estimated_slots: u64, slots: Option<u64>) -> Access {
        Access {
            place,
            strategy,
            estimated_slots,
            slots,
            blocks: 0,
            blocks_pruned: 0,
            blocks_tested: 0,
        }
    }

    fn with_blocks(self, figures: &ScanFigures) -> Access {
        Access {
            blocks: figures.blocks_considered,
            blocks_pruned: figures.blocks_pruned,
            blocks_tested: figures.blocks_verified,
            ..self
        }
    }
}

fn place_of(view: &PartView) -> Place {
    let file = view.part.segment().path().file_name();
    Place::Part {
        segment: file.unwrap_or_default().to_string_lossy().into_owned(),
        part: view.part.index(),
        slots: view.part.slots(),
    }
}

impl Phext {
    /// How the lanes of a specification are found.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn access(&self, spec: &LaneSpec) -> Result<Vec<Access>> {
        match spec {
            LaneSpec::All => self.access_range(&Coordinate::ORIGIN, &Coordinate::MAX),
            LaneSpec::Range { from, to } => self.access_range(from, to),
            LaneSpec::Points(points) => self.access_points(points),
            LaneSpec::Union { from, to, points } => {
                let mut access = self.access_range(from, to)?;
                access.extend(self.access_points(points)?);
                Ok(access)
            }
            LaneSpec::Region(region) if region.is_range() => {
                let (from, to) = region.hull();
                self.access_range(&from, &to)
            }
            LaneSpec::Region(region) => self.access_region(region),
            LaneSpec::Nearest(query) => {
                let mut figures = ScanFigures::default();
                let found = nearest::nearest(self, query, Kernels::detect(), &mut figures)?;
                let estimated = self.scrolls().min(u64::from(query.count));
                let found = Some(found.len() as u64);
                let access = Access::new(Place::Everywhere, Strategy::Nearest, estimated, found);
                Ok(vec![access.with_blocks(&figures)])
            }
        }
    }

    fn access_range(&self, from: &Coordinate, to: &Coordinate) -> Result<Vec<Access>> {
        let mut access = Vec::new();
        if from > to {
            return Ok(access);
        }
        let in_memory = |memtable: &Memtable| memtable.range(*from..=*to).count() as u64;
        self.push_memory(in_memory, &mut access);
        for view in &self.parts {
            let first = view.part.lower_bound(from)?;
            let end = view.part.upper_bound(to)?;
            let estimated = u64::from(end - first);
            let is_whole = end - first == view.part.slots();
            // Slots are ranks where they lie in coordinate order.
            let is_counted = is_whole || view.part.has_coordinate_slots();
            let found = is_counted.then(|| {
                let shadowed = view
                    .shadow
                    .iter()
                    .filter(|slot| is_whole || (first..end).contains(slot));
                estimated - shadowed.count() as u64
            });
            let strategy = if estimated == 0 {
                Strategy::RuledOut
            } else {
                Strategy::Walk
            };
            access.push(Access::new(place_of(view), strategy, estimated, found));
        }
        Ok(access)
    }

    fn access_region(&self, region: &Region) -> Result<Vec<Access>> {
        let mut access = Vec::new();
        let in_memory = |memtable: &Memtable| RegionWalk::new(memtable, region).count() as u64;
        self.push_memory(in_memory, &mut access);
        for view in &self.parts {
            let mut figures = ScanFigures::default();
            let estimated = u64::from(scan::most_slots(&view.part, region));
            let found = matches::matches(view, region, Kernels::detect(), &mut figures)?;
            let strategy = match &found {
                None => Strategy::Walk,
                Some(_) if figures.postings_used > 0 => Strategy::Postings,
                Some(_) if estimated == 0 => Strategy::RuledOut,
                Some(_) => Strategy::ZoneMap,
            };
            let found = found.map_or(u64::from(view.live()), |found| found.len() as u64);
            let part = Access::new(place_of(view), strategy, estimated, Some(found));
            access.push(part.with_blocks(&figures));
        }
        Ok(access)
    }

    /// Adds what memtables hold, if they hold any of it. Of a frozen one some may be hidden.
    fn push_memory(&self, count: impl Fn(&Memtable) -> u64, access: &mut Vec<Access>) {
        let frozen = self
            .frozen
            .as_ref()
            .map_or(0, |frozen| count(&frozen.scrolls));
        let active = count(&self.active);
        let has_hidden = self
            .frozen
            .as_ref()
            .is_some_and(|frozen| !frozen.hidden.is_empty());
        if active + frozen > 0 {
            let found = (!has_hidden).then_some(active + frozen);
            access.push(Access::new(
                Place::Memory,
                Strategy::Walk,
                active + frozen,
                found,
            ));
        }
    }

    /// Where points are found, if they are.
    fn access_points(&self, points: &[Coordinate]) -> Result<Vec<Access>> {
        let mut in_memory = 0;
        let mut in_parts = vec![0; self.parts.len()];
        for point in points {
            match self.locate(point)? {
                Location::Absent => {}
                Location::Memory(_) => in_memory += 1,
                Location::Slot { view, .. }
                | Location::Entry { view, .. }
                | Location::Text { view, .. } => {
                    let uid = view.part.uid();
                    let index = self.parts.iter().position(|view| view.part.uid() == uid);
                    in_parts[index.expect("a location is in a part of its phext")] += 1;
                }
            }
        }
        let estimated = points.len() as u64;
        let of = |place, found| Access::new(place, Strategy::Points, estimated, Some(found));
        let memory = (in_memory > 0).then(|| of(Place::Memory, in_memory));
        let parts = self
            .parts
            .iter()
            .zip(in_parts)
            .filter(|(_, found)| *found > 0);
        let parts = parts.map(|(view, found)| of(place_of(view), found));
        Ok(memory.into_iter().chain(parts).collect())
    }
}
