//! The core pool: a worker a core, which share long streams out piece by piece.
//!
//! ```text
//! Work --submit--> task: split -> pieces -> rows in order --> Chunks, taken by whoever asked
//!                    ^ |
//!        tenants' turns: a worker takes a piece, does it, and looks again whose turn it is
//! ```
//!
//! | question | module |
//! |---|---|
//! | Which streams may be shared out, and how? | `kind` |
//! | What is to be run, and how is it cut? | `work` |
//! | What of a stream may be done now? What bounds its memory? | `task` |
//! | Whose turn is it? | `queue` |
//! | What do rows become? | `chunk` |
//! | How does a sentron wait for its next piece? | `resident` |
//! | From which length on is a stream worth a hand-off? | [`Threshold`] |
//! | How does whoever asked end what runs for him? | [`Cancel`] |
//!
//! A stream of rows is run piece by piece, each by whoever is free; a stream that folds is run by a
//! group of sentrons, which bring together what they have at its end; what is neither runs in one go.
//! All give what [`crate::execute::execute()`] gives.
//!
//! Workers wait for work and for nothing else: a client that does not read, or a stream of another tenant,
//! holds none of them. A panic ends the stream that it happens in.

mod cancel;
mod chunk;
mod error;
mod kind;
mod queue;
pub(crate) mod resident;
mod task;
#[cfg(test)]
pub(crate) mod tests;
mod threshold;
mod work;

pub use cancel::Cancel;
pub use chunk::{Chunk, Rows};
pub use error::PoolError;
pub use threshold::Threshold;
pub use work::Work;

use crate::execute::{
    Collected, ExecuteError, Flow, Idle, Limited, Outside, Report, Sink, Timings, execute_timed,
    execute_with,
};
use queue::{Job, Queue};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Instant;
pub(crate) use task::Grouping;
use task::{Layout, Make, Task};

/// How a pool is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// Workers; each core has one by default.
    pub workers: usize,
    /// Sentrons that slices may take in all.
    pub sentrons: usize,
    /// Streams of fewer lanes, of a KiB of text each, run on the calling thread; both are measured at the
    /// start by default.
    pub inline_lanes: Option<u64>,
    /// Lanes of a piece: a worker is free for others after some hundred microseconds.
    pub piece_lanes: u64,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, Into::into),
            sentrons: 64,
            inline_lanes: None,
            piece_lanes: 4096,
        }
    }
}

/// Workers that run streams. Dropping it ends them; streams that have not ended fail.
pub struct CorePool {
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<()>>,
    sentrons: Arc<Sentrons>,
    threshold: Threshold,
    piece_lanes: u64,
    /// Held by each stream, beside this.
    open: Arc<()>,
    warnings: Vec<String>,
}

impl fmt::Debug for CorePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorePool")
            .field("workers", &self.workers.len())
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

impl CorePool {
    /// Starts the workers, each pinned to a core of its own where there are enough and the system lets
    /// it, and measures what a hand-off costs.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(options: &PoolOptions) -> io::Result<CorePool> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let count = options.workers.max(1);
        let mut pool = CorePool {
            queue: Arc::default(),
            workers: Vec::with_capacity(count),
            sentrons: Arc::new(Sentrons::new(options.sentrons)),
            threshold: Threshold::of_lanes(0),
            piece_lanes: options.piece_lanes,
            open: Arc::default(),
            warnings: Vec::new(),
        };
        let unpinned = Arc::new(Mutex::new(Vec::new()));
        for index in 0..count {
            // More workers than cores are left to the scheduler.
            let core = (count <= cores.len()).then(|| cores[index]);
            let (queue, unpinned) = (Arc::clone(&pool.queue), Arc::clone(&unpinned));
            let worker = std::thread::Builder::new().name(format!("vtpu-core-{index}"));
            pool.workers.push(worker.spawn(move || {
                let is_pinned = core.is_some_and(core_affinity::set_for_current);
                if !is_pinned {
                    let mut unpinned = unpinned.lock().unwrap_or_else(PoisonError::into_inner);
                    unpinned.push(index);
                }
                work(&queue);
            })?);
        }
        pool.threshold = match options.inline_lanes {
            Some(lanes) => Threshold::of_lanes(lanes),
            None => threshold::measure(&pool),
        };
        let unpinned = unpinned.lock().unwrap_or_else(PoisonError::into_inner);
        if !unpinned.is_empty() {
            let text = format!("workers {unpinned:?} of {count} are not pinned to a core");
            pool.warnings.push(text);
        }
        drop(unpinned);
        Ok(pool)
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Shorter streams cost less on the calling thread than a hand-off.
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// Streams that were submitted and whose chunks somebody still holds.
    pub fn streams(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }

    /// What did not go well at the start, for a log. The pool works all the same.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Sentrons that slices take.
    pub(crate) fn sentrons(&self) -> &Arc<Sentrons> {
        &self.sentrons
    }

    /// Hands a stream to the workers. What it gives is taken from the chunks, in order.
    pub fn submit<C: Chunk + Default>(&self, work: Work) -> Chunks<C> {
        self.submit_with(work, C::default)
    }

    /// As [`CorePool::submit`]; `make` makes the chunks, on the workers.
    pub fn submit_with<C: Chunk>(
        &self,
        work: Work,
        make: impl Fn() -> C + Send + Sync + 'static,
    ) -> Chunks<C> {
        self.submit_as(work, Box::new(make), None)
    }

    pub(crate) fn submit_to_group<C: Chunk + Default>(
        &self,
        work: Work,
        group: Grouping,
    ) -> Chunks<C> {
        self.submit_as(work, Box::new(C::default), Some(group))
    }

    fn submit_as<C: Chunk>(&self, work: Work, make: Make<C>, group: Option<Grouping>) -> Chunks<C> {
        let layout = Layout {
            workers: self.workers.len(),
            piece_lanes: self.piece_lanes,
            group,
        };
        let task = Arc::new(Task::new(work, make, layout));
        self.queue.offer(&task);
        Chunks {
            task,
            queue: Arc::clone(&self.queue),
            _open: Arc::clone(&self.open),
        }
    }

    /// Runs a stream and returns when it has ended: here where it is short, else on the workers while
    /// this thread gives the rows to the sink.
    ///
    /// # Errors
    /// What ends the stream early, and what the sink says.
    pub fn run(&self, work: &Work, sink: &mut dyn Sink) -> Result<Report, PoolError> {
        self.run_until(work, &Cancel::default(), sink)
    }

    /// As [`CorePool::run`], as long as the answer is wanted.
    ///
    /// # Errors
    /// As [`CorePool::run`], and [`PoolError::Cancelled`].
    pub fn run_until(
        &self,
        work: &Work,
        cancel: &Cancel,
        sink: &mut dyn Sink,
    ) -> Result<Report, PoolError> {
        if self.is_short(work)? {
            return run_here(work, cancel, sink, None);
        }
        let mut chunks = self.submit::<Rows>(work.clone());
        let _ends_with_the_answer = cancel.watch(Arc::clone(&chunks.task) as Arc<dyn Job>);
        while let Some(chunk) = chunks.next()? {
            for message in &chunk.rows {
                let flow = sink.row(&message.row()).map_err(ExecuteError::from)?;
                if flow == Flow::Stop {
                    return Ok(chunks.report());
                }
            }
        }
        Ok(chunks.report())
    }

    /// Whether a hand-off costs more than the stream.
    ///
    /// # Errors
    /// Damage found in the store.
    pub fn is_short(&self, work: &Work) -> Result<bool, PoolError> {
        let lanes = work.estimate(self.threshold.lanes());
        let lanes = lanes.map_err(ExecuteError::from)?;
        Ok(self
            .threshold
            .covers_stream(&work.stream, &work.phext, lanes))
    }
}

/// Runs a stream on this thread, as long as the answer is wanted, and times its parts and operations where
/// that is asked for.
///
/// # Errors
/// As [`CorePool::run_until`].
pub fn run_here(
    work: &Work,
    cancel: &Cancel,
    sink: &mut dyn Sink,
    timings: Option<&mut Timings>,
) -> Result<Report, PoolError> {
    let mut limited = Limited::new(sink, work.limit.unwrap_or(u64::MAX));
    if !limited.wants_more() {
        return Ok(Report::default());
    }
    let mut outside = Outside {
        sink: &mut limited,
        flush: &mut Collected::default(),
        interrupted: &|| cancel.is_cancelled() || work.is_late(),
    };
    let (stream, phext) = (&work.stream, &work.phext);
    let report = match timings {
        None => execute_with(stream, phext, &mut outside),
        Some(timings) => execute_timed(stream, phext, &mut outside, timings),
    };
    report.map_err(|error| match error {
        ExecuteError::Interrupted if cancel.is_cancelled() => PoolError::Cancelled,
        ExecuteError::Interrupted => PoolError::Deadline,
        error => error.into(),
    })
}

impl Drop for CorePool {
    fn drop(&mut self) {
        self.queue.stop();
        for worker in self.workers.drain(..) {
            // It panics in no stream, and has nothing else to do.
            let _ = worker.join();
        }
    }
}

/// The life of a worker.
fn work(queue: &Queue) {
    let mut idle = Idle::default();
    while let Some(job) = queue.next() {
        let (claim, is_queued) = job.take();
        if is_queued {
            queue.push(Arc::clone(&job));
        }
        if let Some(claim) = claim {
            job.perform(claim, &mut idle);
            queue.offer_again(job);
        }
    }
}

/// The rows of a stream, as they come. Dropping this ends the stream.
pub struct Chunks<C: Chunk> {
    task: Arc<Task<C>>,
    queue: Arc<Queue>,
    _open: Arc<()>,
}

impl<C: Chunk> fmt::Debug for Chunks<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").finish_non_exhaustive()
    }
}

impl<C: Chunk> Chunks<C> {
    /// The next rows, once there are; none at the end.
    ///
    /// # Errors
    /// What ended the stream early.
    #[expect(
        clippy::should_implement_trait,
        reason = "an error ends it, and it waits"
    )]
    pub fn next(&mut self) -> Result<Option<C>, PoolError> {
        let taken = self.task.wait();
        self.queue.offer(&self.task);
        taken
    }

    /// The next rows, for a future. A stream that waits for a worker past its deadline is told so when
    /// its turn comes.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<C>, PoolError>> {
        match self.task.poll(context.waker()) {
            Some(taken) => {
                self.queue.offer(&self.task);
                Poll::Ready(taken)
            }
            None => Poll::Pending,
        }
    }

    /// When the stream has taken too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.task.deadline()
    }

    /// What was done so far.
    pub fn report(&self) -> Report {
        self.task.report()
    }
}

impl<C: Chunk> Drop for Chunks<C> {
    fn drop(&mut self) {
        self.task.end(None);
    }
}

/// Sentrons that slices take and give back.
#[derive(Debug)]
pub(crate) struct Sentrons {
    configured: usize,
    free: Mutex<usize>,
}

impl Sentrons {
    fn new(configured: usize) -> Sentrons {
        Sentrons {
            configured,
            free: Mutex::new(configured),
        }
    }

    pub(crate) fn take(&self, wanted: usize) -> Result<(), PoolError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted > *free {
            return Err(PoolError::Sentrons {
                wanted,
                free: *free,
                configured: self.configured,
            });
        }
        *free -= wanted;
        Ok(())
    }

    pub(crate) fn give_back(&self, count: usize) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += count;
    }
}
