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

use super::chunk::{Chunk, Filling};
use super::error::PoolError;
use super::kind::Kind;
use super::queue::Job;
use super::resident::Resident;
use super::work::{Work, piece_lanes};
use crate::execute::{Collected, ExecuteError, Idle, Outside, Report, Sentron};
use crate::group::{TopologyType, run_part};
use crate::stream::Part;
use phext_storage::page_table::Split;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

/// A chunk of so many bytes is full.
const CHUNK_BYTES: usize = 1 << 20;
/// No piece is begun while chunks of so many bytes wait.
const BUFFERED_BYTES: usize = 8 << 20;

/// Something to be done.
pub(super) enum Claim {
    Split,
    /// The sentrons of a group are opened, and run `once`.
    Open(usize),
    /// A piece of a stream of rows, from a row on, of which so many are wanted at most.
    Rows {
        piece: usize,
        skip: u64,
        most: Option<u64>,
    },
    /// A piece, by a sentron of the group.
    Fold {
        piece: usize,
        sentron: Resident,
    },
    Last(Vec<Resident>),
}

/// What may be done next.
enum Next {
    Split,
    Open(usize),
    Piece,
    /// The head goes on.
    Resume,
    /// All sentrons of the group have done what they could alone.
    Last,
}

/// What came of it.
enum Outcome<C> {
    Split(Option<Split>),
    Rows(usize, Ran<C>),
    Open(Vec<Resident>),
    Fold(Resident),
    Last(C),
}

struct Ran<C> {
    chunk: C,
    report: Report,
    /// The piece goes on after so many rows.
    rest: Option<u64>,
}

/// How a stream is laid out over the pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) workers: usize,
    pub(super) piece_lanes: u64,
    /// The group that runs it; without one, whatever suits it.
    pub(super) group: Option<TopologyType>,
}

pub(super) struct Task<C> {
    work: Arc<Work>,
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
    sentrons: VecDeque<Resident>,
    is_open: bool,
    report: Report,
    is_queued: bool,
    ended: bool,
    /// Until it is told.
    error: Option<PoolError>,
    waker: Option<Waker>,
}

impl<C: Chunk> Task<C> {
    pub(super) fn new(work: Work, layout: Layout) -> Task<C> {
        let kind = match layout.group {
            Some(_) => Kind::in_group(&work.stream),
            None => Kind::of(&work.stream),
        };
        let left = work.limit;
        let task = Task {
            work: Arc::new(work),
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
        let deadline = self.work.deadline;
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
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

    /// What may be begun now.
    fn next_step(&self, state: &State<C>) -> Option<Next> {
        if state.ended {
            return None;
        }
        let Some(pieces) = state.pieces else {
            return (state.running == 0).then_some(Next::Split);
        };
        if self.kind == Kind::Fold {
            if !state.is_open {
                let alone = state.running == 0;
                return alone.then(|| Next::Open(self.topology(pieces).places()));
            }
            if state.next == pieces {
                return (state.running == 0).then_some(Next::Last);
            }
            return (!state.sentrons.is_empty()).then_some(Next::Piece);
        }
        if state.resume.is_some() && state.ready_bytes < BUFFERED_BYTES {
            return Some(Next::Resume);
        }
        let is_near = state.next < state.head + 2 * self.layout.workers + 2;
        let has_room = state.ready_bytes + state.done_bytes < BUFFERED_BYTES;
        (state.next < pieces && is_near && has_room).then_some(Next::Piece)
    }

    fn claim(&self, state: &mut State<C>) -> Option<Claim> {
        let step = self.next_step(state)?;
        state.running += 1;
        Some(match step {
            Next::Split => Claim::Split,
            Next::Open(sentrons) => Claim::Open(sentrons),
            Next::Piece => {
                state.next += 1;
                self.claim_piece(state, state.next - 1)
            }
            Next::Resume => Claim::Rows {
                piece: state.head,
                skip: state.resume.take().unwrap_or(0),
                most: state.left,
            },
            Next::Last => {
                let mut sentrons = Vec::from(std::mem::take(&mut state.sentrons));
                sentrons.sort_by_key(|sentron| sentron.number());
                Claim::Last(sentrons)
            }
        })
    }

    fn claim_piece(&self, state: &mut State<C>, piece: usize) -> Claim {
        if self.kind == Kind::Fold {
            let sentron = state.sentrons.pop_front();
            let sentron = sentron.expect("a piece is begun where a sentron is idle");
            return Claim::Fold { piece, sentron };
        }
        Claim::Rows {
            piece,
            skip: 0,
            most: state.left,
        }
    }

    fn run(&self, claim: Claim, idle: &mut Idle) -> Result<Outcome<C>, ExecuteError> {
        match claim {
            Claim::Split => Ok(Outcome::Split(self.work.split(self.layout.piece_lanes)?)),
            Claim::Open(sentrons) => self.run_once(sentrons),
            Claim::Rows { piece, skip, most } => {
                let ran = self.run_rows(piece, skip, most, idle)?;
                Ok(Outcome::Rows(piece, ran))
            }
            Claim::Fold { piece, sentron } => self.run_fold(piece, sentron),
            Claim::Last(sentrons) => self.run_last(sentrons),
        }
    }

    /// Gives rows to a chunk, and asks now and then whether that is still wanted.
    fn outside<T>(
        &self,
        filling: &mut Filling<C>,
        run: impl FnOnce(&mut Outside<'_>) -> Result<T, ExecuteError>,
    ) -> Result<T, ExecuteError> {
        let interrupted = || self.stop.load(Ordering::Relaxed) || self.is_late();
        run(&mut Outside {
            sink: filling,
            flush: &mut Collected::default(),
            interrupted: &interrupted,
        })
    }

    fn run_rows(
        &self,
        piece: usize,
        skip: u64,
        most: Option<u64>,
        idle: &mut Idle,
    ) -> Result<Ran<C>, ExecuteError> {
        let mut filling = Filling {
            chunk: C::default(),
            skip,
            most,
            full: CHUNK_BYTES,
            was_full: false,
        };
        let split = self.state().split.clone();
        let work = &*self.work;
        let mut sentron = Sentron::open(std::mem::take(idle), &work.stream, &work.phext);
        let ran = self.outside(&mut filling, |outside| match (&split, self.kind) {
            (Some(split), Kind::Rows) => {
                sentron.once(outside)?;
                let mut lanes = piece_lanes(work, split, piece)?;
                sentron.each(&mut lanes, outside).map(drop)
            }
            _ => sentron.run(outside),
        });
        let (memory, report) = sentron.close();
        *idle = memory;
        ran?;
        let Filling {
            chunk, was_full, ..
        } = filling;
        let rest = was_full.then_some(skip + chunk.rows());
        Ok(Ran {
            chunk,
            report,
            rest,
        })
    }

    fn run_once(&self, sentrons: usize) -> Result<Outcome<C>, ExecuteError> {
        let open = |number| Resident::open(&self.work, number);
        let mut sentrons: Vec<_> = (0..sentrons).map(open).collect();
        let topology = self.topology(sentrons.len());
        self.outside(&mut Filling::unbounded(), |outside| {
            run_part(Part::Once, topology, &mut sentrons, outside)
        })?;
        Ok(Outcome::Open(sentrons))
    }

    fn run_fold(&self, piece: usize, mut sentron: Resident) -> Result<Outcome<C>, ExecuteError> {
        let split = self.state().split.clone();
        if let Some(split) = split {
            self.outside(&mut Filling::unbounded(), |outside| {
                sentron.each(&split, piece, outside)
            })?;
        }
        Ok(Outcome::Fold(sentron))
    }

    fn run_last(&self, mut sentrons: Vec<Resident>) -> Result<Outcome<C>, ExecuteError> {
        let mut filling = Filling::unbounded();
        let topology = self.topology(sentrons.len());
        self.outside(&mut filling, |outside| {
            run_part(Part::Last, topology, &mut sentrons, outside)
        })?;
        let mut state = self.state();
        for sentron in &sentrons {
            let rows = 0;
            let report = sentron.report();
            state.report += Report { rows, ..report };
        }
        drop(state);
        Ok(Outcome::Last(filling.chunk))
    }

    /// The group of a stream that folds: where none was asked for, a sentron for each worker that has a
    /// piece.
    fn topology(&self, pieces: usize) -> TopologyType {
        let workers = self.layout.workers.min(pieces);
        self.layout.group.unwrap_or(TopologyType::ring(workers))
    }

    fn settle(&self, outcome: Outcome<C>) {
        let mut state = self.state();
        state.running -= 1;
        if state.ended {
            return;
        }
        match outcome {
            Outcome::Split(split) => {
                state.pieces = Some(split.as_ref().map_or(1, Split::len));
                state.split = split.map(Arc::new);
            }
            Outcome::Rows(piece, ran) => {
                state.done_bytes += ran.chunk.bytes();
                state.done.insert(piece, ran);
                self.pass_on(&mut state);
            }
            Outcome::Open(sentrons) => {
                state.sentrons = sentrons.into();
                state.is_open = true;
            }
            Outcome::Fold(sentron) => state.sentrons.push_back(sentron),
            Outcome::Last(chunk) => {
                self.hand_over(&mut state, chunk);
                self.end_in(&mut state, None);
            }
        }
    }

    /// Makes ready what has its turn.
    fn pass_on(&self, state: &mut State<C>) {
        let head = state.head;
        while let Some(ran) = state.done.remove(&state.head) {
            state.done_bytes -= ran.chunk.bytes();
            state.report += Report {
                rows: 0,
                ..ran.report
            };
            self.hand_over(state, ran.chunk);
            if state.left == Some(0) {
                return self.end_in(state, None);
            }
            if ran.rest.is_some() {
                state.resume = ran.rest;
                break;
            }
            state.head += 1;
        }
        if Some(state.head) == state.pieces && head < state.head {
            self.end_in(state, None);
        }
    }

    fn hand_over(&self, state: &mut State<C>, mut chunk: C) {
        if let Some(left) = &mut state.left {
            if chunk.rows() > *left {
                chunk.truncate(*left);
            }
            *left -= chunk.rows();
        }
        if chunk.rows() > 0 {
            state.report.rows += chunk.rows();
            state.ready_bytes += chunk.bytes();
            state.ready.push_back(chunk);
            self.tell(state);
        }
    }
}

impl<C: Chunk> Filling<C> {
    fn unbounded() -> Filling<C> {
        Filling {
            chunk: C::default(),
            skip: 0,
            most: None,
            full: usize::MAX,
            was_full: false,
        }
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

    fn stop(&self) {
        self.end(Some(PoolError::Stopped));
    }
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
