//! The locks, the latch and the published pointer of a store.
//!
//! In a build with `--cfg sqd_shuttle` they are shuttle's, which runs a test under many random
//! interleavings of its threads and reports deadlocks (`storage/tests/interleavings.rs`). What is held
//! while no other thread of a store can be in the way uses `parking_lot` directly.

#[cfg(not(sqd_shuttle))]
pub(crate) use {
    arc_swap::ArcSwap,
    parking_lot::{Condvar, Mutex},
};

#[cfg(sqd_shuttle)]
pub(crate) use shuttled::{ArcSwap, Condvar, Latch, Mutex};

/// What threads wait at until it is opened, once and for all. They all sleep at one word, so that
/// opening it is one system call and none of them holds up another when it wakes.
#[cfg(not(sqd_shuttle))]
#[derive(Debug, Default)]
pub(crate) struct Latch(std::sync::OnceLock<()>);

#[cfg(not(sqd_shuttle))]
impl Latch {
    pub(crate) fn open(&self) {
        // Who opens it twice finds it open, as they want.
        let _ = self.0.set(());
    }

    pub(crate) fn wait(&self) {
        self.0.wait();
    }
}

#[cfg(sqd_shuttle)]
mod shuttled {
    use std::ops::{Deref, DerefMut};
    use std::sync::Arc;

    const UNPOISONED: &str = "a panic ends the whole run of the model";

    /// A mutex with the interface of `parking_lot`.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    pub(crate) struct MutexGuard<'a, T> {
        /// Gone only while its owner waits.
        held: Option<shuttle::sync::MutexGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard {
                held: Some(self.0.lock().expect(UNPOISONED)),
            }
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.held.as_ref().expect("its owner does not wait")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.held.as_mut().expect("its owner does not wait")
        }
    }

    /// A condition variable with the interface of `parking_lot`.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(shuttle::sync::Condvar);

    impl Condvar {
        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.held.take().expect("its owner does not wait");
            guard.held = Some(self.0.wait(held).expect(UNPOISONED));
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    /// A latch with the interface of the real one.
    #[derive(Debug, Default)]
    pub(crate) struct Latch {
        is_open: Mutex<bool>,
        opened: Condvar,
    }

    impl Latch {
        pub(crate) fn open(&self) {
            *self.is_open.lock() = true;
            self.opened.notify_all();
        }

        pub(crate) fn wait(&self) {
            let mut is_open = self.is_open.lock();
            while !*is_open {
                self.opened.wait(&mut is_open);
            }
        }
    }

    /// A published pointer: another thread may come in between before each load and store.
    #[derive(Debug)]
    pub(crate) struct ArcSwap<T>(shuttle::sync::Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(crate) fn from_pointee(value: T) -> ArcSwap<T> {
            ArcSwap(shuttle::sync::Mutex::new(Arc::new(value)))
        }

        pub(crate) fn load(&self) -> Arc<T> {
            self.load_full()
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            Arc::clone(&self.0.lock().expect(UNPOISONED))
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            *self.0.lock().expect(UNPOISONED) = value;
        }
    }
}
