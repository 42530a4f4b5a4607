//! Group commit: one sync acknowledges every batch that was waiting for it.
//!
//! Batches queue up. Whoever finds nobody leading leads: takes all that is queued, logs it, syncs
//! once, publishes the new state and completes the batches. A thread that leads returns as soon as
//! its own batch is done and hands the lead to the next waiting thread.

use super::batch::{Commit, WriteBatch};
use crate::canary;
use crate::error::{Result, StoreError};
use crate::sync::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Called with the outcome of a batch, on the thread that led. A panic in it ends there: it concerns
/// neither the batch, which is durable or not as the outcome says, nor others of the group.
pub type OnCommit = Box<dyn FnOnce(Result<Commit>) + Send>;

/// A queued batch.
pub(super) struct Request {
    pub(super) batch: WriteBatch,
    /// Gone when the request is complete.
    completion: Option<Completion>,
}

enum Completion {
    Thread(Arc<Waiter>),
    Callback(OnCommit),
}

/// A thread that waits for its batch.
#[derive(Default)]
pub(super) struct Waiter {
    news: Mutex<Option<News>>,
    arrived: Condvar,
}

enum News {
    Done(Result<Commit>),
    Lead,
}

#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    requests: VecDeque<Request>,
    has_leader: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.inner.lock();
        f.debug_struct("Queue")
            .field("requests", &inner.requests.len())
            .field("has_leader", &inner.has_leader)
            .finish()
    }
}

impl Request {
    fn new(batch: WriteBatch, completion: Completion) -> Request {
        Request {
            batch,
            completion: Some(completion),
        }
    }

    pub(super) fn complete(mut self, outcome: Result<Commit>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Result<Commit>) {
        match self.completion.take() {
            Some(Completion::Thread(waiter)) => waiter.tell(News::Done(outcome)),
            // What the callback leaves half done is its own: nothing of the queue is borrowed to it, and
            // the panic's message was printed when it began.
            Some(Completion::Callback(callback)) => {
                let _ = catch_unwind(AssertUnwindSafe(|| callback(outcome)));
            }
            None => {}
        }
    }
}

/// Whoever waits for a request that is dropped, by a leader that panicked, is told.
impl Drop for Request {
    fn drop(&mut self) {
        self.tell(Err(StoreError::Poisoned {
            cause: "the commit was abandoned".to_owned(),
        }));
    }
}

impl Waiter {
    fn tell(&self, news: News) {
        *self.news.lock() = Some(news);
        self.arrived.notify_one();
    }

    fn wait(&self) -> News {
        let mut news = self.news.lock();
        loop {
            match news.take() {
                Some(news) => return news,
                None => self.arrived.wait(&mut news),
            }
        }
    }

    /// The outcome, if it is there.
    fn outcome(&self) -> Option<Result<Commit>> {
        match self.news.lock().take() {
            Some(News::Done(outcome)) => Some(outcome),
            Some(News::Lead) => unreachable!("the leader is not asked to lead"),
            None => None,
        }
    }
}

impl Queue {
    /// Commits a batch on this thread: waits for a leader to do it, or leads.
    pub(super) fn commit(&self, batch: WriteBatch, lead: impl Fn(Vec<Request>)) -> Result<Commit> {
        let waiter = Arc::new(Waiter::default());
        if !self.push(Request::new(batch, Completion::Thread(Arc::clone(&waiter)))) {
            match waiter.wait() {
                News::Done(outcome) => return outcome,
                News::Lead => {}
            }
        }
        loop {
            self.lead(&lead);
            if let Some(outcome) = waiter.outcome() {
                while self.release() {
                    self.lead(&lead);
                }
                return outcome;
            }
        }
    }

    /// Queues a batch. `true` where nobody leads: the caller must see to it that [`Self::drive`] is
    /// called.
    pub(super) fn submit(&self, batch: WriteBatch, callback: OnCommit) -> bool {
        self.push(Request::new(batch, Completion::Callback(callback)))
    }

    /// Leads once. `true` where others were queued meanwhile and no thread waits to lead them: the
    /// caller must see to it that this is called again.
    pub(super) fn drive(&self, lead: impl Fn(Vec<Request>)) -> bool {
        self.lead(lead);
        self.release()
    }

    /// Does what is queued. If that panics, this thread leads no more.
    fn lead(&self, lead: impl Fn(Vec<Request>)) {
        let guard = Unled(self);
        lead(self.take());
        std::mem::forget(guard);
    }

    /// Queues a request; `true` where its owner now leads.
    fn push(&self, request: Request) -> bool {
        let mut inner = self.inner.lock();
        inner.requests.push_back(request);
        !std::mem::replace(&mut inner.has_leader, true)
    }

    fn take(&self) -> Vec<Request> {
        self.inner.lock().requests.drain(..).collect()
    }

    /// Ends this thread's lead: gives it to a waiting thread, or to nobody where nothing is queued.
    /// `true` where only callbacks wait, for whom somebody must lead on.
    fn release(&self) -> bool {
        let mut inner = self.inner.lock();
        let successor = inner
            .requests
            .iter()
            .find_map(|request| match &request.completion {
                Some(Completion::Thread(waiter)) => Some(Arc::clone(waiter)),
                Some(Completion::Callback(_)) | None => None,
            });
        if let Some(waiter) = successor {
            drop(inner);
            if canary::leaves_out("handover") {
                return false;
            }
            waiter.tell(News::Lead);
            return false;
        }
        inner.has_leader = !inner.requests.is_empty();
        inner.has_leader
    }
}

/// Releases the lead of a thread that panics.
struct Unled<'q>(&'q Queue);

impl Drop for Unled<'_> {
    fn drop(&mut self) {
        if self.0.release() {
            // Callbacks wait and this thread is lost to them: whoever comes next leads them too.
            self.0.inner.lock().has_leader = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn batch() -> WriteBatch {
        WriteBatch {
            phext: String::new(),
            operations: Vec::new(),
        }
    }

    fn complete(requests: Vec<Request>) {
        for request in requests {
            request.complete(Ok(Commit {
                lsn: 1,
                previous_lengths: Vec::new(),
            }));
        }
    }

    #[test]
    fn a_driver_leads_once_and_says_that_others_wait() {
        let queue = Queue::default();
        let done = Arc::new(AtomicUsize::new(0));
        let submit = || {
            let done = Arc::clone(&done);
            queue.submit(
                batch(),
                Box::new(move |_| {
                    done.fetch_add(1, Ordering::Relaxed);
                }),
            )
        };
        assert!(submit(), "nobody leads yet");
        let more = queue.drive(|requests| {
            assert!(!submit(), "the driver leads");
            complete(requests);
        });
        assert!(more);
        assert_eq!(done.load(Ordering::Relaxed), 1, "the other waits");
        assert!(!queue.drive(complete));
        assert_eq!(done.load(Ordering::Relaxed), 2);
        assert!(submit(), "nobody leads any more");
    }

    #[test]
    fn the_lead_goes_to_a_thread_that_waits() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            assert!(queue.submit(batch(), Box::new(|_| {})));
            let waits = scope.spawn(|| queue.commit(batch(), complete));
            while queue.inner.lock().requests.len() < 2 {
                std::thread::yield_now();
            }
            // What the driver takes is done by it, so the thread's request is left in the queue.
            let mut taken = queue.take();
            queue.inner.lock().requests.extend(taken.drain(1..));
            complete(taken);
            assert!(!queue.release(), "the thread leads now");
            assert!(waits.join().unwrap().is_ok());
        });
        assert!(!queue.inner.lock().has_leader);
    }

    #[test]
    fn a_callback_that_panics_concerns_no_other() {
        let queue = Queue::default();
        let told = Arc::new(AtomicUsize::new(0));
        let tell = || -> OnCommit {
            let told = Arc::clone(&told);
            Box::new(move |outcome| {
                assert!(outcome.is_ok());
                told.fetch_add(1, Ordering::Relaxed);
            })
        };
        assert!(queue.submit(batch(), tell()));
        assert!(!queue.submit(batch(), Box::new(|_| panic!("of the test"))));
        assert!(!queue.submit(batch(), tell()));
        assert!(!queue.drive(complete));
        assert_eq!(told.load(Ordering::Relaxed), 2);
        // Nor does one whose request is abandoned, while another panic unwinds.
        assert!(queue.submit(batch(), Box::new(|_| panic!("of the test"))));
        assert!(!queue.drive(drop));
        assert!(queue.commit(batch(), complete).is_ok());
    }

    #[test]
    fn a_leader_that_panics_leads_no_more() {
        let queue = Queue::default();
        let told = Arc::new(AtomicUsize::new(0));
        let submit = || {
            let told = Arc::clone(&told);
            queue.submit(
                batch(),
                Box::new(move |_| {
                    told.fetch_add(1, Ordering::Relaxed);
                }),
            )
        };
        assert!(submit());
        let drive = || {
            queue.drive(|_| {
                assert!(!submit(), "the driver leads");
                panic!("of the test");
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(drive)).is_err());
        assert_eq!(told.load(Ordering::Relaxed), 1, "the first was abandoned");
        assert!(queue.commit(batch(), complete).is_ok());
        assert_eq!(
            told.load(Ordering::Relaxed),
            2,
            "the second was taken along"
        );
    }

    #[test]
    fn an_abandoned_request_is_told() {
        let queue = Queue::default();
        let told = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&told);
        let callback = move |outcome: Result<Commit>| {
            assert!(matches!(outcome, Err(StoreError::Poisoned { .. })));
            seen.fetch_add(1, Ordering::Relaxed);
        };
        assert!(queue.submit(batch(), Box::new(callback)));
        assert!(!queue.drive(drop));
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
