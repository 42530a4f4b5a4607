//! The switch: counts changing operations, and takes the power away at one of them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::medium::Medium;

/// A medium and its power.
#[derive(Debug)]
pub(crate) struct Power {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    medium: Medium,
    supply: Supply,
    /// Changing operations so far.
    operations: u64,
    /// The operation at which the power goes.
    cut_at: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supply {
    On,
    /// The power went; who asks for something waits.
    Off,
    /// The process is dead; who waits is sent away.
    Over,
}

impl Power {
    pub(crate) fn new(medium: Medium) -> Self {
        Self {
            state: Mutex::new(State {
                medium,
                supply: Supply::On,
                operations: 0,
                cut_at: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Cuts the power at the changing operation that is `count` from now.
    pub(crate) fn cut_after(&self, count: u64) {
        let mut state = self.lock();
        state.cut_at = Some(state.operations + count);
    }

    /// Cuts the power now.
    pub(crate) fn cut(&self) {
        let mut state = self.lock();
        if state.supply == Supply::On {
            state.supply = Supply::Off;
        }
        self.changed.notify_all();
    }

    /// Whether the power is off.
    pub(crate) fn is_cut(&self) -> bool {
        self.lock().supply != Supply::On
    }

    /// Waits until the power is off, at most so long.
    pub(crate) fn await_cut(&self, limit: Duration) {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), limit, |state| state.supply == Supply::On);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Sends away who waits: the process is being killed.
    pub(crate) fn release(&self) {
        self.lock().supply = Supply::Over;
        self.changed.notify_all();
    }

    /// Changes the medium; `None` where there is no power. The power goes between two changes: what
    /// was written before and not synced may be there in part, which is what a cut in the middle of a
    /// write leaves.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Medium) -> T) -> Option<T> {
        let mut state = self.wait();
        if state.supply == Supply::Over {
            return None;
        }
        let number = state.operations;
        state.operations += 1;
        if state.cut_at.is_some_and(|at| number >= at) {
            state.supply = Supply::Off;
            self.changed.notify_all();
            drop(state);
            drop(self.wait());
            return None;
        }
        Some(change(&mut state.medium))
    }

    /// Looks at the medium; `None` where there is no power.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Medium) -> T) -> Option<T> {
        let state = self.wait();
        (state.supply == Supply::On).then(|| look(&state.medium))
    }

    /// The medium, once nobody uses it.
    pub(crate) fn take(&self) -> Medium {
        std::mem::replace(&mut self.lock().medium, Medium::new())
    }

    /// The state, once the power is on or the process dead.
    fn wait(&self) -> MutexGuard<'_, State> {
        let waited = self
            .changed
            .wait_while(self.lock(), |state| state.supply == Supply::Off);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
