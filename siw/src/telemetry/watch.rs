//! Watching a stream: what it did, and how long it took.
//!
//! What counts is the processor time of the thread, so that a thread which waits for a slow client, or
//! for its core, is not busy. Asking for it is a call of the system, which takes longer than a point
//! read does. So of brief streams a sample is timed, the rarer the fewer lanes they have, and what is
//! timed counts as many times as it stands for:
//!
//! | lanes that a stream has, or its sink wants | timed |
//! |---|---|
//! | 1 | one in 4,096 |
//! | 2 to 4,095 | one in 8,192 for each of them, rounded to a power of two: of 1,000 one in 8 |
//! | more, or not known before | all |
//!
//! A run over one lane is by far the most frequent, and counts as that: it is a run, a batch and a lane
//! when the counts are read.

use super::counters::{Block, add, own};
use crate::cycles::thread_time;
use crate::execute::{Lanes, Report};
use crate::{Constant, LaneSpec, Stream};
use phext_storage::page_table::translations;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Of streams over one lane one in 2 to the power of this is timed.
pub(super) const MOST_SHARED: u32 = 12;
/// Multiples of this are spread evenly whatever the step, so that streams which take turns are all
/// sampled alike. 2^64 by the golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The batches of a stream while they run on this thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watch {
    block: Option<&'static Block>,
    /// When they began, if they are timed, and how many streams this one stands for.
    start: Option<(Duration, u64)>,
}

impl Watch {
    /// Begins to watch a stream over lanes of which its sink wants so many, as far as it knows.
    #[inline]
    pub fn start(
        stream: &Stream,
        lanes: &Lanes<'_>,
        wanted: impl FnOnce() -> Option<u64>,
    ) -> Watch {
        let Some(block) = own() else {
            return Watch::default();
        };
        let shared = match lanes {
            Lanes::Points(points) => shared(points.len() as u64),
            Lanes::Cursor(_) | Lanes::Share(_) => {
                count_dimensions(block, stream);
                wanted().map_or(0, shared)
            }
        };
        Watch::of(block, shared)
    }

    /// Begins to watch a stream over one lane.
    #[inline]
    pub fn start_one() -> Watch {
        own().map_or_else(Watch::default, |block| Watch::of(block, MOST_SHARED))
    }

    #[inline]
    fn of(block: &'static Block, shared: u32) -> Watch {
        Watch {
            block: Some(block),
            start: is_timed(block.runs(), shared).then(|| (thread_time(), 1 << shared)),
        }
    }

    /// Counts what a sentron did after it had done what `told` says, and the time that it took.
    #[inline]
    pub fn stop(self, report: &Report, told: &Report) {
        let Some(block) = self.block else { return };
        if let Some((start, weight)) = self.start {
            count_time(block, start, weight, report.ops - told.ops);
        }
        count_report(block, report, told);
    }
}

/// Counts what a sentron did in a part that is not timed, after it had done what `told` says.
#[inline]
pub fn count_untimed(report: &Report, told: &Report) {
    if let Some(block) = own() {
        count_report(block, report, told);
    }
}

#[inline]
fn count_report(block: &Block, report: &Report, told: &Report) {
    let (batches, lanes) = (report.batches - told.batches, report.lanes - told.lanes);
    if lanes == 1 {
        add(&block.single_runs, 1);
        // Only points that come alone are looked up by way of a thread's translations.
        let (hits, misses) = translations();
        block.translation_hits.store(hits, Ordering::Relaxed);
        block.translation_misses.store(misses, Ordering::Relaxed);
    } else {
        add(&block.runs, 1);
        add(&block.batches, batches);
        add(&block.lanes, lanes);
    }
    add(&block.ops, report.ops - told.ops);
    let bytes = report.bytes_gathered - told.bytes_gathered;
    add(&block.bytes_gathered, bytes);
    add(&block.rows, report.rows - told.rows);
}

#[cold]
fn count_time(block: &Block, start: Duration, weight: u64, ops: u64) {
    let took = thread_time().saturating_sub(start);
    add(&block.busy_ns, took.as_nanos() as u64 * weight);
    add(&block.timed_ops, ops * weight);
}

/// A stream over so many lanes shares its time with 2 to the power of this.
#[inline]
pub(super) fn shared(lanes: u64) -> u32 {
    let bits = u64::BITS - lanes.max(1).leading_zeros();
    (MOST_SHARED + 1).saturating_sub(bits)
}

/// Whether the stream after so many is the one that stands for 2 to the power of `shared`.
#[inline]
pub(super) fn is_timed(runs: u64, shared: u32) -> bool {
    let share = runs.wrapping_mul(SPREAD);
    share.unbounded_shr(u64::BITS - shared) == 0
}

/// Which dimensions the regions of a stream constrain.
fn count_dimensions(block: &Block, stream: &Stream) {
    for constant in &stream.constants {
        if let Constant::Lanes(LaneSpec::Region(region)) = constant {
            let constraints = region.constraints().iter().zip(&block.dimensions);
            for (_, dimension) in constraints.filter(|(constraint, _)| !constraint.is_free()) {
                add(dimension, 1);
            }
        }
    }
}
