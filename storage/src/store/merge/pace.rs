//! How fast merging goes, and how it is kept from falling behind.
//!
//! Merges write through a token bucket, so that they leave the medium to log syncs. The rate grows
//! with the debt (how far parts and dead bytes are above their limits) up to no limit at all. Where
//! that is not enough, writers are slowed down: each commit group waits a little, longer as the debt
//! grows and never as long as a person would notice. Only far beyond does a writer wait for a merge.
//!
//! | debt, permille | merges | writers |
//! |---|---|---|
//! | 0 | the rate of the options | free |
//! | up to 1000 | up to four times that | free |
//! | up to 4000 | no limit | wait up to [`LONGEST_DELAY`] a group |
//! | above | no limit | wait until it is less |

use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The debt at which merges have no limit, and writers are slowed down from.
const FULL_PERMILLE: u64 = 1000;
/// The debt at which writers wait.
const STALL_PERMILLE: u64 = 4000;
/// The longest that one commit group is held back, which stays below what counts as a stall.
const LONGEST_DELAY: Duration = Duration::from_millis(20);
/// The longest that a merge sleeps before it looks at the debt again.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// The token bucket of merges and the debt that moves it.
#[derive(Debug)]
pub(in super::super) struct Pace {
    /// Bytes a second at no debt; 0 is no limit.
    bytes_per_second: u64,
    bucket: Mutex<Bucket>,
    debt_permille: AtomicU64,
    is_closing: AtomicBool,
    /// Told when the debt falls, and when the store closes.
    changed: Condvar,
    waiting: Mutex<()>,
}

#[derive(Debug)]
struct Bucket {
    /// When the next byte may be written.
    due: Instant,
}

impl Pace {
    pub(in super::super) fn new(bytes_per_second: u64) -> Pace {
        Pace {
            bytes_per_second,
            bucket: Mutex::new(Bucket {
                due: Instant::now(),
            }),
            debt_permille: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
            changed: Condvar::new(),
            waiting: Mutex::new(()),
        }
    }

    pub(in super::super) fn debt_permille(&self) -> u64 {
        self.debt_permille.load(Ordering::Relaxed)
    }

    pub(in super::super) fn set_debt(&self, permille: u64) {
        self.debt_permille.store(permille, Ordering::Relaxed);
        let _waiting = self.waiting.lock();
        self.changed.notify_all();
    }

    /// Ends waits, and the merge that is under way.
    pub(in super::super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        let _waiting = self.waiting.lock();
        self.changed.notify_all();
    }

    pub(in super::super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// Waits until a merge may write this many bytes more.
    ///
    /// # Errors
    /// Where the store is closing: what the merge has written is of no use any more.
    pub(in super::super) fn admit(&self, bytes: u64) -> io::Result<()> {
        loop {
            if self.is_closing() {
                return Err(io::Error::new(
                    io::ErrorKind::Interrupted,
                    "the store is closing",
                ));
            }
            let Some(wait) = self.take(bytes, Instant::now()) else {
                return Ok(());
            };
            let mut waiting = self.waiting.lock();
            self.changed.wait_for(&mut waiting, wait.min(LONGEST_SLEEP));
        }
    }

    /// Takes tokens, or says how long it is until there are some.
    fn take(&self, bytes: u64, now: Instant) -> Option<Duration> {
        let debt = self.debt_permille();
        if self.bytes_per_second == 0 || debt >= FULL_PERMILLE {
            return None;
        }
        let rate = self.bytes_per_second + self.bytes_per_second * 3 * debt / FULL_PERMILLE;
        let mut bucket = self.bucket.lock();
        if bucket.due > now {
            return Some(bucket.due - now);
        }
        bucket.due = now + Duration::from_secs_f64(bytes as f64 / rate as f64);
        None
    }

    /// How long a commit group is held back.
    pub(in super::super) fn delay(&self) -> Option<Duration> {
        let over = self.debt_permille().saturating_sub(FULL_PERMILLE);
        match over {
            0 => None,
            over => Some(share(LONGEST_DELAY, over, STALL_PERMILLE - FULL_PERMILLE)),
        }
    }

    /// Whether the debt is so high that writers must wait.
    pub(in super::super) fn must_wait(&self) -> bool {
        self.debt_permille() >= STALL_PERMILLE && !self.is_closing()
    }

    /// Waits for the debt to fall, or for a moment.
    pub(in super::super) fn wait(&self) {
        let mut waiting = self.waiting.lock();
        if self.must_wait() {
            self.changed.wait_for(&mut waiting, LONGEST_SLEEP);
        }
    }
}

/// `part / whole` of a time, at most all of it.
pub(in super::super) fn share(time: Duration, part: u64, whole: u64) -> Duration {
    time.mul_f64(part.min(whole) as f64 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_keeps_its_rate_and_the_debt_raises_it() {
        let pace = Pace::new(1000);
        let start = Instant::now();
        assert_eq!(pace.take(500, start), None, "the first bytes go at once");
        let half = Duration::from_millis(500);
        assert_eq!(pace.take(500, start), Some(half));
        assert_eq!(pace.take(500, start + half), None);
        pace.set_debt(500);
        let later = start + half * 2;
        assert_eq!(pace.take(500, later), None);
        assert_eq!(pace.take(1, later), Some(half.mul_f64(0.4)), "2.5 times");
        pace.set_debt(1000);
        assert_eq!(pace.take(1 << 40, later), None, "no limit");
    }

    #[test]
    fn writers_are_slowed_gradually_and_wait_last() {
        let check = |debt: u64, delay: Option<Duration>, waits: bool| {
            let pace = Pace::new(1);
            pace.set_debt(debt);
            assert_eq!(pace.delay(), delay, "{debt}");
            assert_eq!(pace.must_wait(), waits, "{debt}");
        };
        check(0, None, false);
        check(1000, None, false);
        check(1300, Some(LONGEST_DELAY.mul_f64(0.1)), false);
        check(2500, Some(LONGEST_DELAY.mul_f64(0.5)), false);
        check(4000, Some(LONGEST_DELAY), true);
        check(1 << 40, Some(LONGEST_DELAY), true);
    }

    #[test]
    fn closing_ends_a_merge() {
        let pace = Pace::new(1);
        assert!(pace.admit(1 << 30).is_ok());
        pace.close();
        assert!(pace.admit(1).is_err());
    }
}
