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
    if matches!(specification, Some(Constant::Lanes(lanes)) if !is_asked_ahead(lanes)) {
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

/// Whether tier 3 puts prefetches for such lanes. It does not for points, which are found by their
/// entries and these asked for in groups for that, nor for a single lane, during whose wait there is
/// nothing to do.
pub fn is_asked_ahead(lanes: &LaneSpec) -> bool {
    match lanes {
        LaneSpec::Points(_) => false,
        LaneSpec::Range { from, to } => from < to,
        LaneSpec::Nearest(nearest) => nearest.count > 1,
        LaneSpec::All | LaneSpec::Union { .. } | LaneSpec::Region(_) => true,
    }
}
