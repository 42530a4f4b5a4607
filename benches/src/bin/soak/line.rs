//! A line of the figures of a span of time.

use phext_storage::Statistics;
use std::fmt;
use std::time::{Duration, Instant};

/// The figures of a span of time.
pub(crate) struct Line {
    at: Duration,
    span: Duration,
    commits: usize,
    p50_us: u32,
    p99_us: u32,
    p999_us: u32,
    max_us: u32,
    amplification: f64,
    now: Statistics,
    stalls: u64,
    slowdowns: u64,
    merges: u64,
}

impl Line {
    pub(crate) const HEAD: &str = "    s  commits/s   p50 us   p99 us  p99.9 us   max us  written  space  parts  \
                        debt  merges  stalls  slowdowns";

    /// Sorts `latencies`.
    pub(crate) fn new(
        start: Instant,
        begun: Instant,
        latencies: &mut [u32],
        before: &Statistics,
        now: &Statistics,
    ) -> Line {
        latencies.sort_unstable();
        let at = |share| quantile(latencies, share);
        let written = |s: &Statistics| s.logged_bytes + s.sealed_bytes + s.merged_bytes;
        let user = (now.user_bytes - before.user_bytes).max(1);
        Line {
            at: start.elapsed(),
            span: begun.elapsed(),
            commits: latencies.len(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: at(1.0),
            amplification: (written(now) - written(before)) as f64 / user as f64,
            now: *now,
            stalls: now.stalls - before.stalls,
            slowdowns: now.slowdowns - before.slowdowns,
            merges: now.merges - before.merges,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>5.0} {:>10.0} {:>8} {:>8} {:>9} {:>8} {:>8.2} {:>6.2} {:>6} {:>5} {:>7} {:>7} {:>10}",
            self.at.as_secs_f64(),
            self.commits as f64 / self.span.as_secs_f64(),
            self.p50_us,
            self.p99_us,
            self.p999_us,
            self.max_us,
            self.amplification,
            self.now.space_amplification(),
            self.now.most_parts,
            self.now.debt_permille,
            self.merges,
            self.stalls,
            self.slowdowns,
        )
    }
}

/// The value below which `share` of them are; 0 where there are none.
pub(crate) fn quantile(sorted: &[u32], share: f64) -> u32 {
    let last = sorted.len().saturating_sub(1);
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index.min(last)).copied().unwrap_or(0)
}
