//! What a read of memory costs where nothing says where it will be.

use super::clock::fastest;
use std::hint::black_box;

/// The sets that are read, in bytes: powers of two.
const LEAST: u64 = 256 << 10;
const LARGEST: u64 = 16 << 20;
/// Times of which the least counts. Those before it bring what there is room for into the cache.
const TIMES: usize = 4;
/// Reads that are timed.
const READS: u32 = 1 << 13;

/// Nanoseconds of a read at random from sets of so many bytes. Reads need not wait for each other, as those
/// of a batch of points need not.
pub(super) fn nanoseconds_per_line() -> Vec<(u64, f64)> {
    // Written, so that it is there.
    let memory = vec![black_box(1_u8); LARGEST as usize];
    let mut random = 1_u64;
    let mut time = |bytes: u64| {
        fastest(TIMES, || {
            let mut sum = 0;
            for _ in 0..READS {
                random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                let at = (random >> 32) & (bytes - 1);
                sum += u64::from(memory[at as usize]);
            }
            black_box(sum);
        })
    };
    let sets = std::iter::successors(Some(LEAST), |bytes| Some(bytes * 2));
    sets.take_while(|&bytes| bytes <= LARGEST)
        .map(|bytes| (bytes, time(bytes) / f64::from(READS)))
        .collect()
}
