//! Running a plan over a phext, step by step.

mod point;
mod sinks;
mod tail;

use crate::error::ExecuteError;
use crate::plan::{Plan, Selection, Step, Task, WINDOW};
use crate::query::{OrderKey, Output, Query};
use phext_siw::cc::Compiled;
use phext_siw::execute::{
    Collected, Limited, Outside, Report, Sink, Timings, execute_timed, execute_with,
};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use sinks::{Found, Groups, Latest, Totals};
use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

/// What runs streams: this thread, a pool of cores, or something that watches.
pub trait Runner {
    /// Says what the next stream is for.
    fn next(&mut self, _purpose: Purpose) {}

    /// Says how long it took to compile a further stream.
    fn compiled(&mut self, _took: Duration) {}

    /// Runs a stream that writes nothing over a phext. Rows go to `sink` in the order of its lanes. The
    /// parts and operations of a stream that runs on the thread that calls are timed, where that is asked
    /// for.
    ///
    /// # Errors
    /// Damage found in the store, what the sink says, or that it could not be run to its end.
    fn run(
        &mut self,
        compiled: &Compiled,
        phext: &Phext,
        sink: &mut dyn Sink,
        timings: Option<&mut Timings>,
    ) -> Result<Report, ExecuteError>;
}

/// What a stream of a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Its rows are those of the answer.
    Answer,
    /// It finds the coordinates of rows that come first in the order that is asked for.
    Find,
    /// It gives the rows of coordinates that were found.
    Fetch,
}

impl Display for Purpose {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Purpose::Answer => "answer",
            Purpose::Find => "find",
            Purpose::Fetch => "fetch",
        })
    }
}

/// Runs streams on the thread that calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

impl Runner for Inline {
    fn run(
        &mut self,
        compiled: &Compiled,
        phext: &Phext,
        sink: &mut dyn Sink,
        timings: Option<&mut Timings>,
    ) -> Result<Report, ExecuteError> {
        let mut writes = Collected::default();
        let mut outside = Outside {
            sink,
            flush: &mut writes,
            interrupted: &|| false,
        };
        let report = match timings {
            None => execute_with(&compiled.stream, phext, &mut outside),
            Some(timings) => execute_timed(&compiled.stream, phext, &mut outside, timings),
        };
        debug_assert!(writes.operations.is_empty(), "a query writes nothing");
        Ok(report?)
    }
}

/// Answers a query over a phext of a snapshot, on this thread. Rows go to `sink` in the order that the
/// query asks for.
///
/// # Errors
/// The query asks for what does not go together, damage found in the store, or what the sink says.
pub fn run(query: &Query, phext: &Phext, sink: &mut dyn Sink) -> Result<Report, ExecuteError> {
    match point::plain(query) {
        Some(coordinate) => point::read(coordinate, phext, sink),
        None => run_plan(&Plan::new(query)?, phext, sink),
    }
}

/// Runs a plan on this thread. See [`run`].
///
/// # Errors
/// As [`run`].
pub fn run_plan(plan: &Plan, phext: &Phext, sink: &mut dyn Sink) -> Result<Report, ExecuteError> {
    run_plan_with(&mut Inline, plan, phext, sink)
}

/// Runs the streams of a plan with `runner`. See [`run`].
///
/// # Errors
/// As [`run`].
pub fn run_plan_with(
    runner: &mut dyn Runner,
    plan: &Plan,
    phext: &Phext,
    sink: &mut dyn Sink,
) -> Result<Report, ExecuteError> {
    let mut report = Report::default();
    if plan.task.limit == 0 {
        return Ok(report);
    }
    let mut limited = Limited::new(sink, plan.task.limit);
    let mut running = Running {
        runner,
        phext,
        report: &mut report,
    };
    running.plan(plan, &mut limited)?;
    report.rows = limited.passed();
    Ok(report)
}

/// A plan that is being run.
struct Running<'r> {
    runner: &'r mut dyn Runner,
    phext: &'r Phext,
    report: &'r mut Report,
}

impl Running<'_> {
    fn stream(
        &mut self,
        purpose: Purpose,
        compiled: &Compiled,
        sink: &mut dyn Sink,
    ) -> Result<(), ExecuteError> {
        self.runner.next(purpose);
        *self.report += self.runner.run(compiled, self.phext, sink, None)?;
        Ok(())
    }

    /// What is compiled for a step that comes later.
    fn compile<T>(&mut self, compile: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let compiled = compile();
        self.runner.compiled(start.elapsed());
        compiled
    }

    fn plan(&mut self, plan: &Plan, sink: &mut Limited<'_>) -> Result<(), ExecuteError> {
        match plan.step {
            Step::Answer => self.answer(plan, sink),
            Step::Nearest { .. } => self.nearest(plan, sink),
            Step::Best {
                key, descending, ..
            } => self.best(plan, key, descending, sink),
            Step::Last => self.last(plan, sink),
            Step::Sort { descending } => self.sort(plan, descending, sink),
        }
    }

    fn answer(&mut self, plan: &Plan, sink: &mut Limited<'_>) -> Result<(), ExecuteError> {
        match plan.task.output {
            Output::Rows(_) | Output::Count => self.stream(Purpose::Answer, &plan.compiled, sink),
            Output::Lengths => {
                let mut totals = Totals::default();
                self.stream(Purpose::Answer, &plan.compiled, &mut totals)?;
                Ok(sink.row(&totals.row()).map(drop)?)
            }
            Output::Groups { .. } => match plan.task.order {
                None => self.stream(Purpose::Answer, &plan.compiled, sink),
                Some(order) => {
                    let mut groups = Groups::default();
                    self.stream(Purpose::Answer, &plan.compiled, &mut groups)?;
                    Ok(groups.send(order, sink)?)
                }
            },
        }
    }

    /// Finds the nearest, and asks the same of them.
    fn nearest(&mut self, plan: &Plan, sink: &mut Limited<'_>) -> Result<(), ExecuteError> {
        let found = self.find(&plan.compiled)?;
        let task = Task {
            selection: plan
                .task
                .selection
                .known(found.coordinates(), OrderKey::Distance),
            nearest: None,
            ..plan.task.clone()
        };
        let plan = self.compile(|| Plan::of(task))?;
        self.plan(&plan, sink)
    }

    /// Finds the best rows, then those behind them, as long as more are wanted.
    fn best(
        &mut self,
        plan: &Plan,
        key: OrderKey,
        descending: bool,
        sink: &mut Limited<'_>,
    ) -> Result<(), ExecuteError> {
        let mut found = self.find(&plan.compiled)?;
        loop {
            let behind = found.last();
            let is_full = found.len() as u64 == plan.task.window();
            self.rows(&plan.task, found.coordinates(), sink)?;
            match behind {
                Some(behind) if is_full && sink.wants_more() => {
                    let step = Step::Best {
                        key,
                        descending,
                        behind: Some(behind),
                    };
                    let compiled = self.compile(|| plan.task.compile(step))?;
                    found = self.find(&compiled)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn find(&mut self, compiled: &Compiled) -> Result<Found, ExecuteError> {
        let mut found = Found::default();
        self.stream(Purpose::Find, compiled, &mut found)?;
        Ok(found)
    }

    /// Finds the last coordinates, then the last before them, as long as more are wanted.
    ///
    /// Looks at the end of the lanes first, at one that should be long enough; where conditions leave
    /// too little of it, at longer ones before.
    fn last(&mut self, plan: &Plan, sink: &mut Limited<'_>) -> Result<(), ExecuteError> {
        let mut rest = plan.task.selection.clone();
        let mut expected = plan.task.window();
        loop {
            let start = tail::start(self.phext, &rest.lanes, expected)?;
            let mut latest = Latest::new(sink.left().min(WINDOW));
            self.coordinates(&plan.task, rest.clone().starting_at(start), &mut latest)?;
            let is_full = latest.is_full();
            let coordinates = latest.backwards();
            let first = match is_full {
                true => coordinates.last().copied(),
                false => start,
            };
            self.rows(&plan.task, coordinates, sink)?;
            let Some(first) = first.filter(|_| sink.wants_more()) else {
                return Ok(());
            };
            rest = rest.before(&first);
            expected = expected.saturating_mul(8);
        }
    }

    /// Gives the coordinates of a selection to a sink.
    fn coordinates(
        &mut self,
        task: &Task,
        selection: Selection,
        sink: &mut dyn Sink,
    ) -> Result<(), ExecuteError> {
        let task = Task {
            selection,
            ..task.clone()
        };
        let compiled = self.compile(|| task.compile(Step::Last))?;
        self.stream(Purpose::Find, &compiled, sink)
    }

    fn sort(
        &mut self,
        plan: &Plan,
        descending: bool,
        sink: &mut Limited<'_>,
    ) -> Result<(), ExecuteError> {
        let mut coordinates = self.find(&plan.compiled)?.coordinates();
        coordinates.sort_unstable();
        if descending {
            coordinates.reverse();
        }
        self.rows(&plan.task, coordinates, sink)
    }

    /// The rows of coordinates, in their order.
    fn rows(
        &mut self,
        task: &Task,
        coordinates: Vec<Coordinate>,
        sink: &mut Limited<'_>,
    ) -> Result<(), ExecuteError> {
        if coordinates.is_empty() {
            return Ok(());
        }
        let selection: Selection = task.selection.known(coordinates, OrderKey::Coordinate);
        let rows = Task {
            selection,
            order: None,
            ..task.clone()
        };
        let compiled = self.compile(|| rows.compile(Step::Answer))?;
        self.stream(Purpose::Fetch, &compiled, sink)
    }
}
