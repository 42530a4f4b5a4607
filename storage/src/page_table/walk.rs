//! A walk over the current scrolls of a part in coordinate order.
//!
//! Where slots are in coordinate order the walk follows the heap from entry to entry and touches
//! nothing else. Where they are along a curve it goes by the permutation, and asks for records and
//! entries some ranks ahead.

use super::{Lane, Location};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::segment::{Entry, Part, Probe};
use crate::store::PartView;
use std::ops::Range;

/// Ranks ahead of the walk whose records are asked for.
const RECORDS_AHEAD: u32 = 24;
/// Ranks ahead of the walk whose entries are asked for.
const ENTRIES_AHEAD: u32 = 12;

/// How far ahead of the walk its heap is asked for: where an entry ends is known only once it was
/// read, so nothing else overlaps the waits.
const HEAP_AHEAD_BYTES: u64 = 2048;

/// Where a walk is.
#[derive(Debug)]
enum Place {
    /// At an offset of the heap.
    Heap { offset: u64, end: u64 },
    /// At a rank.
    Rank { rank: u32, end: u32 },
}

/// A walk over the current slots of a part.
#[derive(Debug)]
pub(crate) struct PartWalk<'a> {
    view: &'a PartView,
    place: Place,
    /// Scrolls below are passed over: where the walk begins it may be a little early.
    from: Option<Coordinate>,
    /// The walk ends behind this.
    to: Option<Coordinate>,
}

impl<'a> PartWalk<'a> {
    /// Over the whole part.
    pub(crate) fn whole(view: &'a PartView) -> PartWalk<'a> {
        let part = &view.part;
        let place = match part.has_coordinate_slots() {
            true => Place::Heap {
                offset: 0,
                end: part.heap_bytes(),
            },
            false => Place::Rank {
                rank: 0,
                end: part.slots(),
            },
        };
        PartWalk {
            view,
            place,
            from: None,
            to: None,
        }
    }

    /// From one coordinate to another, both included.
    pub(crate) fn range(
        view: &'a PartView,
        from: &Coordinate,
        to: &Coordinate,
    ) -> Result<PartWalk<'a>> {
        let (first, last) = view.part.coordinates();
        let mut walk = PartWalk::whole(view);
        walk.to = (to < last).then_some(*to);
        if to < first || from > last {
            walk.end();
        } else if from > first {
            walk.go_to(from)?;
        }
        Ok(walk)
    }

    /// Moves to a coordinate, or a little before it. Ranges often begin at a scroll, as the next page
    /// of an answer does: there the directory leads straight to its entry.
    fn go_to(&mut self, from: &Coordinate) -> Result<()> {
        let part: &Part = &self.view.part;
        if let Place::Heap { offset, .. } = &mut self.place
            && let Some(found) = part.find(from, Probe::new(from))?
        {
            *offset = found.offset;
            return Ok(());
        }
        self.from = Some(*from);
        let start = part.rank_before(from)?;
        match &mut self.place {
            Place::Heap { offset, .. } => *offset = part.record(start)?.offset,
            Place::Rank { rank, .. } => *rank = start,
        }
        Ok(())
    }

    fn end(&mut self) {
        self.place = Place::Rank { rank: 0, end: 0 };
    }

    /// The next current scroll.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        while let Some(entry) = self.step()? {
            if let Some(from) = &self.from {
                if entry.coordinate < *from {
                    continue;
                }
                self.from = None;
            }
            if self.to.is_some_and(|to| entry.coordinate > to) {
                self.end();
                return Ok(None);
            }
            if !self.view.shadow.contains(entry.found.slot) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Appends scrolls below a bound to `out` until it holds `until` lanes. Gives the scroll that
    /// follows them, unless the walk ends there.
    pub(crate) fn take(
        &mut self,
        out: &mut Vec<Lane<'a>>,
        until: usize,
        bound: Option<&Coordinate>,
    ) -> Result<Option<Lane<'a>>> {
        if self.from.is_none()
            && let Place::Heap { offset, end } = self.place
        {
            return self.take_from_heap(offset..end, out, until, bound);
        }
        while let Some(entry) = self.next()? {
            let lane = self.lane(&entry);
            if out.len() >= until || bound.is_some_and(|bound| lane.coordinate >= *bound) {
                return Ok(Some(lane));
            }
            out.push(lane);
        }
        Ok(None)
    }

    /// [`PartWalk::take`] where it goes by the heap and has passed its start: the same as entry after
    /// entry by [`PartWalk::next`], in the one loop that a scan spends its time in. Not inlined: among what
    /// surrounds its caller it has fewer registers.
    #[inline(never)]
    fn take_from_heap(
        &mut self,
        left: Range<u64>,
        out: &mut Vec<Lane<'a>>,
        until: usize,
        bound: Option<&Coordinate>,
    ) -> Result<Option<Lane<'a>>> {
        let part: &Part = &self.view.part;
        let Range { start, end } = left;
        let mut offset = start;
        while offset < end {
            part.prefetch_entry(offset + HEAP_AHEAD_BYTES);
            let entry = part.entry(offset)?;
            if self.to.is_some_and(|to| entry.coordinate > to) {
                break;
            }
            offset = entry.end();
            self.place = Place::Heap { offset, end };
            if self.view.shadow.contains(entry.found.slot) {
                continue;
            }
            let lane = self.lane(&entry);
            if out.len() >= until || bound.is_some_and(|bound| lane.coordinate >= *bound) {
                return Ok(Some(lane));
            }
            out.push(lane);
        }
        self.end();
        Ok(None)
    }

    /// The next entry, current or not.
    #[inline]
    fn step(&mut self) -> Result<Option<Entry>> {
        let part: &Part = &self.view.part;
        match &mut self.place {
            Place::Heap { offset, end } if *offset < *end => {
                part.prefetch_entry(*offset + HEAP_AHEAD_BYTES);
                let entry = part.entry(*offset)?;
                *offset = entry.end();
                Ok(Some(entry))
            }
            Place::Rank { rank, end } if *rank < *end => {
                let slot = part.slot_at_rank(*rank)?;
                look_ahead(part, *rank, *end)?;
                *rank += 1;
                part.entry_of(slot).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The lane of an entry of this walk.
    #[inline]
    pub(crate) fn lane(&self, entry: &Entry) -> Lane<'a> {
        self.view.lane(entry)
    }
}

impl PartView {
    /// The lane of an entry.
    #[inline]
    pub(super) fn lane(&self, entry: &Entry) -> Lane<'_> {
        Lane {
            coordinate: entry.coordinate,
            location: Location::Entry {
                view: self,
                slot: entry.found.slot,
                text: entry.found.text,
            },
        }
    }
}

#[inline]
fn look_ahead(part: &Part, rank: u32, end: u32) -> Result<()> {
    if end - rank > RECORDS_AHEAD {
        part.prefetch(part.slot_at_rank(rank + RECORDS_AHEAD)?, false);
        part.prefetch(part.slot_at_rank(rank + ENTRIES_AHEAD)?, true);
    }
    Ok(())
}
