//! The one timer of a connection.
//!
//! A timer armed and disarmed around every read and write would cost more than parsing a small
//! request. This one stays armed at an old, earlier deadline; when it fires too early, it is moved
//! to the deadline that counts.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Longer limits count as this long: a deadline must be a representable instant.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Limits the time of one future at a time.
#[derive(Debug)]
pub(super) struct Clock {
    sleep: Pin<Box<Sleep>>,
}

impl Clock {
    /// A clock of the current runtime.
    pub(super) fn new() -> Self {
        Self {
            sleep: Box::pin(sleep(LONGEST)),
        }
    }

    /// Runs `future` for at most `limit`, counted from when it first has to wait; after that the
    /// error is [`io::ErrorKind::TimedOut`].
    pub(super) async fn limit<T>(
        &mut self,
        limit: Duration,
        future: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let mut future = pin!(future);
        let mut deadline = None;
        let sleep = &mut self.sleep;
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + limit.min(LONGEST));
            if sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
            }
            loop {
                ready!(sleep.as_mut().poll(context));
                if Instant::now() >= deadline {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                sleep.as_mut().reset(deadline);
            }
        })
        .await
    }
}
