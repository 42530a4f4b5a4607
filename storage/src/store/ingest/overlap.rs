//! Which scrolls of older parts an ingest replaces.

use super::super::state::PartView;
use super::pipeline::Built;
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::segment::Part;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// The slots of older parts whose coordinates were pushed, by part.
#[derive(Debug, Default)]
pub(super) struct Overlaps {
    by_part: BTreeMap<(u64, u32), Vec<u32>>,
}

impl Overlaps {
    /// Finds the overlaps with parts that were not looked at before.
    pub(super) fn extend(&mut self, built: &Built, views: &[PartView]) -> Result<()> {
        for view in views {
            let key = (view.part.segment().id(), view.part.index());
            if let Entry::Vacant(unknown) = self.by_part.entry(key) {
                unknown.insert(overlap(built, &view.part)?);
            }
        }
        Ok(())
    }

    /// The view without the scrolls that were replaced.
    pub(super) fn shadowed(&self, view: &PartView) -> Result<PartView> {
        let mut view = view.clone();
        let key = (view.part.segment().id(), view.part.index());
        for &slot in self.by_part.get(&key).into_iter().flatten() {
            view.shadow_slot(slot)?;
        }
        Ok(view)
    }
}

fn overlap(built: &Built, old: &Arc<Part>) -> Result<Vec<u32>> {
    let mut slots = Vec::new();
    for new in &built.parts {
        common_slots(old, new, &mut slots)?;
    }
    for coordinate in &built.removed {
        slots.extend(old.slot_of(coordinate)?);
    }
    Ok(slots)
}

/// The slots of `old` whose coordinates `new` has as well: each coordinate of the smaller one, in the
/// range that both cover, is looked up in the other.
fn common_slots(old: &Part, new: &Part, slots: &mut Vec<u32>) -> Result<()> {
    let of_old = ranks_within(old, new)?;
    let of_new = ranks_within(new, old)?;
    if of_old.len() <= of_new.len() {
        for rank in of_old {
            let slot = old.slot_at_rank(rank)?;
            if new.slot_of(&old.coordinate(slot)?)?.is_some() {
                slots.push(slot);
            }
        }
    } else {
        for rank in of_new {
            let slot = new.slot_at_rank(rank)?;
            slots.extend(old.slot_of(&new.coordinate(slot)?)?);
        }
    }
    Ok(())
}

/// The ranks of `part` between the least and the greatest coordinate of `other`.
fn ranks_within(part: &Part, other: &Part) -> Result<std::ops::Range<u32>> {
    let at = |rank| -> Result<Coordinate> { other.coordinate(other.slot_at_rank(rank)?) };
    let first = part.lower_bound(&at(0)?)?;
    let end = part.upper_bound(&at(other.slots() - 1)?)?;
    Ok(first..end.max(first))
}
