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

/// Matches ahead of the one that is read whose keys are asked for.
const AHEAD: usize = 8;

/// Positions ahead of the one whose slot is looked up whose slots are asked for.
const SLOTS_AHEAD: usize = 16;

/// The next match, as a lane.
#[inline]
pub(super) fn next_lane<'a>(
    view: &'a PartView,
    matches: &mut std::vec::IntoIter<Match>,
) -> Result<Option<Lane<'a>>> {
    if let Some(ahead) = matches.as_slice().get(AHEAD) {
        view.part.prefetch_key(ahead.position);
    }
    match matches.next() {
        Some(found) => found.lane(view).map(Some),
        None => Ok(None),
    }
}

impl Match {
    /// The scroll in the slot.
    fn lane(self, view: &PartView) -> Result<Lane<'_>> {
        let slot = self.slot;
        Ok(Lane {
            coordinate: view.part.coordinate_at_position(self.position)?,
            location: Location::Slot { view, slot },
        })
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
