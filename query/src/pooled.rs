//! Plans on the core pool.

use crate::error::ExecuteError;
use crate::plan::{Plan, Step};
use crate::query::Output;
use crate::run::Runner;
use phext_siw::Stream;
use phext_siw::cc::Compiled;
use phext_siw::execute::{Report, Sink, Timings};
use phext_siw::pool::{Cancel, CorePool, Threshold, Work, run_here};
use phext_storage::{Phext, StoreError};
use std::sync::Arc;
use std::time::Instant;

impl Plan {
    /// Whether the rows of its stream are those of the answer, one for one: what the pool makes of them
    /// is the answer then.
    pub fn is_direct(&self) -> bool {
        self.step == Step::Answer
            && match self.task.output {
                Output::Rows(_) | Output::Count => true,
                Output::Lengths => false,
                Output::Groups { .. } => self.task.order.is_none(),
            }
    }

    /// Whether it is done in less time than it takes to hand it to the pool.
    ///
    /// # Errors
    /// Damage found in the store.
    pub fn is_short(&self, threshold: &Threshold, phext: &Phext) -> Result<bool, StoreError> {
        let lanes = self.estimate_lanes(phext, threshold.lanes())?;
        Ok(threshold.covers_stream(self.stream(), phext, lanes))
    }

    /// What the core pool runs: the stream of this plan over a phext, for a tenant, until a deadline.
    ///
    /// # Panics
    /// When the plan is not direct: see [`Plan::is_direct`].
    pub fn into_work(self, phext: Arc<Phext>, tenant: u64, deadline: Option<Instant>) -> Work {
        assert!(self.is_direct(), "the rows of the stream are the answer");
        let limit = Some(self.task.limit);
        work(self.compiled.stream, phext, tenant, limit, deadline)
    }
}

fn work(
    stream: Stream,
    phext: Arc<Phext>,
    tenant: u64,
    limit: Option<u64>,
    deadline: Option<Instant>,
) -> Work {
    Work {
        stream: Arc::new(stream),
        phext,
        tenant,
        limit: limit.filter(|limit| *limit < u64::MAX),
        deadline,
    }
}

/// Runs the streams of a plan on the core pool, one after the other, while the thread that calls takes
/// their rows. Short streams run on that thread.
#[derive(Debug)]
pub struct Pooled<'p> {
    /// The pool. Without one all streams run on the thread that calls, until the deadline or until nobody
    /// waits any more.
    pub pool: Option<&'p CorePool>,
    /// The phext that the plan is run over.
    pub phext: Arc<Phext>,
    /// Who is served: tenants take turns.
    pub tenant: u64,
    /// When the plan has taken too long.
    pub deadline: Option<Instant>,
    /// Whether the answer is still wanted.
    pub cancel: &'p Cancel,
}

impl Pooled<'_> {
    fn work(&self, compiled: &Compiled, phext: &Phext, sink: &dyn Sink) -> Work {
        assert!(
            std::ptr::eq(phext, &*self.phext),
            "the plan is run over the phext that the pool is given"
        );
        work(
            compiled.stream.clone(),
            Arc::clone(&self.phext),
            self.tenant,
            sink.wanted(),
            self.deadline,
        )
    }
}

impl Runner for Pooled<'_> {
    fn run(
        &mut self,
        compiled: &Compiled,
        phext: &Phext,
        sink: &mut dyn Sink,
        timings: Option<&mut Timings>,
    ) -> Result<Report, ExecuteError> {
        let work = self.work(compiled, phext, sink);
        Ok(match self.pool {
            Some(pool) => pool.run_until(&work, self.cancel, sink),
            None => run_here(&work, self.cancel, sink, timings),
        }?)
    }
}
