//! Group commit: one sync acknowledges every batch that was waiting for it.
//!
//! Batches queue up. Whoever finds nobody leading leads: takes all that is queued, logs it, syncs
//! once, publishes the new state and completes the batches. A thread that leads returns as soon as
//! its own batch is done and hands the lead to the heir: the first thread that waits in the next group.
//!
//! ```text
//! queued     heir           sleeps alone, until it is told to lead
//!            other threads  sleep at the group's latch, one word for all of them
//!            callbacks      have nobody who waits
//! complete   outcomes are put down, callbacks called; the heir of the next group is told to lead;
//!            the latch is opened, which wakes the group in one system call
//! ```
//!
//! So the next group is on its way to the log while the threads of this one are woken, which takes
//! longer than a sync where they are many.

use super::batch::{Commit, WriteBatch};
use crate::canary;
use crate::error::{Result, StoreError};
use crate::sync::{Condvar, Latch, Mutex};
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
    /// The next group.
    requests: Vec<Request>,
    /// Opens when the next group is complete.
    done: Arc<Latch>,
    /// The first thread that waits in the next group.
    heir: Option<Arc<Waiter>>,
    has_leader: bool,
}

/// What a thread is in the group that its batch was queued for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Leader,
    Heir,
    Member,
}

impl Inner {
    fn role_of(&mut self, waiter: &Arc<Waiter>) -> Role {
        if !std::mem::replace(&mut self.has_leader, true) {
            return Role::Leader;
        }
        if self.heir.is_none() {
            self.heir = Some(Arc::clone(waiter));
            return Role::Heir;
        }
        Role::Member
    }
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

    /// The outcome, which is there.
    fn outcome(&self) -> Result<Commit> {
        match self.news.lock().take() {
            Some(News::Done(outcome)) => outcome,
            Some(News::Lead) | None => unreachable!("outcomes are put down before a latch opens"),
        }
    }
}

impl Queue {
    /// Commits a batch on this thread: waits for a leader to do it, or leads. What `lead` gives is
    /// dropped when nobody waits for that.
    pub(super) fn commit<R>(
        &self,
        batch: WriteBatch,
        lead: impl Fn(Vec<Request>) -> R,
    ) -> Result<Commit> {
        let waiter = Arc::new(Waiter::default());
        let (role, done) = self.push_waiting(batch, &waiter);
        if role == Role::Heir
            && let News::Done(outcome) = waiter.wait()
        {
            return outcome;
        }
        if role != Role::Member {
            while self.lead(&lead) {}
        }
        done.wait();
        waiter.outcome()
    }

    /// Queues a batch. `true` where nobody leads: the caller must see to it that [`Self::drive`] is
    /// called.
    pub(super) fn submit(&self, batch: WriteBatch, callback: OnCommit) -> bool {
        self.push(Request::new(batch, Completion::Callback(callback)))
    }

    /// Leads once. `true` where others were queued meanwhile and no thread waits to lead them: the
    /// caller must see to it that this is called again.
    pub(super) fn drive<R>(&self, lead: impl Fn(Vec<Request>) -> R) -> bool {
        self.lead(lead)
    }

    /// Does what is queued, and ends this thread's lead as [`Self::release`] does, also where `lead`
    /// panics.
    fn lead<R>(&self, lead: impl Fn(Vec<Request>) -> R) -> bool {
        let unled = Unled(self);
        let (requests, done) = self.take();
        let opening = Opening(done);
        let rest = lead(requests);
        std::mem::forget(unled);
        let has_more = self.release();
        drop(opening);
        drop(rest);
        has_more
    }

    /// Queues a request; `true` where its owner now leads.
    fn push(&self, request: Request) -> bool {
        let mut inner = self.inner.lock();
        inner.requests.push(request);
        !std::mem::replace(&mut inner.has_leader, true)
    }

    /// Queues the batch of a thread that waits. Gives its role and its group's latch.
    fn push_waiting(&self, batch: WriteBatch, waiter: &Arc<Waiter>) -> (Role, Arc<Latch>) {
        let request = Request::new(batch, Completion::Thread(Arc::clone(waiter)));
        let mut inner = self.inner.lock();
        inner.requests.push(request);
        (inner.role_of(waiter), Arc::clone(&inner.done))
    }

    /// Takes the next group and its latch.
    fn take(&self) -> (Vec<Request>, Arc<Latch>) {
        let mut inner = self.inner.lock();
        inner.heir = None;
        let requests = std::mem::take(&mut inner.requests);
        (requests, std::mem::take(&mut inner.done))
    }

    /// Ends this thread's lead: gives it to a waiting thread, or to nobody where nothing is queued.
    /// `true` where only callbacks wait, for whom somebody must lead on.
    fn release(&self) -> bool {
        let mut inner = self.inner.lock();
        if let Some(heir) = inner.heir.clone() {
            drop(inner);
            if canary::leaves_out("handover") {
                return false;
            }
            heir.tell(News::Lead);
            return false;
        }
        inner.has_leader = !inner.requests.is_empty();
        inner.has_leader
    }
}

/// Opens the latch of a group that is complete, or was dropped by a leader that panicked.
struct Opening(Arc<Latch>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.open();
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
            let taken = queue.inner.lock().requests.remove(0);
            complete(vec![taken]);
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
    fn a_leader_that_panics_wakes_all_threads_of_its_group() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            assert!(queue.submit(batch(), Box::new(|_| {})));
            let commit = || queue.commit(batch(), complete);
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(commit)).collect();
            while queue.inner.lock().requests.len() < 4 {
                std::thread::yield_now();
            }
            let drive = || queue.drive(|_| -> () { panic!("of the test") });
            assert!(catch_unwind(AssertUnwindSafe(drive)).is_err());
            for thread in threads {
                let outcome = thread.join().unwrap();
                assert!(matches!(outcome, Err(StoreError::Poisoned { .. })));
            }
        });
        assert!(queue.commit(batch(), complete).is_ok(), "nobody leads");
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
