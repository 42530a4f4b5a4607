//! Batches of points: the waits for memory overlap with each other, and with what is done with what came.
//!
//! ```text
//! every eighth step n   eight searches start: hashes, then all their buckets are asked for
//!                       the eight before go on: buckets read, then the starts of all entries asked for
//! every step n          the rest of an entry is asked for, of the 12th coordinate before
//!                       an entry is read and told, of the 24th before
//! ```
//!
//! Places are asked for eight at once because the processor does not go on behind a prefetch for more than
//! its window, some hundred instructions, before it knows where the page is. In gigabytes that is mostly
//! in no TLB, and with the work of a coordinate in between it would look up one page after the other: of
//! ten million scrolls two thirds of the time went there. The rest of an entry is on the page of its start,
//! and waits until that is known; asked for bit by bit, it leaves room for what else is on its way.

use super::point::{is_current, text};
use super::{Lane, Location};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::segment::{Candidate, Probe};
use crate::store::{PartView, Phext};
use bytes::Bytes;

/// Searches under way.
const RING: usize = 32;
/// Searches that start, or go on, at once.
const BURST: usize = 8;
/// How many steps after a coordinate's own the rest of its entry is asked for.
const REST_BEHIND: usize = 12;
/// How many steps after a coordinate's own its entry is read.
const END_BEHIND: usize = RING - BURST;

/// Parts whose buckets are asked for ahead, the newest: one bit each.
const MOST_AHEAD: usize = u64::BITS as usize;

/// How far the search for a coordinate is.
#[derive(Clone, Copy)]
enum Search<'a> {
    /// The buckets in these parts are asked for.
    Started {
        probe: Probe,
        parts: u64,
    },
    Nowhere,
    Memory(&'a Bytes),
    /// The entry is asked for.
    Likely {
        view: &'a PartView,
        offset: u64,
    },
    /// Something is in the way: [`Phext::find_in_parts`] tells.
    Unclear,
}

impl Phext {
    /// Where the scrolls at these coordinates are, in the same order. Faster than one by one where
    /// there are several.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn locate_batch<'a>(
        &'a self,
        coordinates: &[Coordinate],
        out: &mut Vec<Location<'a>>,
    ) -> Result<()> {
        let start = out.len();
        out.resize(start + coordinates.len(), Location::Absent);
        let located = &mut out[start..];
        self.locate_each(coordinates, |index, location| {
            located[index] = location;
            Ok(())
        })
    }

    /// As [`Phext::locate_batch`], each location beside its coordinate.
    ///
    /// # Errors
    /// As [`Phext::locate_batch`].
    pub fn locate_lanes<'a>(
        &'a self,
        coordinates: &[Coordinate],
        out: &mut Vec<Lane<'a>>,
    ) -> Result<()> {
        let start = out.len();
        let location = Location::Absent;
        out.extend(coordinates.iter().map(|&coordinate| Lane {
            coordinate,
            location,
        }));
        let lanes = &mut out[start..];
        // Not put together first: a lane is copied with the gap between its halves, so that the copy
        // waits for what was written beside that.
        self.locate_each(coordinates, |index, location| {
            lanes[index].location = location;
            Ok(())
        })
    }

    /// Tells where the scrolls at these coordinates are, with their indexes, of those that have one, in
    /// their order. `tell` may read the text, which is on its way then: that is faster than to read texts
    /// when all are located.
    ///
    /// # Errors
    /// Damage, with file and offset, and what `tell` gives; nothing is told after that.
    #[inline(always)]
    pub fn locate_each<'a>(
        &'a self,
        coordinates: &[Coordinate],
        mut tell: impl FnMut(usize, Location<'a>) -> Result<()>,
    ) -> Result<()> {
        let burst = |from: usize| {
            let until = (from + BURST).min(coordinates.len());
            coordinates.get(from..until).unwrap_or_default()
        };
        let mut searches = [Search::Nowhere; RING];
        for step in 0..coordinates.len() + END_BEHIND {
            if step % BURST == 0 {
                let (searches, _) = searches.as_chunks_mut();
                let chunks = searches.len();
                self.start(burst(step), &mut searches[step / BURST % chunks]);
                if let Some(before) = step.checked_sub(BURST) {
                    self.go_on(burst(before), &mut searches[before / BURST % chunks]);
                }
            }
            if let Some(index) = step.checked_sub(REST_BEHIND)
                && let Search::Likely { view, offset } = searches[index % RING]
            {
                view.part.prefetch_rest(offset);
            }
            if let Some(index) = step.checked_sub(END_BEHIND)
                && let Some(location) = self.end(&coordinates[index], searches[index % RING])?
            {
                tell(index, location)?;
            }
        }
        Ok(())
    }

    /// Starts searches: asks for the buckets.
    #[inline(always)]
    fn start<'a>(&'a self, coordinates: &[Coordinate], searches: &mut [Search<'a>; BURST]) {
        *searches = [Search::Nowhere; BURST];
        for (coordinate, search) in coordinates.iter().zip(searches.iter_mut()) {
            *search = match self.in_memory(coordinate) {
                Some(text) => Search::Memory(text),
                None => Search::Started {
                    probe: Probe::new(coordinate),
                    parts: self.spanning(coordinate),
                },
            };
        }
        for search in searches {
            if let Search::Started { probe, parts } = *search {
                self.of(parts)
                    .for_each(|view| view.part.prefetch_bucket(probe));
            }
        }
    }

    /// Which of the newest parts may hold a coordinate. Without branches: which part it is of several that
    /// hold other stretches, nothing foretells.
    #[inline(always)]
    fn spanning(&self, coordinate: &Coordinate) -> u64 {
        let views = self.parts.iter().take(MOST_AHEAD).enumerate();
        views.fold(0, |parts, (index, view)| {
            parts | u64::from(view.part.may_span(coordinate)) << index
        })
    }

    /// The parts of a mask, newest first.
    #[inline(always)]
    fn of(&self, mut parts: u64) -> impl Iterator<Item = &PartView> {
        std::iter::from_fn(move || {
            if parts == 0 {
                return None;
            }
            let lowest = parts.trailing_zeros() as usize;
            parts &= parts - 1;
            Some(&self.parts[lowest])
        })
    }

    /// Goes on with searches: reads the buckets and asks for the entries.
    #[inline(always)]
    fn go_on<'a>(&'a self, coordinates: &[Coordinate], searches: &mut [Search<'a>; BURST]) {
        for (coordinate, search) in coordinates.iter().zip(searches.iter_mut()) {
            if let Search::Started { probe, parts } = *search {
                *search = self.seek(coordinate, probe, parts);
            }
        }
        for search in searches {
            if let Search::Likely { view, offset } = *search {
                view.part.prefetch_start(offset);
            }
        }
    }

    #[inline(always)]
    fn seek(&self, coordinate: &Coordinate, probe: Probe, parts: u64) -> Search<'_> {
        let others = self.parts.get(MOST_AHEAD..).unwrap_or_default();
        for view in self.of(parts).chain(others) {
            match view.part.candidate(coordinate, probe) {
                Candidate::None => {}
                Candidate::Likely(offset) => return Search::Likely { view, offset },
                Candidate::Unknown => return Search::Unclear,
            }
        }
        Search::Nowhere
    }

    /// Ends a search: reads the entry.
    #[inline(always)]
    fn end<'a>(
        &'a self,
        coordinate: &Coordinate,
        search: Search<'a>,
    ) -> Result<Option<Location<'a>>> {
        match search {
            Search::Nowhere => return Ok(None),
            Search::Memory(text) => return Ok(Some(Location::Memory(text))),
            Search::Likely { view, offset } => {
                let found = view.part.confirm_quickly(offset, coordinate);
                if let Some(found) = found.filter(|found| is_current(view, found.slot)) {
                    return Ok(Some(text(view, found)));
                }
            }
            Search::Unclear | Search::Started { .. } => {}
        }
        let location = self.find_in_parts(coordinate, Probe::new(coordinate))?;
        Ok(location.is_present().then_some(location))
    }
}
