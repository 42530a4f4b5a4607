//! Prefetches: the records, then the texts, of a batch, asked for as soon as its lanes are known.
//!
//! A word runs over the whole batch, so that a prefetch one word ahead is a batch of lanes ahead.

use super::draft::Draft;
use super::resource::{needs_record, needs_text, yields_lanes};
use crate::form::Form;
use crate::{Constant, LaneSpec, Level, P, Part, SparseOp};

/// Inserts prefetches for what `each` reads of records and texts.
pub(super) fn insert(draft: &mut Draft, constants: &[Constant]) {
    let each = draft.part_mut(Part::Each);
    let Some(lanes) = each.first().filter(|form| yields_lanes(form)) else {
        return;
    };
    let constant = lanes.constant.map(usize::from);
    let specification = constant.and_then(|id| constants.get(id));
    if matches!(specification, Some(Constant::Lanes(lanes)) if is_there_already(lanes)) {
        return;
    }
    let Some(at) = lanes.registers[0].map(P) else {
        return;
    };
    // A masked gather leaves texts out, which a prefetch would not.
    let is_whole = |form: &Form| needs_text(form) && form.mask.is_none();
    let prefetches = [
        (Level::Record, each.iter().any(needs_record)),
        (Level::Text, each.iter().any(is_whole)),
    ];
    let needed = prefetches.into_iter().filter(|(_, is_needed)| *is_needed);
    let needed = needed.map(|(level, _)| SparseOp::Prefch { at, level }.form());
    each.splice(1..1, needed);
}

/// Whether there is nothing to ask for: points are found by their entries, which are asked for in groups
/// for that, and a single lane leaves nothing to do in the meantime.
fn is_there_already(lanes: &LaneSpec) -> bool {
    match lanes {
        LaneSpec::Points(_) => true,
        LaneSpec::Range { from, to } => from >= to,
        LaneSpec::Nearest(nearest) => nearest.count <= 1,
        LaneSpec::All | LaneSpec::Union { .. } | LaneSpec::Region(_) => false,
    }
}
