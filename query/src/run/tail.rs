//! Where the end of a range begins: for the last rows of many.
//!
//! The last rows by coordinate are at the end of the lanes. The page table can say how many scrolls a
//! range has at most without looking at them, so the beginning of an end that is long enough is found
//! by bisection, component by component.

use phext_siw::LaneSpec;
use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use phext_storage::{Phext, StoreError};

/// Fewer lanes than this are not worth a search.
const LEAST_LANES: u64 = 1024;
/// Longest end that is searched for: counting in memory takes time in proportion to it.
const MOST_LANES: u64 = 1 << 16;
/// How many times more lanes than are wanted an end has: some may hold nothing.
const SLACK: u64 = 2;

/// The first coordinate of an end of the lanes that has some more than `wanted` lanes, as far as the
/// page table can tell; `None` where there is no such end that is much shorter than the whole.
///
/// # Errors
/// Damage, with file and offset.
pub(super) fn start(
    phext: &Phext,
    lanes: &LaneSpec,
    wanted: u64,
) -> Result<Option<Coordinate>, StoreError> {
    let (from, to) = match lanes {
        LaneSpec::All => (Coordinate::ORIGIN, Coordinate::MAX),
        LaneSpec::Range { from, to } => (*from, *to),
        _ => return Ok(None),
    };
    let enough = wanted.saturating_mul(SLACK).max(LEAST_LANES);
    if enough > MOST_LANES || !has_more(phext, from, to, enough.saturating_mul(SLACK))? {
        return Ok(None);
    }
    let mut start = from;
    for dimension in 0..DIMENSIONS {
        start = advance(phext, start, to, dimension, enough)?;
    }
    Ok((start > from).then_some(start))
}

/// The greatest start with this prefix from which on there are still more than `enough` lanes.
fn advance(
    phext: &Phext,
    start: Coordinate,
    to: Coordinate,
    dimension: usize,
    enough: u64,
) -> Result<Coordinate, StoreError> {
    let shares_prefix = start.components()[..dimension] == to.components()[..dimension];
    let mut above = match shares_prefix {
        true => to.components()[dimension],
        false => MAX_COMPONENT,
    } + 1;
    let mut best = start;
    while best.components()[dimension] + 1 < above {
        let below = best.components()[dimension];
        let middle = below + (above - below) / 2;
        let candidate = with_component(&start, dimension, middle);
        match candidate <= to && has_more(phext, candidate, to, enough)? {
            true => best = candidate,
            false => above = middle,
        }
    }
    Ok(best)
}

/// The first coordinate with the same components before a dimension and this one in it.
fn with_component(coordinate: &Coordinate, dimension: usize, component: u32) -> Coordinate {
    let mut components = *coordinate.components();
    components[dimension] = component;
    components[dimension + 1..].fill(1);
    Coordinate::new(components).expect("the component lies between two others")
}

fn has_more(
    phext: &Phext,
    from: Coordinate,
    to: Coordinate,
    lanes: u64,
) -> Result<bool, StoreError> {
    let range = LaneSpec::Range { from, to };
    Ok(phext.estimate_lanes(&range, lanes + 1)? > lanes)
}
