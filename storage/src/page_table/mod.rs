//! The phext page table: from coordinates, or a specification of many, to where the scrolls are.
//!
//! "Here is a coordinate, where is its text?" is [`Phext::locate`]. "Here is a range, which scrolls
//! lie in it?" is [`lanes`](lanes::LaneCursor), which gives batches of lanes in coordinate order,
//! across memtables and parts. Nothing here reads text: a [`Location`] does, when it is asked.

mod access;
mod address;
mod batch;
mod counters;
mod kernels;
mod lanes;
mod matches;
mod measure;
mod memory;
mod metric;
mod nearest;
pub mod pattern;
mod point;
mod region;
mod scan;
mod split;
mod translation;
mod walk;

pub use crate::segment::BLOCK_SLOTS;
pub use crate::segment::TextPlace;
pub use access::{Access, Place, Strategy};
pub use address::LineSpan;
pub use counters::{Counters, ScanFigures};
pub use lanes::{LaneCursor, LaneSpec};
pub use metric::{MAX_WEIGHT, Metric, WeightError, Weights};
pub use nearest::{MAX_NEAREST, Nearest};
pub use pattern::{Pattern, PatternError};
pub use point::Begun;
pub use region::{Constraint, Region, RegionError, Span};
pub use split::Split;
pub use translation::translations;
pub(crate) use walk::PartWalk;

use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::store::{PartView, Phext};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

/// A coordinate and where its scroll is.
#[derive(Debug, Clone, Copy)]
pub struct Lane<'a> {
    /// The coordinate.
    pub coordinate: Coordinate,
    /// The scroll, if there is one.
    pub location: Location<'a>,
}

/// Where a scroll is, in a snapshot that outlives this.
#[derive(Debug, Clone, Copy)]
pub enum Location<'a> {
    /// There is no scroll.
    Absent,
    /// In a memtable.
    Memory(&'a Bytes),
    /// In a slot of a part, whose heap was not touched yet.
    Slot {
        /// The part.
        view: &'a PartView,
        /// The slot.
        slot: u32,
    },
    /// In a slot of a part, and where its text is.
    Entry {
        /// The part.
        view: &'a PartView,
        /// The slot.
        slot: u32,
        /// The text.
        text: TextPlace,
    },
    /// In a slot of a part, with its text, which was verified.
    Text {
        /// The part.
        view: &'a PartView,
        /// The slot.
        slot: u32,
        /// The text.
        text: &'a [u8],
    },
}

impl<'a> Location<'a> {
    /// Whether there is a scroll.
    pub fn is_present(&self) -> bool {
        !matches!(self, Location::Absent)
    }

    /// The text; empty where there is no scroll. Text in a part is verified when its 64 KiB chunk is
    /// first touched.
    ///
    /// # Errors
    /// Damage, with file and offset.
    #[inline(always)]
    pub fn text(&self) -> Result<&'a [u8]> {
        match *self {
            Location::Absent => Ok(&[]),
            Location::Memory(text) => Ok(text),
            Location::Slot { view, slot } => view.part.text(slot),
            Location::Entry { view, text, .. } => view.part.text_at(text),
            Location::Text { text, .. } => Ok(text),
        }
    }

    /// The length of the text in bytes, without touching a part's text.
    ///
    /// # Errors
    /// Damage, with file and offset.
    #[inline]
    pub fn text_len(&self) -> Result<u64> {
        match *self {
            Location::Absent => Ok(0),
            Location::Memory(text) => Ok(text.len() as u64),
            Location::Slot { view, slot } => Ok(u64::from(view.part.record(slot)?.length)),
            Location::Entry { text, .. } => Ok(u64::from(text.length)),
            Location::Text { text, .. } => Ok(text.len() as u64),
        }
    }

    /// XXH3-128 of the text, without touching a part's text.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn checksum(&self) -> Result<u128> {
        match *self {
            Location::Absent => Ok(xxh3_128(&[])),
            Location::Memory(text) => Ok(xxh3_128(text)),
            Location::Slot { view, slot }
            | Location::Entry { view, slot, .. }
            | Location::Text { view, slot, .. } => Ok(view.part.record(slot)?.checksum),
        }
    }

    /// Asks for the record, or the text, of a part's slot to be brought into the cache.
    #[inline]
    pub fn prefetch(&self, text: bool) {
        match *self {
            Location::Slot { view, slot } => view.part.prefetch(slot, text),
            Location::Entry {
                view, text: place, ..
            } if text => view.part.prefetch_text(place),
            _ => {}
        }
    }
}

impl Phext {
    /// The lanes of a specification, in coordinate order.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn lanes<'a>(&'a self, spec: &'a LaneSpec) -> Result<LaneCursor<'a>> {
        LaneCursor::new(self, spec)
    }

    /// How many lanes a specification has at most, or `enough` where it may have that many. Costs
    /// two binary searches a part and at most `enough` steps in memory.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn estimate_lanes(&self, spec: &LaneSpec, enough: u64) -> Result<u64> {
        let (range, points) = match spec {
            LaneSpec::All => return Ok(self.scrolls().min(enough)),
            LaneSpec::Points(points) => (None, points.len()),
            LaneSpec::Range { from, to } => (Some(*from..=*to), 0),
            LaneSpec::Union { from, to, points } => (Some(*from..=*to), points.len()),
            LaneSpec::Region(region) if region.is_range() => {
                let (from, to) = region.hull();
                (Some(from..=to), 0)
            }
            LaneSpec::Region(region) => return Ok(self.estimate_region(region, enough)),
            LaneSpec::Nearest(nearest) => {
                return Ok(self.scrolls().min(u64::from(nearest.count)).min(enough));
            }
        };
        let mut lanes = points as u64;
        let Some(range) = range.filter(|range| range.start() <= range.end()) else {
            return Ok(lanes.min(enough));
        };
        let frozen = self.frozen.as_ref().map(|frozen| &frozen.scrolls);
        for memtable in std::iter::once(&self.active).chain(frozen) {
            lanes += memtable.range(range.clone()).take(enough as usize).count() as u64;
        }
        for view in &self.parts {
            let first = view.part.lower_bound(range.start())?;
            lanes += u64::from(view.part.upper_bound(range.end())? - first);
        }
        Ok(lanes.min(enough))
    }

    /// By the most selective constraint of each part, and the hull in memory.
    fn estimate_region(&self, region: &Region, enough: u64) -> u64 {
        let (from, to) = region.hull();
        let mut lanes = 0;
        let frozen = self.frozen.as_ref().map(|frozen| &frozen.scrolls);
        for memtable in std::iter::once(&self.active).chain(frozen) {
            lanes += memtable.range(from..=to).take(enough as usize).count() as u64;
        }
        for view in &self.parts {
            lanes += u64::from(scan::most_slots(&view.part, region));
        }
        lanes.min(enough)
    }
}
