//! Reads, short ones here and long ones on the core pool.
//!
//! | the plan | who runs it | who writes the answer |
//! |---|---|---|
//! | is short | the thread that serves the connection | that thread |
//! | gives its rows one for one | the pool, piece by piece | the cores, chunk by chunk; the task of the request puts them together, and no thread waits |
//! | has several steps, or sums up | the pool, stream by stream | a thread of its own, which waits for the streams |
//!
//! When the future of a long read is dropped, because its client went away, its streams end.

use super::assembly::{Assembled, Assembly, BUFFER_BYTES, Kept, Piece, gather, next};
use super::{Answer, Refusal};
use crate::http::{Body, Response};
use crate::library::{Library, LibraryError, blocking};
use bytes::Bytes;
use phext_query::{
    Cancel, Chunk, CorePool, ExecuteError, Plan, PoolError, PoolOptions, Pooled, run_plan,
    run_plan_with,
};
use phext_storage::Phext;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces that wait for the client.
const PIECES: usize = 4;

/// The pool, and what all of its streams have in common.
#[derive(Debug)]
pub(crate) struct Cores {
    pub(super) pool: CorePool,
    /// How long a read may take.
    deadline: Option<Duration>,
}

impl Cores {
    pub(crate) fn start(deadline: Option<Duration>) -> io::Result<Arc<Cores>> {
        Cores::with(&PoolOptions::default(), deadline)
    }

    pub(super) fn with(
        options: &PoolOptions,
        deadline: Option<Duration>,
    ) -> io::Result<Arc<Cores>> {
        let pool = CorePool::start(options)?;
        for warning in pool.warnings() {
            tracing::warn!("core pool: {warning}");
        }
        let (workers, threshold) = (pool.workers(), pool.threshold());
        let (inline_lanes, inline_bytes) = (threshold.lanes(), threshold.bytes());
        tracing::info!(workers, inline_lanes, inline_bytes, "core pool started");
        Ok(Arc::new(Cores { pool, deadline }))
    }

    /// Whether a plan is done in less time than it takes to hand it on.
    pub(super) fn is_short(&self, plan: &Plan, phext: &Phext) -> Result<bool, Refusal> {
        let is_short = plan.is_short(&self.pool.threshold(), phext);
        Ok(is_short.map_err(ExecuteError::from)?)
    }

    /// Answers with what an assembly makes of the rows of a plan. A phext that is not there is empty.
    pub(super) async fn answer<A: Assembly>(
        self: &Arc<Self>,
        plan: Plan,
        phext: Option<Arc<Phext>>,
        library: &Arc<Library>,
        content_type: &'static str,
        assembly: A,
    ) -> Answer {
        let Some(phext) = phext else {
            return self.answer_here(&plan, Phext::empty(), content_type, assembly);
        };
        let length = OnceLock::new();
        self.answer_of_length(plan, phext, library, content_type, assembly, &length)
            .await
    }

    /// As [`Cores::answer`], with a place for the answer's length: where that is known and too much for
    /// memory, the answer is streamed at once.
    ///
    /// What fails before so much was made is a refusal; afterwards it resets the connection.
    pub(super) async fn answer_of_length<A: Assembly>(
        self: &Arc<Self>,
        plan: Plan,
        phext: Arc<Phext>,
        library: &Arc<Library>,
        content_type: &'static str,
        assembly: A,
        length: &OnceLock<u64>,
    ) -> Answer {
        if self.is_short(&plan, &phext)? {
            return self.answer_here(&plan, &phext, content_type, assembly);
        }
        let reading = Reading::new(self, phext, library);
        if let Some(&length) = length.get().filter(|&&length| length > BUFFER_BYTES as u64) {
            return Ok(reading.stream(length, plan, content_type, assembly));
        }
        let mut making = reading.make(plan.clone(), assembly.clone());
        let mut kept = Kept::default();
        while let Some(piece) = making.next().await? {
            let Some(piece) = kept.push(piece) else {
                continue;
            };
            let begun = [Piece::Text(Bytes::from(kept.bytes)), piece];
            if A::SHOWS_ITS_END {
                return Ok(making.stream(None, begun.into(), content_type));
            }
            let begun: u64 = begun.into_iter().map(|piece| piece.length()).sum();
            let total = begun + making.count().await?;
            length.get_or_init(|| total);
            return Ok(reading.stream(total, plan, content_type, assembly));
        }
        length.get_or_init(|| kept.bytes.len() as u64);
        let body = Body::Full(Bytes::from(kept.bytes));
        Ok(Response::new(200, content_type, body))
    }

    /// As [`Cores::answer`], on this thread.
    pub(super) fn answer_here<A: Assembly>(
        &self,
        plan: &Plan,
        phext: &Phext,
        content_type: &'static str,
        assembly: A,
    ) -> Answer {
        let mut bytes = Vec::new();
        let mut put = |piece: Piece| {
            piece
                .parts()
                .for_each(|part| bytes.extend_from_slice(&part));
            Ok(())
        };
        gather(assembly, &mut put, |sink| run_plan(plan, phext, sink))?;
        let body = Body::Full(Bytes::from(bytes));
        Ok(Response::new(200, content_type, body))
    }
}

/// A long read of a phext.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    cores: Arc<Cores>,
    phext: Arc<Phext>,
    tenant: u64,
    deadline: Option<Instant>,
}

impl Reading {
    pub(super) fn new(cores: &Arc<Cores>, phext: Arc<Phext>, library: &Arc<Library>) -> Reading {
        Reading {
            deadline: cores.deadline.map(|deadline| Instant::now() + deadline),
            cores: Arc::clone(cores),
            phext,
            // Tenants may share a library, and with it the work on it.
            tenant: Arc::as_ptr(library) as u64,
        }
    }

    /// Runs a direct plan on the pool and puts together what comes.
    pub(super) fn assemble<A: Assembly>(&self, plan: Plan, assembly: A) -> Assembled<A> {
        let work = plan.into_work(Arc::clone(&self.phext), self.tenant, self.deadline);
        let chunks = self.cores.pool.submit_with(work, assembly.maker());
        Assembled::new(assembly, chunks)
    }

    /// Runs a direct plan on the pool and hands each chunk on.
    pub(super) async fn each<C: Chunk + Default>(
        &self,
        plan: Plan,
        mut take: impl FnMut(C),
    ) -> Result<(), Refusal> {
        let work = plan.into_work(Arc::clone(&self.phext), self.tenant, self.deadline);
        let mut chunks = self.cores.pool.submit(work);
        while let Some(chunk) = next(&mut chunks).await? {
            take(chunk);
        }
        Ok(())
    }

    /// Runs `work` on a thread of its own, with what runs the streams of plans for it: the pool, or where
    /// `alone` is said that thread itself.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        alone: bool,
        work: impl FnOnce(&mut Pooled<'_>) -> Result<T, ExecuteError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let guard = CancelOnDrop::default();
        let (reading, cancel) = (self.clone(), Arc::clone(&guard.0));
        let worked = blocking(move || {
            let mut pooled = reading.pooled(&cancel);
            if alone {
                pooled.pool = None;
            }
            work(&mut pooled).map_err(LibraryError::from)
        });
        Ok(worked.await?)
    }

    fn pooled<'p>(&'p self, cancel: &'p Cancel) -> Pooled<'p> {
        Pooled {
            pool: Some(&self.cores.pool),
            phext: Arc::clone(&self.phext),
            tenant: self.tenant,
            deadline: self.deadline,
            cancel,
        }
    }

    /// Begins to make an answer.
    fn make<A: Assembly>(&self, plan: Plan, assembly: A) -> Making<A> {
        match plan.is_direct() {
            true => Making::Chunks(self.assemble(plan, assembly)),
            false => Making::Steps(self.steps(plan, assembly)),
        }
    }

    /// Streams an answer of `length` bytes.
    pub(super) fn stream<A: Assembly>(
        &self,
        length: u64,
        plan: Plan,
        content_type: &'static str,
        assembly: A,
    ) -> Response {
        let making = self.make(plan, assembly);
        making.stream(Some(length), Vec::new(), content_type)
    }

    fn steps<A: Assembly>(&self, plan: Plan, assembly: A) -> Steps {
        let guard = CancelOnDrop::default();
        let (reading, cancel) = (self.clone(), Arc::clone(&guard.0));
        let (sender, pieces) = mpsc::channel(PIECES);
        let running = tokio::task::spawn_blocking(move || {
            let mut put = |piece| {
                let sent = sender.blocking_send(piece);
                sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone"))
            };
            run_steps(&mut reading.pooled(&cancel), &plan, assembly, &mut put)
        });
        Steps {
            pieces,
            running,
            _ends_when_dropped: guard,
        }
    }
}

/// An answer that is being made.
enum Making<A: Assembly> {
    /// By the pool, whose chunks are put together here.
    Chunks(Assembled<A>),
    /// By a thread of its own.
    Steps(Steps),
}

/// What a thread makes that runs the streams of a plan one after the other. It waits where what it made is
/// not taken, and ends when this is dropped.
struct Steps {
    pieces: mpsc::Receiver<Piece>,
    running: JoinHandle<Result<(), ExecuteError>>,
    _ends_when_dropped: CancelOnDrop,
}

impl<A: Assembly> Making<A> {
    /// The next piece; none at the end, behind which nobody may ask.
    async fn next(&mut self) -> Result<Option<Piece>, LibraryError> {
        match self {
            Making::Chunks(pieces) => Ok(pieces.next().await.map_err(ExecuteError::from)?),
            Making::Steps(steps) => match steps.pieces.recv().await {
                Some(piece) => Ok(Some(piece)),
                None => {
                    let ended = (&mut steps.running).await;
                    ended.map_err(|_| LibraryError::Task)??;
                    Ok(None)
                }
            },
        }
    }

    /// How many bytes there are up to the end.
    async fn count(mut self) -> Result<u64, LibraryError> {
        let mut bytes = 0;
        while let Some(piece) = self.next().await? {
            bytes += piece.length();
        }
        Ok(bytes)
    }

    /// Streams what was made before, and what is yet to be made.
    fn stream(
        self,
        length: Option<u64>,
        begun: Vec<Piece>,
        content_type: &'static str,
    ) -> Response {
        let (sender, chunks) = mpsc::channel(PIECES);
        tokio::spawn(send_all(begun, self, sender));
        Response::new(200, content_type, Body::Stream { length, chunks })
    }
}

/// Runs the streams of a plan, one after the other, and puts their rows together here.
fn run_steps<A: Assembly>(
    pooled: &mut Pooled<'_>,
    plan: &Plan,
    assembly: A,
    put: &mut dyn FnMut(Piece) -> io::Result<()>,
) -> Result<(), ExecuteError> {
    let phext = Arc::clone(&pooled.phext);
    gather(assembly, put, |sink| {
        run_plan_with(pooled, plan, &phext, sink)
    })
}

/// Sends all pieces of an answer to a client, as long as it is there.
async fn send_all<A: Assembly>(
    begun: Vec<Piece>,
    mut making: Making<A>,
    sender: mpsc::Sender<io::Result<Bytes>>,
) {
    for piece in begun {
        if !send(piece, &sender).await {
            return;
        }
    }
    loop {
        let piece = tokio::select! {
            biased;
            () = sender.closed() => return,
            piece = making.next() => piece,
        };
        let last = match piece {
            Ok(Some(piece)) => match send(piece, &sender).await {
                true => continue,
                false => return,
            },
            // Nothing more: who was told no length is told so.
            Ok(None) => Ok(Bytes::new()),
            // The client sees a reset.
            Err(error) => Err(io::Error::other(error)),
        };
        // Whoever knew the length may be gone already.
        let _ = sender.send(last).await;
        return;
    }
}

/// Sends a piece; false where the client is gone.
async fn send(piece: Piece, sender: &mpsc::Sender<io::Result<Bytes>>) -> bool {
    for part in piece.parts().filter(|part| !part.is_empty()) {
        if sender.send(Ok(part)).await.is_err() {
            return false;
        }
    }
    true
}

/// Ends what runs for an answer when whoever waits for it goes.
#[derive(Debug, Default)]
struct CancelOnDrop(Arc<Cancel>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl From<PoolError> for Refusal {
    fn from(error: PoolError) -> Refusal {
        match error {
            PoolError::Execute(error) => ExecuteError::from(error).into(),
            PoolError::Deadline | PoolError::Stopped => Refusal::new(503, error.to_string()),
            PoolError::Cancelled => Refusal::gone(),
            _ => Refusal::new(500, error.to_string()),
        }
    }
}
