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
        let kept = reading.keep(&plan, assembly.clone()).await?;
        length.get_or_init(|| kept.length);
        if kept.overflowed {
            return Ok(reading.stream(kept.length, plan, content_type, assembly));
        }
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

    /// The answer as far as it fits, and its length.
    async fn keep<A: Assembly>(&self, plan: &Plan, assembly: A) -> Result<Kept, Refusal> {
        let plan = plan.clone();
        let mut kept = Kept::default();
        if !plan.is_direct() {
            let steps = self.blocking(false, move |pooled| {
                let mut put = |piece: Piece| {
                    kept.push(&piece);
                    Ok(())
                };
                run_steps(pooled, &plan, assembly, &mut put)?;
                Ok(kept)
            });
            return steps.await;
        }
        let mut pieces = self.assemble(plan, assembly);
        while let Some(piece) = pieces.next().await? {
            kept.push(&piece);
        }
        Ok(kept)
    }

    /// Streams an answer of `length` bytes.
    pub(super) fn stream<A: Assembly>(
        self,
        length: u64,
        plan: Plan,
        content_type: &'static str,
        assembly: A,
    ) -> Response {
        let (sender, chunks) = mpsc::channel(PIECES);
        match plan.is_direct() {
            true => {
                let pieces = self.assemble(plan, assembly);
                tokio::spawn(send_all(pieces, sender));
            }
            false => self.stream_steps(plan, assembly, sender),
        }
        Response::new(200, content_type, Body::Stream { length, chunks })
    }

    fn stream_steps<A: Assembly>(
        self,
        plan: Plan,
        assembly: A,
        sender: mpsc::Sender<io::Result<Bytes>>,
    ) {
        let guard = CancelOnDrop::default();
        let (client, cancel) = (sender.clone(), Arc::clone(&guard.0));
        let running = tokio::task::spawn_blocking(move || {
            let mut put = |piece: Piece| {
                let sent = piece
                    .parts()
                    .try_for_each(|part| sender.blocking_send(Ok(part)));
                sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone"))
            };
            let mut pooled = self.pooled(&cancel);
            if let Err(error) = run_steps(&mut pooled, &plan, assembly, &mut put) {
                // The client sees a reset; where it is gone already, nobody does.
                let _ = sender.blocking_send(Err(io::Error::other(error)));
            }
        });
        tokio::spawn(async move {
            tokio::select! {
                () = client.closed() => drop(guard),
                _ = running => {}
            }
        });
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
async fn send_all<A: Assembly>(mut pieces: Assembled<A>, sender: mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let piece = tokio::select! {
            biased;
            () = sender.closed() => return,
            piece = pieces.next() => piece,
        };
        match piece {
            Ok(Some(piece)) => {
                for part in piece.parts() {
                    if sender.send(Ok(part)).await.is_err() {
                        return;
                    }
                }
            }
            Ok(None) => return,
            Err(error) => {
                // The client sees a reset.
                let _ = sender.send(Err(io::Error::other(error))).await;
                return;
            }
        }
    }
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
