//! Watching a stream: what it did, and how long it took.
//!
//! What counts is the processor time of the thread, so that a thread which waits for a slow client, or
//! for its core, is not busy. Asking for it costs more than a point read may, so of streams over few
//! points one in 64 is timed and counts 64 times. All others are timed.

use super::counters::{Block, add, count};
use crate::cycles::thread_time;
use crate::execute::Report;
use crate::{Constant, LaneSpec, Stream};
use phext_storage::page_table::translations;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One in so many brief streams is timed.
pub(super) const SAMPLED: u64 = 64;
/// A stream over fewer points is brief.
const BRIEF_POINTS: usize = 64;

/// The batches of a stream while they run on this thread.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// When they began, if they are timed.
    start: Option<Duration>,
    /// How many streams this one stands for.
    weight: u64,
}

impl Watch {
    /// Begins to watch.
    #[inline]
    pub fn start(stream: &Stream) -> Watch {
        let is_brief = is_brief(stream);
        let is_timed = count(|block| {
            let is_timed = !is_brief || is_next_timed(block);
            if is_timed {
                count_dimensions(block, stream);
            }
            is_timed
        });
        Watch {
            start: is_timed.unwrap_or(false).then(thread_time),
            weight: if is_brief { SAMPLED } else { 1 },
        }
    }

    /// Counts the time since, and the operations that were retired in it.
    #[inline]
    pub fn stop(self, ops: u64) {
        if let Some(start) = self.start {
            let took = thread_time().saturating_sub(start);
            count(|block| {
                add(&block.busy_ns, took.as_nanos() as u64 * self.weight);
                add(&block.timed_ops, ops * self.weight);
            });
        }
    }
}

/// Counts what a sentron did after it had done what `told` says.
#[inline]
pub fn count_report(report: &Report, told: &Report) {
    count(|block| {
        add(&block.runs, 1);
        add(&block.batches, report.batches - told.batches);
        add(&block.lanes, report.lanes - told.lanes);
        add(&block.ops, report.ops - told.ops);
        add(
            &block.bytes_gathered,
            report.bytes_gathered - told.bytes_gathered,
        );
        add(&block.rows, report.rows - told.rows);
        let (hits, misses) = translations();
        block.translation_hits.store(hits, Ordering::Relaxed);
        block.translation_misses.store(misses, Ordering::Relaxed);
    });
}

fn is_next_timed(block: &Block) -> bool {
    let runs = block.runs.load(Ordering::Relaxed);
    runs.is_multiple_of(SAMPLED)
}

#[inline]
fn is_brief(stream: &Stream) -> bool {
    let is_few = |constant: &Constant| match constant {
        Constant::Lanes(LaneSpec::Points(points)) => points.len() < BRIEF_POINTS,
        _ => false,
    };
    stream.constants.iter().any(is_few)
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
