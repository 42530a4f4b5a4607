//! What a stream is expected to do, for whoever decides where it runs.

use super::OptimizationTier;
use super::cost::CostModel;
use crate::form::Form;
use crate::table::opcode;
use crate::{Constant, CoordinationOp, LaneSpec, Part, Pipe, Stream, TallyKey};
use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use phext_storage::page_table::Metric;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a stream is expected to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SIWMetadata {
    /// How far the stream is optimised.
    pub tier: OptimizationTier,
    /// Operations retired a cycle of one core, by the cost model, with no lane masked out. 0 for a
    /// stream whose operations calibration could not run.
    pub expected_ops_per_cycle: f64,
    /// The dimensions, 0 (library) to 8 (scroll), that lanes are chosen by, indexed or counted by:
    /// the most used first.
    pub hot_dimensions: Vec<usize>,
    /// How many sentrons the stream is worth: each has at least as much to do as what is run inline.
    pub recommended_sentron_count: usize,
}

/// What a stream is to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// Lanes, as far as the page table can tell.
    pub lanes: u64,
    /// Blocks of keys that are tested to find them, as far as somebody has looked; 0 where nobody has.
    pub blocks: u64,
    /// Cores that could work on them.
    pub cores: usize,
    /// Streams that are expected to take less are run by their caller.
    pub inline: Duration,
}

impl SIWMetadata {
    /// The metadata of a stream, by a cost model.
    pub fn of(stream: &Stream, costs: &CostModel, workload: &Workload) -> Self {
        let tier = OptimizationTier::of_number(stream.tier);
        let cost = costs.of_stream(stream);
        let cycles = costs.cycles(&cost, workload);
        let ops = cost.ops(workload.lanes) as f64;
        let inline = workload.inline.as_nanos() as f64 * costs.cycles_per_nanosecond;
        let most = workload.cores.max(1) as f64;
        // A batch is not divided.
        let pieces = cost.batches(workload.lanes).max(1) as f64;
        let sentrons = (cycles / inline.max(1.0))
            .floor()
            .min(pieces)
            .clamp(1.0, most);
        Self {
            tier: tier.unwrap_or(OptimizationTier::Tier0Unstructured),
            expected_ops_per_cycle: if cycles > 0.0 { ops / cycles } else { 0.0 },
            hot_dimensions: hot_dimensions(stream),
            recommended_sentron_count: sentrons as usize,
        }
    }
}

/// How often a stream uses each dimension.
type Uses = [u32; DIMENSIONS];

fn hot_dimensions(stream: &Stream) -> Vec<usize> {
    let mut uses = Uses::default();
    for word in stream.words(Part::Each) {
        for form in word.forms() {
            count_operation(&mut uses, &form, &stream.constants);
        }
        if let CoordinationOp::Tally { key, .. } = word.coordination {
            match key {
                TallyKey::Leading(count) => mark(&mut uses, 0..usize::from(count)),
                TallyKey::Component(dimension) => mark(&mut uses, [usize::from(dimension)]),
            }
        }
    }
    let mut hot: Vec<usize> = (0..DIMENSIONS).filter(|&d| uses[d] > 0).collect();
    hot.sort_by_key(|&dimension| u32::MAX - uses[dimension]);
    hot
}

fn mark(uses: &mut Uses, dimensions: impl IntoIterator<Item = usize>) {
    for dimension in dimensions {
        if let Some(count) = uses.get_mut(dimension) {
            *count += 1;
        }
    }
}

fn count_operation(uses: &mut Uses, form: &Form, constants: &[Constant]) {
    if form.pipe != Pipe::Sparse {
        return;
    }
    if form.opcode == opcode::SINDEX {
        mark(uses, [usize::from(form.function)]);
    }
    let constant = form.constant.and_then(|id| constants.get(usize::from(id)));
    if let Some(Constant::Lanes(lanes)) = constant {
        count_lanes(uses, lanes);
    }
}

/// The dimensions that a lane specification chooses by.
fn count_lanes(uses: &mut Uses, lanes: &LaneSpec) {
    match lanes {
        LaneSpec::All | LaneSpec::Points(_) => {}
        LaneSpec::Range { from, to } | LaneSpec::Union { from, to, .. } => {
            mark(uses, 0..restricted(from, to));
        }
        LaneSpec::Region(region) => {
            let constraints = region.constraints();
            mark(uses, (0..DIMENSIONS).filter(|&d| !constraints[d].is_free()));
        }
        LaneSpec::Nearest(nearest) => match &nearest.metric {
            Metric::Weighted(weights) => {
                mark(uses, (0..DIMENSIONS).filter(|&d| weights.get()[d] > 0));
            }
            Metric::Chebyshev | Metric::Manhattan => mark(uses, 0..DIMENSIONS),
        },
    }
}

/// How many leading dimensions a range restricts. Behind the first one in which its ends differ the
/// ends say something of the first and the last value of that one only.
fn restricted(from: &Coordinate, to: &Coordinate) -> usize {
    let (from, to) = (from.components(), to.components());
    let equal = from.iter().zip(to).take_while(|(from, to)| from == to);
    let equal = equal.count();
    let is_whole = |d: usize| from[d] == 1 && to[d] >= MAX_COMPONENT;
    match equal < DIMENSIONS && !is_whole(equal) {
        true => equal + 1,
        false => equal,
    }
}
