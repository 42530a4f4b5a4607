//! Whether the client of a request is still there, for a handler that wants to know.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// The client of a request. Nobody looks for it before [`Client::gone`] is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_gone: AtomicBool,
    is_asked_for: AtomicBool,
    changed: Notify,
}

impl Client {
    /// Returns when the client has gone; never, as long as it is there.
    pub(crate) async fn gone(&self) {
        self.0.is_asked_for.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
        self.0.until(&self.0.is_gone).await;
    }

    /// Returns when somebody wants to know whether the client is there.
    pub(super) async fn asked_for(&self) {
        self.0.until(&self.0.is_asked_for).await;
    }

    /// Says that it is not.
    pub(super) fn leave(&self) {
        self.0.is_gone.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }

    /// For the next request of the connection.
    pub(super) fn begin_request(&self) {
        self.0.is_asked_for.store(false, Ordering::Release);
    }
}

impl State {
    async fn until(&self, flag: &AtomicBool) {
        loop {
            // Before the look, so that a change in between is not missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if flag.load(Ordering::Acquire) {
                return;
            }
            changed.await;
        }
    }
}
