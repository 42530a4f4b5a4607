//! The current slots of a part that lie in a region, in coordinate order.

use super::counters::ScanFigures;
use super::kernels::Kernels;
use super::region::Region;
use super::{Lane, Location, scan};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::store::PartView;

/// A slot whose key matches, and where in the key blocks that key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Match {
    pub(super) slot: u32,
    pub(super) position: u32,
}

/// Matches ahead of the next one whose keys or entries are asked for.
const AHEAD: usize = 8;

/// Matches ahead of the next one whose records are asked for.
const RECORDS_AHEAD: usize = 2 * AHEAD;

/// Positions ahead of the one whose slot is looked up whose slots are asked for.
const SLOTS_AHEAD: usize = 16;

/// The matches of a part that are left, as lanes.
///
/// A coordinate is a code in each column of a key block and a look into as many dictionaries. The entry in
/// the heap has it too, beside the text: whoever reads that anyway is spared the columns, and whoever does
/// not is spared the heap.
#[derive(Debug)]
pub(super) struct MatchWalk<'a> {
    view: &'a PartView,
    left: std::vec::IntoIter<Match>,
    by_entries: bool,
}

impl<'a> MatchWalk<'a> {
    pub(super) fn new(view: &'a PartView, matches: Vec<Match>) -> MatchWalk<'a> {
        MatchWalk {
            view,
            left: matches.into_iter(),
            by_entries: false,
        }
    }

    /// Takes coordinates from the entries from now on.
    pub(super) fn go_by_entries(&mut self) {
        self.by_entries = true;
        let (part, left) = (&self.view.part, self.left.as_slice());
        let first = |most: usize| left.iter().take(most);
        first(RECORDS_AHEAD).for_each(|found| part.prefetch(found.slot, false));
        first(AHEAD).for_each(|found| part.prefetch(found.slot, true));
    }

    /// The next match.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Lane<'a>>> {
        self.look_ahead();
        let Some(Match { slot, position }) = self.left.next() else {
            return Ok(None);
        };
        let (view, part) = (self.view, &self.view.part);
        if self.by_entries {
            return Ok(Some(view.lane(&part.entry_of(slot)?)));
        }
        Ok(Some(Lane {
            coordinate: part.coordinate_at_position(position)?,
            location: Location::Slot { view, slot },
        }))
    }

    #[inline]
    fn look_ahead(&self) {
        let (part, left) = (&self.view.part, self.left.as_slice());
        let Some(ahead) = left.get(AHEAD) else {
            return;
        };
        if !self.by_entries {
            return part.prefetch_key(ahead.position);
        }
        part.prefetch(ahead.slot, true);
        if let Some(ahead) = left.get(RECORDS_AHEAD) {
            part.prefetch(ahead.slot, false);
        }
    }

    /// Passes over at most so many. Gives how many there were.
    pub(super) fn skip(&mut self, most: usize) -> usize {
        self.left.by_ref().take(most).count()
    }
}

/// The current slots of `view` that lie in the region, in coordinate order; `None` where all do.
///
/// A match takes eight bytes and its coordinate is read when it is reached, so that an answer that
/// is ended early has cost little. Where slots are not in coordinate order, coordinates are needed
/// to bring them there.
pub(super) fn matches(
    view: &PartView,
    region: &Region,
    kernels: Kernels,
    figures: &mut ScanFigures,
) -> Result<Option<Vec<Match>>> {
    let part = &view.part;
    let Some(positions) = scan::positions(part, region, kernels, figures)? else {
        return Ok(None);
    };
    let mut matches = Vec::with_capacity(positions.len());
    for (index, &position) in positions.iter().enumerate() {
        if let Some(&ahead) = positions.get(index + SLOTS_AHEAD) {
            part.prefetch_slot_at_position(ahead);
        }
        let slot = part.slot_at_position(position)?;
        if !view.shadow.contains(slot) {
            matches.push(Match { slot, position });
        }
    }
    if part.has_coordinate_slots() {
        // One number to compare: no slot is there twice.
        matches.sort_unstable_by_key(|found| found.slot);
        return Ok(Some(matches));
    }
    let with_coordinate = |found: Match| -> Result<(Coordinate, Match)> {
        Ok((part.coordinate_at_position(found.position)?, found))
    };
    let keyed: Result<Vec<_>> = matches.into_iter().map(with_coordinate).collect();
    let mut keyed = keyed?;
    keyed.sort_unstable();
    Ok(Some(keyed.into_iter().map(|(_, found)| found).collect()))
}
