//! One stream in the pool: what of it may be done now, and its rows in order.
//!
//! ```text
//!            next            pieces are taken in order, a few ahead of the head
//! 0 1 2 3 4 | 5 6 7          `done`: pieces that came before their turn
//!     head                   `ready`: rows in order, for whoever asked
//! ```
//!
//! What is made and not taken yet is bounded: no piece is begun while chunks of [`BUFFERED_BYTES`] wait,
//! and a piece that fills a chunk stops. It is run again once its turn has come, and passes over the
//! rows that were passed on. So a client that does not read stops its own stream, and no worker waits
//! for it.
//!
//! | question | module |
//! |---|---|
//! | What may be begun now? | `claim` |
//! | What does a worker do with it? | `run` |
//! | What became of it, and which rows have their turn? | `settle` |

mod claim;
mod run;
mod settle;

pub(super) use claim::Claim;

use super::chunk::Chunk;
use super::error::PoolError;
use super::kind::Kind;
use super::queue::Job;
use super::resident::Resident;
use super::work::Work;
use crate::execute::{ExecuteError, Idle, Report};
use crate::group::TopologyType;
use crate::group::allocation::Allocation;
use phext_storage::page_table::Split;
use run::Ran;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

/// No piece is begun while chunks of so many bytes wait.
const BUFFERED_BYTES: usize = 8 << 20;

/// Makes an empty chunk, on any worker.
pub(super) type Make<C> = Box<dyn Fn() -> C + Send + Sync>;

/// How a stream is laid out over the pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) workers: usize,
    pub(super) piece_lanes: u64,
    /// The group that runs it; without one, whatever suits it.
    pub(super) group: Option<Grouping>,
}

/// A group that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grouping {
    pub(crate) topology: TopologyType,
    /// Which scrolls are whose; without it, any sentron takes any piece.
    pub(crate) allocation: Option<Allocation>,
}

pub(super) struct Task<C> {
    work: Arc<Work>,
    /// Makes chunks that rows are added to.
    make: Make<C>,
    kind: Kind,
    layout: Layout,
    /// Nothing of it is wanted any more.
    stop: AtomicBool,
    state: Mutex<State<C>>,
    changed: Condvar,
}

struct State<C> {
    pieces: Option<usize>,
    split: Option<Arc<Split>>,
    next: usize,
    head: usize,
    /// The head goes on after so many rows.
    resume: Option<u64>,
    done: BTreeMap<usize, Ran<C>>,
    ready: VecDeque<C>,
    ready_bytes: usize,
    done_bytes: usize,
    running: usize,
    left: Option<u64>,
    /// Those that are idle, with more to do.
    sentrons: VecDeque<Resident>,
    /// Those that have had all pieces, where each sentron looks at all.
    finished: Vec<Resident>,
    is_open: bool,
    report: Report,
    is_queued: bool,
    ended: bool,
    /// Until it is told.
    error: Option<PoolError>,
    waker: Option<Waker>,
}

impl<C: Chunk> Task<C> {
    pub(super) fn new(work: Work, make: Make<C>, layout: Layout) -> Task<C> {
        let kind = match layout.group {
            Some(_) => Kind::in_group(&work.stream),
            None => Kind::of(&work.stream),
        };
        let left = work.limit;
        let task = Task {
            work: Arc::new(work),
            make,
            kind,
            layout,
            stop: AtomicBool::new(false),
            state: Mutex::new(State {
                pieces: (kind == Kind::Whole).then_some(1),
                split: None,
                next: 0,
                head: 0,
                resume: None,
                done: BTreeMap::new(),
                ready: VecDeque::new(),
                ready_bytes: 0,
                done_bytes: 0,
                running: 0,
                left,
                sentrons: VecDeque::new(),
                finished: Vec::new(),
                is_open: false,
                report: Report::default(),
                is_queued: false,
                ended: false,
                error: None,
                waker: None,
            }),
            changed: Condvar::new(),
        };
        match kind {
            Kind::Writes => task.end(Some(PoolError::Writes)),
            Kind::Unordered => task.end(Some(PoolError::Unordered)),
            _ if left == Some(0) => task.end(None),
            _ => {}
        }
        task
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        // What is done under the lock does not panic between two states.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the stream; what is ready may still be taken, unless it failed.
    pub(super) fn end(&self, error: Option<PoolError>) {
        let mut state = self.state();
        self.end_in(&mut state, error);
    }

    fn end_in(&self, state: &mut State<C>, error: Option<PoolError>) {
        if !state.ended {
            state.ended = true;
            self.stop.store(true, Ordering::Relaxed);
            if error.is_some() {
                state.ready.clear();
            }
            state.error = error;
            state.done.clear();
            state.sentrons.clear();
            state.finished.clear();
        }
        self.tell(state);
    }

    fn tell(&self, state: &mut State<C>) {
        self.changed.notify_all();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn is_late(&self) -> bool {
        self.work.is_late()
    }

    /// Takes rows, if there are: `Some(Ok(None))` at the end.
    fn take_ready(&self, state: &mut State<C>) -> Option<Result<Option<C>, PoolError>> {
        if let Some(chunk) = state.ready.pop_front() {
            state.ready_bytes -= chunk.bytes();
            return Some(Ok(Some(chunk)));
        }
        if state.ended {
            return Some(state.error.take().map_or(Ok(None), Err));
        }
        None
    }

    /// Rows, once there are; none at the end.
    pub(super) fn wait(&self) -> Result<Option<C>, PoolError> {
        let mut state = self.state();
        loop {
            if let Some(taken) = self.take_ready(&mut state) {
                return taken;
            }
            let woken = match self.work.deadline {
                None => self.changed.wait(state),
                Some(_) if self.is_late() => {
                    self.end_in(&mut state, Some(PoolError::Deadline));
                    continue;
                }
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let woken = self.changed.wait_timeout(state, left);
                    woken
                        .map(|(state, _)| state)
                        .map_err(|poisoned| PoisonError::new(poisoned.into_inner().0))
                }
            };
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// As [`Task::wait`] for a future: the waker is woken when there is something to be taken.
    pub(super) fn poll(&self, waker: &Waker) -> Option<Result<Option<C>, PoolError>> {
        let mut state = self.state();
        let taken = self.take_ready(&mut state);
        if taken.is_none() {
            state.waker = Some(waker.clone());
        }
        taken
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.work.deadline
    }

    pub(super) fn report(&self) -> Report {
        self.state().report
    }
}

impl<C: Chunk> Job for Task<C> {
    fn tenant(&self) -> u64 {
        self.work.tenant
    }

    fn take(&self) -> (Option<Claim>, bool) {
        let mut state = self.state();
        state.is_queued = false;
        if self.is_late() {
            self.end_in(&mut state, Some(PoolError::Deadline));
        }
        let claim = self.claim(&mut state);
        state.is_queued = self.next_step(&state).is_some();
        (claim, state.is_queued)
    }

    fn perform(&self, claim: Claim, idle: &mut Idle) {
        let ran = catch_unwind(AssertUnwindSafe(|| self.run(claim, idle)));
        let error = match ran {
            Ok(Ok(outcome)) => return self.settle(outcome),
            // Nobody is told where the stream has ended already.
            Ok(Err(ExecuteError::Interrupted)) => PoolError::Deadline,
            Ok(Err(error)) => error.into(),
            Err(payload) => PoolError::Panicked(message(&*payload)),
        };
        let mut state = self.state();
        state.running -= 1;
        self.end_in(&mut state, Some(error));
    }

    fn enters_queue(&self) -> bool {
        let mut state = self.state();
        let enters = !state.is_queued && self.next_step(&state).is_some();
        state.is_queued |= enters;
        enters
    }

    fn fail(&self, error: PoolError) {
        self.end(Some(error));
    }
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
