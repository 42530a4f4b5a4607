//! Running a plan over a phext.

use crate::plan::Plan;
use crate::query::Query;
use phext_siw::execute::{Collected, ExecuteError, Flow, Report, ResultRow, Sink, execute};
use phext_storage::Phext;
use std::io;

/// Answers a query over a phext of a snapshot. Rows go to `sink` in coordinate order.
///
/// # Errors
/// Damage found in the store, or what the sink says.
pub fn run(query: &Query, phext: &Phext, sink: &mut dyn Sink) -> Result<Report, ExecuteError> {
    run_plan(&Plan::new(query), phext, sink)
}

/// Runs a plan. See [`run`].
///
/// # Errors
/// As [`run`].
pub fn run_plan(plan: &Plan, phext: &Phext, sink: &mut dyn Sink) -> Result<Report, ExecuteError> {
    let mut writes = Collected::default();
    let report = match plan.limit {
        None => execute(&plan.stream, phext, sink, &mut writes),
        Some(0) => Ok(Report::default()),
        Some(limit) => {
            let mut limited = Limited { sink, left: limit };
            execute(&plan.stream, phext, &mut limited, &mut writes)
        }
    };
    debug_assert!(writes.operations.is_empty(), "a query writes nothing");
    report
}

/// Passes a number of rows on, then stops the stream.
struct Limited<'s> {
    sink: &'s mut dyn Sink,
    left: u64,
}

impl Sink for Limited<'_> {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        self.left -= 1;
        let flow = self.sink.row(row)?;
        Ok(if self.left == 0 { Flow::Stop } else { flow })
    }

    fn wanted(&self) -> Option<u64> {
        Some(self.left)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
