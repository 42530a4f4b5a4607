//! What a query is made into, what that did, and how long each part of it took.
//!
//! Only here are operations timed one by one; other runs pay nothing for it. Asking for the time takes as
//! long as an operation on one lane does. That is taken off all times, as far as it can be known.

use crate::error::ExecuteError;
use crate::plan::{Plan, Task};
use crate::query::Query;
use crate::run::{Inline, Purpose, Runner, run_plan_with};
use phext_siw::cc::{Compiled, OptimizationTier, SIWMetadata, Workload};
use phext_siw::cycles::{Frequency, thread_time};
use phext_siw::execute::{Report, Sink, Timings};
use phext_siw::{Constant, LaneSpec, Stream};
use phext_storage::page_table::Access;
use phext_storage::{Phext, StoreError};
use std::time::{Duration, Instant};

/// How a query was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What is done, step by step, in words.
    pub plan: Vec<String>,
    /// How far the streams are optimised.
    pub tier: OptimizationTier,
    /// At most so many lanes were expected of the first stream, or [`ENOUGH_LANES`] and more.
    pub expected_lanes: u64,
    /// The streams that ran, in their order.
    pub streams: Vec<StreamExplanation>,
    /// What all of them did; `rows` are those of the answer.
    pub report: Report,
    /// Time to check the query and to plan what is looked at.
    pub planning: Duration,
    /// Time to compile all streams.
    pub compiling: Duration,
    /// Time from there to the last row, without the compilation of later streams.
    pub running: Duration,
}

/// What a stream of a query did.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamExplanation {
    /// What it was for.
    pub purpose: Purpose,
    /// The stream.
    pub compiled: Compiled,
    /// What the compiler expects of it over the lanes that it ran over.
    pub metadata: SIWMetadata,
    /// What it did.
    pub report: Report,
    /// How long it ran.
    pub running: Duration,
    /// How long its parts and operations ran; `None` where it did on other threads.
    pub timings: Option<Timings>,
    /// How its lanes are found, place by place: a second look over the same snapshot.
    pub access: Vec<Access>,
    /// Operations that it retired for each cycle of this thread, rows taken by the sink included.
    /// `None` where the thread took no time that could be measured.
    pub ops_per_cycle: Option<f64>,
}

/// A stream that takes less is run by its caller: handing it to another thread takes as long. The pool
/// measures that for itself; this is a round figure, for where there is no pool, and only a number of
/// sentrons that is recommended rests on it.
const INLINE: Duration = Duration::from_micros(70);

/// How much of a line of a stream is shown, in bytes: its constants may hold a million points.
const LINE_BYTES: usize = 512;

impl StreamExplanation {
    /// The text of the stream, its long lines cut.
    pub fn text(&self) -> String {
        let text = self.compiled.stream.to_string();
        let mut shown = String::with_capacity(text.len().min(1 << 16));
        for line in text.lines() {
            let cut = line.floor_char_boundary(LINE_BYTES);
            shown.push_str(&line[..cut]);
            shown.push_str(if cut < line.len() { "...\n" } else { "\n" });
        }
        shown
    }
}

/// How far lanes are counted beforehand.
pub const ENOUGH_LANES: u64 = 1 << 20;

/// Answers a query on this thread, and says how. Rows go to `sink`.
///
/// # Errors
/// As [`crate::run()`].
pub fn explain(
    query: &Query,
    phext: &Phext,
    sink: &mut dyn Sink,
) -> Result<Explanation, ExecuteError> {
    explain_with(&mut Inline, query, phext, sink)
}

/// Answers a query with `runner`, and says how. See [`explain`].
///
/// # Errors
/// As [`crate::run()`].
pub fn explain_with(
    runner: &mut dyn Runner,
    query: &Query,
    phext: &Phext,
    sink: &mut dyn Sink,
) -> Result<Explanation, ExecuteError> {
    let start = Instant::now();
    let task = Task::of(query)?;
    let planned = Instant::now();
    let plan = Plan::of(task)?;
    let compiled = planned.elapsed();
    let expected_lanes = plan.estimate_lanes(phext, ENOUGH_LANES)?;
    let mut watching = Watching {
        runner,
        purpose: Purpose::Answer,
        streams: Vec::new(),
        compiling: Duration::ZERO,
    };
    let running = Instant::now();
    let report = run_plan_with(&mut watching, &plan, phext, sink)?;
    let running = running.elapsed();
    let timings = watching.streams.iter().map(|stream| &stream.timings);
    let overhead: Duration = timings.map(Timings::overhead).sum();
    let later = watching.compiling;
    let frequency = Frequency::calibrate();
    let streams = watching.streams.into_iter();
    let streams = streams.map(|watched| watched.explain(phext, &frequency));
    Ok(Explanation {
        plan: plan.describe(),
        tier: query.tier,
        expected_lanes,
        streams: streams.collect::<Result<_, _>>()?,
        report,
        planning: planned - start,
        compiling: compiled + later,
        running: running.saturating_sub(later + overhead),
    })
}

/// Notes what streams another runs.
struct Watching<'r> {
    runner: &'r mut dyn Runner,
    purpose: Purpose,
    streams: Vec<Watched>,
    /// Time of the compilation of later streams.
    compiling: Duration,
}

/// A stream that ran.
struct Watched {
    purpose: Purpose,
    compiled: Compiled,
    report: Report,
    running: Duration,
    /// Processor time of this thread.
    processor: Duration,
    timings: Timings,
}

impl Watched {
    /// Asks the compiler, which may measure for a while the first time, and the page table.
    fn explain(
        self,
        phext: &Phext,
        frequency: &Frequency,
    ) -> Result<StreamExplanation, StoreError> {
        let access = match lanes(&self.compiled.stream) {
            Some(lanes) => phext.access(lanes)?,
            None => Vec::new(),
        };
        let workload = Workload {
            lanes: self.report.lanes,
            blocks: access.iter().map(|access| access.blocks_tested).sum(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            inline: INLINE,
        };
        let ops_per_cycle = self.report.ops as f64 / frequency.cycles(self.processor);
        Ok(StreamExplanation {
            access,
            ops_per_cycle: Some(ops_per_cycle).filter(|ratio| ratio.is_finite()),
            purpose: self.purpose,
            metadata: self.compiled.metadata(&workload),
            compiled: self.compiled,
            report: self.report,
            running: self.running,
            timings: Some(self.timings).filter(|timings| !timings.operations().is_empty()),
        })
    }
}

/// The lanes that a stream runs over.
fn lanes(stream: &Stream) -> Option<&LaneSpec> {
    let constant = stream.each.iter().find_map(|word| word.sparse.batches())?;
    match stream.constants.get(constant.index()) {
        Some(Constant::Lanes(lanes)) => Some(lanes),
        _ => None,
    }
}

impl Runner for Watching<'_> {
    fn next(&mut self, purpose: Purpose) {
        self.purpose = purpose;
        self.runner.next(purpose);
    }

    fn compiled(&mut self, took: Duration) {
        self.compiling += took;
    }

    fn run(
        &mut self,
        compiled: &Compiled,
        phext: &Phext,
        sink: &mut dyn Sink,
        _: Option<&mut Timings>,
    ) -> Result<Report, ExecuteError> {
        let mut timings = Timings::new();
        let (start, thread_start) = (Instant::now(), thread_time());
        let runner = &mut self.runner;
        let report = runner.run(compiled, phext, sink, Some(&mut timings))?;
        let processor = thread_time().saturating_sub(thread_start);
        self.streams.push(Watched {
            purpose: self.purpose,
            compiled: compiled.clone(),
            report,
            running: start.elapsed().saturating_sub(timings.overhead()),
            processor: processor.saturating_sub(timings.overhead()),
            timings,
        });
        Ok(report)
    }
}
