//! Core cycles, from the processor time of a thread.
//!
//! Counters of cycles are often out of reach (virtual machines, containers), and the time-stamp counter
//! ticks at a fixed rate that is not the core's. What is always there is the processor time of the
//! thread; times the frequency that the core runs at, it is cycles. The frequency is found by a chain
//! of dependent multiplications, each of which takes three cycles on every x86-64 core since 2008 and
//! on Arm cores in their 64-bit form. Additions would not do: some cores fold them when they rename
//! registers.
//!
//! The frequency changes with load and temperature. So calibrate before and after what is measured, and
//! discard the measurement where the two differ: [`Frequency::agrees_with`].

use std::hint::black_box;
use std::time::Duration;

/// Multiplications of one calibration, about 0.2 ms.
const MULTIPLICATIONS: u64 = 1 << 18;
/// What each takes.
const CYCLES: u64 = 3;
/// Calibrations of which the fastest counts: an interrupt makes one slower, nothing makes one faster.
const ROUNDS: usize = 5;
/// How far two frequencies may be apart, relative to one of them.
const TOLERANCE: f64 = 0.02;

/// How fast the core runs.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Frequency {
    /// Cycles a second.
    pub hertz: f64,
}

impl Frequency {
    /// Measures it; takes about a millisecond.
    pub fn calibrate() -> Self {
        let fastest = (0..ROUNDS)
            .map(|_| chain())
            .min()
            .expect("there are rounds");
        let cycles = (MULTIPLICATIONS * CYCLES) as f64;
        Self {
            hertz: cycles / fastest.as_secs_f64(),
        }
    }

    /// The cycles of a time.
    pub fn cycles(&self, time: Duration) -> f64 {
        self.hertz * time.as_secs_f64()
    }

    /// Whether two calibrations are at most 2 % apart.
    pub fn agrees_with(&self, other: &Self) -> bool {
        (self.hertz - other.hertz).abs() <= TOLERANCE * self.hertz.max(other.hertz)
    }
}

/// The time of a chain of multiplications that wait for each other: a number is squared again and
/// again, which no compiler can do with fewer multiplications.
fn chain() -> Duration {
    let before = thread_time();
    let mut number = black_box(3u64);
    for _ in 0..MULTIPLICATIONS {
        number = number.wrapping_mul(number);
    }
    black_box(number);
    thread_time().saturating_sub(before)
}

/// The processor time of this thread.
pub fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_runs_at_a_frequency_that_cores_have() {
        let frequency = Frequency::calibrate();
        assert!((2e8..8e9).contains(&frequency.hertz), "{frequency:?}");
        let cycles = frequency.cycles(Duration::from_secs(2));
        assert!((cycles - 2.0 * frequency.hertz).abs() < 1.0);
    }

    #[test]
    fn two_per_cent_are_tolerated() {
        let at = |hertz| Frequency { hertz };
        assert!(at(3.00e9).agrees_with(&at(3.05e9)));
        assert!(!at(3.00e9).agrees_with(&at(3.10e9)));
        assert!(!at(3.10e9).agrees_with(&at(3.00e9)));
    }

    #[test]
    fn waiting_takes_no_processor_time() {
        let before = thread_time();
        std::thread::sleep(Duration::from_millis(20));
        assert!(thread_time() - before < Duration::from_millis(15));
    }
}
