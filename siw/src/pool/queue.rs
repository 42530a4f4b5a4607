//! Whose turn it is.
//!
//! Tenants with waiting work take turns, and so do the streams of a tenant: whoever asks for much waits
//! for himself.

use super::error::PoolError;
use super::task::Claim;
use crate::execute::Idle;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What workers know of a stream.
pub(super) trait Job: Send + Sync {
    /// Who is served.
    fn tenant(&self) -> u64;

    /// Takes something to do, if there is; and whether there is more, for which the job must be queued
    /// again. It leaves the queue with this.
    fn take(&self) -> (Option<Claim>, bool);

    /// Does what was taken. Does not panic.
    fn perform(&self, claim: Claim, idle: &mut Idle);

    /// Whether the job has something to do and is not queued; it counts as queued from then on.
    fn enters_queue(&self) -> bool;

    /// Ends it before its time.
    fn fail(&self, error: PoolError);
}

/// Streams that have something to do.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// By tenant, the one whose turn it is in front. None is without work.
    tenants: VecDeque<(u64, VecDeque<Arc<dyn Job>>)>,
    is_stopping: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that is held panics between two states.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job that has something to do and is not queued.
    pub(super) fn offer(&self, job: &Arc<impl Job + 'static>) {
        if job.enters_queue() {
            self.push(Arc::clone(job) as Arc<dyn Job>);
        }
    }

    pub(super) fn offer_again(&self, job: Arc<dyn Job>) {
        if job.enters_queue() {
            self.push(job);
        }
    }

    pub(super) fn push(&self, job: Arc<dyn Job>) {
        let mut waiting = self.waiting();
        if waiting.is_stopping {
            drop(waiting);
            return job.fail(PoolError::Stopped);
        }
        let tenant = job.tenant();
        match waiting.tenants.iter_mut().find(|(of, _)| *of == tenant) {
            Some((_, jobs)) => jobs.push_back(job),
            None => waiting.tenants.push_back((tenant, VecDeque::from([job]))),
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// The next job, once there is one; none when the pool stops.
    pub(super) fn next(&self) -> Option<Arc<dyn Job>> {
        let mut waiting = self.waiting();
        loop {
            if waiting.is_stopping {
                return None;
            }
            if let Some(job) = waiting.pop() {
                return Some(job);
            }
            let woken = self.arrived.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets workers end, and ends what waits.
    pub(super) fn stop(&self) {
        let mut waiting = self.waiting();
        waiting.is_stopping = true;
        let tenants = std::mem::take(&mut waiting.tenants);
        drop(waiting);
        self.arrived.notify_all();
        for job in tenants.into_iter().flat_map(|(_, jobs)| jobs) {
            job.fail(PoolError::Stopped);
        }
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<Arc<dyn Job>> {
        let (tenant, mut jobs) = self.tenants.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.tenants.push_back((tenant, jobs));
        }
        job
    }
}
