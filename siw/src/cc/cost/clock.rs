//! How long something takes, and how fast the core runs meanwhile.
//!
//! Time is that of the thread, so that one that has to wait for its core is none the slower.

use crate::cycles::thread_time;
use std::hint::black_box;

/// What is timed at least, in nanoseconds: what takes less is done more often. To ask for the time of the
/// thread takes about 200.
const LEAST_TIMED: f64 = 10_000.0;

/// Times a chain of multiplications and additions that each wait for the one before: three cycles
/// and one.
pub(super) fn cycles_per_nanosecond(times: usize) -> f64 {
    const STEPS: u32 = 100_000;
    const CYCLES: f64 = 4.0;
    let factor = black_box(0x9E37_79B9_7F4A_7C15_u64);
    let nanoseconds = fastest(times, || {
        let mut value = black_box(1_u64);
        for _ in 0..STEPS {
            value = value.wrapping_mul(factor) ^ factor;
        }
        black_box(value);
    });
    CYCLES * f64::from(STEPS) / nanoseconds.max(1.0)
}

/// The least nanoseconds that something takes, of so many times.
pub(super) fn fastest(times: usize, mut run: impl FnMut()) -> f64 {
    let mut time = |runs: u32| {
        let start = thread_time();
        (0..runs).for_each(|_| run());
        (thread_time() - start).as_nanos() as f64 / f64::from(runs)
    };
    let once = time(1);
    let runs = (LEAST_TIMED / once.max(1.0)).ceil() as u32;
    (1..times).map(|_| time(runs)).fold(once, f64::min)
}
